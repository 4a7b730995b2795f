/* A freestanding program in C whose debug information has what drivers' have. */
typedef unsigned long long u64;
typedef struct list_entry { struct list_entry *next, *prev; } list_entry;
enum color { RED = 1, GREEN = 2, NEGATIVE = -5 };
union word { int i; unsigned char b[4]; struct { short low, high; }; };
typedef int (*callback)(struct point *p, int how, ...);
struct point { int x, y; const char *name; struct point *next; list_entry link; };
struct shape {
  enum color color;
  unsigned int flag_a : 3, flag_b : 5;
  u64 wide : 40;
  union word w;
  struct point corner[2];
  int grid[2][3];
  callback hook;
  struct { int inner; union { float f; double d; }; } nested;
  volatile char state;
};
volatile int g_counter;
static int s_hidden = 7;
struct point g_origin = {1, 2, "origin", 0, {0, 0}};
struct shape g_shape = {GREEN, 5, 17};
int _fltused;
void *memset(void *p, int c, u64 n) { volatile char *q = p; while (n--) *q++ = (char)c; return p; }
void *memcpy(void *p, const void *s, u64 n) { volatile char *q = p; const char *r = s; while (n--) *q++ = *r++; return p; }

__attribute__((noinline)) int inner(int v) {
  char buf[64];
  for (int i = 0; i < 64; i++) buf[i] = (char)(v + i);
  g_counter += buf[v & 63];
  { int shadow = v + s_hidden; { int shadow = v * 3; g_counter += shadow; } g_counter -= shadow; }
  return v + 1;
}
__attribute__((noinline)) int middle(struct point *p, int v) {
  int local = v * 2;
  p->x += local;
  return inner(local) + p->y;
}
static inline __attribute__((always_inline)) int twice(int v) { int a = inner(v); return a + inner(v + 1); }
static inline __attribute__((always_inline)) int four(int v) { int b = twice(v); return b + twice(v + 2); }
__attribute__((noinline)) struct point copy(struct point p, int n, double d, int e, int f, int g) {
  static int calls;
  calls++;
  p.x += n + e * f - g; p.y += (int)d;
  return p;
}
__attribute__((noinline)) int many(int n) {
  int total = 0;
  switch (n & 3) { case 0: total = four(n); break; case 1: total = inner(n) * 3; break; default: for (int i = 0; i < n; i++) { int sq = i * i; total += sq + middle(&g_origin, sq); } }
  return total;
}
__attribute__((noinline)) int deep(int n) {
  volatile char big[9000];
  big[n] = (char)n;
  return big[n & 4095] + many(n);
}
int start(void) {
  struct point p = {3, 4, "p", &g_origin, {0, 0}};
  int sum = 0;
  for (int i = 0; i < 10; i++) { sum += middle(&p, i) + four(i) + deep(i); p = copy(p, i, 2.5, i, 3, sum); }
  return sum + g_shape.flag_b + p.x;
}
