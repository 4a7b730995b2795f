// Calls through the linkage table: of a library with line numbers, of the C
// library without, of indirect functions, by pointer, and back from the library.
#include <stdlib.h>
#include <string.h>

int lib_add(int a, int b);
int lib_visit(int (*f)(int), int n);
int lib_chosen(int n);
int lib_nested(int n);
extern int lib_state;

static int visited(int n) {
    int r = n * 2;
    return r;
}

static int order(const void *a, const void *b) {
    int x = *(const int *)a, y = *(const int *)b;
    return x - y;
}

int main(void) {
    int v[] = {3, 1, 2};
    char text[32];
    int s = lib_add(1, 2);
    s += lib_add(s, 3) + lib_add(4, 5);
    s += lib_visit(visited, 2);
    s += lib_chosen(3);
    s += lib_nested(2);
    int (*p)(int, int) = lib_add;
    s += p(6, 7);
    strcpy(text, "some text");
    s += strlen(text);
    qsort(v, 3, sizeof *v, order);
    s += v[0] + lib_state;
    s += abs(-s);
    return s == 0;
}
