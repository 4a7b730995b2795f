int other(int n);
struct shared { int n; struct shared *next; };
static inline int in_header(struct shared *s) { return s ? s->n : 0; }
