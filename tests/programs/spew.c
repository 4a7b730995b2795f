// Writes lines of 64 bytes, as many as told, to its output; throws nothing away.
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    long n = atol(argv[1]);
    for (long i = 0; i < n; i++)
        printf("%015ld %047d\n", i, 0);
    return ferror(stdout) != 0;
}
