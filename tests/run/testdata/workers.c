#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/wait.h>
struct job { int id; const char *name; };
static int work(struct job *j) { return j->id * 2; }
int main(int argc, char **argv)
{
    if (argc > 2 && !strcmp(argv[1], "work")) {
        int n = atoi(argv[2]);
        struct job j = { n, "x" };
        struct job *p = n % 5 == 3 ? 0 : &j;
        usleep(1000 * (n % 7));
        printf("w%d %d\n", n, work(p));
        return 0;
    }
    int many = argc > 1 ? atoi(argv[1]) : 10, bad = 0, good = 0;
    for (int i = 0; i < many; i++) {
        if (fork() == 0) {
            char num[20];
            snprintf(num, sizeof num, "%d", i);
            if (i % 2) { execl("/proc/self/exe", argv[0], "work", num, (char *)0); _exit(9); }
            struct job j = { i, "x" };
            struct job *p = i % 5 == 3 ? 0 : &j;
            _exit(work(p) < 0);
        }
    }
    int st;
    while (wait(&st) > 0) { if (WIFSIGNALED(st)) bad++; else if (WEXITSTATUS(st)==0) good++; }
    printf("bad %d good %d\n", bad, good);
    return bad > 0;
}
