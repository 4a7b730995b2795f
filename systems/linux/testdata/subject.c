/* Prints facts about itself, one "name hex" a line, and waits for its input to end. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

__thread long alone[5] = {1};
static __thread char odd = 3;
#ifdef LIBRARY
extern __thread long shared[3];
#endif

static void tell(const char *name, const void *p) { printf("%s %lx\n", name, (unsigned long)p); }

static void thread_facts(const char *who) {
  char name[64];
#define FACT(what, p) (snprintf(name, sizeof name, "%s.%s", who, what), tell(name, p))
  FACT("tp", __builtin_thread_pointer());
  FACT("alone", alone);
  FACT("odd", &odd);
#ifdef LIBRARY
  FACT("shared", shared);
  long *(*plug)(void) = dlsym(RTLD_DEFAULT, "plug_tls");
  void *h = dlopen(PLUG, RTLD_NOW);
  plug = h ? dlsym(h, "plug_tls") : 0;
  if (plug) FACT("plug", plug());
#endif
}

static pthread_barrier_t bar;
static void *run(void *arg) {
  thread_facts("worker");
  fflush(stdout);
  pthread_barrier_wait(&bar);
  pause();
  return arg;
}

static int print_map(struct dl_phdr_info *i, size_t n, void *arg) {
  (void)n, (void)arg;
  printf("map:%s %lx\n", i->dlpi_name, (unsigned long)i->dlpi_addr);
  return 0;
}

int main(void) {
  thread_facts("main");
#ifdef LIBRARY
  tell("_r_debug", dlsym(RTLD_DEFAULT, "_r_debug"));
  tell("_thread_db_link_map_l_tls_modid", dlsym(RTLD_DEFAULT, "_thread_db_link_map_l_tls_modid"));
  tell("brk", (void *)_r_debug.r_brk);
#endif
  pthread_t t;
  pthread_barrier_init(&bar, 0, 2);
  pthread_create(&t, 0, run, 0);
  pthread_barrier_wait(&bar);
  dl_iterate_phdr(print_map, 0);
  puts("end 0");
  fflush(stdout);
  char c;
  while (read(0, &c, 1) > 0) {}
  return 0;
}
