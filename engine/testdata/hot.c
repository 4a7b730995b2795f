// Threads that call one function as fast as they can, and count for themselves.
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static _Atomic long left;
long calls[64];
volatile int go;
volatile double sum;

__attribute__((noinline)) void hot(long thread, long n, double x)
{
    calls[thread]++;
    sum += x;
}

__attribute__((noinline)) void done(long total)
{
    sum = total;
}

static void *work(void *arg)
{
    long thread = (long)arg, n;
    while (!go)
        usleep(1000);
    while ((n = atomic_fetch_sub(&left, 1)) > 0)
        hot(thread, n, n);
    return 0;
}

int main(int argc, char **argv)
{
    pthread_t all[64];
    int threads = atoi(argv[1]);
    left = atol(argv[2]);
    go = argc > 3; // the others begin as they come
    for (long i = 1; i < threads; i++) {
        pthread_create(&all[i], 0, work, (void *)i);
        if (go && atomic_fetch_sub(&left, 1) > 0)
            hot(0, i, i);
    }
    go = 1;
    work(0);
    for (int i = 1; i < threads; i++)
        pthread_join(all[i], 0);
    long total = 0;
    for (int i = 0; i < threads; i++)
        total += calls[i];
    done(total);
    return 0;
}
