#include <cstdlib>

struct order { long id[200]; order *next; long rest[200]; };

static long use(order *o) { return o->next->id[0]; }

int main()
{
    order *o = (order *)malloc(sizeof *o);
    o->next = o;
    free(o);
    return use(o);
}
