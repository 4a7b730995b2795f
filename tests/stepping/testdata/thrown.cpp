// Prints the line where the program goes on after a call that throws.
#include <cstdio>

static volatile int line;

static void throws() { throw 1; }

int main() {
    try {
        throws();
    } catch (int) {
        line = __LINE__;
    }
    printf("%d\n", line);
    return 0;
}
