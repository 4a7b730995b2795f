/* Locals that live where calls leave them alone, and where they do not. */
#define NOINLINE __attribute__((noinline, noclone))

volatile int sink;

NOINLINE int clobber(int a) {
  __asm__ volatile("" ::: "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory");
  sink += a; /* in clobber */
  return sink;
}

NOINLINE int keeps(int a, int b, int c) {
  int kept = a * 31 + b;
  int gone = c * 7 + sink;
  int there[4] = {a, b, c, gone};
  sink += there[gone & 3];
  clobber(kept);
  return kept + there[b & 3];
}

NOINLINE int deep(int n) { /* deep */
  if (n == 0)
    return clobber(n);
  return deep(n - 1) + n;
}

int main(int argc, char **argv) { return keeps(argc, 2, 3) + deep(9980) == 0; }
