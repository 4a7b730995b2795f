// Threads that take turns: what each does is the same in every run.
#include <pthread.h>
#include <stdlib.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int turn, total;
static int n;

static void await(int mine) {
    pthread_mutex_lock(&lock);
    while (turn != mine)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

static void pass(int next) {
    pthread_mutex_lock(&lock);
    turn = next;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static int square(int k) {
    int r = k * k;
    return r;
}

static void *work(void *arg) {
    int id = (int)(long)arg;
    await(id);
    for (int i = 0; i < 2; i++)
        total += square(id + i);
    total++;
    pass(id + 1);
    return arg;
}

int main(int argc, char **argv) {
    pthread_t t[64];
    n = argc > 1 ? atoi(argv[1]) : COUNT;
    turn = 1;
    for (int i = 0; i < n; i++)
        pthread_create(&t[i], 0, work, (void *)(long)(i + 1)); // gdb: moved-statement
    await(n + 1);
    total += square(n);
    for (int i = 0; i < n; i++)
        pthread_join(t[i], 0);
    return total == 0;
}
