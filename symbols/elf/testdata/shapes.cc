// A program with many shapes of types, functions and variables, to be opened by tests.
#include <cstdio>
#include <string>
#include <vector>

enum Color { Red, Green = 5, Blue };
enum class Level : signed char { Low = -1, High = 7 };

struct Bits {
  unsigned a : 3;
  int b : 5;
  unsigned long long c : 33;
  bool d : 1;
};

namespace geo {
struct Point {
  int x, y;
  static int made;
  static constexpr int limit = 42;
  Point(int x, int y) : x(x), y(y) { made++; }
  virtual ~Point() {}
  virtual int area() const { return x * y; }
  int sum() const { return x + y; }
};
int Point::made = 0;

struct Left : virtual Point {
  int l = 1;
  Left() : Point(1, 2) {}
};
struct Right : virtual Point {
  int r = 2;
  Right() : Point(3, 4) {}
};
struct Both : Left, Right {
  int b = 3;
  Both() : Point(5, 6) {}
};

template <class T, int N> struct Box {
  T items[N];
  int used = 0;
  void put(const T &t) {
    if (used < N)
      items[used++] = t;
  }
};

namespace {
int hidden = 9;
int secret(int v) { return v * hidden; }
} // namespace
} // namespace geo

static int table[3][4] = {{1, 2, 3, 4}, {5, 6, 7, 8}, {9, 10, 11, 12}};
thread_local int perThread = 77;
typedef int (*Callback)(int, const char *);
union Both2 {
  int i;
  float f;
  char c[8];
};
Both2 either = {0x41};
int geo::Point::*member = &geo::Point::y;
int (geo::Point::*method)() const = &geo::Point::sum;

static inline __attribute__((always_inline)) int twice(int n) {
  int doubled = n * 2;
  return doubled;
}

static int callback(int n, const char *s) {
  static int calls;
  calls += n;
  return calls + (int)s[0];
}

int compute(int first, double second, std::string &&text, const geo::Point &p) {
  int local = first + 1;
  {
    long local = first * 10L;
    for (int i = 0; i < 3; i++)
      local += table[i][first & 3] + twice(i);
    first += (int)local;
  }
  auto lambda = [&](int z) { return z + local + p.sum(); };
  return lambda(first) + (int)second + (int)text.size() + twice(first);
}

int variable(int n) {
  int vla[n];
  for (int i = 0; i < n; i++)
    vla[i] = i;
  return vla[n - 1];
}

int main(int argc, char **argv) {
  geo::Both both;
  geo::Box<long, 4> box;
  box.put(argc);
  Bits bits = {1, -2, 3, true};
  Callback cb = callback;
  Color color = Green;
  Level level = Level::High;
  std::vector<int> numbers{1, 2, 3};
  int got = compute(argc, 2.5, std::string("text"), both) + geo::secret(argc) + variable(argc + 2);
  got += cb(1, argv[0]) + (int)bits.c + either.i + perThread + both.*member + (both.*method)() + (int)color + (int)level;
  std::printf("%d %zu %ld\n", got, numbers.size(), box.items[0]);
  return 0;
}
