// Prints the line of a loop's body.
#include <stdio.h>

__attribute__((noinline)) int body(long *p, int line, int n) {
    *p = line;
    return n;
}

int main(int argc, char **argv) {
    long t[8];
    int last = argc + 3;
    for (int i = 0; i < last; i++)
        body(&t[i], __LINE__, i + 1);
    printf("%ld\n", t[0]);
    return 0;
}
