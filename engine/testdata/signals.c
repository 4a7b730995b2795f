#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

volatile int alarms, users;
int watched;

void on_alarm(int n) { alarms++; }
void on_user(int n) { users++; }

void change(int v)
{
    watched = v;
    watched = v;
    watched += 1;
}

int work(int n)
{
    volatile int sum = 0;
    for (int i = 0; i < n; i++)
        sum += i;
    return sum;
}

int main(int argc, char **argv)
{
    signal(SIGALRM, on_alarm);
    signal(SIGUSR1, on_user);
    struct itimerval every = {{0, 1000}, {0, 1000}};
    setitimer(ITIMER_REAL, &every, 0);
    work(3000000);
    setitimer(ITIMER_REAL, &(struct itimerval){0}, 0);
    raise(SIGUSR1);
    change(7);
    work(users);
    int *bad = argc > 1 ? 0 : &watched;
    *bad = 1;
    return 3;
}
