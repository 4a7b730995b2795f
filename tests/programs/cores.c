/* Threads that wait, and one that aborts below three calls. */
#include <pthread.h>
#include <unistd.h>
#include <stdlib.h>
#include <string.h>
struct item { int n; double d; const char *text; struct item *next; };
static struct item last = {2, 2.5, "last", 0};
struct item first = {1, 1.5, "first", &last};
static volatile int ready;
__thread int mine = 5;
static void *idle(void *arg) {
    long number = (long)arg;
    mine += number;
    __sync_fetch_and_add(&ready, 1);
    while (ready >= 0) pause();
    return 0;
}
static int fail(struct item *i, int depth) {
    char buffer[32];
    float half = depth * 0.5f;
    strcpy(buffer, i->text);
    if (depth) return fail(i, depth - 1) + 1;
    mine = 9;
    abort();
    return buffer[0] + half;
}
int main(void) {
    pthread_t t[2];
    for (long i = 0; i < 2; i++) pthread_create(&t[i], 0, idle, (void *)i);
    while (ready < 2) usleep(1000);
    return fail(&first, 3);
}
