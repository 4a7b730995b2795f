#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct point {
    int x, y;
    struct point *next;
};

int counter;
volatile int flag;

int leaf(int a)
{
    int doubled = a * 2;
    counter += doubled;
    return doubled;
}

int middle(int a, int b)
{
    int first = leaf(a);
    int second = leaf(b);
    return first + second;
}

int factorial(int n)
{
    if (n <= 1)
        return 1;
    int rest = factorial(n - 1);
    return n * rest;
}

int deep(int n)
{
    volatile int here = n;
    if (n == 0)
        return leaf(here);
    return deep(n - 1) + here;
}

int spin(int n)
{
    int sum = 0;
    for (int i = 0; i < n; i++)
        sum += leaf(i);
    return sum;
}

int main(int argc, char **argv)
{
    struct point tail = {3, 4, 0};
    struct point head = {1, 2, &tail};
    int total = 0;
    total += middle(1, 2);
    total += factorial(5);
    total += spin(100);
    printf("total %d\n", total);
    total += deep(argc > 1 ? atoi(argv[1]) : 10);
    while (argc > 2 && !flag) {
        counter++;
        total += leaf(counter & 3);
    }
    return total == 0 ? head.x : 0;
}
