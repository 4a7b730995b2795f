// Throws, calls the system and signals itself.
#include <csignal>
#include <cstdio>
#include <stdexcept>
#include <unistd.h>

struct Fault : std::runtime_error {
    using std::runtime_error::runtime_error;
};

static int work(int n)
{
    int local = n;
    local *= 2;
    if (n == 2)
        throw Fault("no more paper");
    return local;
}

int main()
{
    int sum = 0;
    for (int i = 0; i < 4; i++) {
        try {
            sum += work(i);
        } catch (const std::exception &e) {
            std::puts(e.what());
        }
    }
    signal(SIGUSR1, SIG_IGN);
    raise(SIGUSR1);
    getppid();
    return sum == 8 ? 0 : 1;
}
