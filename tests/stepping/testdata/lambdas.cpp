// Lambdas: called, stored, passed to the library, capturing, recursive, generic.
#include <algorithm>
#include <functional>
#include <vector>

static int apply(const std::function<int(int)> &f, int n) { return f(n); }

template <class F> int each(F f) {
    int r = 0;
    for (int i = 0; i < 2; i++)
        r += f(i);
    return r;
}

int main() {
    int base = 10;
    auto add = [base](int n) { return base + n; };
    auto count = [&base](int n) {
        base += n;
        return base;
    };
    std::function<int(int)> fact = [&](int n) { return n < 2 ? 1 : n * fact(n - 1); };
    int a = add(1);
    int b = count(2);
    int c = apply(add, 3); // gdb: row-middle
    int d = fact(3);
    int e = each([&](int i) {
        int k = i + base;
        return k;
    });
    auto generic = [](auto x, auto y) { return x + y; };
    double g = generic(1, 2.5);
    std::vector<int> v{3, 1, 2};
    std::sort(v.begin(), v.end(), [](int x, int y) {
        return x < y;
    });
    int f = [] { return 42; }();
    return a + b + c + d + e + f + g + v[0] == 0;
}
