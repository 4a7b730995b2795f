// longjmp: within a function, out of one, out of many, and in a loop.
#include <setjmp.h>
#include <stdio.h>

static jmp_buf there, outside;
static int trace;

static void leap(int n) {
    trace += n;
    longjmp(there, n);
}

static void deep(int n) {
    if (n == 0)
        leap(7);
    deep(n - 1); // gdb: inlined-entry
    trace = -1;
}

static int once(void) {
    int r = setjmp(there); // gdb: jumped-past
    if (r == 0) { // gdb: jumped-past
        trace++;
        leap(3);
    }
    return r;
}

static int many(void) {
    int r;
    if ((r = setjmp(there)) == 0) // gdb: jumped-past
        deep(4);
    trace += r;
    return r;
}

static int loop(void) {
    volatile int i = 0;
    setjmp(there);
    i++; // gdb: jumped-past
    if (i < 4)
        longjmp(there, i);
    return i;
}

static void quit(void) {
    trace += 100;
    longjmp(outside, 1);
}

static int nested(void) {
    int a = once();
    quit();
    return a;
}

int main(void) {
    int a = once();
    int b = many();
    int c = loop();
    if (!setjmp(outside)) { // gdb: jumped-past
        nested();
        puts("never");
    }
    printf("%d %d %d %d\n", a, b, c, trace);
    return 0;
}
