// What debuggers get wrong of C++: the program says what each holds.
#include <cstdio>
#include <string>

struct Top { int t = 1; virtual ~Top() {} };
struct Left : virtual Top { int l = 2; };
struct Right : virtual Top { int r = 3; };
struct Bottom : Left, Right { int b = 4; };
Bottom bottom;
Left &left = bottom;

struct Bits {
    signed char s3 : 3;
    signed char s5 : 5;
    int i7 : 7;
    unsigned u9 : 9;
    long long big : 40;
    bool flag : 1;
};
Bits bits = {-3, -16, -64, 511, -(1ll << 39), true};

struct Anon {
    int kind;
    union {
        int number;
        float real;
        struct { short low, high; };
    };
    struct { int inner; } named;
    union { char bytes[4]; };
};
Anon anon = {7, {0x00020001}, {9}, {{'a', 'b', 'c', 0}}};

struct C {
    int first = 1, second = 2;
    static int shared;
    int f() { return first; }
    virtual int v() { return second; }
    virtual int w() { return 5; }
};
struct D : C { int third = 3; int w() override { return 6; } };
int C::shared = 42;
C c;
D d;
int C::*member = &C::second;
int C::*nomember = nullptr;
int D::*third = &D::third;
int (C::*method)() = &C::f;
int (C::*virt)() = &C::v;
int (D::*virt2)() = &D::w;
int (C::*nomethod)() = nullptr;

struct Holder { int ok = 1; int *bad = (int *)16; std::string *text = (std::string *)16; std::string good = "good"; int last = 2; };
Holder holder;
Holder &broken = *(Holder *)32;

enum class Color : unsigned char { Red = 1, Green = 200 };
enum Flags { None = 0, A = 1, B = 2, C4 = 4 };
Color color = Color::Green;
Flags flags = Flags(A | C4), odd = Flags(9);
int matrix[2][3] = {{1, 2, 3}, {4, 5, 6}};
__int128 wide = -((__int128)1 << 100);
long double extended = 1.5L;
auto lambda = [x = 5](int y) { return x + y; };
int (*function)(C *) = nullptr;
namespace { int hidden = 11; struct Local { int a = 12; } local; }
namespace outer { inline namespace v1 { int nested = 13; } }

int main() {
    puts("ready");
    fflush(stdout);
    getchar(); // look here
    return c.f() + d.v() + lambda(1) + hidden + local.a + (c.*method)() + (function ? function(&c) : 0) + c.*member;
}
