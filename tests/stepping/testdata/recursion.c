// Recursion: direct, mutual, through a pointer, in a condition, and ended early.
#include <stdio.h>

static int even(int n);

static int odd(int n) { // gdb: inlined-entry
    if (n == 0)
        return 0;
    return even(n - 1);
}

static int even(int n) {
    if (n == 0)
        return 1;
    return odd(n - 1);
}

static long factorial(int n) {
    long rest;
    if (n < 2)
        return 1;
    rest = factorial(n - 1);
    return n * rest;
}

static int fibonacci(int n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }

static int ackermann(int m, int n) {
    if (m == 0)
        return n + 1;
    if (n == 0)
        return ackermann(m - 1, 1);
    return ackermann(m - 1, ackermann(m, n - 1));
}

static int count(int (*f)(int), int n) {
    int sum = 0;
    for (int i = 0; i < n; i++)
        sum += f(i);
    return sum;
}

static void spell(unsigned n, char *out) {
    if (n > 9)
        spell(n / 10, out), out++;
    while (*out)
        out++;
    *out = '0' + n % 10;
}

int main(void) {
    char text[16] = "";
    long f = factorial(5);
    int e = even(4) + odd(3);
    int b = fibonacci(5);
    int a = ackermann(1, 2);
    int c = count(fibonacci, 4);
    spell(1234, text);
    printf("%ld %d %d %d %d %s\n", f, e, b, a, c, text);
    return 0;
}
