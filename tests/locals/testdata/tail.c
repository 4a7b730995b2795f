/* A chain of tail calls, which the last of them prints by what it was handed on. */
#include <stdio.h>

#define NOINLINE __attribute__((noinline))
volatile int sink;

NOINLINE static int probe(const char *way) { sink = 1; return printf("%s\n", way); }
NOINLINE static int second(int v) { sink = v; return probe("probe second first main"); }
NOINLINE static int first(int v) { sink = v; return second(v + 1); }

int main(int argc, char **argv) { return first(argc) + sink == 0; }
