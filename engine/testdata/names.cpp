// Names with template arguments and operators.
#include <cstdio>
template <typename T, int N> struct Ring { T a[N]; int n = 0; void push(T v) { a[n++ % N] = v; } template<class U> U as(U u) { return u + n; } };
template <class T> T twice(T t) { return t + t; }
namespace ns { struct Op { bool operator<(const Op&o) const { return v < o.v; } int v; Op operator+(int n) { return Op{v+n}; } }; }
int main() {
    Ring<int,4> r; Ring<unsigned long,8> q;
    for (int i = 0; i < 5; i++) { r.push(i); q.push(i); }
    r.as<double>(2.0);
    ns::Op a{1}, b{2};
    b = a + 3;
    printf("%d %d %f\n", a < b, twice(3), twice(2.5));
}
