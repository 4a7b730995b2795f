#include <cstdio>
#include <stdexcept>
#include <string>
#include <unistd.h>
#include <vector>

extern "C" int plug(int);

namespace geo {
int made;

struct Shape {
    virtual ~Shape() {}
    virtual int area() const = 0;
    int id = ++made;
};

struct Box : Shape {
    int w, h;
    Box(int w, int h) : w(w), h(h) {}
    int area() const override
    {
        int a = w * h;
        return a + id - id;
    }
};
} // namespace geo

static int risky(int n)
{
    if (n > 1)
        throw std::runtime_error("too much");
    return n;
}

static int guarded(int n)
{
    int r = 0;
    try {
        r = risky(n);
        r += 100;
    } catch (const std::exception &e) {
        r = -1;
    }
    return r;
}

template <typename T> T twice(T v)
{
    return v + v;
}

int main(int argc, char **argv)
{
    geo::Box box(3, 4);
    geo::Shape &shape = box;
    int total = shape.area();
    total += plug(total);
    total += twice(2) + (int)twice(2.5);
    total += guarded(1);
    total += guarded(2);
    std::vector<int> v{1, 2, 3};
    for (int x : v)
        total += x;
    if (argc > 1)
        execl(argv[1], argv[1], "3", (char *)0);
    return total == 0;
}
