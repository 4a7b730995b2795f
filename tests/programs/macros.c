// Macros for expressions: -g3.
#include <stdio.h>
#define BUFSIZE 96
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define FIELD(p, f) ((p)->f##_count)
#define LAST(array) ((array)[sizeof(array) / sizeof((array)[0]) - 1])

struct store {
  int word_count;
  char text[BUFSIZE];
};

#define LATE 1
int numbers[4] = {1, 2, 3, 40};

static int fill(struct store *s) {
  s->word_count = MAX(numbers[0], 7);
  return s->word_count;
}
#undef BUFSIZE
#define BUFSIZE 5

int main(void) {
  struct store s = {0};
  printf("%d\n", fill(&s));
  return BUFSIZE;
}
