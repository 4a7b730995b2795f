#include <setjmp.h>
#include <signal.h>
#include <stdio.h>

static sigjmp_buf back;
static volatile int handled;

static void take(int signal) { handled++; siglongjmp(back, signal); }

int main(void)
{
    signal(SIGSEGV, take);
    if (sigsetjmp(back, 1) == 0)
        *(volatile int *)8 = 1;
    signal(SIGSEGV, SIG_DFL);
    *(volatile int *)16 = 2; /* mark: unhandled */
    return 0;
}
