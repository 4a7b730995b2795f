/* Calls of many shapes, to be stepped through: through the library and back,
   through signal handlers on both stacks, with frames of changing size. */
#include <alloca.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline, noclone))

volatile int sink;

NOINLINE int inner(int a) {
  volatile int v[4] = {a, a + 1, a + 2, a + 3};
  sink += v[a & 3];
  return v[1];
}

NOINLINE int outer(int a, int b) {
  int x = inner(a) * b;
  char *room = alloca(16 + (a & 63));
  memset(room, a, 16);
  return x + inner(b) + room[3];
}

NOINLINE int deep(int n, int m) {
  if (n == 0)
    return outer(m, 2);
  return deep(n - 1, m + n) + n * m;
}

static void handler(int n) { sink += outer(n, 2); }

static int compare(const void *a, const void *b) {
  raise(SIGUSR1);
  return *(const int *)a - *(const int *)b;
}

int main(void) {
  int v[2] = {2, 1};
  static char other[1 << 16];
  stack_t stack = {.ss_sp = other, .ss_size = sizeof other};
  struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
  sink += deep(3, 1);
  sigaction(SIGUSR2, &action, NULL);
  sigaltstack(&stack, NULL);
  signal(SIGUSR1, handler);
  raise(SIGUSR2);
  qsort(v, 2, sizeof *v, compare);
  struct timespec t = {.tv_nsec = 1};
  nanosleep(&t, NULL);
  write(-1, v, 1);
  return v[0] - 1;
}
