// C: layouts, arrays of every length, enumerators of every sign, inlined calls.
#include <complex.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#include "plain.h"

char a256[256], a0[0], a128[128], a65536[65536];
int cube[3][256][2];
extern int later[];
struct flexible { int n; int tail[]; } *flexible;
struct zero { int n; int tail[0]; } zero;
struct packed { char c; int i; short s; } __attribute__((packed)) packed;
struct aligned { char c; alignas(32) int i; } aligned;

enum signedness { UP = 200, DOWN = -1 };
enum wide { BIG = 0xffffffff };
enum huge { HUGE_ = 0x7fffffffffffffff, LOW = -5 };
enum byte { B0, B255 = 255 } __attribute__((packed));
enum signedness sign = UP;
enum wide wide;
enum huge huge;
enum byte byte;

struct bits {
  unsigned a : 3;
  int b : 5;
  unsigned long long c : 33;
  _Bool d : 1;
  signed char e : 4;
  unsigned : 0;
  unsigned f : 31;
  short g : 9;
  enum byte h : 8;
} bits = {1, -2, 3, 1, -3, 5, -6, 7};

union either {
  struct { int x, y; };
  struct { float fx, fy; } f;
  long both;
  unsigned low : 12;
} either;

struct node {
  struct node *next, **prev;
  struct hidden *hidden;
  int (*visit)(struct node *, const char *, ...);
  void (*const table[4])(void);
  union { int key; const char *name; };
  volatile int *const restrict slot;
  _Atomic int count;
} node;

typedef struct node *list;
typedef const list *lists;
lists all;
double complex z = 1 + 2 * I;
_Complex int zi;
long double ld = 1.5L;
#ifdef __SIZEOF_INT128__
__int128 i128 = -1;
#endif
#ifdef __clang__
_BitInt(17) odd = -3;
unsigned _BitInt(65) odder = 4;
#elif defined __x86_64__
_Float128 f128 = 1.5;
_Decimal64 decimal = 1.5DD;
_Float16 half = 1.5;
#endif
typedef int v4 __attribute__((vector_size(16)));
v4 vec = {1, 2, 3, 4};
_Thread_local int per_thread = 7;
static struct local { short own; } mine = {3};

static inline int twice(int n) { int t = n + n; return t; }
static inline __attribute__((always_inline)) int four_times(int n) {
  int two = twice(n);
  { int inner = twice(two); return inner; }
}

int vla(int n) {
  int v[n];
  int w[n][n + 2];
  for (int i = 0; i < n; i++) v[i] = w[i][1] = i;
  return v[n - 1] + w[n - 1][1] + (int)sizeof v;
}

int sum(int n, ...) {
  va_list ap;
  int s = 0;
  va_start(ap, n);
  while (n-- > 0) s += va_arg(ap, int);
  va_end(ap);
  return s;
}

int visit(struct node *n, const char *s, ...) {
  static int calls = 1;
  struct { int anonymous; } own = {n->key};
  switch (s[0]) {
  case 'a': return calls++;
  case 'b': return own.anonymous;
  default: { int depth = four_times(calls); return depth + mine.own; }
  }
}

__attribute__((noinline, cold)) void fail(int why) { exit(why); }

int main(int argc, char **argv) {
  if (argc > 5) fail(argc);
  for (int i = 0, j = 1; i < argc; i++, j *= 2) sign += four_times(i + j);
  node.visit = visit;
  return sum(3, vla(argc + 2), other(argc), node.visit(&node, argv[0])) & 0;
}

int later[7];
