#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct list { struct list *next; };

struct Order {
    int Id;
    unsigned Flags;
    const char *Name;
    struct list Link;
    char Tag[4];
    unsigned Urgent : 1;
    double Price;
};

int g_count = 3;

int Submit(int qty, const char *name)
{
    int n = qty * 2;
    g_count += n;
    return n + (int)strlen(name);
}

int Fact(int n)
{
    if (n < 2)
        return 1;
    return n * Fact(n - 1);
}

static void *worker(void *arg)
{
    Submit(5, arg);
    return NULL;
}

int main(int argc, char **argv)
{
    struct Order o = {42, 0x11, "bolt", {NULL}, "A", 1, 2.5};
    struct Order *order = &o;
    pthread_t t;
    int total = 0;
    for (int i = 0; i < 8; i++)
        total += Submit(i, order->Name);
    total += Fact(4);
    pthread_create(&t, NULL, worker, "nut");
    pthread_join(t, NULL);
    printf("%d %d\n", total, g_count);
    fflush(stdout);
    if (argc > 1)
        raise(SIGSEGV);
    return total & 7;
}
