/* Many threads that wait, and a main thread that gives up. */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static void *wait_for_ever(void *unused) { for (;;) pause(); return unused; }

int main(int argc, char **argv)
{
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 32 << 10);
    for (int k = atoi(argv[1]); k > 0; k--) {
        pthread_t t;
        if (pthread_create(&t, &small, wait_for_ever, 0))
            return 3;
    }
    abort();
}
