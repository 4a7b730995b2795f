// Classes of every kind in optimised code: bases, virtual bases, bit fields,
// anonymous members, references, lambdas, exceptions, pieces in registers.
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#define NOINLINE __attribute__((noinline))

struct Root { int id; explicit Root(int i) : id(i) {} virtual ~Root() {} virtual int kind() const { return 1; } };
struct Left : virtual Root { int left; explicit Left(int i) : Root(i), left(i * 2) {} int kind() const override { return left; } };
struct Right : virtual Root { short right; explicit Right(int i) : Root(i), right(short(i * 3)) {} };
struct Both : Left, Right { char tag; explicit Both(int i) : Root(i), Left(i + 1), Right(i + 2), tag('b') {} int kind() const override { return tag; } };

struct Bits {
  signed char small : 3;
  unsigned flag : 1;
  signed long wide : 33;
  unsigned char rest : 5;
  bool on : 1;
};

struct Packed {
  int lead;
  union { int whole; unsigned char part[4]; struct { short low, high; }; };
  struct { float x, y; } at;
};

struct Pair { long first; double second; };
struct Small { char a; short b; };
struct Big { int data[20]; };
enum class Color : unsigned char { Red, Green = 7, Blue = 200 };
enum Plain { None, One = 1, Minus = -5 };

volatile int sink;
static int shared = 11;

template <class T> struct Box {
  T value;
  static int made;
  T get() const { return value; }
};
template <class T> int Box<T>::made = 3;

NOINLINE static int useBits(Bits b, const Packed &p) {
  int sum = b.small + b.flag + int(b.wide) + b.rest;
  sum += p.whole + p.part[1] + p.low;
  sink = sum;
  return sum + int(p.at.x) + b.on;
}

NOINLINE static double usePair(Pair p, Small s, double scale) {
  Pair q = {p.first * 2 + s.a, p.second * scale};
  sink = int(q.first);
  q.second += s.b;
  if (q.first > 10) {
    long inner = q.first - s.b;
    sink = int(inner);
    q.first = inner;
  }
  return q.second + double(q.first);
}

static inline int twice(int v) { int w = v * 2; sink = w; return w + 1; }

NOINLINE static int virtuals(const Both &b, Left *l, Right *r) {
  const Root &root = b;
  int a = root.kind() + l->kind();
  sink = a;
  int t = twice(r->right) + b.tag;
  sink = t;
  return a + t + root.id;
}

NOINLINE static int whole(Both copy) {
  int a = copy.id + copy.right;
  sink = a;
  copy.left += a;
  sink = copy.left;
  return copy.left + copy.tag;
}

NOINLINE static int lambdas(int n) {
  int total = 0;
  auto add = [&total, n](int k) { int both = k + n; total += both; sink = total; return both; };
  for (int i = 0; i < 3; i++) {
    int got = add(i);
    sink = got;
  }
  return total;
}

NOINLINE static int throwing(int n) {
  if (n > 2) {
    std::string text = "too many";
    throw text;
  }
  return n + shared;
}

NOINLINE static int catching(int n) {
  int seen = 0;
  try {
    seen = throwing(n);
    sink = seen;
  } catch (const std::string &what) {
    int length = int(what.size());
    sink = length;
    seen = -length;
  }
  return seen;
}

NOINLINE static long fold(const std::vector<int> &v, Color c, Plain p) {
  long sum = long(c) + p;
  for (int x : v) {
    long square = long(x) * x;
    sum += square;
    sink = int(sum);
  }
  return sum;
}

NOINLINE static Big makeBig(int seed) {
  Big b;
  for (int i = 0; i < 20; i++)
    b.data[i] = seed + i;
  sink = b.data[3];
  return b;
}

NOINLINE static int deep(int n, int *out) {
  int mine = n * 3;
  *out += mine;
  if (n == 0) {
    sink = *out;
    return mine;
  }
  int below = deep(n - 1, out);
  sink = below;
  return below + mine;
}

NOINLINE static long double wide(long double a, __int128 b, float f) {
  __int128 c = b * 3;
  sink = int(c >> 64);
  long double d = a * 1.5L;
  sink = int(d);
  return d + (long double)c + f;
}

static int choose(const char *name) {
  int n = int(std::strlen(name));
  sink = n;
  const char *end = name + n;
  return end[-1];
}

struct Counter {
  int count = 0;
  Counter *next = nullptr;
  NOINLINE int bump(int by) {
    int before = count;
    count += by;
    sink = count;
    if (next) {
      int after = next->bump(by + 1);
      sink = after;
      return after + before;
    }
    return before;
  }
};

int main(int argc, char **) {
  auto whose = std::make_unique<Both>(argc + 4);
  Both &both = *whose;
  Bits bits = {-3, 1, -5000000000L / 2, 17, true};
  Packed packed = {argc, {0x01020304}, {1.5f, -2.5f}};
  int total = useBits(bits, packed);
  total += int(usePair({argc + 3, 2.25}, {7, -9}, 1.5));
  total += virtuals(both, &both, &both);
  total += whole(both);
  total += lambdas(argc + 2);
  total += catching(argc) + catching(argc + 5);
  std::vector<int> numbers = {1, 2, 3, argc};
  total += int(fold(numbers, Color::Blue, Minus));
  Big big = makeBig(argc);
  total += big.data[7];
  int out = 0;
  total += deep(argc + 3, &out);
  total += int(wide(2.5L, (__int128)1 << 70, 0.5f));
  total += choose(argc > 1 ? "other" : "name");
  Counter a, b;
  a.next = &b;
  total += a.bump(argc);
  Box<double> box{1.5};
  auto owner = std::make_unique<Pair>(Pair{5, 6.5});
  total += int(box.get() * 2) + Box<double>::made + int(owner->first);
  std::printf("%d\n", total);
  return 0;
}
