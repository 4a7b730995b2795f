// System calls: a file that is not there, and one's own number.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

static volatile int alarms;
static void tick(int n) { alarms++; }

int main(int argc, char **argv)
{
    signal(SIGUSR1, tick);
    int fd = open("/no/such/file", O_RDONLY);
    pid_t p = getppid();
    for (int i = 0; i < 1000; i++)
        kill(getpid(), SIGUSR1);
    p = getppid();
    return fd == -1 && p > 0 && alarms == 1000 ? 0 : 1;
}
