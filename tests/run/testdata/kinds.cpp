#include <cassert>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>
#include <unistd.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <linux/seccomp.h>

struct customer { std::string name; int age; };
struct order { int id; customer *who; order *next; };
struct shelf { int slots[4]; int total() const { return slots[0] + slots[3]; } };

static int deep(int n) { volatile char pad[200]; pad[0] = n; return deep(n + 1) + pad[0]; }
static int ping(int n);
static int pong(int n) { volatile char pad[100]; pad[0] = n; return ping(n + 1) + pad[0]; }
static int ping(int n) { volatile char pad[100]; pad[0] = n; return pong(n + 1) + pad[0]; }
static int huge() { volatile char big[64 << 20]; big[5] = 1; return big[5]; }
static size_t length(const order *o) { return o->who->name.size(); }
static int ratio(int sum, int count) { return sum / count; }
static int age(customer &c) { return c.age; }
const int table[] = {1, 2, 3};
static void quiet() noexcept { throw std::runtime_error("through noexcept"); }

int main(int argc, char **argv)
{
    std::string how = argc > 1 ? argv[1] : "";
    int zero = argc > 90;
    order last{2, nullptr, nullptr}, first{1, nullptr, &last};
    if (how == "null") return length(&first);
    if (how == "this") { shelf *s = nullptr; return s->total(); }
    if (how == "reference") { customer *c = nullptr; return age(*c); }
    if (how == "strlen") { const char *name = argc > 90 ? "x" : nullptr; return strlen(name); }
    if (how == "nullcall") { int (*f)(int) = nullptr; return f(3); }
    if (how == "data") { char *code = new char[16](); int (*f)(int) = (int (*)(int))code; return f(3); }
    if (how == "deep") return deep(0);
    if (how == "ping") return ping(0);
    if (how == "huge") return huge();
    if (how == "thread") { std::thread t([] { deep(0); }); t.join(); }
    if (how == "freed") { order *o = new order{1, nullptr, nullptr}; o->next = o; free(o); order *p = o->next; order *q = p ? *(order **)((char *)o + 16) : o; return q->id; }
    if (how == "pattern") { order *o = (order *)malloc(sizeof *o); memset(o, 0xdd, sizeof *o); return o->next->id; }
    if (how == "beef") { first.next = (order *)0xdeadbeefUL; return first.next->id; }
    if (how == "wild") { first.next = (order *)0x123456789000UL; return first.next->id; }
    if (how == "impossible") { first.next = (order *)0x1234567890abcdefUL; return first.next->id; }
    if (how == "readonly") { *(int *)&table[1] = 5; return 0; }
    if (how == "divide") return ratio(10, zero);
    if (how == "minus") { volatile int least = -2147483647 - 1; return ratio(least, zero - 1); }
    if (how == "assert") { assert(zero > 0 && "there are orders"); }
    if (how == "abort") abort();
    if (how == "doublefree") { char *p = (char *)malloc(40); free(p); free(p); }
    if (how == "badfree") { char *p = (char *)malloc(40); free(p + 8); }
    if (how == "smash") { char small[8]; memset(small, 'x', 80 + zero); write(2, "", 0); return small[0]; }
    if (how == "throw") throw std::out_of_range("order 17 is not there");
    if (how == "throwint") throw 42;
    if (how == "noexcept") quiet();
    if (how == "terminate") std::terminate();
    if (how == "joinable") { std::thread t([] { pause(); }); }
    if (how == "at") { std::map<int, int> m; return m.at(3); }
    if (how == "rethrow") { try { throw std::logic_error("first"); } catch (...) { throw; } }
    if (how == "trap") __builtin_trap();
    if (how == "int3") __asm__("int3");
    if (how == "illegal") __asm__(".byte 0x06");
    if (how == "bus") { int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600); char *p = (char *)mmap(0, 4096, PROT_READ, MAP_SHARED, fd, 0); return *p; }
    if (how == "seccomp") { prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT); getpid(); }
    if (how == "kill") { kill(getpid(), SIGSEGV); }
    if (how == "term") { kill(getpid(), SIGTERM); }
    if (how == "ignored") { signal(SIGQUIT, SIG_IGN); raise(SIGQUIT); return 0; }
    if (how == "handled") { signal(SIGSEGV, [](int) { _exit(7); }); return length(&first); }
    if (how == "reraise") { signal(SIGSEGV, [](int s) { signal(s, SIG_DFL); raise(s); }); return length(&first); }
    if (how == "vector") { std::vector<int> v; return v[100]; }
    if (how == "unique") { std::unique_ptr<customer> c; return c->age; }
    return 0;
}
