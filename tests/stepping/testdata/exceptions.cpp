// Exceptions: caught in the same function, further out, rethrown, with objects to
// destroy on the way, from constructors, in functions that are not caught in.
#include <stdexcept>
#include <string>

static int destroyed;

struct Guard {
    int n;
    Guard(int n) : n(n) {}
    ~Guard() {
        destroyed += n;
    }
};

struct Odd {
    int n;
    Odd(int n) : n(n) {
        if (n % 2)
            throw n;
    }
};

static int risky(int n) {
    Guard g(n);
    if (n > 2)
        throw std::runtime_error("large");
    if (n == 2)
        throw n;
    return n;
}

static int middle(int n) {
    Guard g(10 * n);
    int r = risky(n);
    r++;
    return r;
}

static int handle(int n) {
    try {
        int r = middle(n);
        return r;
    } catch (int i) {
        return i * 100; // gdb: thrown-past
    } catch (const std::exception &e) {
        std::string what = e.what(); // gdb: thrown-past, lost-line
        return -(int)what.size();
    }
}

static int again(int n) {
    try {
        return risky(n);
    } catch (...) {
        destroyed++; // gdb: thrown-past
        throw;
    }
}

static int here(int n) {
    int r = 0;
    try {
        r = 1;
        if (n)
            throw 'c';
        r = 2;
    } catch (char c) {
        r = c; // gdb: thrown-past
    }
    return r;
}

static int loops(int n) {
    int caught = 0;
    for (int i = 0; i < n; i++) {
        try {
            Odd o(i); // gdb: inlined-entry
            caught += o.n;
        } catch (int k) {
            caught += 10 * k; // gdb: thrown-past
        }
    }
    return caught;
}

int main() {
    int s = handle(1);
    s += handle(2);
    s += handle(3);
    s += here(1);
    try {
        s += again(3);
    } catch (std::runtime_error &) {
        s++; // gdb: thrown-past
    }
    s += loops(3);
    return s == destroyed;
}
