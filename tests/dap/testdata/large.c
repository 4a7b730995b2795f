/* Large values, much output, names that are not ASCII. With a number it prints
 * that many lines of 64 bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int million[1000000];
char text[1 << 20];

static int größe(int x)
{
    return x + 1; /* inside */
}

int main(int argc, char **argv)
{
    long lines = argc > 1 ? atol(argv[1]) : 0, i;

    memset(text, 'x', sizeof text - 1);
    for (i = 0; i < 1000000; i++)
        million[i] = 2 * i;
    i = größe(1); /* filled */
    for (i = 0; i < lines; i++)
        printf("%015ld %047d\n", i, 0);
    return 0;
}
