/* Functions of one line: a call to itself does not leave the line. */
int fact(int n) { return n < 2 ? 1 : n * fact(n - 1); }
int main(void) { return fact(4) != 24; }
