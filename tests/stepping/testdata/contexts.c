// Coroutines by contexts of their own stacks.
#include <stdlib.h>
#include <ucontext.h>

static ucontext_t caller, worker;
static int passed;

static int scaled(int n) {
    int r = n * 10;
    return r;
}

static void body(void) {
    for (int i = 1; i < 4; i++) {
        passed = scaled(i);
        swapcontext(&worker, &caller);
    }
    passed = -1;
}

static int next(void) {
    swapcontext(&caller, &worker);
    return passed;
}

int main(void) {
    int s = 0;
    getcontext(&worker);
    worker.uc_stack.ss_sp = malloc(65536);
    worker.uc_stack.ss_size = 65536;
    worker.uc_link = &caller;
    makecontext(&worker, body, 0);
    for (int v = next(); v > 0; v = next())
        s += v;
    return s == 0;
}
