package windows

import (
	"testing"

	"dap-windbg/tests/kdsim/sim"
	"dap-windbg/tests/kernel/window"
)

// stage is a machine with its driver loaded, which stopped at a break of its own.
var stage = []sim.Command{{Tick: 10, Do: sim.Commands["load"]}, {Tick: 40, Do: sim.Commands["break"]}}

// commands are those that know the kernel's structures, with parts of what they say.
var commands = []step{
	{"g", []string{"nt!DbgBreakPoint"}, 0, 0},
	{"vertarget", []string{"Windows 8.1 Kernel Version 9600 MP (2 procs) Free x64", "Kernel base = 0xfffff801`12600000"}, 0, 0},
	{"!process 0 7", []string{"Cid: 0004", "Image: System", "THREAD ffffe000", "RUNNING on processor 0", "nt!KiDemoThread", "WAIT: (WrQueue) KernelMode", "NotificationEvent",
		"nt!KiSwapContext", "nt!PspSystemThreadStartup", "nt!KiStartSystemThread", "SessionId: 1  Cid: 01a4    Peb: 7ff6a1000000  ParentCid: 0004", "Image: demo.exe", "WAIT: (UserRequest) UserMode", "nt!DemoUserThread"}, 0, 0},
	{"!process 0 0 demo.exe", []string{"Cid: 01a4"}, 0, 0},
	{"!process 1a4 0", []string{"Image: demo.exe"}, 0, 0},
	{"!process 999", []string{"there is no process 999"}, 0, 0},
	{"!thread", []string{"Cid 0004.", "Owning Process", "Image:         System", "Win32 Start Address nt!KiDemoThread", "Stack Init ", "Priority 8 BasePriority 8", "nt!DbgBreakPoint"}, 0, 0},
	{"!running -it", []string{"System Processors:  (0000000000000003)", "Idle Processors:  (0000000000000002)", "  0  ffffd00021000180  ffffe000", "  1  ffffd00021008180  ffffe000", "nt!KiIdleLoop"}, 0, 0},
	{"!ready", []string{"Processor 0: No threads in READY state", "Processor 1: No threads in READY state"}, 0, 0},
	{"!stacks", []string{"Proc.Thread  .Thread  ThreadState  Blocker", "System]", "RUNNING    nt!DbgBreakPoint", "Blocked    nt!Ex", "demo.exe]", "Blocked    nt!DemoUserThread+0x"}, 0, 0},
	{"!pcr", []string{"KPCR for Processor 0 at ffffd00021000000:", "SelfPcr: ffffd00021000000", "Prcb: ffffd00021000180", "GDT: ffffd00021007000", "CurrentThread: ffffe000"}, 0, 0},
	{"!prcb 1", []string{"PRCB for Processor 1 at ffffd00021008180:", "Threads--  Current ffffe000", "Processor Index 1"}, 0, 0},
	{"!prcb 7", []string{"there is no processor 7; the machine has 2"}, 0, 0},
	{"!irql", []string{"Debugger saved IRQL for processor 0x0 -- 0 (LOW_LEVEL)"}, 0, 0},
	{"!cpuinfo", []string{"GenuineIntel", "2400"}, 0, 0},
	{"!idt", []string{"Dumping IDT: fffff801126", "00:", "nt!KiDivideErrorFault", "0e:", "nt!KiPageFault", "d1:", "nt!HalpClockInterrupt"}, 0, 0},
	{"!pte fffff80112600000", []string{"VA fffff80112600000", "PXE at FFFFF6FB7DBEDF80    PPE at FFFFF6FB7DBF0020    PDE at FFFFF6FB7E004498    PTE at FFFFF6FC00893000", "contains ", "-KR-V"}, 0, 0},
	{"!pte ffffe00000000000", []string{"PDE at", "LDA--KW-V"}, 0, 0},
	{"!pte ffffc00000000000", []string{"not valid, Transition: "}, 0, 0},
	{"!pte ffffc00000001000", []string{"not valid, Proto: "}, 0, 0},
	{"!pte ffffc00000002000", []string{"not valid, PageFile: 0, Offset: 1234"}, 0, 0},
	{"!vtop 0 ffffc00000000000", []string{"Transition phys"}, 0, 0},
	{"!vtop 0 ffffe00000000123", []string{"Large page mapped phys", "translates to physical address "}, 0, 0},
	{"!vtop 0 0", []string{"translation fails"}, 0, 0},
	{"!vm", []string{"Physical Memory:", "16384 (      65536 Kb)"}, 0, 0},
	{"!poolused 2", []string{"Tag", "KtSk", "Proc", "TOTAL"}, 0, 0},
	{"!poolused 0 Pr*", []string{"Proc", "TOTAL"}, 0, 0},
	{"!locks", []string{"Resource @ nt!PsLoadedModuleResource", "Exclusively owned", "Contention Count = 3", "2 total locks, 1 locks currently held"}, 0, 0},
	{"!drvobj sample 3", []string{"is for:", ` \Driver\sample`, "DriverEntry:", "sample!DriverEntry", "DriverUnload:", "[0e] IRP_MJ_DEVICE_CONTROL", "sample!SampleControl"}, 0, 0},
	{"!drvobj nobody", []string{`\Driver\nobody not found`}, 0, 0},
	{"!devobj Sample0", []string{"is for:", `Sample0 \Driver\sample DriverObject`, "Type 00000022", "DevExt ffffe000"}, 0, 0},
	{"!devstack Sample0", []string{"> ffffe000", `\Driver\sample`, "Sample0"}, 0, 0},
	{`!object \Driver`, []string{"(ffffe000", "Directory", "Name: Driver", "Driver        sample"}, 0, 0},
	{`!object \`, []string{"Directory     Driver", "Directory     Device"}, 0, 0},
	{"!dbgprint", []string{"Kernel-mode miniature, 2 processors", `sample: hello from \Driver\sample`}, 0, 0},
	{".bugcheck", []string{"Bugcheck code 00000000"}, 0, 0},
	{"!analyze -show a 10 2 1", []string{"IRQL_NOT_LESS_OR_EQUAL (a)", "Arg1: 0000000000000010, memory referenced", "Arg4: 0000000000000000, address which referenced memory"}, 0, 0},
	{".process /p /r 1a4", []string{"Implicit process is now ffffe000`", "Loading User Symbols"}, 0, 0},
	{"lm", []string{"00007ff6`a0000000", "demo"}, 0, 0},
	{"!peb", []string{"PEB at 00007ff6a1000000", "ImageBaseAddress:         00007ff6a0000000", "7ff6a0000000 demo.exe", `CommandLine:  'C:\demo\demo.exe /quick'`}, 0, 0},
	{"dd demo!DemoAnswer L1", []string{"0000002a"}, 0, 0},
	{".process", []string{"Implicit process is now"}, 0, 0},
	{".process /i 1a4", []string{"You need to continue execution"}, 0, 0},
	{".process /i 4", []string{"the worker is busy"}, 0, 0},
	{"g", []string{"nt!", "cc              int     3"}, 0, 0},
	{"k 3", []string{"nt!ExpDebuggerWorker", "nt!KiDemoThread"}, 0, 0},
	{"!process -1 0", []string{"Image: demo.exe"}, 0, 0},
	{"db 7ff6a0000000 L2", []string{"MZ"}, 0, 0},
	{"!pcr 9", []string{"there is no processor 9"}, 0, 0},
}

// TestCommands: the commands over the kernel's structures, by the types of its PDB.
func TestCommands(t *testing.T) {
	_, line, name := machine(t, sim.Options{Script: stage}, sim.Line{})
	w := window.Open(t, "-k", "com:port="+name+",baud=115200", "-y", guest(t).Dir)
	w.Do("")
	do(t, w, line, commands)
}

// TestWithoutSymbols: what is known when no PDB is at hand.
func TestWithoutSymbols(t *testing.T) {
	_, line, name := machine(t, sim.Options{Script: stage, NoContextEx: true, Strict: true}, sim.Line{})
	w := window.Open(t, "-k", "com:port="+name+",baud=115200")
	w.Do("")
	do(t, w, line, []step{
		{"g", []string{"nt+0x"}, 0, 0},
		{"lm", []string{"hal", "nt", "sample"}, 0, 0},
		{"k", []string{"nt+0x", "nt+0x", "nt+0x"}, 0, 0},
		{"!process 0 7", []string{"Cid: 0004", "Image: System", "RUNNING on processor 0", "WAIT: (WrQueue)", "nt+0x", "Cid: 01a4", "Image: demo.exe"}, 0, 0},
		{"!running -i", []string{"  0  ffffd00021000180", "  1  ffffd00021008180"}, 0, 0},
		{"!drvobj sample 3", []string{` \Driver\sample`, "IRP_MJ_DEVICE_CONTROL"}, 0, 0},
		{"!irql", []string{"0 (LOW_LEVEL)"}, 0, 0},
		{".bugcheck", []string{"Bugcheck code 00000000"}, 0, 0},
		{".process /i 4", []string{"nt!ExpDebuggerWork is not known", ".process /p"}, 0, 0},
	})
}

// TestCrash: a crash and a question, asked for by the debugger.
func TestCrash(t *testing.T) {
	script := append(append([]sim.Command{}, stage...), sim.Command{Tick: 50, Do: sim.Commands["fault"]})
	_, line, name := machine(t, sim.Options{Script: script}, sim.Line{})
	w := window.Open(t, "-k", "com:port="+name+",baud=115200", "-y", guest(t).Dir)
	w.Do("")
	do(t, w, line, []step{
		{"g", []string{"nt!DbgBreakPoint"}, 0, 0},
		{"g", []string{"*** Fatal System Error: 0x000000d1"}, 0, 0},
		{"!analyze -v", []string{"DRIVER_IRQL_NOT_LESS_OR_EQUAL (d1)", "BUGCHECK_P1: 10", "STACK_TEXT:", "nt!KiPageFault", "nt!DemoObey", "FAILURE_BUCKET_ID:  0xD1_nt!DemoObey"}, 0, 0},
		{".trap poi(nt!KiBugCheckData)", nil, 0, 0},
	})
}
