#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <errno.h>
#include <pthread.h>
#include <ucontext.h>
#include <unistd.h>

namespace geo {
struct Point {
    int x, y;
    int sum() const { return x + y; }
    static int count;
};
int Point::count = 7;
int scale(int by) { return by * Point::count; }
enum Color { Red, Green };
}

struct Item {
    int value;
    struct Item *next;
};

struct Link { struct Link *next; };
struct Entry { int id; struct Link link; };

Item third = {30, nullptr}, second = {20, &third}, first = {10, &second};
Entry e2 = {2, {nullptr}}, e1 = {1, {&e2.link}};
char room[64] = "needle in a room";
unsigned long words[4] = {0x1122334455667788, 1, 2, 0x1122334455667788};
siginfo_t told;
ucontext_t where;

static void handler(int, siginfo_t *info, void *context)
{
    told = *info;
    where = *static_cast<ucontext_t *>(context);
    _exit(3);
}

int depth(int n) { return n == 0 ? 0 : 1 + depth(n - 1); }

static void *work(void *) { pause(); return nullptr; }

int main()
{
    geo::Point p = {3, 4};
    geo::Point *ps = &p;
    pthread_t t;
    pthread_create(&t, nullptr, work, nullptr);
    struct sigaction act = {};
    act.sa_sigaction = handler;
    act.sa_flags = SA_SIGINFO;
    sigaction(SIGSEGV, &act, nullptr);
    errno = ENOENT;
    int total = geo::scale(ps->sum()) + depth(3);
    std::printf("%d %d %d\n", total, first.value, e1.id);
    *reinterpret_cast<volatile int *>(16) = total;
    return 0;
}
