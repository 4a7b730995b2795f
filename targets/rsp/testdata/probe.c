/* The debuggee of this package's tests against a real server.
 *   probe loop      call step() for ever
 *   probe brief     call step() three times, print, exit with status 3
 *   probe threads   four workers, then loop
 *   probe fork      fork a child that calls step() and exits with 7; wait; exit
 *   probe pair      fork; both call step() for ever
 *   probe raise     four threads, each raising SIGUSR1 and calling step() five times
 *   probe vfork     vfork, exec true; call step(); exit
 *   probe exec      exec "probe brief"
 *   probe crash     write through a null pointer
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

volatile long counter;
volatile long watched;
volatile unsigned char window[8192];

__attribute__((noinline)) void step(long n)
{
	counter++;
	watched = n;
}

static void *worker(void *arg)
{
	for (;;) {
		usleep(1000);
		__atomic_fetch_add((long *)arg, 1, __ATOMIC_RELAXED);
	}
	return 0;
}

static void *raiser(void *arg)
{
	(void)arg;
	for (int i = 0; i < 5; i++) {
		pthread_kill(pthread_self(), SIGUSR1);
		step(i);
	}
	return 0;
}

/* The registers beyond SSE have contents that step() does not touch. */
static void fill(void)
{
#ifdef __x86_64__
	static const unsigned char pattern[32] = {[0 ... 31] = 0xa5};
	if (__builtin_cpu_supports("avx"))
		__asm__ volatile("vmovdqu %0, %%ymm15" : : "m"(pattern) : "xmm15");
#endif
}

static void loop(void)
{
	fill();
	for (long n = 1;; n++)
		step(n);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "loop";
	static long sums[4];

	setvbuf(stdout, 0, _IONBF, 0);
	for (unsigned i = 0; i < sizeof window; i++)
		window[i] = (unsigned char)(i * 7 + 3);
	if (!strcmp(mode, "brief")) {
		for (long n = 1; n <= 3; n++)
			step(n);
		printf("counter %ld\n", counter);
		return 3;
	}
	if (!strcmp(mode, "threads")) {
		pthread_t id;
		for (int i = 0; i < 4; i++)
			pthread_create(&id, 0, worker, &sums[i]);
		loop();
	}
	if (!strcmp(mode, "fork")) {
		int status = 0;
		pid_t child = fork();
		if (child == 0) {
			step(100);
			_exit(7);
		}
		waitpid(child, &status, 0);
		step(200);
		return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
	}
	if (!strcmp(mode, "raise")) {
		pthread_t id[4];
		signal(SIGUSR1, SIG_IGN);
		for (int i = 0; i < 4; i++)
			pthread_create(&id[i], 0, raiser, 0);
		for (int i = 0; i < 4; i++)
			pthread_join(id[i], 0);
		return 0;
	}
	if (!strcmp(mode, "pair")) {
		fork();
		loop();
	}
	if (!strcmp(mode, "vfork")) {
		int status = 0;
		pid_t child = vfork();
		if (child == 0) {
			execl("/bin/true", "true", (char *)0);
			_exit(9);
		}
		waitpid(child, &status, 0);
		step(300);
		return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
	}
	if (!strcmp(mode, "exec"))
		execl("/proc/self/exe", "probe", "brief", (char *)0);
	if (!strcmp(mode, "crash"))
		*(volatile int *)0 = 1;
	loop();
	return 0;
}
