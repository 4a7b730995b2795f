#include <pthread.h>
#include <signal.h>

enum { THREADS = 4, TIMES = 10 };

static _Thread_local volatile int seen;
static int lost[THREADS];

static void handler(int signal) { seen++; }

static void *raiser(void *arg)
{
	for (int i = 0; i < TIMES; i++)
		pthread_kill(pthread_self(), SIGUSR1);
	*(int *)arg = TIMES - seen;
	return 0;
}

int main(void)
{
	pthread_t id[THREADS];
	int sum = 0;
	signal(SIGUSR1, handler);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&id[i], 0, raiser, &lost[i]);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(id[i], 0);
		sum += lost[i];
	}
	return sum; /* of the signals that no handler saw */
}
