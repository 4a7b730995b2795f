/* Functions that call others last of all, so that their frames are taken over. */
#include <stdio.h>
#include <stdlib.h>

#define NOINLINE __attribute__((noinline, noclone))

volatile int sink;
volatile int odd;

NOINLINE int last(int a, int b) { /* every path ends here */
  sink += a;
  return a + b;
}

NOINLINE int second(int a) { sink++; return last(a + 1, a); }
NOINLINE int first(int a) { sink += 2; return second(a + 1); }

/* Which way it went cannot be known: nothing is in common. */
NOINLINE int left(int a) { sink += 3; return last(a, 3); }
NOINLINE int right(int a) { sink += 4; return last(a, 4); }
NOINLINE int either(int a) {
  if (odd)
    return left(a);
  return right(a);
}

/* The two ways have their ends in common. */
NOINLINE int finish(int a) { sink += 5; return last(a, 5); }
NOINLINE int above(int a) { sink += 6; return finish(a); }
NOINLINE int below(int a) { sink += 7; return finish(a); }
NOINLINE int branch(int a) {
  if (odd)
    return above(a);
  return below(a);
}
NOINLINE int start(int a) { sink += 8; return branch(a); }

/* Through a pointer nobody knows where it goes. */
int (*volatile pointer)(int) = second;
NOINLINE int blind(int a) { sink += 9; return pointer(a); }

/* A call of oneself before the last. */
NOINLINE int round_and(int a) {
  if (a > 3)
    return second(a);
  sink += round_and(a + 1);
  return last(a, 6);
}

static inline int kept(int a) { sink += 10; return second(a); }
NOINLINE int around(int a) { return kept(a + 1); }

NOINLINE int library(const char *s) { sink += 11; return puts(s); }

int main(void) {
  int sum = 0;
  sum += last(1, 1);
  sum += first(2);
  sum += either(3);
  sum += start(4);
  sum += blind(5);
  sum += round_and(2);
  sum += around(7);
  sum += library("done");
  return sum == 0;
}
