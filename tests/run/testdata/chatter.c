#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    for (int k = 0, n = atoi(argv[1]); k < n; k++)
        printf("line %010d of what it has to say, and no more\n", k);
    return 0;
}
