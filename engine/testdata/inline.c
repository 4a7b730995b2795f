#include <stdio.h>

volatile int sink;

static inline __attribute__((always_inline)) int inner(int a)
{
    int b = a * 3;
    sink = b;
    return b + 1;
}

static inline __attribute__((always_inline)) int outer(int a)
{
    int c = inner(a);
    sink += c;
    return c;
}

__attribute__((noinline)) int work(int a)
{
    sink = a;
    int r = outer(a);
    sink = r;
    return r;
}

int main(int argc, char **argv)
{
    int v = work(argc);
    sink = v;
    return 0;
}
