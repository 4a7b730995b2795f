// Values that debuggers are known to read wrongly, with what the program finds.
#include <cstdio>

#define NOINLINE __attribute__((noinline))

struct Shape {
  int first, second;
  int area() const { return first * second; }
};
struct Tiny {
  signed char low : 3, high : 4;
  union { int inside; char bytes[4]; };
};
struct Base { int id; };
struct Derived : virtual Base { int own; };

static int table[6] = {10, 11, 12, 13, 14, 15};
volatile int sink;

extern "C" __attribute__((noinline, noipa)) void probe() { asm volatile("" ::: "memory"); }

// The part that is seldom run lies apart, and is entered by a jump.
NOINLINE int seldom(int v, Derived &derived) {
  volatile int room[4] = {v, v + 1, v + 2, v + 3};
  Tiny tiny = {-3, 5, {0x01020304}};
  int Shape::*volatile member = &Shape::second;
  const int *volatile where = &table[3];
  Derived *volatile kept = &derived;
  if (__builtin_expect(v > 3, 0)) {
    sink = v;
    probe();
    std::printf("room[2] %d\ntiny.low %d\ntiny.high %d\ntiny.inside %d\nmember %d\n*where %d\nkept->id %d\n", room[2],
                tiny.low, tiny.high, tiny.inside, 4, *where, kept->id);
    Shape s = {1, 2};
    if (s.*member != 2)
      throw 1;
    __builtin_abort();
  }
  return room[1] + tiny.low;
}

int main(int argc, char **) {
  Derived derived;
  derived.id = 41 + argc;
  derived.own = 2;
  std::setvbuf(stdout, nullptr, _IONBF, 0);
  return seldom(argc, derived) + seldom(argc + 8, derived);
}
