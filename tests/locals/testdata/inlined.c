/* An inlined call whose argument is known by what the caller of the function
   around it passed. */
#include <stdio.h>

#define NOINLINE __attribute__((noinline))
volatile int sink;

NOINLINE void probe(void) { sink = 2; }

static inline __attribute__((always_inline)) int inner(int passed) {
  sink = passed;
  probe();
  return sink;
}

NOINLINE int outer(int given) {
  int kept = sink + 1000;
  int got = inner(given);
  return got + kept;
}

int main(int argc, char **argv) {
  int base = argc * 7;
  sink = base;
  int total = outer(base + 5);
  printf("passed %d\ntotal %d\n", base + 5, total + base);
  return 0;
}
