// Members whose names are numbers too, and members that are their parents' too.
struct Low {
    int low = 1, more = 2;
};
struct Wide : Low {
    int a = 3, pad = 0;
    union {
        struct {
            int x = 4;
        };
        double d;
        struct {
            long q, z;
        };
    };
    int add = 5;
};
struct Split : virtual Low {};
Wide wide;
Split split;
int over(int n) { return n; }
int over(double d) { return d > 1; }
int main() { return over(0) + over(0.5) + wide.add - split.low - 4; }
