// Control flow: loops of all kinds, on one line and on many, switches, jumps.
#include <string.h>

static int total;

static int steps(int n) {
    int k = 0;
    while (n != 1) {
        if (n % 2)
            n = 3 * n + 1;
        else
            n /= 2;
        k++;
    }
    return k;
}

static int sorts(int *v, int n) {
    int swaps = 0;
    for (int i = 0; i < n; i++)
        for (int j = 0; j + 1 < n - i; j++)
            if (v[j] > v[j + 1]) {
                int t = v[j];
                v[j] = v[j + 1];
                v[j + 1] = t;
                swaps++;
            }
    return swaps;
}

static int kind(int c) {
    switch (c) { // gdb: inlined-entry
    case 0:
        return 10;
    case 1:
        total++;
        /* fall through */
    case 2:
        total += 2;
        break;
    case 3: {
        int x = c * 2;
        total += x;
        break;
    }
    case 4: case 5: case 6:
        total--;
        break;
    default:
        return -1;
    }
    return total;
}

static int threaded(const char *code) {
    static void *where[] = {&&add, &&sub, &&stop};
    int acc = 0;
    goto *where[(int)*code++];
add:
    acc += 5;
    goto *where[(int)*code++];
sub:
    acc -= 2;
    goto *where[(int)*code++];
stop:
    return acc;
}

static int lines(int n) {
    int s = 0; for (int i = 0; i < n; i++) s += i; s *= 2;
    do s--; while (s > 3);
    if (n) { s++; } else { s--; }
    s = n > 2 ?
        s + 1 :
        s - 1;
again:
    if (s++ < 6) // gdb: inlined-head
        goto again;
    return s > 5 && n > 2
        || s < 0;
}

int main(void) {
    int v[] = {4, 2, 3, 1}, r = 0;
    char buf[64];
    r += steps(6);
    r += sorts(v, 4);
    for (int i = 0; i < 8; i++)
        r += kind(i); // gdb: inlined-entry
    r += threaded("\0\1\0\2");
    r += lines(4);
    memset(buf, 1, sizeof buf);
    for (unsigned i = 0; i < sizeof buf; i += 16)
        r += buf[i];
    {
        int r = 5;
        total += r;
    }
    return r == 0;
}
