// Values of every container the visualisers know, as globals. The program
// prints its pid and waits for the end of its input.
#include <array>
#include <atomic>
#include <bitset>
#include <chrono>
#include <complex>
#include <cstdio>
#include <deque>
#include <forward_list>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <set>
#include <span>
#include <stack>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <variant>
#include <vector>

#ifdef _LIBCPP_VERSION
enum { LIBCXX = 1 };
#else
enum { LIBCXX = 0 };
#endif
struct Point { int x, y; };
struct Base { virtual ~Base() {} int b = 1; };
struct Derived : Base { int d = 2; };
struct MyVec : std::vector<int> { int extra = 9; };
enum class Kind : unsigned char { A, B };

std::array<wchar_t, 5> greeting = {L'h', L'i', L'\0', L'x', L'y'};
std::array<int, 0> noarray;
std::string shortstr = "short", longstr = "a string that does not fit in place", nostr, nulstr("a\0b", 3);
std::wstring wide = L"wide";
std::u16string utf16 = u"sixteen";
std::u32string utf32 = U"thirty-two";
std::string_view view = "view", noview;
std::vector<int> ints = {10, 20, 30}, noints;
std::vector<Point> points = {{1, 2}, {3, 4}};
std::vector<std::string> strs = {"one", "two"};
std::vector<bool> bits = {true, false, true};
std::vector<std::vector<int>> nested = {{1}, {2, 3}};
std::vector<int> many(1000000, 7);
std::deque<int> deq;
std::list<int> lst = {5, 6, 7};
std::list<std::string> strlst = {"five"};
std::forward_list<int> fwd = {1, 2, 3};
std::map<std::string, int> byname = {{"one", 1}, {"three", 3}, {"two", 2}};
std::map<int, Point> bynum;
std::multimap<int, char> multi = {{1, 'a'}, {1, 'b'}};
std::set<int> ordered = {3, 1, 2};
std::unordered_map<int, std::string> hashed = {{42, "answer"}};
std::unordered_map<std::string, int> hashedstr = {{"key", 1}};
std::unordered_set<int> hashset = {8};
std::pair<int, std::string> couple = {1, "b"};
std::tuple<int, double, std::string> triple = {1, 2.5, "c"};
std::tuple<> notuple;
std::optional<int> some = 5, none;
std::optional<std::string> somestr = "opt";
std::variant<int, std::string, Point> var0 = 7, var1 = "text", var2 = Point{5, 6};
std::unique_ptr<int> uniq = std::make_unique<int>(11), nouniq;
std::unique_ptr<Base> poly = std::make_unique<Derived>();
std::shared_ptr<int> shared = std::make_shared<int>(12), shared2 = shared, noshared;
std::unique_ptr<int[]> heap{new int[3]{1, 2, 3}};
struct Handle : std::shared_ptr<Point> { using shared_ptr::shared_ptr; } handle{new Point{5, 6}};
std::weak_ptr<int> weak = shared, noweak;
std::bitset<70> bset("1011");
std::bitset<3> bset3("101");
std::stack<int> stk;
std::queue<int> que;
std::priority_queue<int> prio;
std::span<int> spn = ints;
std::span<int, 2> spn2{ints.data(), 2};
std::initializer_list<int> init = {1, 2};
std::chrono::milliseconds ms{1500};
std::chrono::nanoseconds ns{5};
std::chrono::duration<double> secs{1.5};
std::atomic<int> atom{3};
std::atomic<bool> atomb{true};
std::atomic<int *> atomp{nullptr};
int twice(int x) { return 2 * x; }
std::function<int(int)> func = twice, nofunc;
std::complex<double> cplx{1, 2};
std::map<Kind, std::vector<int>> kinds = {{Kind::B, {4}}};
MyVec mine;
const std::string &ref = shortstr;
std::string *strptr = &longstr;
Point corner = {7, 8};
std::list<int> broken = {1, 2, 3}, cyclic = {1, 2, 3};
std::vector<int> wild = {1};
std::map<int, int> mapcycle = {{1, 1}, {2, 2}, {3, 3}}, mapstray = {{1, 1}, {2, 2}, {3, 3}};
std::unordered_map<int, int> hashcycle = {{1, 1}, {2, 2}};
std::vector<int> backwards = {1, 2}, vast = {1};
std::string strvast = "a string that does not fit in place";
std::deque<int> deqstray = {1, 2};

// To be assigned to.
std::vector<int> spare = {1, 2};
Kind kind = Kind::A;
std::unique_ptr<Base> theirs = std::make_unique<Base>();

// Storage in which no constructor ran: words of a stack.
template <class T> union Unborn {
    unsigned long words[16];
    T it;
    Unborn() { for (unsigned long i = 0; i < 16; i++) words[i] = 0x19590001c0de0000 >> (i * 5 % 16) ^ i * 0x7f31; }
    ~Unborn() {}
};
Unborn<std::deque<int>> nodeq;
Unborn<std::vector<double>> novec;
Unborn<std::list<int>> nolst;
Unborn<std::map<int, int>> nomap;

// What user.natvis describes.
struct Node { Node *next; int v; };
struct IntList { Node *head = nullptr; int n = 0; };
struct Matrix { int rank = 2; int dims[2] = {2, 3}; int data[6] = {1, 2, 3, 4, 5, 6}; };
struct Shape { int kind = 1; double radius = 2.5; int sides = 4; };
struct Circle : Shape { int extra = 1; };
struct Packed { unsigned char bytes[6] = {1, 2, 0, 3, 0, 9}; int n = 6; };
struct Loop { Loop *self = this; int x = 3; };
struct Wrong { int a = 1; };
template <class T, int N> struct Fixed { T *data; int used; };
std::map<int, int> map500;
std::vector<std::string> str1000(1000, "text");
IntList ilist;
Matrix matrix;
Shape shape;
Circle circle;
Packed packed;
Loop loop;
Wrong wrong;
int raw[3] = {7, 8, 9};
Fixed<int, 3> fixed{raw, 2};

struct Columns { int dims[2] = {2, 3}; int data[6] = {1, 2, 3, 4, 5, 6}; } columns;
struct Skipped { int n = 1000; } skipped;
struct Owner { Shape *held = &shape; } owner;
struct Shell { Shape *held = &shape; } shell;
struct Animal { int tag = 0; };
struct Cat : Animal { int lives = 9; Cat() { tag = 1; } } cat;
Animal &animal = cat, dog;
struct Chain { Node *head = nullptr; } chain;
struct Elsewhere { int x = 26; } elsewhere;
struct First { int a = 1; } first;
struct Second { int a = 1; } second;
struct Third { const char *text = "text"; Kind which = Kind::B; int letter = 65; double real = 2.5; int *list = raw; int count = 2; } third;

std::vector<int>::iterator inints = ints.begin() + 1;
std::set<int>::iterator inset = ordered.begin();

int main() {
    for (int i = 0; i < 500; i++) map500[i] = i * i;
    for (int i = 3; i > 0; i--) ilist.head = new Node{ilist.head, i}, ilist.n++;
    chain.head = ilist.head;
    for (int i = 0; i < 300; i++) deq.push_back(i);
    for (int i = 0; i < 5; i++) deq.pop_front();
    deq.push_front(-1);
    for (int i = 0; i < 3; i++) bynum[i] = {i, -i}, stk.push(i), que.push(i), prio.push(i);
    mine.push_back(1);
    // break them: a link to nowhere, a link back, an end far away
    void **node = *(void ***)&broken;
    node[0] = (void *)0x10;
    void **cyc = *(void ***)&cyclic;
    cyc[0] = cyc;
    ((unsigned long *)&cyclic)[2] = 1ul << 30;
    ((unsigned long *)&wild)[0] = 0x1000, ((unsigned long *)&wild)[1] = ((unsigned long *)&wild)[2] = 0x100001000;
    auto words = [](auto &x) { return (unsigned long *)&x; };
    unsigned long *root = (unsigned long *)(LIBCXX ? words(mapcycle)[1] : words(mapcycle)[2]);
    root[LIBCXX ? 1 : 3] = (unsigned long)root; // a node that is its own right subtree
    unsigned long *other = (unsigned long *)(LIBCXX ? words(mapstray)[1] : words(mapstray)[2]);
    other[LIBCXX ? 1 : 3] = 0x10;
    unsigned long *bucket = (unsigned long *)words(hashcycle)[2];
    bucket[0] = (unsigned long)bucket;
    words(hashcycle)[3] = 1ul << 20;
    words(backwards)[1] = words(backwards)[0] - 400;
    words(vast)[1] = words(vast)[0] + (1ul << 60);
    words(strvast)[LIBCXX ? 1 : 1] = 1ul << 60;
    words(deqstray)[LIBCXX ? 1 : 5] = 0x18;
    printf("ready\n");
    fflush(stdout);
    getchar();
    _Exit(0);
}
