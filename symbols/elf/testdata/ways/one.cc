#include "ways.h"
#define OFFSET 7
#define JOIN(a, b) a##b

namespace stock {
int Part::made_so_far = 3;
Shelf<Part, LIMIT> shelves[Shelves];
thread_local int depth = 5;

Part::~Part() { made_so_far--; }

long Part::value(int factor) const {
  long base = scaled(id, factor);
  static long asked;
  asked++;
  return base + count + OFFSET + asked;
}

static long plain(const Part &p, int factor) {
  Date d = p.made;
  {
    long d = p.value(factor);
    depth += (int)d;
  }
  return d.day + scaled(d.year, factor);
}
Pricer pricer = plain;
} // namespace stock

namespace {
int hidden_total = 1;
struct Local {
  int a;
  short b[4];
} local_table[2] = {{1, {2, 3}}, {4, {5}}};
int sum_up(const Local *l, int n) {
  int sum = 0;
  for (int i = 0; i < n; i++)
    sum += l[i].a + l[i].b[i & 3];
  return sum;
}
} // namespace

extern "C" int entry(int argc, char **argv) {
  stock::Wheel w;
  w.id = argc;
  w.label = argv[0];
  w.made.day = 3;
  w.made.year = 2020;
  stock::shelves[0].places[0] = &w;
  stock::shelves[0].used = 1;
  hidden_total += sum_up(local_table, 2);
  return (int)(stock::shelves[0].total(2) + stock::appraise(&w, 3, stock::Date()) + hidden_total);
}
