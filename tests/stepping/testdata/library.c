// The library of linked.c.
int lib_state = 5;

int lib_add(int a, int b) {
    lib_state++;
    return a + b;
}

int lib_visit(int (*f)(int), int n) {
    int sum = 0;
    for (int i = 0; i < n; i++)
        sum += f(i);
    return sum;
}

static int plain(int n) {
    return n + 1;
}

static int (*choose(void))(int) { return plain; }

int lib_chosen(int n) __attribute__((ifunc("choose")));

int lib_nested(int n) {
    int a = lib_add(n, 1);
    return a + lib_chosen(a);
}
