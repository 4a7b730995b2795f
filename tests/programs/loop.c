/* A loop with and without calls, for measuring steps. */
#include <stdio.h>

static char big[1 << 20];

struct item { int key; double weight; char name[16]; };

static int leaf(int n)
{
    return n * 3 + 1;
}

static int work(struct item *it, int n)
{
    int a = n;
    int b = a + 1;
    int c = leaf(b);
    it->key = c;
    it->weight = c / 2.0;
    return c;
}

int main(int argc, char **argv)
{
    struct item it = { 0, 0, "item" };
    long total = argc;
    for (long i = 0; i < 1000000000000; i++) {
        total += work(&it, (int)i);
        big[i & 0xfffff] = (char)total;
    }
    printf("%ld\n", total);
    return 0;
}
