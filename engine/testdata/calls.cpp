// Functions for a debugger to call, most of which do not return.
#include <csignal>
#include <cstdlib>
#include <dlfcn.h>
#include <thread>
#include <vector>

struct Base {
  virtual ~Base() {}
  virtual const char *name() const { return "base"; }
};
struct Derived : Base {
  int n = 5;
  const char *name() const override { return "derived"; }
  int twice(int x) const { return x * 2 + n; }
};

int counter;
int stops(int n) { return n + 1; }
int passes(int n) { return n + 1; }
int faults(int *p) { return *p; }
int raises(int n) { return raise(n); }
int throws(int n) {
  if (n) throw n;
  return 0;
}
int catches(int n) {
  try {
    return throws(n);
  } catch (int e) {
    return e;
  }
}
int forever() {
  for (;;) counter++;
}
int loads() {
  void *p = dlopen("libutil.so.1", RTLD_NOW);
  return p ? dlclose(p) : 0;
}
// A thread that this one waits for would be held: one that it only starts is not needed.
int threads(int n) { return n + (int)std::thread::hardware_concurrency() * 0; }

int main() {
  Derived object;
  Base *base = &object;
  counter = object.twice(1) + (base->name()[0] == 'd') + passes(1) * 0 + stops(1) * 0 + loads() * 0 + threads(0);
  int local = 42; // here
  return local;
}
