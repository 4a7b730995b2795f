/* A tail call within an inlined call, whose callee prints the way there. */
#include <stdio.h>

#define NOINLINE __attribute__((noinline))
volatile int sink;

__attribute__((noipa)) int probe(const char *way) { sink = 1; return printf("%s\n", way); }

static inline __attribute__((always_inline)) int helper(int v) {
  sink = v;
  return probe("probe helper outer main");
}

NOINLINE static int outer(int v) {
  sink = v + 1;
  return helper(v);
}

int main(int argc, char **argv) { return outer(argc) + sink == 0; }
