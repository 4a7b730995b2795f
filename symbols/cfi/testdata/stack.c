/* Calls through the C library and through a signal handler, to be stepped through. */
#include <signal.h>
#include <stdlib.h>

volatile int sink;

__attribute__((noinline)) int inner(int a) {
  volatile int v[4] = {a, a + 1, a + 2, a + 3};
  sink += v[a & 3];
  return v[1];
}

__attribute__((noinline)) int outer(int a, int b) {
  int x = inner(a) * b;
  return x + inner(b);
}

static void handler(int n) { sink += outer(n, 2); }

static int compare(const void *a, const void *b) {
  raise(SIGUSR1);
  return *(const int *)a - *(const int *)b;
}

int main(void) {
  int v[2] = {2, 1};
  signal(SIGUSR1, handler);
  qsort(v, 2, sizeof *v, compare);
  return v[0] - 1;
}
