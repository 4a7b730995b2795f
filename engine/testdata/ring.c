// A ring of links through what it lists, for the data model.
#include <stddef.h>
struct link { struct link *next, *prev; };
struct item { int n; struct link by; };
struct link head = {&head, &head};
struct item items[3] = {{10}, {20}, {30}};

static void append(struct item *i) {
  i->by.prev = head.prev, i->by.next = &head;
  head.prev->next = &i->by, head.prev = &i->by;
}

int main(void) {
  struct link *top = &head;
  for (int i = 0; i < 3; i++) append(&items[i]);
  return top == 0; // here
}
