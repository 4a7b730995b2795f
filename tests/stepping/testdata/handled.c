// Prints the line where the program goes on after an inlined function that waits for
// a signal.
#include <signal.h>
#include <stdio.h>
#include <sys/time.h>

static volatile sig_atomic_t came;
static volatile int line;

static void handles(int n) {
    came++;
}

static inline __attribute__((always_inline)) int waits(int n) {
    int before = came;
    while (came < before + n)
        ;
    return n;
}

int main(void) {
    struct itimerval soon = {{0, 20000}, {0, 20000}}, never = {{0, 0}, {0, 0}};
    signal(SIGALRM, handles);
    setitimer(ITIMER_REAL, &soon, 0);
    waits(2);
    line = __LINE__;
    setitimer(ITIMER_REAL, &never, 0);
    printf("%d\n", line);
    return 0;
}
