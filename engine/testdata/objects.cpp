// Classes that only their own functions can copy, for a debugger to pass by value.
#include <memory>
#include <string>
#include <utility>
#include <vector>

int alive, copies;

struct Counted {
  int x, y;
  Counted(int a, int b = 4) : x(a), y(b) { alive++; }
  Counted(const Counted &o) : x(o.x + 100), y(o.y) { alive++, copies++; }
  ~Counted() { alive--; }
  Counted plus(Counted o) const { return Counted(x + o.x, y + o.y); }
};
struct Plain {
  int a, b;
  Plain(int a, int b) : a(a), b(b) {}
};
struct Holder { // copied member by member
  long head;
  Counted first;
  Counted more[2];
  std::string text;
};
struct Base {
  Base() {}
  Base(const Base &) {}
  virtual ~Base() {}
  virtual int kind() const { return 1; }
};
struct Derived : Base {
  int n;
  explicit Derived(int n) : n(n) {}
  int kind() const override { return n; }
};
struct Only { // moved at most
  int v;
  explicit Only(int v) : v(v) { alive++; }
  Only(const Only &) = delete;
  Only(Only &&o) : v(o.v) { alive++; }
  ~Only() { alive--; }
};
template <class T> struct Pair {
  T a, b;
  Pair(T a, T b) : a(a), b(b) { alive++; }
  Pair(const Pair &o) : a(o.a), b(o.b) { alive++, copies++; }
  ~Pair() { alive--; }
};

int sum(Counted c) { return c.x + c.y; }
int sums(Counted a, int between, Counted b) { return a.x + between + b.y; }
int fields(Holder h) { return h.head + h.first.x + h.more[1].y + (int)h.text.size(); }
int kinds(Base b) { return b.kind(); }
int only(Only o) { return o.v; }
int plain(Plain p) { return p.a * 10 + p.b; }
int seen(const Plain &p) { return p.a + p.b; }
int pairs(Pair<int> p) { return p.a - p.b; }
std::string made(const char *s) { return s; }
int length(std::string s) { return (int)s.size(); }
int letters(const std::string &s) { return (int)s.size() + 1000; }
size_t count(std::vector<int> v) { return v.size(); }
std::string twice(std::string s) { return s + s; }
int shared(std::shared_ptr<int> p) { return *p * (int)p.use_count(); }

int main() {
  Counted one(1, 2);
  Holder holder{7, one, {one, one}, "a text that is too long for the object itself"};
  Derived derived(9);
  Plain small(1, 2);
  Pair<int> pair(5, 3);
  std::string text = "text";
  std::vector<int> list{1, 2, 3};
  auto owned = std::make_shared<int>(21);
  Only moved(6);
  int used = sum(one) + sums(one, 1, one) + fields(holder) + kinds(derived) + plain(small) + seen(small) + pairs(pair) + length(text) + letters(text) +
             (int)made("x").size() + (int)count(list) + (int)twice(text).size() + one.plus(one).x + only(std::move(moved)) + shared(owned);
  return used > 0 ? 42 : 1; // here
}
