// C++: what the language has that becomes debug information.
#include <complex>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace geo {
inline namespace v2 {
struct Point {
  int x = 1, y = 2;
  static int made;
  static constexpr int limit = 42;
  static inline const double ratio = 0.5;
  virtual ~Point() = default;
  virtual int area() const { return x * y; }
  int sum() const & { return x + y; }
  int sum() && noexcept { return x - y; }
  Point &operator+=(const Point &o) & { x += o.x; y += o.y; return *this; }
  explicit operator bool() const { return x != 0; }
  friend bool operator==(const Point &a, const Point &b) { return a.x == b.x; }
};
int Point::made = 3;
}
struct Left : virtual Point { int l = 4; };
struct Right : virtual Point { char r = 5; int area() const override { return r; } };
struct Both : Left, private Right { int b = 6; unsigned bit : 3 = 1, : 2, other : 9 = 7; };
template <class T, int N = 3, T *... Ps> struct Box {
  T items[N];
  enum Kind : short { Small = -1, Large = 300 };
  Kind kind = Small;
  template <class U> T put(U u) { items[0] = T(u); return items[0]; }
  struct Inner { Box *outer; } inner{this};
};
template <template <class, class> class C, class T> struct Holder { C<T, std::allocator<T>> held; };
namespace { struct Hidden { long h; } hidden{9}; int secret(int n) { return n + int(hidden.h); } }
}

enum class Level : signed char { Low = -1, High = 7 };
enum Color : unsigned long long { Red, Blue = 0xffffffffffffffff };
union Value { int i; float f; std::nullptr_t n; char8_t c8; char16_t c16; char32_t c32; wchar_t w; };
using Callback = int (*)(int, const char *, ...);
typedef int geo::Point::*Member;
typedef int (geo::Point::*Method)() const &;
struct Anonymous { union { int a; struct { short lo, hi; }; }; union { char c; } named; };
struct alignas(64) Wide { int &&moved; const int &kept; volatile bool flag; };
template <class... Ts> struct Pack { std::tuple<Ts...> all; };
template <auto V> struct Constant { static constexpr auto value = V; };

Member member = &geo::Point::y;
Method method = &geo::Point::sum;
geo::Box<long, 4> box;
geo::Box<unsigned char, 2> small;
geo::Holder<std::vector, int> holder;
Pack<int, char, std::string> pack;
Constant<'x'> cx;
Constant<-7> c7;
Value value;
Anonymous anonymous;
Level level = Level::Low;
Color color = Blue;
std::complex<double> cd;
#ifdef __SIZEOF_INT128__
__int128 huge = -3;
#endif
long double ld = 2.5L;
typedef float v8 __attribute__((vector_size(32)));
v8 vec;
thread_local std::string per_thread = "t";
std::map<std::string, std::vector<int>> table;
decltype(nullptr) none;

template <class T> T largest(T a, T b) { return a < b ? b : a; }
template <> int largest<int>(int a, int b) { return a > b ? a : b; }
template <class... Ts> int count(Ts... ts) { return int(sizeof...(ts)) + (int(ts) + ...); }

static int compute(const geo::Point &p, std::string &&s, int (&fixed)[4]) {
  auto [x, y] = std::pair{p.x, p.y};
  auto add = [&, k = x, y = y](auto n) mutable { k += n; return k + y + fixed[0]; };
  std::function<int(int)> f = add;
  int total = 0;
  for (auto &[key, list] : table)
    for (int n : list) total += n + int(key.size());
  try {
    if (s.empty()) throw Level::High;
    total += f(3) + geo::secret(total);
  } catch (Level l) {
    total = int(l);
  }
  struct Local { int own; int twice() { return 2 * own; } } local{total};
  return local.twice() + count(1, 'a', 2L) + largest(1, 2) + int(largest(1.5, 2.5));
}

int main(int argc, char **argv) {
  geo::Both both;
  int fixed[4] = {argc, 2, 3, 4};
  table["one"] = {1, 2, 3};
  auto shared = std::make_shared<geo::Both>(both);
  std::unique_ptr<geo::Left> left(new geo::Left);
  std::string_view view = argv[0];
  geo::Point p;
  p += *left;
  box.put(3.5);
  small.put(argc);
  return (compute(*shared, std::string(view), fixed) + (p.*method)() + (p.*member) + (p == *left)) & 0;
}
