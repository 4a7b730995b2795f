// Prints what an inlined function is given.
#include <stdio.h>

volatile int sink;

static inline __attribute__((always_inline)) int entered(int n) {
    switch (n) {
    case 1:
        sink = 5;
        return 2;
    case 2:
        sink++;
        return 7;
    case 3:
        sink *= 3;
        return 11;
    case 4:
        sink--;
        return 1;
    case 5:
        sink /= 2;
    }
    return sink;
}

int main(int argc, char **argv) {
    int sum = 0;
    for (int i = argc; i < 6; i++)
        sum += entered(i);
    printf("%d\n", argc);
    return sum == 0;
}
