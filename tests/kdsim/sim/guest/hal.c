// A module with little in it.
#include "ntos.h"
EXPORT ULONG HalGetInterruptVector(ULONG n) { return n + 0x30; }
NTSTATUS HalInitSystem(void *b) { return b ? 0 : (NTSTATUS)HalGetInterruptVector(1); }
