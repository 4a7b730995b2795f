/* An inlined call whose argument is known by what the caller of the function
   around it passed: where a variable of that caller lies. */
#include <stdio.h>

#define NOINLINE __attribute__((noinline))
volatile int sink;
static int *seen;

NOINLINE void probe(void) {
  __asm__ volatile("" ::: "rdi", "rax", "rcx", "rdx", "rsi", "memory");
  sink = 2;
}

static inline __attribute__((always_inline)) int inner(int *passed) {
  sink = *passed;
  seen = passed;
  probe();
  return sink;
}

NOINLINE int outer(int *given) {
  int kept = sink + 1000;
  int got = inner(given);
  return got + kept;
}

int main(int argc, char **argv) {
  int room[40] = {argc, 7};
  int *volatile self = room;
  int total = outer(room);
  printf("passed %s\n", self == seen ? "self" : "another");
  return total == 0 && self == seen;
}
