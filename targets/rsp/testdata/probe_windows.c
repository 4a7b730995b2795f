/* The debuggee of this package's tests under a Windows process's stub.
 *   probe loop      call step() for ever
 *   probe brief     call step() three times, exit with status 3
 */
#include <stdlib.h>
#include <string.h>

volatile long long counter;
volatile long long watched;
volatile unsigned char window[8192];

__attribute__((noinline)) void step(long long n)
{
	counter++;
	watched = n;
}

int main(int argc, char **argv)
{
	for (unsigned i = 0; i < sizeof window; i++)
		window[i] = (unsigned char)(i * 7 + 3);
	if (argc > 1 && !strcmp(argv[1], "brief")) {
		for (long long n = 1; n <= 3; n++)
			step(n);
		return 3;
	}
	for (long long n = 1;; n++)
		step(n);
}
