// Prints the line where the program goes on after a loop that an inlined function
// begins with.
#include <stdio.h>

volatile int line;

static inline __attribute__((always_inline)) void looped(int n) {
again:
    if (n++ < 6)
        goto again;
}

int main(int argc, char **argv) {
    looped(argc);
    line = __LINE__;
    printf("%d\n", line);
    return 0;
}
