#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

volatile int stop_all;
volatile long beats[64];
int count = 4;

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
        usleep(500);
    }
    for (int i = 0; i < count; i++)
        pthread_join(all[i], 0);
    return 0;
}
