/* Processes that come of processes.
 *   forks fork        a child calls hot() and exits with 7; so does the parent then
 *   forks exec        a child executes "forks brief", which exits with 3
 *   forks vfork       the same by vfork
 *   forks self        executes "forks brief" itself
 *   forks brief       calls hot() and exits with 3
 *   forks many N      N children, one after the other, each calls hot() and exits with 0;
 *                     exits with 0 when each of them did
 *   forks pair        parent and child call hot() for ever
 *   forks orphan      the parent exits with 4 at once, the child calls hot() and exits
 *   forks threads     four threads fork ten children each, which call hot()
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

volatile long calls;

__attribute__((noinline)) int hot(int who)
{
	calls++;              /* hot */
	int twice = who * 2;
	return twice;
}

static int awaited(pid_t child)
{
	int status = 0;
	if (waitpid(child, &status, 0) != child)
		return 98;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void forever(int who)
{
	for (;;) {
		hot(who);
		usleep(2000);
	}
}

static void *forker(void *failed)
{
	for (int i = 0; i < 10; i++) {
		pid_t child = fork();
		if (child == 0) {
			hot(2);
			_exit(0);
		}
		if (awaited(child) != 0)
			__atomic_fetch_add((int *)failed, 1, __ATOMIC_SEQ_CST);
	}
	return 0;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "fork";
	int status = 0;

	hot(0);
	if (!strcmp(mode, "brief"))
		return 3;
	if (!strcmp(mode, "self"))
		execl("/proc/self/exe", "forks", "brief", (char *)0);
	if (!strcmp(mode, "many")) {
		int failed = 0;
		for (int i = 0; i < atoi(argv[2]); i++) {
			pid_t child = fork();
			if (child == 0) {
				hot(2);
				_exit(0);
			}
			failed += awaited(child) != 0;
		}
		return failed > 100 ? 100 : failed;
	}
	if (!strcmp(mode, "threads")) {
		pthread_t id[4];
		int failed = 0;
		for (int i = 0; i < 4; i++)
			pthread_create(&id[i], 0, forker, &failed);
		for (int i = 0; i < 4; i++)
			pthread_join(id[i], 0);
		return failed;
	}
	if (!strcmp(mode, "vfork")) {
		pid_t child = vfork();
		if (child == 0) {
			execl("/proc/self/exe", "forks", "brief", (char *)0);
			_exit(9);
		}
		status = awaited(child);
		hot(1);
		return status;
	}
	pid_t child = fork();
	if (child == 0) {
		if (!strcmp(mode, "pair"))
			forever(2);
		if (!strcmp(mode, "exec"))
			execl("/proc/self/exe", "forks", "brief", (char *)0);
		if (!strcmp(mode, "orphan"))
			usleep(100000);
		hot(2);
		_exit(7);
	}
	if (!strcmp(mode, "pair"))
		forever(1);
	if (!strcmp(mode, "orphan"))
		return 4;
	status = awaited(child);
	hot(1);
	return status;
}
