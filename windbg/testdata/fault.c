// Ends by one signal or another.
#include <signal.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    switch (argv[1][0]) {
    case 'm': return *(volatile int *)0x12345678;
    case 'n': return *(volatile int *)0x1234567812345678;
    case 's': raise(SIGSEGV); break;
    case 'a': abort();
    }
    return argc;
}
