#include <signal.h>
#include <stdio.h>

static int *where(int n) { return n ? 0 : &n; }

int main(void)
{
    printf("about to crash\n");
    fflush(stdout);
    raise(SIGUSR1);
    *where(1) = 3;
    return 0;
}
