// A freestanding C++ program for Windows: objects by pointers to their bases.
extern "C" { __declspec(dllimport) void __stdcall ExitProcess(unsigned); int _fltused; int atexit(void (*)(void)) { return 0; } }
void operator delete(void *, unsigned long long) {}
namespace zoo {
struct Shape { virtual ~Shape() {} virtual int sides() const { return 0; } int tag = 1; };
struct Named { virtual const char *name() const { return "?"; } long long id = 77; };
struct Square : Shape, Named { int edge = 5; int sides() const override { return 4; } const char *name() const override { return "square"; } };
}
volatile int sink;
__attribute__((noinline)) void look(zoo::Shape *s, zoo::Named *n) {
  sink = s->sides();
  sink += n->name()[0];
}
zoo::Square square;
extern "C" void start() {
  look(&square, &square);
  ExitProcess(sink & 63);
}
