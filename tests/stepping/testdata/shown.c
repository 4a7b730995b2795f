// Prints the line of a statement that begins with an inlined call.
#include <stdio.h>

volatile int sink;

static inline __attribute__((always_inline)) int called(int n) {
    sink = n;
    return n;
}

int main(int argc, char **argv) {
    sink = 2;

    int line = called(__LINE__);
    printf("%d\n", line);
    return 0;
}
