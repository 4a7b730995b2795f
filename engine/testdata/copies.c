#include <unistd.h>

volatile int sink;

static inline __attribute__((always_inline)) int twice(int a)
{
    sink = a;
    return a * 2;
}

__attribute__((noinline)) int first(int a) { return twice(a) + 1; }
__attribute__((noinline)) int second(int a) { return twice(a) + 2; }

int main(int argc, char **argv)
{
    for (;;) {
        first(argc);
        usleep(20000);
        second(argc);
    }
}
