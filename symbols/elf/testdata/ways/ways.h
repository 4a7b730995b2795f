// What both files of the program have in common.
#pragma once
#define LIMIT 24
#define LARGER(a, b) ((a) > (b) ? (a) : (b))

namespace stock {
enum class Grade : unsigned char { Poor = 1, Fine, Best = 9 };
enum { Shelves = 3 };

struct Date {
  unsigned day : 5, month : 4;
  int year : 23;
};

struct Part {
  long id;
  const char *label;
  Date made;
  Grade grade;
  union {
    int count;
    double weight;
  };
  static int made_so_far;
  virtual long value(int factor) const;
  virtual ~Part();
};

struct Wheel : Part {
  float radius;
  struct Spoke {
    int length;
    Spoke *next;
  } *first;
  long value(int factor) const override;
};

template <class T, unsigned N> struct Shelf {
  T *places[N];
  unsigned used;
  typedef T item_type;
  long total(int factor) const {
    long sum = 0;
    for (unsigned i = 0; i < used; i++) {
      long one = places[i]->value(factor);
      sum += one;
    }
    return sum;
  }
};

typedef long (*Pricer)(const Part &, int);
extern Pricer pricer;
extern Shelf<Part, LIMIT> shelves[Shelves];
extern thread_local int depth;
long appraise(const Part *p, int factor, Date &&when);
} // namespace stock

static inline __attribute__((always_inline)) long scaled(long v, int by) {
  long result = v * by;
  if (result < 0)
    result = -result;
  return result;
}
