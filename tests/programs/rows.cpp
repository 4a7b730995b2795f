// One program for every row of the benchmark; its first argument names the
// scenario. Lines are found by their marks: "mark: NAME".
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <thread>
#include <vector>

static char big[16 << 20];
volatile bool stopping;

struct item { int key; double weight; char name[16]; };

static int leaf(int n)
{
    return n * 3 + 1; // mark: leaf
}

static int work(struct item *it, int n)
{
    int a = n; // mark: work
    int b = a + 1;
    int c = leaf(b); // mark: call
    it->key = c;
    it->weight = c / 2.0;
    return c;
}

static void steps()
{
    item it = {0, 0, "item"};
    for (long i = 0; !stopping; i++)
        big[i & 0xfffff] = (char)work(&it, (int)i);
}

static long many;

// Two hundred lines to set breakpoints on, which are not run.
static void lines()
{
    many++; // mark: lines
    many += 0; // 0
    many += 1; // 1
    many += 2; // 2
    many += 3; // 3
    many += 4; // 4
    many += 5; // 5
    many += 6; // 6
    many += 7; // 7
    many += 8; // 8
    many += 9; // 9
    many += 10; // 10
    many += 11; // 11
    many += 12; // 12
    many += 13; // 13
    many += 14; // 14
    many += 15; // 15
    many += 16; // 16
    many += 17; // 17
    many += 18; // 18
    many += 19; // 19
    many += 20; // 20
    many += 21; // 21
    many += 22; // 22
    many += 23; // 23
    many += 24; // 24
    many += 25; // 25
    many += 26; // 26
    many += 27; // 27
    many += 28; // 28
    many += 29; // 29
    many += 30; // 30
    many += 31; // 31
    many += 32; // 32
    many += 33; // 33
    many += 34; // 34
    many += 35; // 35
    many += 36; // 36
    many += 37; // 37
    many += 38; // 38
    many += 39; // 39
    many += 40; // 40
    many += 41; // 41
    many += 42; // 42
    many += 43; // 43
    many += 44; // 44
    many += 45; // 45
    many += 46; // 46
    many += 47; // 47
    many += 48; // 48
    many += 49; // 49
    many += 50; // 50
    many += 51; // 51
    many += 52; // 52
    many += 53; // 53
    many += 54; // 54
    many += 55; // 55
    many += 56; // 56
    many += 57; // 57
    many += 58; // 58
    many += 59; // 59
    many += 60; // 60
    many += 61; // 61
    many += 62; // 62
    many += 63; // 63
    many += 64; // 64
    many += 65; // 65
    many += 66; // 66
    many += 67; // 67
    many += 68; // 68
    many += 69; // 69
    many += 70; // 70
    many += 71; // 71
    many += 72; // 72
    many += 73; // 73
    many += 74; // 74
    many += 75; // 75
    many += 76; // 76
    many += 77; // 77
    many += 78; // 78
    many += 79; // 79
    many += 80; // 80
    many += 81; // 81
    many += 82; // 82
    many += 83; // 83
    many += 84; // 84
    many += 85; // 85
    many += 86; // 86
    many += 87; // 87
    many += 88; // 88
    many += 89; // 89
    many += 90; // 90
    many += 91; // 91
    many += 92; // 92
    many += 93; // 93
    many += 94; // 94
    many += 95; // 95
    many += 96; // 96
    many += 97; // 97
    many += 98; // 98
    many += 99; // 99
    many += 100; // 100
    many += 101; // 101
    many += 102; // 102
    many += 103; // 103
    many += 104; // 104
    many += 105; // 105
    many += 106; // 106
    many += 107; // 107
    many += 108; // 108
    many += 109; // 109
    many += 110; // 110
    many += 111; // 111
    many += 112; // 112
    many += 113; // 113
    many += 114; // 114
    many += 115; // 115
    many += 116; // 116
    many += 117; // 117
    many += 118; // 118
    many += 119; // 119
    many += 120; // 120
    many += 121; // 121
    many += 122; // 122
    many += 123; // 123
    many += 124; // 124
    many += 125; // 125
    many += 126; // 126
    many += 127; // 127
    many += 128; // 128
    many += 129; // 129
    many += 130; // 130
    many += 131; // 131
    many += 132; // 132
    many += 133; // 133
    many += 134; // 134
    many += 135; // 135
    many += 136; // 136
    many += 137; // 137
    many += 138; // 138
    many += 139; // 139
    many += 140; // 140
    many += 141; // 141
    many += 142; // 142
    many += 143; // 143
    many += 144; // 144
    many += 145; // 145
    many += 146; // 146
    many += 147; // 147
    many += 148; // 148
    many += 149; // 149
    many += 150; // 150
    many += 151; // 151
    many += 152; // 152
    many += 153; // 153
    many += 154; // 154
    many += 155; // 155
    many += 156; // 156
    many += 157; // 157
    many += 158; // 158
    many += 159; // 159
    many += 160; // 160
    many += 161; // 161
    many += 162; // 162
    many += 163; // 163
    many += 164; // 164
    many += 165; // 165
    many += 166; // 166
    many += 167; // 167
    many += 168; // 168
    many += 169; // 169
    many += 170; // 170
    many += 171; // 171
    many += 172; // 172
    many += 173; // 173
    many += 174; // 174
    many += 175; // 175
    many += 176; // 176
    many += 177; // 177
    many += 178; // 178
    many += 179; // 179
    many += 180; // 180
    many += 181; // 181
    many += 182; // 182
    many += 183; // 183
    many += 184; // 184
    many += 185; // 185
    many += 186; // 186
    many += 187; // 187
    many += 188; // 188
    many += 189; // 189
    many += 190; // 190
    many += 191; // 191
    many += 192; // 192
    many += 193; // 193
    many += 194; // 194
    many += 195; // 195
    many += 196; // 196
    many += 197; // 197
    many += 198; // 198
    many += 199; // 199
}

static long counted(long n)
{
    long sum = 0;
    for (long i = 0; i < n; i++)
        sum += i; // mark: counted
    return sum;
}

static int deep(int n)
{
    if (n == 0)
        return 1; // mark: deep
    return deep(n - 1) + n;
}

static int locals()
{
#define TEN(p) int p##0 = 0, p##1 = 1, p##2 = 2, p##3 = 3, p##4 = 4, p##5 = 5, p##6 = 6, p##7 = 7, p##8 = 8, p##9 = 9
    TEN(a); TEN(b); TEN(c); TEN(d); TEN(e);
    int sum = 0;
    for (int i = 0; i < 1000000; i++)
        sum += a0 + b1 + c2 + d3 + e4; // mark: locals
    return sum;
}

struct inner { int x, y; };
struct middle { inner p, q; int n; };
struct outer { middle a, b; long id; };
struct whole { outer left, right; const char *name; };
struct record { int id; double weight; std::string name; };

static size_t containers()
{
    static int array[100000];
    for (int i = 0; i < 100000; i++)
        array[i] = i * 7;
    whole nested = {};
    nested.name = "nested";
    std::vector<int> numbers;
    for (int i = 0; i < 1000; i++)
        numbers.push_back(i);
    std::vector<record> records;
    for (int i = 0; i < 200; i++)
        records.push_back({i, i * .5, "record " + std::to_string(i)});
    std::map<std::string, int> names;
    for (int i = 0; i < 500; i++)
        names["name " + std::to_string(i)] = i;
    return numbers.size() + records.size() + names.size() + array[3] + nested.left.a.n; // mark: containers
}

static long shared;

static void hot(int id)
{
    shared += id; // mark: hot
}

static void threads(int count)
{
    std::vector<std::thread> all;
    for (int i = 0; i < count; i++)
        all.emplace_back([i] {
            while (!stopping) {
                deep(10);
                hot(i);
                std::this_thread::sleep_for(std::chrono::milliseconds(5));
            }
        });
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    for (long i = 0; !stopping; i++)
        leaf((int)i); // mark: threads
    for (auto &t : all)
        t.join();
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "steps"; // mark: main
    int n = argc > 2 ? atoi(argv[2]) : 0;
    if (!strcmp(what, "lines"))
        lines();
    else if (!strcmp(what, "steps"))
        steps();
    else if (!strcmp(what, "counted"))
        printf("%ld\n", counted(n));
    else if (!strcmp(what, "deep"))
        printf("%d\n", deep(n));
    else if (!strcmp(what, "locals"))
        printf("%d\n", locals());
    else if (!strcmp(what, "containers"))
        printf("%zu\n", containers());
    else if (!strcmp(what, "threads"))
        threads(n);
    return 0;
}
