#include <stdio.h>
static int total(int n, int a[n][n + 1], char *name) {
  int s = 0;
  for (int i = 0; i < n; i++)
    s += a[i][n];
  return s;
}
int main(int argc, char **argv) {
  int n = argc + 2;
  int v[n], w[n][n + 1];
  typedef short row[n];
  row r;
  for (int i = 0; i < n; i++) {
    v[i] = 10 * i; r[i] = i + 1;
    for (int k = 0; k <= n; k++) w[i][k] = 100 * i + k;
  }
  printf("%d\n", total(n, w, argv[0]) + v[1] + r[0]);
  return 0;
}
