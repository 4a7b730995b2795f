/* What a debugger's views are tried on. The tests find lines by the words in
 * their comments. With an argument it runs until it is ended. */
#include <pthread.h>
#include <stdio.h>
#include <time.h>

struct point {
    int x, y;
};

struct shape {
    const char *name;
    struct point corner[4];
    struct point *origin;
    int (*grow)(int);
};

int table[5000];
static int calls;
volatile unsigned long ticks, counted;

int twice(int n)
{
    static int most = 3;
    int r = 2 * n;
    calls++; /* in twice */
    if (r > most)
        most = r;
    return r;
}

int deep(int n)
{
    if (n == 0)
        return twice(1); /* bottom */
    return deep(n - 1) + 1;
}

static inline __attribute__((always_inline)) void count(void)
{
    counted++; /* counting, inside others */
}

static void tick(void)
{
    ticks++; /* ticking */
    count();
}

static void *work(void *arg)
{
    *(int *)arg += 1; /* in work */
    return arg;
}

static void spin(void)
{
    struct timespec ms = { 0, 1000000 };
    for (;;) {
        tick();
        nanosleep(&ms, 0);
    }
}

int main(int argc, char **argv)
{
    struct shape s = { "square", { { 1, 2 }, { 3, 4 }, { 5, 6 }, { 7, 8 } }, 0, twice };
    int total = 0, i;
    pthread_t thread;

    s.origin = &s.corner[1]; /* start */
    for (i = 0; i < 5000; i++)
        table[i] = i * i;
    for (i = 0; i < 10; i++)
        total += twice(i); /* loop */
    printf("total %d\n", total); /* print */
    fflush(stdout);
    total = deep(total / 2) + twice(1); /* two calls */
    pthread_create(&thread, 0, work, &total);
    pthread_join(thread, 0); /* joined */
    if (argc > 1)
        spin();
    return s.corner[0].x + 6; /* end */
}
