#include <stdio.h>

int main(void)
{
    volatile double sum = 0;
    for (long k = 1; k < 300000000; k++)
        sum += 1.0 / k;
    printf("%f\n", sum);
    return 0;
}
