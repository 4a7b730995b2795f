// The structures of a miniature kernel. On x64, fields that a debugger knows by offset
// lie where a 64-bit Windows 8.1 has them; on x86 those lie right that are documented.
#pragma once
typedef unsigned char UCHAR, BOOLEAN;
typedef unsigned short USHORT, WCHAR;
typedef unsigned int ULONG;
typedef int LONG, NTSTATUS;
typedef unsigned long long ULONGLONG;
typedef long long LONGLONG;
#ifdef _WIN64
typedef unsigned long long ULONG_PTR;
typedef long long LONG_PTR;
#else
typedef unsigned int ULONG_PTR;
typedef int LONG_PTR;
#endif
typedef char CHAR;
typedef void *PVOID;
#define NULL ((void *)0)
#ifdef _WIN64
#define AT(from, to) [(to) - (from)]
#else
#define AT(from, to) [4]
#endif
#define WIDE(type, name) union { type name; ULONGLONG name##Wide; }
#define EXPORT __declspec(dllexport)
#define CONTAINING(p, type, field) ((type *)((char *)(p) - __builtin_offsetof(type, field)))

typedef struct _LIST_ENTRY { struct _LIST_ENTRY *Flink, *Blink; } LIST_ENTRY;
typedef struct _STRING { USHORT Length, MaximumLength; CHAR *Buffer; } STRING;
typedef struct _UNICODE_STRING { USHORT Length, MaximumLength; WCHAR *Buffer; } UNICODE_STRING;
typedef union _LARGE_INTEGER { struct { ULONG LowPart; LONG HighPart; }; LONGLONG QuadPart; } LARGE_INTEGER;
typedef struct _CLIENT_ID { PVOID UniqueProcess, UniqueThread; } CLIENT_ID;
typedef struct _EX_FAST_REF { union { PVOID Object; ULONG_PTR RefCnt : 3; ULONG_PTR Value; }; } EX_FAST_REF;

typedef struct _DISPATCHER_HEADER {
  UCHAR Type, Signalling, Size, Reserved1;
  LONG SignalState;
  LIST_ENTRY WaitListHead;
} DISPATCHER_HEADER;
typedef struct _KEVENT { DISPATCHER_HEADER Header; } KEVENT;

typedef struct _KPROCESS {
  DISPATCHER_HEADER Header;
  LIST_ENTRY ProfileListHead;
#ifdef _WIN64
  ULONG_PTR DirectoryTableBase;
#else
  ULONG_PTR DirectoryTableBase[2];
#endif
  LIST_ENTRY ThreadListHead;
  ULONG ProcessLock, Spare0;
  UCHAR Reserved48 AT(0x48, 0x2c8);
} KPROCESS;

typedef struct _KAPC_STATE {
  LIST_ENTRY ApcListHead[2];
  KPROCESS *Process;
  UCHAR KernelApcInProgress, KernelApcPending, UserApcPending;
} KAPC_STATE;

typedef enum _KTHREAD_STATE { Initialized, Ready, Running, Standby, Terminated, Waiting, Transition, DeferredReady, GateWaitObsolete } KTHREAD_STATE;

#ifdef _WIN64
typedef struct _KTRAP_FRAME {
  ULONGLONG P1Home, P2Home, P3Home, P4Home, P5;
  CHAR PreviousMode; UCHAR PreviousIrql, FaultIndicator, ExceptionActive;
  ULONG MxCsr;
  ULONGLONG Rax, Rcx, Rdx, R8, R9, R10, R11, GsBase;
  UCHAR Xmm[0x60];
  ULONGLONG FaultAddress;
  ULONGLONG Dr0, Dr1, Dr2, Dr3, Dr6, Dr7;
  ULONGLONG DebugControl, LastBranchToRip, LastBranchFromRip, LastExceptionToRip, LastExceptionFromRip;
  USHORT SegDs, SegEs, SegFs, SegGs;
  ULONGLONG TrapFrame, Rbx, Rdi, Rsi, Rbp;
  ULONGLONG ErrorCode, Rip;
  USHORT SegCs; UCHAR Fill0, Logging; USHORT Fill1[2];
  ULONG EFlags, Fill2;
  ULONGLONG Rsp;
  USHORT SegSs, Fill3; ULONG Fill4;
} KTRAP_FRAME;
#else
typedef struct _KTRAP_FRAME {
  ULONG DbgEbp, DbgEip, DbgArgMark, DbgArgPointer, TempSegCs, TempEsp;
  ULONG Dr0, Dr1, Dr2, Dr3, Dr6, Dr7;
  ULONG SegGs, SegEs, SegDs, Edx, Ecx, Eax, PreviousPreviousMode;
  PVOID ExceptionList;
  ULONG SegFs, Edi, Esi, Ebx, Ebp, ErrCode, Eip, SegCs, EFlags, HardwareEsp, HardwareSegSs, V86Es, V86Ds, V86Fs, V86Gs;
} KTRAP_FRAME;
#endif

typedef struct _KTHREAD {
  DISPATCHER_HEADER Header;
  PVOID SListFaultAddress;
  ULONGLONG QuantumTarget;
  PVOID InitialStack, StackLimit, StackBase;
  ULONGLONG ThreadLock, CycleTime;
  ULONG CurrentRunTime, ExpectedRunTime;
  PVOID KernelStack;
  UCHAR Reserved60 AT(0x60, 0x90);
  KTRAP_FRAME *TrapFrame;
  KAPC_STATE ApcState;
  UCHAR Reservedc8 AT(0xc8, 0xd8);
  LIST_ENTRY WaitListEntry;
  PVOID Queue;
  PVOID Teb;
  UCHAR Reservedf8 AT(0xf8, 0x154);
  ULONG ContextSwitches;
  UCHAR Reserved158 AT(0x158, 0x184);
  UCHAR State;
  CHAR NpxState, WaitIrql, WaitMode;
  UCHAR Reserved188 AT(0x188, 0x1a0);
  PVOID WaitObject;
  ULONG WaitTime;
  CHAR Priority, BasePriority;
  UCHAR WaitReason;
  UCHAR Reserved1af AT(0x1af, 0x218);
  ULONG NextProcessor, Reserved21c;
  KPROCESS *Process;
  UCHAR Reserved228 AT(0x228, 0x2f8);
  LIST_ENTRY ThreadListEntry;
  UCHAR Reserved308 AT(0x308, 0x5d0);
} KTHREAD;

typedef struct _ETHREAD {
  KTHREAD Tcb;
  LARGE_INTEGER CreateTime, ExitTime;
  UCHAR Reserved5e0 AT(0x5e0, 0x608);
  PVOID StartAddress;
  UCHAR Reserved610 AT(0x610, 0x620);
  CLIENT_ID Cid;
  UCHAR Reserved630 AT(0x630, 0x648);
  LIST_ENTRY IrpList;
  UCHAR Reserved658 AT(0x658, 0x678);
  PVOID Win32StartAddress;
  PVOID LegacyPowerObject;
  LIST_ENTRY ThreadListEntry;
  UCHAR Reserved698 AT(0x698, 0x778);
} ETHREAD;

typedef struct _LDR_DATA_TABLE_ENTRY {
  LIST_ENTRY InLoadOrderLinks, InMemoryOrderLinks, InInitializationOrderLinks;
  PVOID DllBase, EntryPoint;
  ULONG SizeOfImage;
  UNICODE_STRING FullDllName, BaseDllName;
  ULONG Flags;
  USHORT LoadCount, TlsIndex;
#ifdef _WIN64
  LIST_ENTRY HashLinks;
  ULONG CheckSum, Reserved7c;
  PVOID LoadedImports;
  UCHAR Reserved88 AT(0x88, 0x9c);
  ULONG TimeDateStamp;
#else
  PVOID SectionPointer;
  ULONG CheckSum, TimeDateStamp;
#endif
} LDR_DATA_TABLE_ENTRY;
typedef struct _PEB_LDR_DATA {
  ULONG Length; UCHAR Initialized; PVOID SsHandle;
  LIST_ENTRY InLoadOrderModuleList, InMemoryOrderModuleList, InInitializationOrderModuleList;
} PEB_LDR_DATA;
typedef struct _RTL_USER_PROCESS_PARAMETERS {
  UCHAR Reserved0[sizeof(PVOID) == 8 ? 0x60 : 0x38];
  UNICODE_STRING ImagePathName, CommandLine;
} RTL_USER_PROCESS_PARAMETERS;
typedef struct _PEB {
  UCHAR InheritedAddressSpace, ReadImageFileExecOptions, BeingDebugged, BitField;
  PVOID Mutant, ImageBaseAddress;
  PEB_LDR_DATA *Ldr;
  RTL_USER_PROCESS_PARAMETERS *ProcessParameters;
  UCHAR Reserved28[sizeof(PVOID) == 8 ? 0x2c0 - 0x28 : 0x1d4 - 0x14];
  ULONG SessionId;
} PEB;
typedef struct _NT_TIB { PVOID ExceptionList, StackBase, StackLimit, SubSystemTib, FiberData, ArbitraryUserPointer; struct _NT_TIB *Self; } NT_TIB;
typedef struct _TEB { NT_TIB NtTib; PVOID EnvironmentPointer; CLIENT_ID ClientId; PVOID ActiveRpcHandle, ThreadLocalStoragePointer; PEB *ProcessEnvironmentBlock; ULONG LastErrorValue; } TEB;

typedef struct _EPROCESS {
  KPROCESS Pcb;
  ULONGLONG ProcessLock;
  LARGE_INTEGER CreateTime;
  UCHAR Reserved2d8 AT(0x2d8, 0x2e0);
  PVOID UniqueProcessId;
  LIST_ENTRY ActiveProcessLinks;
  UCHAR Reserved2f8 AT(0x2f8, 0x348);
  EX_FAST_REF Token;
  UCHAR Reserved350 AT(0x350, 0x3b0);
  PVOID SectionBaseAddress;
  UCHAR Reserved3b8 AT(0x3b8, 0x3d0);
  PVOID InheritedFromUniqueProcessId;
  UCHAR Reserved3d8 AT(0x3d8, 0x3e8);
  PEB *Peb;
  PVOID Session;
  UCHAR Reserved3f8 AT(0x3f8, 0x408);
  struct _HANDLE_TABLE *ObjectTable;
  UCHAR Reserved410 AT(0x410, 0x438);
  UCHAR ImageFileName[15], PriorityClass;
  UCHAR Reserved448 AT(0x448, 0x470);
  LIST_ENTRY ThreadListHead;
  ULONG ActiveThreads;
  UCHAR Reserved484 AT(0x484, 0x5d8);
  PVOID VadRoot;
  UCHAR Reserved5e0 AT(0x5e0, 0x6d8);
} EPROCESS;
typedef struct _HANDLE_TABLE { ULONG NextHandleNeedingPool; LONG ExtraInfoPages; ULONGLONG TableCode; EPROCESS *QuotaProcess; LIST_ENTRY HandleTableList; ULONG UniqueProcessId; ULONG HandleCount; } HANDLE_TABLE;

#ifdef _WIN64
typedef struct _KDESCRIPTOR { USHORT Pad[3], Limit; PVOID Base; } KDESCRIPTOR;
typedef struct _KSPECIAL_REGISTERS {
  ULONGLONG Cr0, Cr2, Cr3, Cr4, KernelDr0, KernelDr1, KernelDr2, KernelDr3, KernelDr6, KernelDr7;
  KDESCRIPTOR Gdtr, Idtr;
  USHORT Tr, Ldtr; ULONG MxCsr;
  ULONGLONG DebugControl, LastBranchToRip, LastBranchFromRip, LastExceptionToRip, LastExceptionFromRip, Cr8, MsrGsBase, MsrGsSwap, MsrStar, MsrLStar, MsrCStar, MsrSyscallMask, Xcr0;
} KSPECIAL_REGISTERS;
typedef struct _CONTEXT { UCHAR Bytes[0x4d0]; } CONTEXT;
typedef struct _KPROCESSOR_STATE { KSPECIAL_REGISTERS SpecialRegisters; CONTEXT ContextFrame; } KPROCESSOR_STATE;

typedef struct _KPRCB {
  ULONG MxCsr;
  UCHAR LegacyNumber, ReservedMustBeZero, InterruptRequest, IdleHalt;
  KTHREAD *CurrentThread, *NextThread, *IdleThread;
  UCHAR NestingLevel, ClockOwner, PendingTickFlags, Pad23;
  ULONG Number;
  ULONGLONG RspBase, PrcbLock;
  CHAR *PriorityState;
  KPROCESSOR_STATE ProcessorState;
  CHAR CpuType, CpuID; USHORT CpuStep;
  ULONG MHz;
  UCHAR Reserved5f8 AT(0x5f8, 0x2e00);
  LIST_ENTRY DispatcherReadyListHead[32];
  UCHAR Reserved3000 AT(0x3000, 0x3100);
  ULONG ReadySummary, InterruptCount, KernelTime, UserTime, DpcTime, KeSystemCalls;
  BOOLEAN DpcRoutineActive;
  UCHAR Reserved3119 AT(0x3119, 0x5900);
  UCHAR VendorString[13];
  UCHAR Reserved590d AT(0x590d, 0x5980);
  PVOID Context;
  UCHAR Reserved5988 AT(0x5988, 0x5d80);
} KPRCB;
typedef struct _KPCR {
  PVOID GdtBase, TssBase;
  ULONGLONG UserRsp;
  struct _KPCR *Self;
  KPRCB *CurrentPrcb;
  PVOID LockArray, Used_Self, IdtBase;
  ULONGLONG Unused[2];
  UCHAR Irql, SecondLevelCacheAssociativity, ObsoleteNumber, Fill0;
  ULONG Unused0[3];
  USHORT MajorVersion, MinorVersion;
  ULONG StallScaleFactor;
  UCHAR Reserved68 AT(0x68, 0x180);
  KPRCB Prcb;
} KPCR;

typedef struct _KIDTENTRY64 { USHORT OffsetLow, Selector; USHORT IstIndex : 3, Reserved0 : 5, Type : 5, Dpl : 2, Present : 1; USHORT OffsetMiddle; ULONG OffsetHigh, Reserved1; } KIDTENTRY64;
#define PCR(pcr, wide, narrow) ((pcr)->wide)
#define PRCB_OF Prcb
#else
typedef struct _DESCRIPTOR { USHORT Pad, Limit; ULONG Base; } KDESCRIPTOR;
typedef struct _KSPECIAL_REGISTERS {
  ULONG Cr0, Cr2, Cr3, Cr4, KernelDr0, KernelDr1, KernelDr2, KernelDr3, KernelDr6, KernelDr7;
  KDESCRIPTOR Gdtr, Idtr;
  USHORT Tr, Ldtr;
  ULONG Reserved[6];
} KSPECIAL_REGISTERS;
typedef struct _CONTEXT { UCHAR Bytes[0x2cc]; } CONTEXT;
typedef struct _KPROCESSOR_STATE { CONTEXT ContextFrame; KSPECIAL_REGISTERS SpecialRegisters; } KPROCESSOR_STATE;
typedef struct _KPRCB {
  USHORT MinorVersion, MajorVersion;
  KTHREAD *CurrentThread, *NextThread, *IdleThread;
  UCHAR Number, NestingLevel; USHORT BuildType;
  ULONG SetMember;
  CHAR CpuType, CpuID; USHORT CpuStep;
  KPROCESSOR_STATE ProcessorState;
  LIST_ENTRY DispatcherReadyListHead[32];
  ULONG ReadySummary, InterruptCount, KernelTime, UserTime, DpcTime, KeSystemCalls, MHz;
  BOOLEAN DpcRoutineActive;
  UCHAR VendorString[13];
  ULONG LegacyNumber, MxCsr;
  PVOID Context;
} KPRCB;
typedef struct _KPCR {
  PVOID NtTib[7];
  struct _KPCR *SelfPcr;
  KPRCB *Prcb;
  UCHAR Irql; ULONG IRR, IrrActive, IDR;
  PVOID KdVersionBlock, IDT, GDT, TSS;
  USHORT MajorVersion, MinorVersion;
  ULONG SetMember, StallScaleFactor;
  UCHAR Reserved50[0x120 - 0x50];
  KPRCB PrcbData;
} KPCR;
_Static_assert(__builtin_offsetof(KPCR, PrcbData) == 0x120 && __builtin_offsetof(KPCR, IDT) == 0x38, "KPCR");
typedef struct _KIDTENTRY { USHORT Offset, Selector, Access, ExtendedOffset; } KIDTENTRY64;
#define PCR(pcr, wide, narrow) ((pcr)->narrow)
#define PRCB_OF PrcbData
#endif

typedef struct _OBJECT_TYPE { LIST_ENTRY TypeList; UNICODE_STRING Name; PVOID DefaultObject; UCHAR Index; ULONG TotalNumberOfObjects, TotalNumberOfHandles; ULONG Key; } OBJECT_TYPE;
typedef struct _OBJECT_HEADER_NAME_INFO { struct _OBJECT_DIRECTORY *Directory; UNICODE_STRING Name; LONG ReferenceCount; } OBJECT_HEADER_NAME_INFO;
typedef struct _OBJECT_HEADER {
  LONG_PTR PointerCount, HandleCount;
  ULONG_PTR Lock;
  UCHAR TypeIndex, TraceFlags, InfoMask, Flags;
  PVOID ObjectCreateInfo, SecurityDescriptor;
  ULONGLONG Body;
} OBJECT_HEADER;
typedef struct _OBJECT_DIRECTORY_ENTRY { struct _OBJECT_DIRECTORY_ENTRY *ChainLink; PVOID Object; ULONG HashValue; } OBJECT_DIRECTORY_ENTRY;
typedef struct _OBJECT_DIRECTORY { OBJECT_DIRECTORY_ENTRY *HashBuckets[37]; ULONGLONG Lock; } OBJECT_DIRECTORY;

struct _DRIVER_OBJECT;
typedef struct _DEVICE_OBJECT {
  USHORT Type, Size; LONG ReferenceCount;
  struct _DRIVER_OBJECT *DriverObject;
  struct _DEVICE_OBJECT *NextDevice, *AttachedDevice;
  struct _IRP *CurrentIrp;
  PVOID Timer;
  ULONG Flags, Characteristics;
  PVOID Vpb, DeviceExtension;
  ULONG DeviceType; CHAR StackSize;
  UCHAR Reserved50[0x100];
} DEVICE_OBJECT;
typedef NTSTATUS DISPATCH(DEVICE_OBJECT *, struct _IRP *);
typedef struct _DRIVER_OBJECT {
  USHORT Type, Size;
  DEVICE_OBJECT *DeviceObject;
  ULONG Flags;
  PVOID DriverStart;
  ULONG DriverSize;
  PVOID DriverSection, DriverExtension;
  UNICODE_STRING DriverName;
  UNICODE_STRING *HardwareDatabase;
  PVOID FastIoDispatch;
  NTSTATUS (*DriverInit)(struct _DRIVER_OBJECT *, UNICODE_STRING *);
  PVOID DriverStartIo;
  void (*DriverUnload)(struct _DRIVER_OBJECT *);
  DISPATCH *MajorFunction[28];
} DRIVER_OBJECT;
typedef struct _IRP { USHORT Type, Size; ULONG Flags; PVOID AssociatedIrp; LIST_ENTRY ThreadListEntry; NTSTATUS Status; ULONG_PTR Information; ULONG MajorFunction, Parameter; } IRP;

typedef struct _ERESOURCE { LIST_ENTRY SystemResourcesList; PVOID OwnerTable; USHORT ActiveCount, Flag; PVOID SharedWaiters, ExclusiveWaiters; struct { ULONGLONG OwnerThread; ULONG OwnerCount, Pad; } OwnerEntry; ULONG ActiveEntries, ContentionCount, NumberOfSharedWaiters, NumberOfExclusiveWaiters; } ERESOURCE;
typedef struct _POOL_TRACKER_TABLE { ULONG Key; LONG NonPagedAllocs, NonPagedFrees; ULONGLONG NonPagedBytes; ULONG PagedAllocs, PagedFrees; ULONGLONG PagedBytes; } POOL_TRACKER_TABLE;
typedef struct _UNLOADED_DRIVERS { UNICODE_STRING Name; PVOID StartAddress, EndAddress; LARGE_INTEGER CurrentTime; } UNLOADED_DRIVERS;
typedef struct _MMPTE { union { ULONG_PTR Long; } u; } MMPTE;

// What the loader hands over: names, and images that lie in memory.
typedef struct _LOADER_MODULE { WIDE(PVOID, Base); WIDE(PVOID, Entry); ULONG Size, CheckSum, TimeDateStamp, Reserved; WCHAR FullName[64]; WCHAR BaseName[32]; CHAR Path[64]; } LOADER_MODULE;
typedef struct _LOADER_PARAMETER_BLOCK {
  ULONG Processors, ModuleCount, UserModules, Build;
  ULONGLONG Pcr[8];
  ULONGLONG Stack[8]; // base, its highest address
  ULONGLONG Root, UserRoot;
  WIDE(PEB *, UserPeb); WIDE(TEB *, UserTeb);
  WIDE(char *, Pool); ULONGLONG PoolSize;
  LOADER_MODULE Module[8], User[4];
} LOADER_PARAMETER_BLOCK;

typedef struct _KD_SYMBOLS_INFO { PVOID BaseOfDll, ProcessId; ULONG CheckSum, SizeOfImage; } KD_SYMBOLS_INFO;

EXPORT ULONG DbgPrint(const char *format, ...);
EXPORT ULONG DbgPrompt(const char *prompt, char *response, ULONG length);
EXPORT void DbgBreakPoint(void);
EXPORT NTSTATUS IoCreateDevice(DRIVER_OBJECT *driver, ULONG extension, UNICODE_STRING *name, ULONG type, ULONG traits, BOOLEAN exclusive, DEVICE_OBJECT **device);
EXPORT PVOID ExAllocatePoolWithTag(ULONG type, ULONG_PTR bytes, ULONG tag);
EXPORT void KeBugCheckEx(ULONG code, ULONG_PTR p1, ULONG_PTR p2, ULONG_PTR p3, ULONG_PTR p4);
