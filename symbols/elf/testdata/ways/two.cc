#include "ways.h"

#undef LIMIT
#define LIMIT 30

static int hidden_total = 2;

namespace stock {
long Wheel::value(int factor) const {
  int spokes = 0;
  for (Spoke *s = first; s; s = s->next)
    spokes += s->length;
  return Part::value(factor) + spokes + (long)(radius * 2);
}

long appraise(const Part *p, int factor, Date &&when) {
  auto twice = [factor](long v) { return scaled(v, factor) * 2; };
  long price = pricer(*p, factor);
  if (price > LIMIT) {
    Grade best = Grade::Best;
    price += (int)best + when.month;
  }
  hidden_total++;
  return twice(price);
}
} // namespace stock

extern "C" int entry(int, char **);

int main(int argc, char **argv) {
  int entry_result = argc;
  return entry(entry_result, argv);
}
