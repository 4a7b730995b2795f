/* So many children come to a breakpoint instruction of their own at once; how many it has ended is told. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    int gate[2], status, ended = 0;
    char c;
    pipe(gate);
    for (int k = 0; k < atoi(argv[1]); k++)
        if (fork() == 0) {
            close(gate[1]);
            read(gate[0], &c, 1);
            __asm__("int3");
            _exit(0);
        }
    close(gate[1]);
    while (wait(&status) > 0)
        ended += WIFSIGNALED(status) && WTERMSIG(status) == 5;
    printf("ended %d\n", ended);
    return 0;
}
