namespace zoo {
enum class Kind : unsigned char { Small = 1, Big = 2 };
struct Base { virtual ~Base(); virtual int sides(int) const; int tag; };
struct Other { virtual int other(); long long o; };
struct Virt { int v; virtual void vf(); };
template <class T, int N> struct Box : Base, Other, virtual Virt { T value[N]; unsigned low : 3, high : 5; static int count; int sides(int) const override; T get(int n) const { T r = value[n]; r += n; return r; } Kind kind; int Base::*mp; int (Box::*mf)(int) const; };
template <class T, int N> int Box<T, N>::count = 3;
template <class T, int N> int Box<T, N>::sides(int k) const { int local = k * 2; { int inner = local + tag; local += inner; } return local + count; }
Base::~Base() {}
int Base::sides(int n) const { return n; }
int Other::other() { return 1; }
void Virt::vf() {}
inline int square(int x) { int y = x * x; return y; }
inline int cube(int x) { int s = square(x); return s * x; }
}
void operator delete(void *, unsigned long long) {}
void operator delete(void *, unsigned) {}
extern "C" { int atexit(void (*)(void)) { return 0; } int _fltused; void *memset(void *p, int c, unsigned long long n) { volatile char *q = (volatile char*)p; while (n--) *q++ = (char)c; return p; } }
zoo::Box<int, 4> box;
static double pi = 3.25;
typedef struct { int a; union { int b; float c; }; } anon;
anon theAnon;
const int konst = 42;
volatile int sink;
int overloaded(int a, char *b) { static int calls; calls++; return a + *b + konst; }
int overloaded(double d, int &r) { r += (int)d; return r; }
extern "C" int start(int argc) {
  int n = argc + 1;
  auto lam = [&](int q) { return q + n; };
  char c = 'x';
  for (int i = 0; i < n; i++) { int sq = zoo::cube(i); sink += sq; zoo::Base *b = &box; sink += b->sides(i); }
  sink += overloaded(lam(n), &c) + overloaded(pi, n) + theAnon.b;
  return sink + box.get(1);
}
