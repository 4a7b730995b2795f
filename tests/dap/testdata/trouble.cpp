// Exceptions and signals that a debugger can stop at.
#include <csignal>
#include <cstdio>
#include <stdexcept>

namespace shop {
struct OutOfStock : std::runtime_error {
    int item;
    OutOfStock(int n) : std::runtime_error("nothing left"), item(n) {}
};
}

static int alarms;

static void onAlarm(int) { alarms++; }

static void sell(int n)
{
    if (n == 1)
        throw 42;
    throw shop::OutOfStock(n);
}

int main()
{
    signal(SIGALRM, onAlarm);
    signal(SIGURG, onAlarm);
    for (int n = 1; n <= 2; n++) {
        try {
            try {
                sell(n);
            } catch (const shop::OutOfStock &) {
                throw;
            }
        } catch (const std::exception &e) {
            printf("%s\n", e.what());
        } catch (int) {
        }
    }
    raise(SIGURG);
    raise(SIGALRM);
    return 0;
}
