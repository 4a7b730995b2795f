/* Code that nobody has any information about: made at run time, with and
   without frame pointers, and stripped of its tables. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define NOINLINE __attribute__((noinline, noclone))

volatile int sink;
typedef int call(int (*to)(int), int a);

NOINLINE int back(int a) { /* called from there */
  sink += a;
  return sink;
}

/* push rbx; sub rsp,40h; mov rbx,rdi; mov edi,esi; call rbx; add rsp,40h; pop rbx; ret */
static const unsigned char plain[] = {0x53, 0x48, 0x83, 0xec, 0x40, 0x48, 0x89, 0xfb, 0x89, 0xf7, 0xff, 0xd3, 0x48, 0x83, 0xc4, 0x40, 0x5b, 0xc3};
/* push rbp; mov rbp,rsp; call .+7; leave; ret; and then what is called: plain */
static const unsigned char nested[] = {0x55, 0x48, 0x89, 0xe5, 0xe8, 0x02, 0x00, 0x00, 0x00, 0xc9, 0xc3,
                                       0x53, 0x48, 0x83, 0xec, 0x40, 0x48, 0x89, 0xfb, 0x89, 0xf7, 0xff, 0xd3, 0x48, 0x83, 0xc4, 0x40, 0x5b, 0xc3};
/* push rbp; mov rbp,rsp; sub rsp,20h; mov rax,rdi; mov edi,esi; call rax; xchg rbp,rsp, twice; leave; ret */
static const unsigned char framed[] = {0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xec, 0x20, 0x48, 0x89, 0xf8, 0x89, 0xf7, 0xff, 0xd0,
                                       0x48, 0x87, 0xe5, 0x48, 0x87, 0xe5, 0xc9, 0xc3};
/* push rbx; mov rbx,rsp; mov ecx,30h; sub rsp,rcx; mov rax,rdi; mov edi,esi; call rax; mov rsp,rbx; pop rbx; ret */
static const unsigned char wild[] = {0x53, 0x48, 0x89, 0xe3, 0xb9, 0x30, 0x00, 0x00, 0x00, 0x48, 0x29, 0xcc, 0x48, 0x89, 0xf8, 0x89, 0xf7, 0xff, 0xd0,
                                     0x48, 0x89, 0xdc, 0x5b, 0xc3};

static char *room;

NOINLINE int through(const unsigned char *code, int n, int a) {
  char *at = room;
  memcpy(at, code, n);
  room += 64;
  return ((call *)at)(back, a) + 1;
}

#define THROUGH(code, a) through(code, sizeof code, a)

int main(void) {
  room = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  int sum = THROUGH(plain, 1);
  sum += THROUGH(nested, 2);
  sum += THROUGH(framed, 3);
  sum += THROUGH(wild, 4);
  return sum == 0;
}
