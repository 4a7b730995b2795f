// Prints the line where the program goes on after a line that ends in a tail call.
#include <stdio.h>

volatile int sink;

__attribute__((noinline)) void last(int n) {
    sink = n;
    sink++;
}

__attribute__((noinline)) void first(int n) {
    sink = 0;
    last(n + 1);
}

int main(int argc, char **argv) {
    first(argc);
    sink = __LINE__;
    printf("%d\n", sink);
    return 0;
}
