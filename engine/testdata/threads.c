#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

volatile int stop_all;
volatile long beats[64];
int count = 4;
volatile int waits;

void beat(long n)
{
    beats[n]++;
}

void *worker(void *arg)
{
    long n = (long)arg;
    while (!stop_all) {
        beat(n);
        usleep(1000);
    }
    return 0;
}

int tick(int n)
{
    return n + 1;
}

/* await_beat returns after the first worker's next beat. */
void await_beat(void)
{
    long n = beats[0];
    while (beats[0] == n)
        usleep(100);
}

int main(int argc, char **argv)
{
    pthread_t all[64];
    if (argc > 1)
        count = atoi(argv[1]);
    for (long i = 0; i < count; i++)
        pthread_create(&all[i], 0, worker, (void *)i);
    int n = 0;
    while (!stop_all) {
        n = tick(n);
        if (waits)
            await_beat();
        usleep(500);
    }
    for (int i = 0; i < count; i++)
        pthread_join(all[i], 0);
    return 0;
}
