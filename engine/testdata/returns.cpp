// What functions hand back, of all the classes of the ABIs.
#include <complex>

struct Pair { int a; long b; };
struct Mixed { double d; int n; };
struct Floats { float x, y, z; };
struct Four { double a, b, c, d; };
struct Big { long v[5]; };
struct Bits { unsigned a : 3, b : 12; int c; };
struct Empty {};
struct __attribute__((packed)) Packed { char c; long n; };
struct Kept { int n; Kept(int n) : n(n) {} Kept(const Kept &o) : n(o.n) {} ~Kept() { n = 0; } };
struct Plain { int n; Plain() = default; Plain(const Plain &) = default; ~Plain() = default; };
struct Holder { Kept k; };
struct Virtual { int n; virtual int f() { return n; } };
union Either { long n; double d; };
enum class Color : short { red = 7, green };
template <class T> struct Box { T v; };
typedef int v4 __attribute__((vector_size(16)));
typedef long word;

char letter() { return 'x'; }
bool truth() { return true; }
short small() { return -5; }
unsigned whole() { return 4000000000u; }
word longer() { return -1234567890123; }
float single() { return 1.5f; }
double twice() { return -2.25; }
long double extended() { return 3.125L; }
const char *text() { return "text"; }
Color color() { return Color::green; }
Pair pair() { return {3, -4}; }
Mixed mixed() { return {0.5, 9}; }
Floats floats() { return {1, 2, 4}; }
Four four() { return {1, 2, 3, 4}; }
Big big() { return {{1, 2, 3, 4, 5}}; }
Bits bits() { Bits b{}; b.a = 5; b.b = 1000; b.c = -1; return b; }
Packed packed() { Packed p{}; p.c = 'p'; p.n = 77; return p; }
Kept kept() { return Kept(11); }
Plain plain() { Plain p; p.n = 12; return p; }
Holder holder() { return {Kept(13)}; }
Virtual virtue() { Virtual v; v.n = 14; return v; }
Either either() { Either e; e.n = 15; return e; }
Box<float> box() { return {2.5f}; }
Box<Pair> boxed() { return {{16, 17}}; }
std::complex<double> spiral() { return {1.0, -1.0}; }
_Complex float whirl() { return 2.0f; }
v4 lanes() { return v4{1, 2, 3, 4}; }
int (Virtual::*member())() { return &Virtual::f; }
int &reference() { static int n = 18; return n; }
void nothing() {}

int main() {
    letter(); truth(); small(); whole(); longer();
    single(); twice(); extended(); text(); color();
    pair(); mixed(); floats(); four(); big();
    bits(); packed(); kept(); plain(); holder();
    virtue(); either(); box(); boxed(); spiral();
    whirl(); lanes(); member(); reference(); nothing();
    return 0;
}
