// Functions to begin again: what they compute must not change by that.
struct Pair { int a; double b; };
struct Kept {
    int n;
    Kept(int n) : n(n) {}
#ifndef TRIVIAL // clang for some CPUs does not say where parameters by hidden reference are
    Kept(const Kept &o) : n(o.n) {}
    ~Kept() {}
#endif
};

__attribute__((noinline)) double deepest(int a, double b, char c, const int &d, Pair p, Kept k, long e, long f, long g, float h)
{
    double sum = a + b + c + d + p.a + p.b + k.n + e + f + g + h;
    return sum;
}

struct Adder {
    int base;
    double add(Pair p, Kept k)
    {
        int d = base;
        return deepest(7, 0.5, 'c', d, p, k, 1, 2, 3, 4.25f);
    }
};

double middle(Adder &a, int n)
{
    int twice = 2 * n;
    return a.add({twice, 1.5}, Kept(n));
}

struct Large { long v[8]; };
Large large(int n)
{
    Large l = {{n}};
    return l;
}

int main()
{
    Adder a = {10};
    double r = middle(a, 3);
    Large l = large(5);
    return r == 7 + 0.5 + 'c' + 10 + 6 + 1.5 + 3 + 1 + 2 + 3 + 4.25 && l.v[0] == 5 ? 0 : 1;
}
