// Prints the line where the program goes on after a call that jumps.
#include <setjmp.h>
#include <stdio.h>

static jmp_buf there;
static volatile int line;

static void leap(void) { longjmp(there, 1); }

int main(void) {
    if ((line = __LINE__, setjmp(there)) == 0)
        leap();
    printf("%d\n", line);
    return 0;
}
