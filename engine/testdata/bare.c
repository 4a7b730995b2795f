/* Calls without any library, for CPUs whose own a test run need not have. */
#define NOINLINE __attribute__((noinline))

#if defined(__aarch64__)
#define ENTRY "bl begin\nbrk #0\n"
#define NOBODY "x30"
#elif defined(__riscv)
#define ENTRY ".option push\n.option norelax\nla gp, __global_pointer$\n.option pop\ncall begin\nebreak\n"
#define NOBODY "ra"
#endif

__asm__(".globl _start\n.type _start,%function\n_start:\n.cfi_startproc\n.cfi_undefined " NOBODY "\n" ENTRY
        ".cfi_endproc\n.size _start, .-_start\n");

volatile int sink;
typedef int function(int);

NOINLINE int leaf(int a) { return a * 3 + sink; }

NOINLINE int inner(int a) {
  volatile int v[40];
  v[0] = a;
  v[1] = a + 1;
  sink += v[a & 1];
  return leaf(v[1]) + v[0];
}

NOINLINE int deep(int n, int m) {
  if (n == 0)
    return inner(m) + m;
  return deep(n - 1, m + n) + n * m;
}

NOINLINE int tail(int a) { return inner(a + 1); }

NOINLINE double floats(double a, int b) {
  double x = a * inner(b);
  return x + tail(b) * a;
}

function *volatile pointers[] = {inner, tail, leaf};

void begin(void) {
  for (int i = 0; i < 3; i++)
    sink += pointers[i](i);
  sink += deep(3, 1);
  sink += (int)floats(1.5, 4);
  for (;;)
    sink++;
}
