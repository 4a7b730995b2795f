/* Ends by a bad write. */
#include <stdio.h>

struct node { int value; struct node *next; };

static int sum(struct node *n)
{
    int total = 0;
    while (n) {
        total += n->value;
        n = n->next;
    }
    return total;
}

static void fill(int *where, int value)
{
    *where = value;
}

int main(int argc, char **argv)
{
    struct node last = { 3, 0 }, first = { 4, &last };
    int *nowhere = argc > 5 ? &argc : 0;
    printf("sum %d\n", sum(&first));
    fflush(stdout);
    fill(nowhere, 42);
    return 0;
}
