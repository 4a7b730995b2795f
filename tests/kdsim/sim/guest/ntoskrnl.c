// A miniature kernel: it boots, keeps its lists as a Windows kernel keeps them,
// switches threads, loads a driver and dies of bugchecks.
#include "ntos.h"

void *memset(void *, int, __SIZE_TYPE__);
void *memcpy(void *, const void *, __SIZE_TYPE__);
ULONG_PTR DebugService(ULONG service, ULONG_PTR a, ULONG_PTR b, ULONG_PTR c, ULONG_PTR d);
void DbgBreakPointWithStatus(ULONG status);
void KiSwapContext(KTHREAD *from, KTHREAD *to);
void KiStartSystemThread(void);
void KiNmiInterrupt(void), KiBreakpointTrap(void), KiDivideErrorFault(void), KiInvalidOpcodeFault(void), KiDoubleFaultAbort(void), KiGeneralProtectionFault(void), KiPageFault(void), HalpClockInterrupt(void);
void KiSystemStartup(LOADER_PARAMETER_BLOCK *block);

#define GLOBAL __attribute__((used))
EXPORT LIST_ENTRY PsLoadedModuleList, PsActiveProcessHead, MmLoadedUserImageList;
GLOBAL KPRCB *KiProcessorBlock[64];
GLOBAL EPROCESS *PsInitialSystemProcess, *PsIdleProcess;
GLOBAL ULONG_PTR KiBugCheckData[5];
GLOBAL UCHAR NtBuildLab[] = "9600.17031.amd64fre.winblue_gdr.140221-1952";
GLOBAL UCHAR CmNtCSDVersion[8];
GLOBAL ULONG NtBuildNumber = 0xf0002580, KeNumberProcessors, KeMaximumIncrement = 156250, KeTimeIncrement = 156250;
#ifdef _WIN64
GLOBAL ULONG_PTR PspCidTable, MmPfnDatabase, MmHighestUserAddress = 0x7ffffffeffff, MmSystemRangeStart = 0xffff080000000000, MmUserProbeAddress = 0x7fffffff0000;
#define SHARED 0xfffff78000000000
#define ELSEWHERE 0xfffff88009000000
#else
GLOBAL ULONG_PTR PspCidTable, MmPfnDatabase, MmHighestUserAddress = 0x7ffeffff, MmSystemRangeStart = 0x80000000, MmUserProbeAddress = 0x7fff0000;
#define SHARED 0xffdf0000
#define ELSEWHERE 0xf9000000
#endif
GLOBAL ULONG_PTR MmNumberOfPhysicalPages = 0x4000, MmAvailablePages = 0x2b31, MmTotalCommitLimit = 0x6000, MmTotalCommittedPages = 0x1800, MmNonPagedPoolUsed, MmPagedPoolUsed;
GLOBAL UNLOADED_DRIVERS *MmUnloadedDrivers;
GLOBAL ULONG MmLastUnloadedDriver, KernelVerifier;
GLOBAL OBJECT_DIRECTORY *ObpRootDirectoryObject;
GLOBAL OBJECT_TYPE *ObpTypeObjectType, *IoDriverObjectType, *IoDeviceObjectType, *PsProcessType, *PsThreadType, *ObpDirectoryObjectType;
GLOBAL OBJECT_TYPE *ObTypeIndexTable[16];
#define NAMED sizeof(OBJECT_HEADER_NAME_INFO)
GLOBAL UCHAR ObpInfoMaskToOffset[16] = {0, NAMED, NAMED, 2 * NAMED};
GLOBAL LIST_ENTRY ExpSystemResourcesList;
GLOBAL ERESOURCE PsLoadedModuleResource, IopDatabaseResource;
GLOBAL POOL_TRACKER_TABLE PoolTrackTable[64];
GLOBAL ULONG PoolTrackTableSize = 64;
GLOBAL ULONGLONG KeTickCount, KeInterruptTime, KeSystemTime = 0x1dc2b3c4d5e6f70, KeBootTime = 0x1dc2b3c4d5e6000;
GLOBAL KIDTENTRY64 KiIdt[256];
GLOBAL LOADER_PARAMETER_BLOCK *KeLoaderBlock;
GLOBAL volatile ULONG DemoCommand; // what to do at the next tick; see KiDemoThread
GLOBAL volatile LONG DemoCounter;
GLOBAL CHAR KdPrintCircularBuffer[0x1000];
GLOBAL CHAR *KdPrintWritePointer = KdPrintCircularBuffer, *KdPrintBuffer = KdPrintCircularBuffer;
GLOBAL ULONG KdPrintRolloverCount, KdPrintBufferSize = sizeof KdPrintCircularBuffer;
GLOBAL ULONGLONG PteBase = 0xfffff68000000000;

// The block a debugger starts from; fields by offset, as documented.
typedef struct _KDDEBUGGER_DATA64 { UCHAR Bytes[0x360]; } KDDEBUGGER_DATA64;
GLOBAL KDDEBUGGER_DATA64 KdDebuggerDataBlock;
EXPORT LIST_ENTRY KdpDebuggerDataListHead;

GLOBAL struct _KEXECUTION { KTHREAD *waiting[16]; ULONGLONG due[16]; } KiWait;
static char *PoolNext, *PoolEnd;

#ifdef _WIN64
static KPRCB *KeGetCurrentPrcb(void) { KPRCB *p; __asm__ volatile("movq %%gs:0x20, %0" : "=r"(p)); return p; }
EXPORT KTHREAD *KeGetCurrentThread(void) { KTHREAD *t; __asm__ volatile("movq %%gs:0x188, %0" : "=r"(t)); return t; }
#else
static KPRCB *KeGetCurrentPrcb(void) { KPRCB *p; __asm__ volatile("movl %%fs:0x20, %0" : "=r"(p)); return p; }
EXPORT KTHREAD *KeGetCurrentThread(void) { KTHREAD *t; __asm__ volatile("movl %%fs:0x124, %0" : "=r"(t)); return t; }
#endif
static void Out(USHORT port, ULONG v) { __asm__ volatile("outl %0, %1" : : "a"(v), "d"(port)); }
static ULONG In(USHORT port) { ULONG v; __asm__ volatile("inl %1, %0" : "=a"(v) : "d"(port)); return v; }

// --- lists and strings
static void InitializeListHead(LIST_ENTRY *h) { h->Flink = h->Blink = h; }
static void InsertTailList(LIST_ENTRY *h, LIST_ENTRY *e) { e->Flink = h; e->Blink = h->Blink; h->Blink->Flink = e; h->Blink = e; }
static void RemoveEntryList(LIST_ENTRY *e) { e->Blink->Flink = e->Flink; e->Flink->Blink = e->Blink; }
static void RtlInitUnicodeString(UNICODE_STRING *s, const WCHAR *p) {
  USHORT n = 0;
  while (p[n]) n++;
  s->Length = n * 2; s->MaximumLength = n * 2 + 2; s->Buffer = (WCHAR *)p;
}
static WCHAR ToUpper(WCHAR c) { return c >= 'a' && c <= 'z' ? c - 32 : c; }

// --- memory
EXPORT PVOID ExAllocatePoolWithTag(ULONG type, ULONG_PTR bytes, ULONG tag) {
  bytes = (bytes + 15) & ~(ULONG_PTR)15;
  if (PoolNext + bytes + 16 > PoolEnd) return NULL;
  char *p = PoolNext + 16;
  PoolNext = p + bytes;
  for (ULONG i = 0; i < 64; i++) {
    POOL_TRACKER_TABLE *t = &PoolTrackTable[i];
    if (t->Key && t->Key != tag) continue;
    t->Key = tag;
    if (type & 1) { t->PagedAllocs++; t->PagedBytes += bytes; } else { t->NonPagedAllocs++; t->NonPagedBytes += bytes; }
    break;
  }
  *(ULONG *)(p - 12) = tag;
  memset(p, 0, bytes);
  return p;
}

// --- text
static char *Number(char *at, char *end, ULONG_PTR v, ULONG base, int width, char fill, int upper) {
  char tmp[24];
  int n = 0;
  do { ULONG d = v % base; tmp[n++] = d < 10 ? '0' + d : (upper ? 'A' : 'a') + d - 10; v /= base; } while (v);
  while (n < width && n < 24) tmp[n++] = fill;
  while (n && at < end) *at++ = tmp[--n];
  return at;
}

static ULONG Format(char *buf, ULONG size, const char *f, __builtin_va_list a) {
  char *at = buf, *end = buf + size;
  for (; *f && at < end; f++) {
    if (*f != '%') { *at++ = *f; continue; }
    int width = 0, wide = 0;
    char fill = ' ';
    if (*++f == '0') fill = '0';
    while (*f >= '0' && *f <= '9') width = width * 10 + *f++ - '0';
    while (*f == 'l' || *f == 'I') { if (*f == 'I' && f[1] == '6') f += 2, wide = 1; f++; }
    switch (*f) {
    case 'd': { LONG v = __builtin_va_arg(a, LONG); if (v < 0) *at++ = '-', v = -v; at = Number(at, end, v, 10, width, fill, 0); break; }
    case 'u': at = Number(at, end, __builtin_va_arg(a, ULONG), 10, width, fill, 0); break;
    case 'x': case 'X': at = Number(at, end, wide ? (ULONG_PTR)__builtin_va_arg(a, ULONGLONG) : __builtin_va_arg(a, ULONG), 16, width, fill, *f == 'X'); break;
    case 'p': at = Number(at, end, __builtin_va_arg(a, ULONG_PTR), 16, 2 * sizeof(PVOID), '0', 1); break;
    case 's': for (const char *s = __builtin_va_arg(a, const char *); *s && at < end; s++) *at++ = *s; break;
    case 'w': { f++; UNICODE_STRING *u = __builtin_va_arg(a, UNICODE_STRING *); for (int i = 0; i < u->Length / 2 && at < end; i++) *at++ = (char)u->Buffer[i]; break; }
    case 'c': *at++ = (char)__builtin_va_arg(a, int); break;
    default: *at++ = *f;
    }
  }
  return at - buf;
}

__attribute__((noinline)) static NTSTATUS DebugPrint(STRING *s, ULONG component, ULONG level) {
  return DebugService(1, (ULONG_PTR)s->Buffer, s->Length, component, level);
}

EXPORT ULONG DbgPrint(const char *format, ...) {
  char text[512];
  __builtin_va_list a;
  __builtin_va_start(a, format);
  STRING s = {0, 512, text};
  s.Length = Format(text, sizeof text, format, a);
  for (USHORT i = 0; i < s.Length; i++) {
    *KdPrintWritePointer++ = text[i];
    if (KdPrintWritePointer == KdPrintCircularBuffer + sizeof KdPrintCircularBuffer) KdPrintWritePointer = KdPrintCircularBuffer, KdPrintRolloverCount++;
  }
  return DebugPrint(&s, 101, 3);
}

EXPORT ULONG DbgPrompt(const char *prompt, char *response, ULONG length) {
  ULONG n = 0;
  while (prompt[n]) n++;
  return DebugService(2, (ULONG_PTR)prompt, n, (ULONG_PTR)response, length);
}

static void DbgLoadImageSymbols(STRING *path, PVOID base, ULONG_PTR process, ULONG check, ULONG size, ULONG service) {
  KD_SYMBOLS_INFO info = {base, (PVOID)process, check, size};
  DebugService(service, (ULONG_PTR)path, (ULONG_PTR)&info, 0, 0);
}

EXPORT void DbgCommandString(const char *name, const char *command) {
  STRING s[2] = {{0, 0, (CHAR *)name}, {0, 0, (CHAR *)command}};
  while (name[s[0].Length]) s[0].Length++;
  while (command[s[1].Length]) s[1].Length++;
  DebugService(5, (ULONG_PTR)&s[0], (ULONG_PTR)&s[1], 0, 0);
}

// --- objects
static OBJECT_HEADER *HeaderOf(PVOID object) { return CONTAINING(object, OBJECT_HEADER, Body); }

static PVOID ObCreateObject(OBJECT_TYPE *type, ULONG_PTR bytes, const WCHAR *name, OBJECT_DIRECTORY *in, ULONG tag) {
  char *p = ExAllocatePoolWithTag(0, bytes + 0x80, tag);
  OBJECT_HEADER_NAME_INFO *info = (OBJECT_HEADER_NAME_INFO *)p;
  OBJECT_HEADER *h = (OBJECT_HEADER *)(p + NAMED);
  h->PointerCount = 1;
  h->TypeIndex = type ? type->Index : 2;
  h->InfoMask = 2;
  if (type) type->TotalNumberOfObjects++;
  if (name) RtlInitUnicodeString(&info->Name, name);
  if (in) {
    ULONG hash = 0;
    for (int i = 0; i < info->Name.Length / 2; i++) { WCHAR c = ToUpper(info->Name.Buffer[i]); hash += (hash << 1) + (hash >> 1) + c; }
    OBJECT_DIRECTORY_ENTRY *e = ExAllocatePoolWithTag(1, sizeof *e, 'rDbO');
    e->Object = &h->Body; e->HashValue = hash;
    e->ChainLink = in->HashBuckets[hash % 37];
    in->HashBuckets[hash % 37] = e;
    info->Directory = in;
  }
  return &h->Body;
}

static OBJECT_TYPE *ObCreateObjectType(const WCHAR *name, UCHAR index, ULONG key) {
  OBJECT_TYPE *t = ObCreateObject(ObpTypeObjectType, sizeof *t, name, NULL, 'TjbO');
  RtlInitUnicodeString(&t->Name, name);
  InitializeListHead(&t->TypeList);
  t->Index = index; t->Key = key;
  ObTypeIndexTable[index] = t;
  return t;
}

static OBJECT_DIRECTORY *ObDriverDirectory, *ObDeviceDirectory;
static void ObInitSystem(void) {
  ObpTypeObjectType = ObCreateObjectType(L"Type", 2, 'TjbO');
  ObpDirectoryObjectType = ObCreateObjectType(L"Directory", 3, 'eriD');
  PsProcessType = ObCreateObjectType(L"Process", 7, 'corP');
  PsThreadType = ObCreateObjectType(L"Thread", 8, 'erhT');
  IoDeviceObjectType = ObCreateObjectType(L"Device", 9, 'iveD');
  IoDriverObjectType = ObCreateObjectType(L"Driver", 10, 'virD');
  ObpRootDirectoryObject = ObCreateObject(ObpDirectoryObjectType, sizeof(OBJECT_DIRECTORY), NULL, NULL, 'eriD');
  RtlInitUnicodeString(&((OBJECT_HEADER_NAME_INFO *)((char *)HeaderOf(ObpRootDirectoryObject) - NAMED))->Name, L"\\");
  ObDriverDirectory = ObCreateObject(ObpDirectoryObjectType, sizeof(OBJECT_DIRECTORY), L"Driver", ObpRootDirectoryObject, 'eriD');
  ObDeviceDirectory = ObCreateObject(ObpDirectoryObjectType, sizeof(OBJECT_DIRECTORY), L"Device", ObpRootDirectoryObject, 'eriD');
}

EXPORT NTSTATUS IoCreateDevice(DRIVER_OBJECT *driver, ULONG extension, UNICODE_STRING *name, ULONG type, ULONG traits, BOOLEAN exclusive, DEVICE_OBJECT **device) {
  const WCHAR *leaf = name->Buffer;
  for (int i = 0; i < name->Length / 2; i++) if (name->Buffer[i] == '\\') leaf = name->Buffer + i + 1;
  DEVICE_OBJECT *d = ObCreateObject(IoDeviceObjectType, sizeof *d + extension, leaf, ObDeviceDirectory, 'iveD');
  d->Type = 3; d->Size = sizeof *d + extension;
  d->DriverObject = driver; d->NextDevice = driver->DeviceObject; driver->DeviceObject = d;
  d->DeviceType = type; d->Characteristics = traits; d->StackSize = 1; d->Flags = 0x40;
  d->DeviceExtension = extension ? d + 1 : NULL;
  *device = d;
  return 0;
}

// --- processes and threads
static EPROCESS *PspCreateProcess(const char *name, ULONG_PTR pid, ULONGLONG root, EPROCESS *parent) {
  EPROCESS *p = ObCreateObject(PsProcessType, sizeof *p, NULL, NULL, 'corP');
  p->Pcb.Header.Type = 3; p->Pcb.Header.Size = (UCHAR)(sizeof(KPROCESS) / 4);
  InitializeListHead(&p->Pcb.Header.WaitListHead);
  InitializeListHead(&p->Pcb.ThreadListHead);
  InitializeListHead(&p->Pcb.ProfileListHead);
  InitializeListHead(&p->ThreadListHead);
#ifdef _WIN64
  p->Pcb.DirectoryTableBase = root;
#else
  p->Pcb.DirectoryTableBase[0] = (ULONG)root;
  p->Pcb.DirectoryTableBase[1] = 0xdeadbeef;
#endif
  p->UniqueProcessId = (PVOID)pid;
  p->InheritedFromUniqueProcessId = parent ? parent->UniqueProcessId : NULL;
  p->CreateTime.QuadPart = KeSystemTime;
  p->ObjectTable = ExAllocatePoolWithTag(1, sizeof(HANDLE_TABLE), 'btbO');
  p->ObjectTable->HandleCount = (ULONG)pid * 3 + 7;
  p->ObjectTable->UniqueProcessId = (ULONG)pid;
  p->ObjectTable->QuotaProcess = p;
  for (int i = 0; name[i] && i < 14; i++) p->ImageFileName[i] = name[i];
  p->PriorityClass = 2;
  if (pid) InsertTailList(&PsActiveProcessHead, &p->ActiveProcessLinks);
  return p;
}

void PspSystemThreadStartup(void (*routine)(PVOID), PVOID context) {
  __asm__ volatile("sti");
  routine(context);
  for (;;) __asm__ volatile("hlt");
}


static ULONG_PTR NextThreadId = 8;
static KTHREAD *PspCreateThread(EPROCESS *p, void (*routine)(PVOID), PVOID context, char *stack, ULONG_PTR size) {
  ETHREAD *t = ObCreateObject(PsThreadType, sizeof *t, NULL, NULL, 'erhT');
  KTHREAD *k = &t->Tcb;
  k->Header.Type = 6; k->Header.Size = (UCHAR)(sizeof(KTHREAD) / 4);
  InitializeListHead(&k->Header.WaitListHead);
  k->StackLimit = stack; k->StackBase = k->InitialStack = stack + size;
  k->ApcState.Process = k->Process = &p->Pcb;
  k->Priority = k->BasePriority = 8;
  k->State = Initialized;
  t->Cid.UniqueProcess = p->UniqueProcessId;
  t->Cid.UniqueThread = (PVOID)NextThreadId;
  NextThreadId += 4;
  t->StartAddress = t->Win32StartAddress = (PVOID)routine;
  InitializeListHead(&t->IrpList);
  InsertTailList(&p->ThreadListHead, &t->ThreadListEntry);
  InsertTailList(&p->Pcb.ThreadListHead, &k->ThreadListEntry);
  p->ActiveThreads++;
  ULONG_PTR *sp = (ULONG_PTR *)(stack + size) - 8;
  sp[0] = (ULONG_PTR)KiStartSystemThread; // the return address of SwapContext
  sp[1] = 0;                              // nobody called KiStartSystemThread
  sp[2] = (ULONG_PTR)routine;             // where KiStartSystemThread finds them
  sp[3] = (ULONG_PTR)context;
  k->KernelStack = (char *)sp - (sizeof(PVOID) == 8 ? 0x38 : 8); // KSWITCH_FRAME, KSWITCHFRAME
  return k;
}

#ifndef _WIN64
// SwapContext is entered from KiSwapContext with the old thread in edi and the new one in esi.
__attribute__((naked, used)) void SwapContext(void) {
  __asm__ volatile(
      "pushl $0\n pushl $0xffffffff\n" // KSWITCHFRAME: no APC is bypassed, no handler of exceptions
      "movl %%esp, %c0(%%edi)\n movl %c0(%%esi), %%esp\n"
      "movl %c1(%%esi), %%eax\n movl %c2(%%eax), %%eax\n movl %%cr3, %%ecx\n cmpl %%ecx, %%eax\n je 1f\n movl %%eax, %%cr3\n"
      "1: addl $8, %%esp\n ret\n"
      :: "i"(__builtin_offsetof(KTHREAD, KernelStack)), "i"(__builtin_offsetof(KTHREAD, ApcState.Process)), "i"(__builtin_offsetof(KPROCESS, DirectoryTableBase)));
}
#endif

static char *AllocateStack(void) { return (char *)(((ULONG_PTR)ExAllocatePoolWithTag(0, 0x5000, 'kStK') + 0xfff) & ~(ULONG_PTR)0xfff); }

static void KiReadyThread(KTHREAD *t) {
  KPRCB *prcb = KiProcessorBlock[t->NextProcessor];
  t->State = Ready;
  InsertTailList(&prcb->DispatcherReadyListHead[(int)t->Priority], &t->WaitListEntry);
  prcb->ReadySummary |= 1u << t->Priority;
}

static KTHREAD *KiSelectReadyThread(KPRCB *prcb) {
  for (int i = 31; i >= 0; i--) {
    LIST_ENTRY *h = &prcb->DispatcherReadyListHead[i];
    if (h->Flink == h) continue;
    KTHREAD *t = CONTAINING(h->Flink, KTHREAD, WaitListEntry);
    RemoveEntryList(&t->WaitListEntry);
    if (h->Flink == h) prcb->ReadySummary &= ~(1u << i);
    return t;
  }
  return NULL;
}

__attribute__((noinline)) static void KiSwapThread(KTHREAD *old, KPRCB *prcb) {
  KTHREAD *next = KiSelectReadyThread(prcb);
  if (!next) next = prcb->IdleThread;
  next->State = Running;
  next->ContextSwitches++;
  prcb->CurrentThread = next;
  KiSwapContext(old, next);
}

__attribute__((noinline)) static NTSTATUS KiCommitThreadWait(KTHREAD *t, ULONGLONG due) {
  __asm__ volatile("cli");
  for (int i = 0; i < 16; i++) {
    if (KiWait.waiting[i]) continue;
    KiWait.waiting[i] = t; KiWait.due[i] = due;
    break;
  }
  t->State = Waiting;
  t->WaitTime = (ULONG)KeTickCount;
  KiSwapThread(t, KeGetCurrentPrcb());
  __asm__ volatile("sti");
  return 0;
}

EXPORT NTSTATUS KeWaitForSingleObject(PVOID object, ULONG reason, CHAR mode, BOOLEAN alertable, LARGE_INTEGER *timeout) {
  KTHREAD *t = KeGetCurrentThread();
  t->WaitReason = (UCHAR)reason; t->WaitMode = mode; t->WaitObject = object;
  return KiCommitThreadWait(t, timeout ? KeTickCount + timeout->QuadPart : ~0ull);
}

EXPORT NTSTATUS KeDelayExecutionThread(CHAR mode, BOOLEAN alertable, LARGE_INTEGER *interval) {
  KTHREAD *t = KeGetCurrentThread();
  t->WaitReason = 4; t->WaitMode = mode; t->WaitObject = NULL;
  return KiCommitThreadWait(t, KeTickCount + interval->QuadPart);
}

__attribute__((noinline)) static void HalProcessorIdle(void) { __asm__ volatile("sti; hlt; cli"); }

__attribute__((noinline)) static void KiIdleLoop(void) {
  KPRCB *prcb = KeGetCurrentPrcb();
  for (;;) {
    KTHREAD *next = KiSelectReadyThread(prcb);
    if (!next) { HalProcessorIdle(); continue; }
    next->State = Running;
    next->ContextSwitches++;
    prcb->CurrentThread = next;
    KiSwapContext(prcb->IdleThread, next);
  }
}

// --- the clock
__attribute__((noinline)) static void KdCheckForDebugBreak(void) {
  if (In(0x2e8)) DbgBreakPointWithStatus(1);
}

void KeUpdateSystemTime(KTRAP_FRAME *frame, ULONG vector) {
  KPRCB *prcb = KeGetCurrentPrcb();
  prcb->InterruptCount++;
  KPCR *pcr = CONTAINING(prcb, KPCR, PRCB_OF);
  UCHAR irql = pcr->Irql;
  pcr->Irql = 13;
  if (prcb->Number == 0) {
    KeTickCount++;
    KeInterruptTime += KeMaximumIncrement;
    KeSystemTime += KeMaximumIncrement;
    *(ULONGLONG *)(SHARED + 8) = KeInterruptTime; // KUSER_SHARED_DATA
    *(ULONG *)(SHARED + 0x14) = (ULONG)KeSystemTime; *(ULONG *)(SHARED + 0x18) = (ULONG)(KeSystemTime >> 32);
    for (int i = 0; i < 16; i++)
      if (KiWait.waiting[i] && KiWait.due[i] <= KeTickCount) { KiReadyThread(KiWait.waiting[i]); KiWait.waiting[i] = NULL; }
    KdCheckForDebugBreak();
  }
  pcr->Irql = irql;
}

// --- death
__attribute__((noinline)) static void KiBugCheckDebugBreak(ULONG status) { DbgBreakPointWithStatus(status); }

EXPORT void KeBugCheckEx(ULONG code, ULONG_PTR p1, ULONG_PTR p2, ULONG_PTR p3, ULONG_PTR p4) {
  KiBugCheckData[0] = code; KiBugCheckData[1] = p1; KiBugCheckData[2] = p2; KiBugCheckData[3] = p3; KiBugCheckData[4] = p4;
  CONTAINING(KeGetCurrentPrcb(), KPCR, PRCB_OF)->Irql = 15;
  if (code != 0xe2) {
    DbgPrint("\n*** Fatal System Error: 0x%08lx\n                       (0x%p,0x%p,0x%p,0x%p)\n\n", code, p1, p2, p3, p4);
    KiBugCheckDebugBreak(3);
  }
  for (;;) KiBugCheckDebugBreak(4);
}

void KiDispatchTrap(KTRAP_FRAME *frame, ULONG vector) {
  KeGetCurrentThread()->TrapFrame = frame;
  if (vector == 2) KeBugCheckEx(In(0x2f6), 0, 0, 0, 0); // the debugger wants it
#ifdef _WIN64
  ULONG_PTR ip = frame->Rip, code = frame->ErrorCode, address = frame->FaultAddress;
#else
  ULONG_PTR ip = frame->Eip, code = frame->ErrCode, address;
  __asm__ volatile("movl %%cr2, %0" : "=r"(address));
#endif
  if (vector == 3) KeBugCheckEx(0x7e, 0x80000003, ip, (ULONG_PTR)frame, 0);
  if (vector == 14) {
    if (address < 0x10000) KeBugCheckEx(0xd1, address, 2, code >> 1 & 1, ip);
    KeBugCheckEx(0x50, address, code >> 1 & 1, ip, 0);
  }
  KeBugCheckEx(0x7f, vector, ip, 0, 0);
}

// --- drivers
static LDR_DATA_TABLE_ENTRY *MiEnterModule(LOADER_MODULE *m) {
  LDR_DATA_TABLE_ENTRY *e = ExAllocatePoolWithTag(0, sizeof *e, 'dLmM');
  e->DllBase = m->Base; e->EntryPoint = m->Entry; e->SizeOfImage = m->Size;
  e->CheckSum = m->CheckSum; e->TimeDateStamp = m->TimeDateStamp;
  e->Flags = 0x49104000; e->LoadCount = 1;
  RtlInitUnicodeString(&e->FullDllName, m->FullName);
  RtlInitUnicodeString(&e->BaseDllName, m->BaseName);
  InsertTailList(&PsLoadedModuleList, &e->InLoadOrderLinks);
  return e;
}

static STRING PathOf(LOADER_MODULE *m) {
  STRING s = {0, 64, m->Path};
  while (m->Path[s.Length]) s.Length++;
  s.MaximumLength = ++s.Length; // with its NUL
  return s;
}

__attribute__((noinline)) static DRIVER_OBJECT *IopLoadDriver(LOADER_MODULE *m) {
  LDR_DATA_TABLE_ENTRY *e = MiEnterModule(m);
  STRING path = PathOf(m);
  DbgLoadImageSymbols(&path, m->Base, ~(ULONG_PTR)0, m->CheckSum, m->Size, 3);
  WCHAR *name = ExAllocatePoolWithTag(0, 64, 'virD');
  int n = 0;
  while (m->BaseName[n] && m->BaseName[n] != '.') { name[n] = m->BaseName[n]; n++; }
  DRIVER_OBJECT *d = ObCreateObject(IoDriverObjectType, sizeof *d, name, ObDriverDirectory, 'virD');
  d->Type = 4; d->Size = sizeof *d; d->Flags = 0x12;
  d->DriverStart = m->Base; d->DriverSize = m->Size; d->DriverSection = e;
  WCHAR *full = ExAllocatePoolWithTag(0, 96, 'virD');
  memcpy(full, L"\\Driver\\", 16);
  memcpy(full + 8, name, n * 2);
  RtlInitUnicodeString(&d->DriverName, full);
  d->DriverInit = m->Entry;
  d->DriverInit(d, &d->DriverName);
  return d;
}

__attribute__((noinline)) static void IopUnloadDriver(DRIVER_OBJECT *d) {
  LDR_DATA_TABLE_ENTRY *e = d->DriverSection;
  if (d->DriverUnload) d->DriverUnload(d);
  UNLOADED_DRIVERS *u = &MmUnloadedDrivers[MmLastUnloadedDriver++ % 50];
  u->Name = e->BaseDllName;
  u->StartAddress = e->DllBase;
  u->EndAddress = (char *)e->DllBase + e->SizeOfImage;
  u->CurrentTime.QuadPart = KeSystemTime;
  RemoveEntryList(&e->InLoadOrderLinks);
  STRING path = {0, 0, "\\SystemRoot\\System32\\drivers\\sample.sys"};
  while (path.Buffer[path.Length++]);
  DbgLoadImageSymbols(&path, d->DriverStart, ~0ull, e->CheckSum, e->SizeOfImage, 4);
}

// --- threads of the demonstration
typedef struct _DEMO_REQUEST { ULONG Round; const char *Name; struct { LONG Low, High; } Range; } DEMO_REQUEST;
GLOBAL LONG DemoTotal;

__attribute__((noinline)) static LONG DemoCompute(DEMO_REQUEST *request, LONG factor) {
  LONG sum = 0;
  for (LONG i = request->Range.Low; i < request->Range.High; i++) {
    LONG part = i * factor;
    sum += part;
  }
  return sum;
}

__attribute__((noinline)) static void DemoRound(ULONG round, DRIVER_OBJECT *driver) {
  DEMO_REQUEST request = {round, "demo round", {1, 4}};
  LONG result = DemoCompute(&request, (LONG)(round % 5));
  DemoTotal = result;
  DemoCounter++;
  if (driver && driver->DeviceObject) {
    IRP irp = {6, sizeof irp};
    irp.MajorFunction = 14; irp.Parameter = round;
    driver->MajorFunction[14](driver->DeviceObject, &irp);
  }
}

static LOADER_MODULE DriverModule;
static DRIVER_OBJECT *DemoDriver;
__attribute__((noinline)) static void DemoObey(ULONG command) {
  switch (command) {
  case 1: // load the driver; the machine brings its image
    if (DemoDriver) break;
    Out(0x2ec, (ULONG)(ULONG_PTR)&DriverModule); Out(0x2ed, (ULONG)((ULONGLONG)(ULONG_PTR)&DriverModule >> 32));
    if (In(0x2ec)) DemoDriver = IopLoadDriver(&DriverModule);
    break;
  case 2: if (DemoDriver) { IopUnloadDriver(DemoDriver); DemoDriver = NULL; } break;
  case 3: KeBugCheckEx(0xc9, 0x22, (ULONG_PTR)0xffffe00000001234, 0, 0); break;
  case 4: *(volatile ULONG *)0x10 = 1; break;
  case 5: { char answer[16]; ULONG n = DbgPrompt("Break repeatedly, break Once, Ignore, terminate Process or terminate Thread (boipt)? ", answer, sizeof answer); DbgPrint("answered %u: %c\n", n, n ? answer[0] : '-'); break; }
  case 6: for (int i = 0; i < 20; i++) DbgPrint("burst %d of twenty\r\n", i); break;
  case 7: DbgBreakPoint(); break;
  case 8: __asm__ volatile("int $0x2c"); break;
  case 9: DbgCommandString("demo", "r; k"); break;
  case 10: { STRING s = {14, 14, "\\burst\\one.sys"}; for (int i = 0; i < 4; i++) DbgLoadImageSymbols(&s, (PVOID)((ULONG_PTR)ELSEWHERE + i * 0x10000), ~(ULONG_PTR)0, i, 0x8000, 3 + i % 2); break; }
  case 11: Out(0x2ee, 1); break; // the machine restarts
  case 12: { volatile LONG zero = 0; DemoTotal = 1 / zero; break; }
  case 13: { STRING s = {0, 0, ""}; DbgLoadImageSymbols(&s, (PVOID)~(ULONG_PTR)0, 0, 0, 0, 4); Out(0x2ee, 1); break; }
  }
}

// --- what the debugger has a worker do: .process /i and .pagein
GLOBAL volatile ULONG ExpDebuggerWork; // 1 is asked for, 2 is queued, 0 from when it begins
GLOBAL EPROCESS *volatile ExpDebuggerProcessAttach;
GLOBAL char *volatile ExpDebuggerPageIn;

static void KiAttachProcess(KPROCESS *p) {
  KeGetCurrentThread()->ApcState.Process = p;
  __asm__ volatile("mov %0, %%cr3" : : "r"(*(ULONG_PTR *)&p->DirectoryTableBase) : "memory");
}

__attribute__((noinline)) static void ExpDebuggerWorker(PVOID context) {
  EPROCESS *p = ExpDebuggerProcessAttach;
  char *page = ExpDebuggerPageIn;
  ExpDebuggerProcessAttach = NULL; ExpDebuggerPageIn = NULL;
  ExpDebuggerWork = 0;
  KPROCESS *own = KeGetCurrentThread()->ApcState.Process;
  if (p) KiAttachProcess(&p->Pcb);
  if (page) *(volatile char *)page;
  DbgBreakPointWithStatus(7);
  if (p) KiAttachProcess(own);
}

static void KiDemoThread(PVOID context) {
  LARGE_INTEGER wait = {.QuadPart = 2};
  for (ULONG round = 0;; round++) {
    KeDelayExecutionThread(0, 0, &wait);
    ULONG command = DemoCommand ? DemoCommand : In(0x2f0);
    DemoCommand = 0;
    if (command) DemoObey(command);
    if (ExpDebuggerWork == 1) { ExpDebuggerWork = 2; ExpDebuggerWorker(NULL); }
    DemoRound(round, DemoDriver);
  }
}

static KEVENT DemoEvent;
__attribute__((noinline)) static NTSTATUS ExpWorkerThread(PVOID queue) { return KeWaitForSingleObject(queue, 15, 0, 0, NULL); }
static void ExWorkerThread(PVOID context) { for (;;) ExpWorkerThread(context); }
static void DemoUserThread(PVOID context) { for (;;) KeWaitForSingleObject(&DemoEvent, 6, 1, 0, NULL); }

// --- the beginning
static void KiSetHandler(int vector, void (*f)(void)) {
  ULONG_PTR a = (ULONG_PTR)f;
#ifdef _WIN64
  KiIdt[vector] = (KIDTENTRY64){.OffsetLow = (USHORT)a, .Selector = 0x10, .Type = 14, .Present = 1, .OffsetMiddle = (USHORT)(a >> 16), .OffsetHigh = (ULONG)(a >> 32)};
#else
  KiIdt[vector] = (KIDTENTRY64){.Offset = (USHORT)a, .Selector = 8, .Access = 0x8e00, .ExtendedOffset = (USHORT)(a >> 16)};
#endif
}

static void KdSet(ULONG offset, PVOID v) { *(LONGLONG *)(KdDebuggerDataBlock.Bytes + offset) = (LONG_PTR)v; } // sign-extended
static void KdSet16(ULONG offset, ULONG v) { *(USHORT *)(KdDebuggerDataBlock.Bytes + offset) = (USHORT)v; }
#define FIELD(offset, type, f) KdSet16(offset, __builtin_offsetof(type, f))

static void KdInitSystem(LOADER_PARAMETER_BLOCK *b) {
  InitializeListHead(&KdpDebuggerDataListHead);
  InsertTailList(&KdpDebuggerDataListHead, (LIST_ENTRY *)&KdDebuggerDataBlock);
  *(ULONG *)(KdDebuggerDataBlock.Bytes + 16) = 'GBDK';
  *(ULONG *)(KdDebuggerDataBlock.Bytes + 20) = sizeof KdDebuggerDataBlock;
  KdSet(24, b->Module[0].Base); KdSet(32, DbgBreakPointWithStatus);
  KdSet16(54, sizeof(PVOID) == 8);
  KdSet(72, &PsLoadedModuleList); KdSet(80, &PsActiveProcessHead); KdSet(88, &PspCidTable);
  KdSet(96, &ExpSystemResourcesList); KdSet(120, &KeTimeIncrement); KdSet(136, KiBugCheckData);
  KdSet(152, &ObpRootDirectoryObject); KdSet(160, &ObpTypeObjectType);
  KdSet(192, &MmPfnDatabase); KdSet(312, (PVOID)0x1000);
  KdSet(456, &MmHighestUserAddress); KdSet(464, &MmSystemRangeStart); KdSet(472, &MmUserProbeAddress);
  KdSet(480, KdPrintCircularBuffer); KdSet(488, KdPrintCircularBuffer + sizeof KdPrintCircularBuffer); KdSet(496, &KdPrintWritePointer); KdSet(504, &KdPrintRolloverCount);
  KdSet(512, &MmLoadedUserImageList); KdSet(520, NtBuildLab); KdSet(536, KiProcessorBlock);
  KdSet(544, &MmUnloadedDrivers); KdSet(552, &MmLastUnloadedDriver);
  KdSet(576, &KernelVerifier); KdSet(616, CmNtCSDVersion);
  KdSet(712, &KdPrintBuffer); KdSet(720, &KdPrintBufferSize); KdSet(728, &KeLoaderBlock);
  FIELD(664, KTHREAD, NextProcessor); FIELD(666, KTHREAD, Teb); FIELD(668, KTHREAD, KernelStack); FIELD(670, KTHREAD, InitialStack);
  FIELD(672, KTHREAD, ApcState.Process); FIELD(674, KTHREAD, State);
  KdSet16(680, sizeof(EPROCESS)); FIELD(682, EPROCESS, Peb); FIELD(684, EPROCESS, InheritedFromUniqueProcessId); FIELD(686, KPROCESS, DirectoryTableBase);
  KdSet16(688, sizeof(KPRCB)); FIELD(690, KPRCB, DpcRoutineActive); FIELD(692, KPRCB, CurrentThread); FIELD(694, KPRCB, MHz);
  FIELD(696, KPRCB, CpuType); FIELD(698, KPRCB, VendorString); FIELD(700, KPRCB, ProcessorState.ContextFrame); FIELD(702, KPRCB, Number);
  KdSet16(704, sizeof(ETHREAD));
  KdSet16(736, sizeof(KPCR)); FIELD(742, KPCR, PRCB_OF);
#ifdef _WIN64
  FIELD(738, KPCR, Self); FIELD(740, KPCR, CurrentPrcb);
#else
  FIELD(738, KPCR, SelfPcr); FIELD(740, KPCR, Prcb);
#endif
 
  KdSet16(754, 0x40);
  KdSet16(756, 0x10); KdSet16(758, 0x18);
  FIELD(824, KPRCB, Context); KdSet16(826, 32); KdSet16(828, 4);
  *(ULONG *)(KdDebuggerDataBlock.Bytes + 832) = __builtin_offsetof(KTHREAD, StackLimit);
  *(ULONG *)(KdDebuggerDataBlock.Bytes + 836) = __builtin_offsetof(KTHREAD, StackBase);
  FIELD(848, KPRCB, IdleThread); FIELD(850, KPRCB, DpcRoutineActive); FIELD(860, KTHREAD, WaitReason);
  for (ULONG i = 0; i < b->ModuleCount; i++) {
    STRING path = PathOf(&b->Module[i]);
    DbgLoadImageSymbols(&path, b->Module[i].Base, ~(ULONG_PTR)0, b->Module[i].CheckSum, b->Module[i].Size, 3);
  }
}

static void KiInitializeProcessor(LOADER_PARAMETER_BLOCK *b, ULONG n) {
  KPCR *pcr = (KPCR *)(ULONG_PTR)b->Pcr[n];
  KPRCB *prcb = &pcr->PRCB_OF;
  PCR(pcr, Self, SelfPcr) = pcr; PCR(pcr, CurrentPrcb, Prcb) = prcb; PCR(pcr, IdtBase, IDT) = (PVOID)KiIdt;
  PCR(pcr, GdtBase, GDT) = (PVOID)((char *)pcr + 0x7000); PCR(pcr, TssBase, TSS) = (PVOID)((char *)pcr + 0x7100);
  pcr->MajorVersion = pcr->MinorVersion = 1; pcr->StallScaleFactor = 2400;
  prcb->Number = n; prcb->LegacyNumber = (UCHAR)n; prcb->MHz = 2400; prcb->CpuType = 6; prcb->CpuID = 1; prcb->CpuStep = 0x3a09; prcb->MxCsr = 0x1f80;
  prcb->Context = &prcb->ProcessorState.ContextFrame;
  memcpy(prcb->VendorString, "GenuineIntel", 13);
  for (int i = 0; i < 32; i++) InitializeListHead(&prcb->DispatcherReadyListHead[i]);
  KTHREAD *idle = PspCreateThread(PsIdleProcess, (void (*)(PVOID))KiIdleLoop, NULL, (char *)(ULONG_PTR)b->Stack[n] - 0x6000, 0x6000);
  CONTAINING(idle, ETHREAD, Tcb)->Cid.UniqueThread = 0;
  idle->State = Running; idle->NextProcessor = n; idle->Priority = 0;
  prcb->CurrentThread = prcb->IdleThread = idle;
  KiProcessorBlock[n] = prcb;
}

__attribute__((noinline)) static void ExpInitializeExecutive(LOADER_PARAMETER_BLOCK *b) {
  PsInitialSystemProcess = PspCreateProcess("System", 4, b->Root, NULL);
  EPROCESS *user = PspCreateProcess("demo.exe", 0x1a4, b->UserRoot, PsInitialSystemProcess);
  user->Peb = b->UserPeb;
  user->SectionBaseAddress = b->UserModules ? b->User[0].Base : NULL;
  KTHREAD *t = PspCreateThread(PsInitialSystemProcess, KiDemoThread, NULL, AllocateStack(), 0x4000);
  KiReadyThread(t);
  t = PspCreateThread(PsInitialSystemProcess, ExWorkerThread, &DemoEvent, AllocateStack(), 0x4000);
  if (b->Processors > 1) t->NextProcessor = 1;
  KiReadyThread(t);
  t = PspCreateThread(user, DemoUserThread, NULL, AllocateStack(), 0x4000);
  t->Teb = b->UserTeb;
  KiReadyThread(t);
  MmUnloadedDrivers = ExAllocatePoolWithTag(0, 50 * sizeof(UNLOADED_DRIVERS), 'TDmM');
  InitializeListHead(&DemoEvent.Header.WaitListHead);
  InitializeListHead(&ExpSystemResourcesList);
  InsertTailList(&ExpSystemResourcesList, &PsLoadedModuleResource.SystemResourcesList);
  InsertTailList(&ExpSystemResourcesList, &IopDatabaseResource.SystemResourcesList);
  PsLoadedModuleResource.ActiveCount = 1; PsLoadedModuleResource.Flag = 0x80; PsLoadedModuleResource.ContentionCount = 3;
  PsLoadedModuleResource.OwnerEntry.OwnerThread = (ULONG_PTR)t; PsLoadedModuleResource.OwnerEntry.OwnerCount = 1;
}

void KiSystemStartup(LOADER_PARAMETER_BLOCK *b) {
  ULONG n = In(0x2f4);
  struct __attribute__((packed)) { USHORT limit; PVOID base; } idt = {sizeof KiIdt - 1, KiIdt};
  if (n == 0) {
    KeLoaderBlock = b;
    PoolNext = b->Pool; PoolEnd = b->Pool + b->PoolSize;
    KeNumberProcessors = b->Processors;
    InitializeListHead(&PsLoadedModuleList); InitializeListHead(&PsActiveProcessHead); InitializeListHead(&MmLoadedUserImageList);
    KiSetHandler(0, KiDivideErrorFault); KiSetHandler(2, KiNmiInterrupt); KiSetHandler(3, KiBreakpointTrap); KiSetHandler(6, KiInvalidOpcodeFault); KiSetHandler(8, KiDoubleFaultAbort);
    KiSetHandler(13, KiGeneralProtectionFault); KiSetHandler(14, KiPageFault); KiSetHandler(0xd1, HalpClockInterrupt);
    ObInitSystem();
    PsIdleProcess = PspCreateProcess("Idle", 0, b->Root, NULL);
    for (ULONG i = 0; i < b->Processors; i++) KiInitializeProcessor(b, i);
    for (ULONG i = 0; i < b->ModuleCount; i++) MiEnterModule(&b->Module[i]);
    __asm__ volatile("lidt %0" : : "m"(idt));
    KdInitSystem(b);
    ExpInitializeExecutive(b);
    Out(0x2f4, b->Processors); // start the others
    DbgPrint("Kernel-mode miniature, %d processors, build %u\n", b->Processors, NtBuildNumber & 0xffff);
    Out(0x2f5, 1); // booted
  } else {
    __asm__ volatile("lidt %0" : : "m"(idt));
  }
  __asm__ volatile("cli");
  KiIdleLoop();
}
