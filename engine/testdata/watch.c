// Variables that change, in frames that end in several ways.
#include <setjmp.h>

int slots[6];
static jmp_buf back;

int fill(int n)
{
    int local = 0;
    for (int i = 1; i <= n; i++)
        local += i;
    if (n > 1)
        local += fill(n - 1) > 100;
    return local;
}

void leap(int n)
{
    int local = n;
    local++;
    longjmp(back, local);
}

int main(void)
{
    int got = fill(2);
    for (int i = 0; i < 6; i++)
        slots[i] = i + got;
    if (!setjmp(back))
        leap(3);
    got += fill(1);
    return got == 4 ? 0 : got;
}
