/* Runs until it is ended; ticks is its proof of life. */
#include <stdio.h>
#include <time.h>

volatile unsigned long ticks;

static void tick(void)
{
    ticks++;
}

int main(void)
{
    struct timespec ms = { 0, 1000000 };
    for (;;) {
        tick();
        nanosleep(&ms, 0);
    }
}
