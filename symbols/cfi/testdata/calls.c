int leaf(int *p);
__attribute__((noinline)) int spill(int a, int b) { int v[8] = {a, b}; int s = leaf(v); for (int i = 0; i < 8; i++) s += leaf(v + i) * b; return s; }
__attribute__((noinline)) int early(int a) { if (!a) return 0; int x = a; int r = leaf(&x); return r + spill(r, x); }
int leaf(int *p) { return *p + 1; }
void *dyn(int n) { __builtin_alloca(16); char v[n]; v[0] = leaf((int*)v); return (void *)(long)spill(v[0], n); }
