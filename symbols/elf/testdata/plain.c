/* Plain C: bit fields, unions, arrays, function pointers, a file-local twin. */
#include <stdio.h>
#include <stdint.h>

struct flags {
  unsigned ready : 1;
  unsigned mode : 3;
  int level : 12;
  uint64_t wide : 40;
  uint8_t last;
};

typedef struct node {
  struct node *next;
  char name[16];
  int (*visit)(struct node *, int);
  union {
    int number;
    double real;
    struct {
      short low, high;
    };
  };
  struct flags flags;
  int grid[2][3];
} node_t;

enum state { IDLE, BUSY = 10, DONE };

static enum state state = BUSY;
static const char *const names[] = {"idle", "busy", "done"};
node_t *head;

static int visit(node_t *n, int depth) {
  static int visits;
  visits++;
  if (n->next)
    return visit(n->next, depth + 1);
  return depth + visits;
}

int main(void) {
  node_t second = {0, "second", visit, {7}, {1, 5, -9, 0x123456789aULL, 3}, {{1, 2, 3}, {4, 5, 6}}};
  node_t first = {&second, "first", visit, {.real = 2.5}, {0, 2, 100, 1, 2}, {{0}}};
  head = &first;
  printf("%d %s %d\n", first.visit(head, 0), names[0], (int)state);
  return 0;
}
