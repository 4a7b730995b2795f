// A shop with some of everything: containers, templates, inheritance, threads,
// exceptions, unions and bit fields.
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <iostream>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <unordered_map>
#include <variant>
#include <vector>
#include <cstring>
#include <cmath>

namespace shop {

enum class Color : unsigned char { Red, Green = 5, Blue };
enum Mode { Idle, Busy = 3, Down = -1 };

struct Flags {
    unsigned ready : 1;
    unsigned level : 3;
    int delta : 5;
    Color color : 8;
};

union Word {
    unsigned u;
    float f;
    unsigned char bytes[4];
};

struct Point { int x, y; };

class Item {
public:
    Item(std::string n, double p, int q) : name(std::move(n)), price(p), qty(q) { ++made; }
    virtual ~Item() { --made; }
    virtual double total() const { return price * qty; }
    virtual const char* kind() const { return "item"; }
    bool operator<(const Item& o) const { return price < o.price; }
    std::string name;
    double price;
    int qty;
    Flags flags{1, 5, -3, Color::Blue};
    Point where{3, 4};
    static int made;
};
int Item::made = 0;

struct Taxed {
    virtual double rate() const { return 0.19; }
    virtual ~Taxed() = default;
    int code = 7;
};

class Book : public Item, public Taxed {
public:
    Book(std::string n, double p, int q, int pg) : Item(std::move(n), p, q), pages(pg) {}
    double total() const override { return Item::total() * (1 + rate()); }
    const char* kind() const override { return "book"; }
    int pages;
    std::optional<std::string> author;
};

template <typename T, int N>
class Ring {
public:
    void push(const T& v) { data[head++ % N] = v; }
    const T& last() const { return data[(head - 1) % N]; }
    T data[N]{};
    unsigned head = 0;
};

template <typename T>
T add(T a, T b) { return a + b; }

}  // namespace shop

using shop::Item;

int add(int a, int b) { return a + b; }

int count = 5;
const char* title = "the shop";
char buffer[32] = "in a buffer";
wchar_t wide[8] = L"wide";
double ratio = 2.5;
float third = 1.0f / 3;
bool open_now = true;
shop::Mode mode = shop::Busy;
shop::Color color = shop::Color::Green;
shop::Word word{0x3f800000};
shop::Point points[4] = {{1, 2}, {3, 4}, {5, 6}, {7, 8}};
int matrix[2][3] = {{1, 2, 3}, {4, 5, 6}};
std::vector<shop::Item*> items;
std::map<std::string, int> stock;
std::unordered_map<int, std::string> names;
std::shared_ptr<shop::Book> best;
std::unique_ptr<shop::Point> corner;
std::variant<int, double, std::string> anything = std::string("var");
std::list<int> numbers{1, 2, 3};
std::set<int> odd{1, 3, 5};
std::deque<double> queue{1.5, 2.5};
shop::Ring<int, 4> ring;
void* nothing = nullptr;
int (*op)(int, int) = add;
std::function<int(int)> twice = [](int v) { return 2 * v; };
unsigned long long big = 0xfedcba9876543210ull;
std::atomic<int> done{0};
std::mutex lock;
thread_local int mine = 42;

#define TEN(n) VARIABLE(n##0) VARIABLE(n##1) VARIABLE(n##2) VARIABLE(n##3) VARIABLE(n##4) \
    VARIABLE(n##5) VARIABLE(n##6) VARIABLE(n##7) VARIABLE(n##8) VARIABLE(n##9)
#define VARIABLE(n) alignas(4096) int n = 7;  // each in a page of its own
TEN(far_0) TEN(far_1) TEN(far_2) TEN(far_3) TEN(far_4)

struct Node {
    int value;
    Node* next;
};
Node* chain;

__attribute__((noinline)) int fact(int n) {
    if (n <= 1) return 1;
    int below = fact(n - 1);
    return n * below;
}

__attribute__((noinline)) void fill() {
    items.push_back(new shop::Item("bolt", 0.25, 100));
    items.push_back(new shop::Book("Go", 30, 2, 400));
    auto b = std::make_shared<shop::Book>("C++", 50.0, 1, 1300);
    b->author = "Bjarne";
    best = b;
    corner = std::make_unique<shop::Point>(shop::Point{9, 9});
    stock["bolt"] = 100;
    stock["nut"] = 250;
    names[1] = "one";
    names[2] = "two";
    for (int i = 0; i < 5; i++) ring.push(i * i);
    for (int i = 3; i > 0; i--) chain = new Node{i, chain};
}

double sum(const std::vector<shop::Item*>& list) {
    double s = 0;
    for (const auto* i : list) {
        double t = i->total();
        s += t;
    }
    return s;
}

void worker(int id) {
    std::string who = "worker " + std::to_string(id);
    mine = id;
    std::lock_guard<std::mutex> g(lock);
    done += id;
}

int risky(int v) {
    if (v > 2) throw std::runtime_error("too risky: " + std::to_string(v));
    return v;
}

int main(int argc, char** argv) {
    fill();
    count = add(count, 3);
    double s = sum(items);
    int f = fact(5);
    std::vector<std::thread> team;
    for (int i = 1; i <= 3; i++) team.emplace_back(worker, i);
    for (auto& t : team) t.join();
    try {
        for (int i = 0; i < 5; i++) risky(i);
    } catch (const std::exception& e) {
        std::cout << "caught " << e.what() << "\n";
    }
    word.f = 2.0f;
    std::sort(items.begin(), items.end(), [](auto* a, auto* b) { return *a < *b; });
    std::cout << "sum " << s << " fact " << f << " add " << shop::add(1.5, 2.0) << " " << shop::add(1, 2) << "\n";
    Item& first = *items[0];
    std::cout << first.kind() << " " << std::sqrt(ratio) << "\n";
    if (argc > 1) *reinterpret_cast<volatile int*>(0x10L + argc) = 1;
    return 0;
}
