/* Values that functions hand back, without a library: _start calls them in turn. */
struct pair { int a; long b; };
struct mixed { double d; int n; };
struct floats { float x, y, z; };
struct two { float x, y; };
struct big { long v[5]; };

long longer(void) { return -1234567890123; }
unsigned char byte(void) { return 200; }
float single(void) { return 1.5f; }
double twice(void) { return -2.25; }
struct pair pair(void) { struct pair p = {3, -4}; return p; }
struct mixed mixed(void) { struct mixed m = {0.5, 9}; return m; }
struct floats floats(void) { struct floats f = {1, 2, 4}; return f; }
struct two two(void) { struct two t = {8, 16}; return t; }
struct big big(void) { struct big b = {{1}}; return b; }

void begin(void)
{
    for (;;) {
        longer();
        byte();
        single();
        twice();
        pair();
        mixed();
        floats();
        two();
        big();
    }
}

void _start(void)
{
    begin();
}
