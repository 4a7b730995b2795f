/* Does what makes debuggers stop a program: signals, threads, libraries. */
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static volatile int signals;
static void took(int s) { signals++; }
static void *nothing(void *arg) { return arg; }

int main(int argc, char **argv)
{
    int n = atoi(argv[1]), threads = 0, loads = 0;
    signal(SIGUSR1, took);
    signal(SIGALRM, took);
    for (int k = 0; k < n; k++)
        raise(k % 2 ? SIGUSR1 : SIGALRM);
    for (; threads < 50; threads++) {
        pthread_t t;
        if (pthread_create(&t, 0, nothing, 0) || pthread_join(t, 0))
            return 2;
    }
    for (; loads < 20; loads++) {
        void *lib = dlopen("libm.so.6", RTLD_NOW);
        if (!lib || dlclose(lib))
            return 3;
    }
    printf("busy %d signals, %d threads, %d loads\n", signals, threads, loads);
    return 0;
}
