/* A parent and two children that wait for ever. */
#include <stdio.h>
#include <unistd.h>

int main(void)
{
    int up[2];
    char ready;
    pid_t one, two;
    if (pipe(up))
        return 2;
    if ((one = fork()) == 0) {
        write(up[1], "x", 1);
        for (;;) pause();
    }
    if ((two = fork()) == 0) {
        write(up[1], "x", 1);
        for (;;) pause();
    }
    read(up[0], &ready, 1);
    read(up[0], &ready, 1);
    printf("there %d %d %d\n", getpid(), one, two);
    fflush(stdout);
    for (;;) pause();
}
