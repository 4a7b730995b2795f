// Containers of every kind at several sizes. The program writes what each holds,
// by its own iterators, one line an element: variable, element, text. Then it
// says "ready" and waits for the end of its input.
#include <array>
#include <bitset>
#include <cstdio>
#include <cstring>
#include <deque>
#include <forward_list>
#include <list>
#include <map>
#include <queue>
#include <set>
#include <span>
#include <stack>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <valarray>
#include <vector>

using Text = std::string;
struct Pair { int x, y; };

Text text(int v) { return std::to_string(v); }
Text text(bool v) { return v ? "true" : "false"; }
Text text(const Text &s) { return '"' + s + '"'; }
Text text(double v) { char b[40]; snprintf(b, sizeof b, "%.15g", v); return b; }

int number(int i) { return i * 7 - 3; }
Text word(int i) { return i % 3 ? "w" + std::to_string(i) : "a rather long word, number " + std::to_string(i); }
template <class T> T value(int i);
template <> int value(int i) { return number(i); }
template <> bool value(int i) { return i % 3 == 0 || i % 7 == 2; }
template <> double value(int i) { return i * 0.25 - 8; }
template <> Text value(int i) { return word(i); }

constexpr int sizes[] = {0, 1, 2, 1000};

void line(const Text &name, const Text &element, const Text &t) {
    printf("%s\t%s\t%s\n", name.c_str(), element.c_str(), t.c_str());
}
template <class C> void sequence(const Text &name, const C &c) {
    long i = 0;
    for (const auto &x : c) line(name, '[' + std::to_string(i++) + ']', text(x));
    line(name, "#", std::to_string(i));
}
void sequence(const Text &name, const std::vector<bool> &c) {
    for (unsigned long i = 0; i < c.size(); i++) line(name, '[' + std::to_string(i) + ']', text(bool(c[i])));
    line(name, "#", std::to_string(c.size()));
}
template <class C> void table(const Text &name, const C &c) {
    for (const auto &x : c) line(name, '[' + text(x.first) + ']', text(x.second));
    line(name, "#", std::to_string(c.size()));
}

#define EACH(list, act) for (int n = 0; n < 4; n++) { for (int i = 0; i < sizes[n]; i++) list[n].act; }
#define SEQUENCE(list) for (int n = 0; n < 4; n++) sequence(#list "[" + std::to_string(n) + "]", list[n])
#define TABLE(list) for (int n = 0; n < 4; n++) table(#list "[" + std::to_string(n) + "]", list[n])
#define BACK(type, list) std::type list[4]
#define FILL(list, T) EACH(list, push_back(value<T>(i))) SEQUENCE(list);

BACK(vector<int>, vecint);
BACK(vector<double>, vecdouble);
BACK(vector<Text>, vectext);
BACK(vector<bool>, vecbool);
BACK(deque<int>, deqint);
BACK(deque<Text>, deqtext);
BACK(list<int>, lstint);
BACK(list<Text>, lsttext);
std::forward_list<int> fwdint[4];
std::forward_list<Text> fwdtext[4];
std::set<int> setint[4];
std::set<Text> settext[4];
std::multiset<int> msetint[4];
std::map<int, int> mapint[4];
std::map<Text, int> maptext[4];
std::map<int, Text> mapto[4];
std::multimap<int, Text> mmap[4];
std::unordered_set<int> usetint[4];
std::unordered_set<Text> usettext[4];
std::unordered_multiset<int> umset[4];
std::unordered_map<int, int> umapint[4];
std::unordered_map<Text, int> umaptext[4];
std::unordered_multimap<int, Text> ummap[4];
std::valarray<int> val[4];
std::span<int> spn[4];
std::array<int, 0> arr0;
std::array<int, 1> arr1;
std::array<int, 2> arr2;
std::array<int, 1000> arr1000;
std::array<Text, 2> arrtext;
std::bitset<1> bit1;
std::bitset<2> bit2;
std::bitset<1000> bit1000;
struct Stack : std::stack<int> { const container_type &held() const { return c; } } stk[4];
struct Queue : std::queue<Text, std::list<Text>> { const container_type &held() const { return c; } } que[4];
struct Priority : std::priority_queue<int> { const container_type &held() const { return c; } } prio[4];
std::string str[4];
std::wstring wstr[4];
std::u8string str8[4];
std::u16string str16[4];
std::u32string str32[4];
std::string_view view[4];
std::vector<int> vecmany;
std::map<int, int> mapmany;
std::list<int> lstmany;

template <size_t N> void bits(const Text &name, std::bitset<N> &b) {
    for (size_t i = 0; i < N; i++) b[i] = value<bool>(i), line(name, '[' + std::to_string(i) + ']', text(value<bool>(i)));
    line(name, "#", std::to_string(N));
}
template <class S> void string(const Text &name, S *list) {
    for (int n = 0; n < 4; n++) {
        Text shown;
        for (int i = 0; i < sizes[n]; i++) list[n].push_back('a' + i % 26), shown += 'a' + i % 26;
        Text at = name + '[' + std::to_string(n) + ']';
        if (sizes[n] <= 200) line(at, "=", '"' + shown + '"');
        line(at, "#", std::to_string(list[n].size()));
        for (int i = 0; i < sizes[n]; i++) line(at, '[' + std::to_string(i) + ']', text((int)list[n][i]) + " '" + shown[i] + "'");
    }
}

// What is printed of a million: all, or three pages.
bool all;
bool wanted(int i) { return all || i < 100 || i >= 500000 && i < 500100 || i >= 999900; }

int main(int argc, char **) {
    all = argc > 1;
    FILL(vecint, int) FILL(vecdouble, double) FILL(vectext, Text) FILL(vecbool, bool)
    FILL(deqint, int) FILL(deqtext, Text) FILL(lstint, int) FILL(lsttext, Text)
    EACH(fwdint, push_front(number(i))) SEQUENCE(fwdint);
    EACH(fwdtext, push_front(word(i))) SEQUENCE(fwdtext);
    EACH(setint, insert(number(i * 37 % 1009))) SEQUENCE(setint);
    EACH(settext, insert(word(i * 37 % 1009))) SEQUENCE(settext);
    EACH(msetint, insert(number(i % 100))) SEQUENCE(msetint);
    EACH(mapint, emplace(number(i * 37 % 1009), i)) TABLE(mapint);
    EACH(maptext, emplace(word(i), number(i))) TABLE(maptext);
    EACH(mapto, emplace(i, word(i))) TABLE(mapto);
    EACH(mmap, emplace(i % 10, word(i))) TABLE(mmap);
    EACH(usetint, insert(number(i))) SEQUENCE(usetint);
    EACH(usettext, insert(word(i))) SEQUENCE(usettext);
    EACH(umset, insert(number(i % 100))) SEQUENCE(umset);
    EACH(umapint, emplace(number(i), i)) TABLE(umapint);
    EACH(umaptext, emplace(word(i), i)) TABLE(umaptext);
    EACH(ummap, emplace(i % 10, word(i))) TABLE(ummap);
    EACH(stk, push(number(i))) EACH(que, push(word(i))) EACH(prio, push(number(i * 37 % 1009)))
    for (int n = 0; n < 4; n++) {
        Text at = '[' + std::to_string(n) + ']';
        sequence("stk" + at, stk[n].held()), sequence("que" + at, que[n].held()), sequence("prio" + at, prio[n].held());
        val[n].resize(sizes[n]);
        for (int i = 0; i < sizes[n]; i++) val[n][i] = number(i);
        sequence("val" + at, val[n]);
        sequence("spn" + at, spn[n] = vecint[n]);
    }
    for (int i = 0; i < 1000; i++) arr1000[i] = number(i);
    arr1 = {5}, arr2 = {5, 6}, arrtext = {word(0), word(1)};
    sequence("arr0", arr0), sequence("arr1", arr1), sequence("arr2", arr2), sequence("arr1000", arr1000), sequence("arrtext", arrtext);
    bits("bit1", bit1), bits("bit2", bit2), bits("bit1000", bit1000);
    string("str", str), string("wstr", wstr), string("str8", str8), string("str16", str16), string("str32", str32);
    for (int n = 0; n < 4; n++) {
        view[n] = str[n];
        if (sizes[n] < 200) line("view[" + std::to_string(n) + "]", "=", '"' + str[n] + '"');
        Text at = "view[" + std::to_string(n) + "]";
        line(at, "#", std::to_string(view[n].size()));
        for (size_t i = 0; i < view[n].size(); i++) line(at, '[' + std::to_string(i) + ']', text((int)view[n][i]) + " '" + view[n][i] + "'");
    }
    for (int i = 0; i < 1000000; i++) vecmany.push_back(i * 3), mapmany.emplace_hint(mapmany.end(), i * 2, i - 9), lstmany.push_back(~i);
    for (int i = 0; i < 1000000; i++) {
        if (!wanted(i)) continue;
        line("vecmany", '[' + std::to_string(i) + ']', text(vecmany[i]));
        line("mapmany", '[' + std::to_string(i * 2) + ']', text(mapmany[i * 2]));
        line("lstmany", '[' + std::to_string(i) + ']', text(~i));
    }
    for (auto name : {"vecmany", "mapmany", "lstmany"}) line(name, "#", "1000000");
    puts("ready");
    fflush(stdout);
    getchar(); // look here
    _Exit(0);
}
