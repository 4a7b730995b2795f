// Says of a row of the line program where a step ends in it. Its statements call the
// same inlined function, and what they begin with is mixed.
#include <cstdio>
#include <functional>

static int apply(const std::function<int(int)> &f, int n) { return f(n); }

int main() {
    int base = 10;
    auto add = [base](int n) { return base + n; };
    std::function<int(int)> twice = [&](int n) { return n < 2 ? 1 : 2 * twice(n - 1); };
    int c = apply(add, 3);
    puts("begins");
    return c == 0;
}
