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
    pid_t *pids = calloc(many, sizeof *pids);
    for (int i = 0; i < many; i++) {
        if ((pids[i] = fork()) == 0) {
            char num[20];
            snprintf(num, sizeof num, "%d", i);
            if (i % 2) { execl("/proc/self/exe", argv[0], "work", num, (char *)0); _exit(9); }
            struct job j = { i, "x" };
            struct job *p = i % 5 == 3 ? 0 : &j;
            _exit(work(p) < 0);
        }
    }
    int st, n;
    for (pid_t pid; (pid = wait(&st)) > 0;) {
        if (WIFSIGNALED(st)) bad++; else if (WEXITSTATUS(st)==0) good++;
        for (n = 0; n < many && pids[n] != pid;) n++;
        if (n % 5 == 3 ? !WIFSIGNALED(st) || WTERMSIG(st) != SIGSEGV : st != 0)
            printf("worker %d, process %d (%x): wait status 0x%x\n", n, pid, pid, st);
    }
    printf("bad %d good %d\n", bad, good);
    return bad > 0;
}
