// Inlined calls: one in another, in loops, in conditions, several on a line, and
// calls that are not inlined within them.
#include <stdlib.h>

#define INLINE static inline __attribute__((always_inline))

volatile int sink;

__attribute__((noinline)) int real(int n) {
    sink += n;
    return n + 1;
}

INLINE int inner(int n) {
    int k = n * 3;
    sink = k;
    return k + 1;
}

INLINE int outer(int n) {
    int a = inner(n);
    sink += a;
    return a + inner(a);
}

INLINE int calls(int n) {
    int r = real(n);
    sink -= r;
    return real(r);
}

INLINE void nothing(void) { sink++; }

__attribute__((noinline)) int work(int n) {
    int s = outer(n);
    s += inner(n) + inner(s);
    s += calls(n);
    nothing();
    for (int i = 0; i < 3; i++)
        s += inner(i);
    if (inner(s) > 4)
        s++;
    return s + calls(s);
}

int main(int argc, char **argv) {
    int s = work(argc);
    s += outer(argc);
    sink = s;
    nothing();
    return sink == 0;
}
