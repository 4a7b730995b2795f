// Static data with pointers of every kind, for looking at a program that does not run.
struct node {
	int value;
	struct node *next;
	const char *name;
};
struct node third = {3, 0, "third"}, second = {2, &third, "second"}, first = {1, &second, "first"};
struct Twice { int of; };
struct Twice half;
int counter = 42;
char greeting[] = "hello";
int twice(int x) { return 2 * x; }
int main(void) { return twice(counter) - first.next->value; }
