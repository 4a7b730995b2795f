// Templates, virtual calls, operators, constructors and destructors.
#include <string>
#include <vector>

template <class T> T largest(T a, T b) {
    if (a > b)
        return a;
    return b;
}

template <class T> T sum(T v) { return v; }

template <class T, class... R> T sum(T v, R... rest) {
    T s = v;
    s += sum(rest...);
    return s;
}

template <int N> struct Power {
    static int of(int b) { return b * Power<N - 1>::of(b); }
};

template <> struct Power<0> {
    static int of(int) { return 1; }
};

struct Shape {
    int id;
    Shape(int id) : id(id) {}
    virtual ~Shape() { id = 0; }
    virtual int area() const = 0;
    bool operator<(const Shape &o) const { return area() < o.area(); }
};

struct Square : Shape {
    int side;
    Square(int side) : Shape(1), side(side) {}
    int area() const override { return side * side; }
};

struct Other {
    int x = 3;
    virtual int twice() { return 2 * x; }
};

struct Both : Shape, Other {
    Both() : Shape(2) {}
    int area() const override { return x; }
    int twice() override {
        int t = 3 * x;
        return t;
    }
};

template <class T> class Stack {
    std::vector<T> items;

public:
    void push(const T &t) { items.push_back(t); }
    T pop() {
        T t = items.back();
        items.pop_back();
        return t;
    }
    bool empty() const { return items.empty(); }
};

int main() {
    int m = largest(3, 4);
    double d = largest(2.5, 1.5);
    int s = sum(1, 2, 3);
    int p = Power<3>::of(2);
    Square a(2), b(3);
    Both both;
    Other &other = both;
    bool less = a < b;
    int t = other.twice();
    Stack<std::string> words;
    words.push("one"); // gdb: lost-line
    words.push("two");
    while (!words.empty()) {
        std::string w = words.pop();
        s += w.size();
    }
    return m + d + s + p + t + less == 0;
}
