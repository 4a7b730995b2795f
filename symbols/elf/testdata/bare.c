/* No headers: compiled for machines whose libraries are not installed. */
struct pair {
  int first;
  unsigned low : 3, high : 9;
  struct pair *next;
};

int counter = 5;
extern int outside(int);
extern void elsewhere(struct pair *);

static int walk(struct pair *p) {
  int sum = 0;
  for (; p; p = p->next)
    sum += p->first + (int)p->high;
  return sum;
}

int entry(struct pair *p, int n) {
  int local = outside(n) + counter;
  elsewhere(p);
  if (local > 3)
    local += walk(p);
  return local;
}
