/* Calls of every kind in optimised code: tail calls, entry values, recursion,
   variable arguments, static and shadowed locals, pieces, cold parts, loops. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOINLINE __attribute__((noinline))

volatile int sink;
struct point { int x, y; };
struct span { char *base; unsigned long length; };
struct flags { signed char s : 4; unsigned u : 9; int : 3; _Bool b : 1; long long l : 40; };
union word { int i; float f; unsigned char c[4]; };
typedef int (*operation)(int, int);

NOINLINE static int add(int a, int b) { sink = a; return a + b; }
NOINLINE static int sub(int a, int b) { sink = b; return a - b; }

NOINLINE static int last(int a, int b, int c) {
  sink = a + b;
  return add(c, a * b);
}

NOINLINE static int middle(int a, int b) {
  int kept = a * 7;
  sink = kept;
  return last(b, kept, a);
}

NOINLINE static int first(int a) {
  sink = a;
  return middle(a + 1, a * 2);
}

NOINLINE static int indirect(operation op, int a, int b) {
  int r = op(a, b);
  sink = r;
  return r + a;
}

NOINLINE static int sum(int n, ...) {
  va_list ap;
  int total = 0;
  va_start(ap, n);
  for (int i = 0; i < n; i++) {
    int v = va_arg(ap, int);
    total += v;
    sink = total;
  }
  va_end(ap);
  return total;
}

NOINLINE static int points(struct point p, struct point *q) {
  struct point sum = {p.x + q->x, p.y + q->y};
  sink = sum.x;
  struct point scaled = {sum.x * 3, 0};
  sink = scaled.x;
  return sum.y + scaled.x;
}

NOINLINE static unsigned long spans(struct span s, const char *more) {
  struct span t = s;
  while (*more) {
    t.length++;
    more++;
    sink = (int)t.length;
  }
  return t.length + (t.base == s.base);
}

NOINLINE static int shadow(int v) {
  static int calls;
  int x = v;
  calls++;
  for (int i = 0; i < 2; i++) {
    int x = i * 10;
    {
      int x = v + i;
      sink = x;
    }
    sink = x;
  }
  return x + calls;
}

NOINLINE static int coldness(int v, const char *what) {
  int before = v * 2;
  sink = before;
  if (__builtin_expect(v > 100, 0)) {
    int deep = before * 3;
    fprintf(stderr, "%s %d\n", what, deep);
    abort();
  }
  int after = before + 1;
  sink = after;
  return after;
}

NOINLINE static int bits(struct flags f) {
  int a = f.s, b = f.u;
  sink = a;
  f.l += b;
  sink = (int)f.l;
  return a + b + f.b;
}

NOINLINE static float floats(float a, double b, union word w) {
  float c = a * 2;
  sink = (int)c;
  double d = b + c;
  sink = (int)d;
  return (float)d + w.f;
}

NOINLINE static int matrix(int m[3][4], int k) {
  int t = 0;
  for (int i = 0; i < 3; i++)
    for (int j = 0; j < 4; j++) {
      int cell = m[i][j] * k;
      t += cell;
      sink = t;
    }
  return t;
}

static inline __attribute__((always_inline)) int clamp(int v, int low, int high) {
  int r = v < low ? low : v;
  sink = r;
  return r > high ? high : r;
}

NOINLINE static int nested(int v) {
  int a = clamp(v, 2, 9);
  int b = clamp(a * 3, a, 20);
  sink = a + b;
  return clamp(b - a, -1, 1);
}

static jmp_buf back;

NOINLINE static void leap(int v) {
  sink = v;
  longjmp(back, v + 1);
}

NOINLINE static int jumps(int v) {
  volatile int kept = v;
  int code = setjmp(back);
  sink = code;
  if (!code)
    leap(kept);
  return kept + code;
}

static int order(const void *a, const void *b) {
  int x = *(const int *)a, y = *(const int *)b;
  sink = x - y;
  return (x > y) - (x < y);
}

int main(int argc, char **argv) {
  struct point p = {argc, argc * 5}, q = {3, 4};
  char text[16];
  int numbers[5] = {5, 3, argc, 9, 1};
  int m[3][4];
  struct flags f = {-3, 300, 1, -7};
  union word w = {.f = 1.25f};
  memset(m, argc, sizeof m);
  strcpy(text, "hello");
  int total = first(argc + 2) + indirect(add, argc, 4) + indirect(sub, 9, argc);
  total += sum(3, argc, 2, 3) + points(p, &q);
  total += (int)spans((struct span){text, strlen(text)}, "more");
  total += shadow(argc) + shadow(argc + 1) + coldness(argc, "cold");
  total += bits(f) + (int)floats(1.5f, 2.5, w) + matrix(m, argc) + nested(argc) + jumps(argc);
  qsort(numbers, 5, sizeof *numbers, order);
  printf("%d %d\n", total, numbers[0]);
  return 0;
}
