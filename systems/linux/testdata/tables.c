/* Prints glibc's own tables, and siginfo_t as the kernel fills it. */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static sigjmp_buf back;
static const char *what;

static void handler(int n, siginfo_t *info, void *context) {
  (void)n, (void)context;
  printf("siginfo %s ", what);
  for (unsigned i = 0; i < sizeof *info; i++) printf("%02x", ((unsigned char *)info)[i]);
  printf("\n");
  siglongjmp(back, 1);
}

#define TRY(name, act) do { what = name; if (!sigsetjmp(back, 1)) { act; } } while (0)

int main(void) {
  for (int i = 1; i < 32; i++) printf("signal %d SIG%s\n", i, sigabbrev_np(i));
  for (int i = 1; i < 140; i++) if (strerrorname_np(i)) printf("errno %d %s %s\n", i, strerrorname_np(i), strerror(i));
  struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_NODEFER};
  int all[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGUSR1, SIGCHLD, SIGABRT};
  for (unsigned i = 0; i < sizeof all / sizeof *all; i++) sigaction(all[i], &sa, 0);
  volatile int zero = 0;
  char *ro = mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  printf("fact ro %lx\nfact pid %x\nfact uid %x\n", (unsigned long)ro, getpid(), getuid());
  TRY("maperr", *(volatile int *)0x10 = 1);
  TRY("accerr", *(volatile char *)ro = 1);
  TRY("intdiv", zero = 7 / zero);
  TRY("ill", __builtin_trap());
  TRY("tkill", raise(SIGUSR1));
  TRY("kill", kill(getpid(), SIGUSR1));
  union sigval v = {.sival_ptr = (void *)0x123456789abc};
  TRY("queue", sigqueue(getpid(), SIGUSR1, v));
  sigset_t chld;
  sigemptyset(&chld);
  sigaddset(&chld, SIGCHLD);
  sigprocmask(SIG_BLOCK, &chld, 0); // it may end before its turn has come
  pid_t child;
  if (!(child = fork())) _exit(9);
  printf("fact child %x\n", child);
  sigdelset(&chld, SIGCHLD);
  TRY("child", for (;;) sigsuspend(&chld));
  fflush(stdout);
  return 0;
}
