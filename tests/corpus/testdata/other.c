// A second file: the same names for other things.
#include "plain.h"
static struct local { char text[12]; struct local *next; } mine;
struct hidden { int shown; struct shared shared; };
struct hidden hidden = {1, {2, 0}};
static inline int twice(int n) { return 3 * n; }
int other(int n) {
  mine.text[0] = (char)n;
  return twice(n) + in_header(&hidden.shared) + mine.text[0];
}
