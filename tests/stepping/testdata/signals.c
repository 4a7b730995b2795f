// Signals in the middle of steps: handled, ignored, on another stack, in a row,
// with a handler that jumps away.
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

static volatile sig_atomic_t alarms, users, seen;
static sigjmp_buf back;

static void onalarm(int n) { alarms++; } // gdb: handler-entered

static void onuser(int n) {
    users++;
    seen = n;
}

static void onchild(int n) {
    seen = n;
}

static void onwinch(int n) {
    seen += n;
    siglongjmp(back, n);
}

static int spin(int n) {
    alarms = 0; // how many there were by now is a matter of time
    while (alarms < n)
        ;
    return n;
}

static int raises(void) {
    int r = 1;
    raise(SIGCHLD);
    r += 2;
    raise(SIGURG);
    r += 3;
    kill(getpid(), SIGCHLD);
    return r;
}

static int jumps(void) {
    int r = 0;
    if (sigsetjmp(back, 1) == 0) { // gdb: jumped-past
        r = 1;
        raise(SIGWINCH);
        r = 2;
    } else
        r += 5;
    return r;
}

int main(void) {
    struct itimerval often = {{0, 20000}, {0, 20000}}, never = {{0, 0}, {0, 0}};
    stack_t other = {.ss_sp = malloc(65536), .ss_size = 65536};
    struct sigaction sa = {.sa_handler = onchild, .sa_flags = SA_ONSTACK};
    int s = 0;
    sigaltstack(&other, 0);
    signal(SIGALRM, onalarm);
    signal(SIGUSR1, onuser);
    signal(SIGWINCH, onwinch);
    sigaction(SIGCHLD, &sa, 0);
    s += raises();
    setitimer(ITIMER_REAL, &often, 0);
    s += spin(3);
    for (int i = 0; i < 5; i++)
        s += i;
    s += spin(2);
    setitimer(ITIMER_REAL, &never, 0);
    s += jumps();
    raise(SIGUSR1);
    s += users;
    raise(SIGUSR1);
    s += seen;
    return s == 0;
}
