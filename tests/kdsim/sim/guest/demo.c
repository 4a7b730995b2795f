// An image of user space; nobody runs it.
#include "ntos.h"
LONG DemoAnswer = 42;
EXPORT LONG DemoFunction(LONG n) { return n * DemoAnswer; }
int DemoStart(void) { return DemoFunction(2); }
