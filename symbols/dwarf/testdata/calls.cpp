// Calls of all kinds: direct, last of all, through pointers, of other images,
// out of inlined functions and blocks.
#include <cstdio>
#include <cstdlib>

#define NOINLINE __attribute__((noinline, noclone))

volatile int sink;

struct shape {
  virtual int area(int k) const;
  NOINLINE int twice(int k) const { return area(k) * 2; }
  NOINLINE int last(int k) const { sink++; return twice(k); }
  int side = 3;
};
NOINLINE int shape::area(int k) const { return side * side * k + sink; }

static NOINLINE int own(int a) { sink += a; return a; }
NOINLINE int outside(int a) { sink += 2; return own(a + 1); }
int (*volatile pointer)(int) = outside;

static inline int kept(int a) {
  if (a > 3) {
    int b = own(a);
    sink += b;
  }
  return outside(a);
}

NOINLINE int blind(int a) { sink++; return pointer(a); }
NOINLINE int around(int a) { return kept(a + sink); }
NOINLINE int library(const char *s) { sink++; return std::puts(s); }

int main(int argc, char **argv) {
  shape s;
  int sum = s.last(argc) + around(argc) + blind(argc) + library(argv[0]);
  if (sum == 12345)
    std::abort();
  return sum != 0;
}
