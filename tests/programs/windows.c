/* A freestanding Windows program: no C library, its debug information in a PDB. */
typedef unsigned int u32; typedef int BOOL; typedef void *HANDLE;
__declspec(dllimport) HANDLE __stdcall GetStdHandle(u32);
__declspec(dllimport) BOOL __stdcall WriteFile(HANDLE, const void *, u32, u32 *, void *);
__declspec(dllimport) void __stdcall ExitProcess(u32);

enum color { RED = 1, GREEN = 2 };
struct point { int x, y; const char *name; struct point *next; };
struct shape { enum color color; u32 flag_a : 3, flag_b : 5; struct point corner[2]; };
volatile int g_counter;
struct point g_origin = {1, 2, "origin", 0};
struct shape g_shape = {GREEN, 5, 17, {{1, 2, "a", &g_origin}, {3, 4, "b", 0}}};
int _fltused;

__attribute__((noinline)) int inner(int v) {
  int twice = v * 2;
  g_counter += twice;
  return twice + 1;
}
__attribute__((noinline)) int middle(struct point *p, int v) {
  int local = v + p->y;
  p->x += local;
  return inner(local) + p->y;
}
void start(void) {
  u32 n;
  struct point p = {3, 4, "p", &g_origin};
  HANDLE h = GetStdHandle((u32)-11);
  int sum = 0;
  for (int i = 0; i < 5; i++) { sum += middle(&p, i); WriteFile(h, "tick\r\n", 6, &n, 0); }
  ExitProcess(sum & 63);
}
