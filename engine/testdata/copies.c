#include <unistd.h>

volatile int sink;

static inline __attribute__((always_inline)) int twice(int a)
{
    sink = a;
    return a * 2;
}

static inline __attribute__((always_inline)) int beef(int a)
{
    sink = a;
    return a ^ 1;
}

static inline __attribute__((always_inline)) int both(int a)
{
    sink = a;
    return a - 1;
}

int (*volatile pointer)(int) = both;

__attribute__((noinline)) int first(int a) { return twice(a) + 1; }
__attribute__((noinline)) int second(int a) { return twice(a) + 2; }
__attribute__((noinline)) int third(int a) { return beef(a) + 3; }
__attribute__((noinline)) int fourth(int a) { return both(a) + pointer(a); }

int main(int argc, char **argv)
{
    for (;;) {
        first(argc);
        usleep(20000);
        second(argc);
        third(argc);
        fourth(argc);
    }
}
