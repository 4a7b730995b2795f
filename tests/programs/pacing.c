/* Runs until it is ended, at a walking pace, for debug servers of all kinds. */
#ifdef _WIN32
#include <windows.h>
static void pause_ms(int ms) { Sleep(ms); }
#else
#include <time.h>
static void pause_ms(int ms)
{
    struct timespec t = {0, ms * 1000000};
    nanosleep(&t, 0);
}
#endif

volatile int paces;

int pace(int n)
{
    int next = n + 1;
    paces = next;
    return next;
}

int main(void)
{
    for (int n = 0;;) {
        n = pace(n);
        pause_ms(1);
    }
}
