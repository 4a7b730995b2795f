typedef unsigned char u8; typedef unsigned long u64;
enum colour { RED, GREEN = 7, BLUE }; enum sign { LOW = -5, HIGH = 5 };
struct list { struct list *next, *prev; };
struct inner { int a; struct { char c[3]; union { float f; double d; }; }; };
struct bits { unsigned a : 3, b : 7; u64 wide : 40; signed char s : 4; _Bool yes : 1; u8 last; };
union mix { int i; struct inner in; const volatile char *text; };
typedef int (*handler)(struct bits *, const char *, ...);
struct all { struct list list; struct bits bits; union mix mix; handler h[4]; enum colour colour; enum sign sign; _Bool b; char name[]; };
struct all everything; union mix m;
int call(struct all *a, long n) { return (int)n + a->colour; }
