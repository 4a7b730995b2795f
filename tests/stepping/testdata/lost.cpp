// Prints the line whose statement begins with an inlined call of another file that
// has no code.
#include "empty.h"
#include <cstdio>

volatile int line;

int main(int argc, char **argv) {
    line = 0;
    line = Empty().with(argc) + __LINE__;
    printf("%d\n", line - argc);
    return 0;
}
