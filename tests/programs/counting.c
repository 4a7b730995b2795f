/* Calls with locals, a structure and a global, for debug servers of all kinds. */
struct point {
    int x;
    long y;
};

volatile int total;

int shift(struct point *p, int n)
{
    int sum = p->x + n;
    p->y += sum;
    total = sum;
    return sum;
}

int main(void)
{
    struct point p = {1, 2};
    for (int i = 0; i < 5; i++)
        shift(&p, i);
    return total;
}
