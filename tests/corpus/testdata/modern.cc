// C++20: coroutines, concepts, ranges of parameters, designated initialisers.
#include <compare>
#include <coroutine>
#include <span>
#include <utility>
#include <variant>

template <class T> concept Number = requires(T t) { t + t; };

struct Task {
  struct promise_type {
    int current = 0;
    Task get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
    std::suspend_always initial_suspend() noexcept { return {}; }
    std::suspend_always final_suspend() noexcept { return {}; }
    std::suspend_always yield_value(int n) noexcept { current = n; return {}; }
    void return_void() {}
    void unhandled_exception() {}
  };
  std::coroutine_handle<promise_type> handle;
};

Task count(int to) {
  for (int i = 0; i < to; i++) {
    int square = i * i;
    co_yield square;
  }
}

struct Version {
  int major = 1, minor = 0;
  auto operator<=>(const Version &) const = default;
  [[no_unique_address]] struct Empty { auto operator<=>(const Empty &) const = default; } empty;
};

template <Number T> constexpr T add(T a, std::type_identity_t<T> b) { return a + b; }
auto generic(Number auto a, auto &&...rest) { return (a + ... + rest); }
template <Version V> int major_of() { return V.major; }
consteval int twice(int n) { return 2 * n; }
constinit int ready = twice(4);

int main(int argc, char **) {
  Task t = count(argc + 3);
  int total = 0;
  while (t.handle.resume(), !t.handle.done()) total += t.handle.promise().current;
  t.handle.destroy();
  Version a{.major = argc}, b;
  std::variant<int, double, Version> v = a;
  int data[]{1, 2, 3};
  std::span<int, 3> s(data);


  return int(total + (a < b) + add(1, 2) + generic(1, 2, 3.0) + int(v.index()) + s[0] + major_of<Version{3, 4}>() + ready) & 0;
}
