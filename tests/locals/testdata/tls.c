/* Thread-local variables of the program and of a library, in two threads. With
   LIBRARY this is the library. */
#ifdef LIBRARY
__thread int shelf = 77;
__thread int quiet = 5; /* nobody asks for it before the probe */
int touch(int v) { return shelf += v; }
int wake(void) { return quiet; }
#else
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#ifdef LOAD
#include <dlfcn.h>
#endif

__thread int counter = 100;
__thread long zeroed;
static __thread char odd = 'o';
int (*touch)(int);

__attribute__((noinline)) void probe(int who) { __asm__ volatile("" ::"r"(who) : "memory"); }

static void *work(void *arg) {
  counter += 11;
  zeroed = -9;
  odd = 'w';
  if (touch)
    touch(3);
  probe(2);
  return arg;
}

int main(int argc, char **argv) {
  pthread_t t;
  counter += 1;
  zeroed = argc + 6;
#ifdef LOAD
  void *lib = dlopen(argv[1], RTLD_NOW);
  if (!lib) {
    fprintf(stderr, "%s\n", dlerror());
    return 1;
  }
  touch = (int (*)(int))dlsym(lib, "touch");
  probe(0);
  touch(1);
#endif
  if (pthread_create(&t, 0, work, 0))
    return 1;
  pthread_join(t, 0);
  probe(1);
  printf("%d %ld %c\n", counter, zeroed, odd);
  return 0;
}
#endif
