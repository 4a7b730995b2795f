/* What the variables of probe() are, where probe is entered: the first line of
   each is the path as the tests spell it. Compiled without debug information. */
#include <stdio.h>

extern void probe(void);
struct pair { int a, b; };
volatile struct pair part;
volatile int i;

int main(void) {
  part.a = 7;
  part.b = 9;
  for (i = 0; i < 3; i++)
    ;
  unsigned __int128 wide = ((unsigned __int128)1 << 64) + 5;
  unsigned long mixed = 0xff & 93;
  probe();
  printf("part.a %d\npart.b %d\ni %d\nwide %lu\nmixed %lu\n", part.a, part.b, i, (unsigned long)wide, mixed);
  return 0;
}
