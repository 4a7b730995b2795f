// Tail calls: of one function, of several in a row, through a pointer, of itself.
volatile int sink;

__attribute__((noinline)) int last(int n) {
    sink = n;
    return n + 1;
}

__attribute__((noinline)) int second(int n) {
    sink++;
    return last(n * 2); // gdb: tail-call-entered
}

__attribute__((noinline)) int first(int n) {
    sink--;
    return second(n + 3); // gdb: tail-call-entered
}

__attribute__((noinline)) int through(int (*f)(int), int n) {
    sink += 2;
    return f(n); // gdb: tail-call-entered
}

__attribute__((noinline)) int loops(int n, int acc) {
    sink = acc;
    if (n == 0)
        return last(acc); // gdb: tail-call-entered
    return loops(n - 1, acc + n);
}

__attribute__((noinline)) void nothing(int n) {
    sink += n;
    last(n); // gdb: tail-call-entered
}

int main(int argc, char **argv) {
    int s = first(argc);
    s += through(last, s);
    s += through(first, s);
    s += loops(3, s);
    nothing(s);
    return s == 0;
}
