/* A loop that never ends, with a call in it: something to stop in, step through and
   change, again and again. */
#include <stdio.h>

volatile int total, rounds;

int add(int n)
{
	int before = total; /* line 9 */
	total = before + n;
	return total;
}

int main(void)
{
	for (int i = 0;; i++) {
		int sum = add(i); /* line 17 */
		rounds = i;
		if (sum < 0)
			total = 0;
		if (i % 1000 == 999)
			printf("round %d\n", i);
	}
}
