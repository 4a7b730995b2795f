package windows

import (
	"fmt"
	"os"
	"testing"

	"dap-windbg/tests/kdsim/sim"
	"dap-windbg/tests/kernel/window"
)

// narrow is a day with a driver on a 32-bit machine. What is asked of names, types,
// lines and locals does not depend on where they come from.
var narrow = []step{
	{"lm", []string{"start    end        module name\n", "80400000", "nt", "80a00000", "hal"}, 0, 0},
	{"k", []string{"nt!", "nt!KeUpdateSystemTime", "nt!HalpClockInterrupt", "nt!KiIdleLoop"}, 0, 0},
	{"bp nt!DemoCompute", nil, 0, 0},
	{"g", []string{"Breakpoint 0 hit", "nt!DemoCompute"}, 0, 0},
	{"k 3", []string{"nt!DemoCompute", "nt!DemoRound", "nt!KiDemoThread"}, 0, 0},
	{"dv", []string{"request = 0x", "factor = "}, 0, 0},
	{"p", []string{"ntoskrnl.c @ "}, 0, 0},
	{"?? request->Range.High", []string{" 0n4"}, 0, 0},
	{"bc *", nil, 0, 0},
	{"ba w4 nt!DemoTotal", nil, 0, 0},
	{"g", []string{"Breakpoint 0 hit", "nt!DemoRound"}, 0, 0},
	{"bc *", nil, 0, 0},
	{"bu sample!DriverEntry", nil, 0, 0},
	{"ed nt!DemoCommand 1", nil, 0, 0},
	{"g", []string{"ModLoad: f7510000", "sample.sys", "Breakpoint 0 hit", "sample!DriverEntry"}, 0, 0},
	{"k", []string{"sample!DriverEntry", "nt!IopLoadDriver", "nt!KiDemoThread"}, 0, 0},
	{"bc *", nil, 0, 0},
	{"bp sample!SampleGreet", nil, 0, 0},
	{"g", []string{`sample: hello from \Driver\sample`, "Breakpoint 0 hit", "sample!SampleGreet"}, 0, 0},
	{"p", []string{"sample.c @ 17"}, 0, 0},
	{"p", []string{"sample.c @ 18"}, 0, 0},
	{"dv", []string{"extension = 0x82", "round = ", "first = 0n"}, 0, 0},
	{"gu", []string{"sample!SampleControl"}, 0, 0},
	{"bc *", nil, 0, 0},
	{"dt nt!_EPROCESS UniqueProcessId ImageFileName", []string{"UniqueProcessId", "ImageFileName"}, 0, 0},
	{"!process 0 7", []string{"**** NT ACTIVE PROCESS DUMP ****", "PROCESS 82", "Cid: 0004", "Image: System", "RUNNING on processor 0", "nt!KiSwapContext", "nt!ExpWorkerThread", "Cid: 01a4    Peb: 7ffd8000", "Image: demo.exe", "WAIT: (UserRequest) UserMode", "nt!DemoUserThread"}, 0, 0},
	{"!running -it", []string{"System Processors:  (0000000000000003)", "  0  f8b00120  82", "  1  f8b08120  82", "nt!KiDemoThread", "nt!"}, 0, 0},
	{"!stacks", []string{"System]", "RUNNING    sample!SampleControl", "Blocked    nt!Ex", "demo.exe]", "Blocked    nt!DemoUserThread"}, 0, 0},
	{"!pcr", []string{"KPCR for Processor 0 at f8b00000:", "SelfPcr: f8b00000", "Prcb: f8b00120", "GDT: f8b07000", "CurrentThread: 82"}, 0, 0},
	{"!prcb 1", []string{"PRCB for Processor 1 at f8b08120:", "Threads--  Current 82", "Processor Index 1"}, 0, 0},
	{"?? ((nt!_EPROCESS *)@$proc)->PriorityClass", []string{" 2 "}, 0, 0},
	{"dt nt!_KTHREAD @$thread State", []string{"State            : 2"}, 0, 0},
	{"r cr0", []string{"cr0=8001003b"}, 0, 0},
	{"r cr3", []string{"cr3=000"}, 0, 0},
	{"!irql", []string{"Debugger saved IRQL for processor 0x0 -- 0 (LOW_LEVEL)"}, 0, 0},
	{"!idt", []string{"Dumping IDT: 804", "00:", "nt!KiDivideErrorFault", "0e:", "nt!KiPageFault", "d1:", "nt!HalpClockInterrupt"}, 0, 0},
	{"!pte 80400000", []string{"VA 80400000", "PDE at C0300804    PTE at C0201000", "contains ", "pfn "}, 0, 0},
	{"!pte 82000000", []string{"PDE at C0300820", "LDA--KW"}, 0, 0},
	{"!pte e1000000", []string{"not valid, Transition: "}, 0, 0},
	{"!vtop 0 82000123", []string{"X86VtoP: Large page mapped phys", "translates to physical address "}, 0, 0},
	{"!vm", []string{"16384 (      65536 Kb)"}, 0, 0},
	{"!locks", []string{"Resource @ nt!PsLoadedModuleResource", "Exclusively owned"}, 0, 0},
	{"!drvobj sample 3", []string{`\Driver\sample`, "DriverEntry:", "sample!DriverEntry", "IRP_MJ_DEVICE_CONTROL", "sample!SampleControl"}, 0, 0},
	{"!devobj Sample0", []string{`Sample0 \Driver\sample DriverObject`, "Type 00000022"}, 0, 0},
	{`!object \Driver`, []string{"Directory", "Name: Driver", "Driver        sample"}, 0, 0},
	{".process /p /r 1a4", []string{"Implicit process is now 82", "Loading User Symbols"}, 0, 0},
	{"lm", []string{"00400000", "demo"}, 0, 0},
	{"!peb", []string{"PEB at 7ffd8000", "ImageBaseAddress:         00400000", `CommandLine:  'C:\demo\demo.exe /quick'`}, 0, 0},
	{"dd demo!DemoAnswer L1", []string{"0000002a"}, 0, 0},
	{".process", []string{"Implicit process is now"}, 0, 0},
	{".process /i 1a4", []string{"You need to continue execution"}, 0, 0},
	{".process /i 4", []string{"the worker is busy"}, 0, 0},
	{"g", []string{"nt!", "cc              int     3"}, 0, 0},
	{"k 3", []string{"nt!ExpDebuggerWorker", "nt!KiDemoThread"}, 0, 0},
	{"!process -1 0", []string{"Image: demo.exe"}, 0, 0},
	{"dd 402000 L1", nil, 0, 0},
	{"~1s", []string{"nt!Hal"}, 0, 0},
	{"~0s", nil, 0, 0},
	{"ed nt!DemoCommand 4", nil, 0, 0},
	{"g", []string{"*** Fatal System Error: 0x000000d1"}, 0, 0},
	{".bugcheck", []string{"Bugcheck code 000000D1", "Arguments 00000010 00000002 00000001 804"}, 0, 0},
	{"!analyze -v", []string{"DRIVER_IRQL_NOT_LESS_OR_EQUAL (d1)", "Arg1: 00000010, memory referenced", "TRAP_FRAME:", "STACK_TEXT:", "nt!KiPageFault", "nt!DemoObey",
		"SYMBOL_NAME:  nt!DemoObey+0x", "FAILURE_BUCKET_ID:  0xD1_nt!DemoObey"}, 0, 0},
}

// seldom passes over a kind of machine of which another compiler's is tried always.
func seldom(t *testing.T, k sim.Kind) {
	t.Helper()
	if k.DWARF == 5 && os.Getenv("HEAVY") == "" {
		t.Skip("the machine by another compiler is tried; HEAVY=1 tries this one too")
	}
}

// TestNarrow is the session with a 32-bit machine, by PDBs and by DWARF of clang's and
// of GCC's.
func TestNarrow(t *testing.T) {
	for _, k := range []sim.Kind{{Narrow: true}, {Narrow: true, DWARF: 5}, {Narrow: true, DWARF: 4, GCC: true}} {
		t.Run(fmt.Sprintf("%+v", k), func(t *testing.T) {
			seldom(t, k)
			g := guestOf(t, k)
			_, line, name := machineOf(t, g, sim.Options{Seed: 9, Alone: true}, sim.Line{})
			w := window.Open(t, "-k", "com:port="+name+",baud=115200", "-y", g.Dir)
			w.Do("")
			has(t, "the banner", w.Text(), "Connected to Windows 8.1 9600 x86 compatible target at (", "), ptr64 FALSE", "Kernel Debugger connection established.",
				"Windows 8.1 Kernel Version 9600 MP (2 procs) Free x86 compatible", "Kernel base = 0x80400000 PsLoadedModuleList = 0x804", "Debug session time: ", "System Uptime: 0 days ")
			do(t, w, line, narrow)
			w.Do(".reboot")
			w.Await("Shutdown occurred at the target: the machine was started anew.")
			stopped(t, w)
			do(t, w, line, []step{
				{"bp nt!DemoRound", nil, 0, 0},
				{"g", []string{"Breakpoint", "nt!DemoRound"}, 0, 0},
				{"!process 0 0", []string{"Image: demo.exe"}, 0, 0},
				{"bc *", nil, 0, 0},
			})
		})
	}
}

// TestDWARF: the session and the commands over the kernel's structures, by the DWARF in
// the images of a 64-bit machine.
func TestDWARF(t *testing.T) {
	for _, k := range []sim.Kind{{DWARF: 5}, {DWARF: 4, GCC: true}} {
		t.Run(fmt.Sprintf("%+v", k), func(t *testing.T) {
			seldom(t, k)
			g := guestOf(t, k)
			_, line, name := machineOf(t, g, sim.Options{Script: stage}, sim.Line{})
			w := window.Open(t, "-k", "com:port="+name+",baud=115200", "-y", g.Dir)
			w.Do("")
			do(t, w, line, commands)
			do(t, w, line, []step{
				{"bp nt!DemoCompute", nil, 0, 0},
				{"g", []string{"Breakpoint 0 hit", "nt!DemoCompute"}, 0, 0},
				{"k 3", []string{"nt!DemoCompute", "nt!DemoRound", "nt!KiDemoThread"}, 0, 0},
				{"dv", []string{"request = 0x", "factor = "}, 0, 0},
				{"p", []string{"nt!DemoCompute"}, 0, 0},
				{"?? request->Range.High", []string{" 0n4"}, 0, 0},
				{"dt nt!_EPROCESS UniqueProcessId ImageFileName", []string{"+0x2e0 UniqueProcessId", "+0x438 ImageFileName"}, 0, 0},
				{"bc *", nil, 0, 0},
				{"ed nt!DemoCommand 4", nil, 0, 0},
				{"g", []string{"*** Fatal System Error: 0x000000d1"}, 0, 0},
				{"!analyze -v", []string{"DRIVER_IRQL_NOT_LESS_OR_EQUAL (d1)", "STACK_TEXT:", "nt!KiPageFault", "nt!DemoObey", "FAILURE_BUCKET_ID:  0xD1_nt!DemoObey"}, 0, 0},
			})
		})
	}
}

// TestNarrowWithoutSymbols: what a 32-bit kernel's data block tells alone.
func TestNarrowWithoutSymbols(t *testing.T) {
	_, line, name := machineOf(t, guestOf(t, sim.Kind{Narrow: true}), sim.Options{Script: stage, NoContextEx: true, Strict: true}, sim.Line{})
	w := window.Open(t, "-k", "com:port="+name+",baud=115200")
	w.Do("")
	do(t, w, line, []step{
		{"g", []string{"nt+0x"}, 0, 0},
		{"lm", []string{"nt", "hal", "sample"}, 0, 0},
		{"k", []string{"nt+0x", "nt+0x", "nt+0x"}, 0, 0},
		{"!running -i", []string{"  0  f8b00120", "  1  f8b08120"}, 0, 0},
		{"!process 0 0", []string{"where ActiveProcessLinks of _EPROCESS lies is not known"}, 0, 0},
		{"!pte nt", []string{"PDE at C0300804    PTE at C0201000"}, 0, 0},
		{".bugcheck", []string{"Bugcheck code 00000000"}, 0, 0},
	})
}

// TestBootDebugger: a target that has no data block, and no flag of 64 bits.
func TestBootDebugger(t *testing.T) {
	_, line, name := machineOf(t, guest(t), sim.Options{Script: stage, ShortReport: true}, sim.Line{})
	w := window.Open(t, "-k", "com:port="+name+",baud=115200", "-y", guest(t).Dir)
	w.Do("")
	has(t, "the banner", w.Text(), "9600 x64 target at (", "ptr64 TRUE", "Unable to read debugger data block header: the target does not say where it lies", "Kernel base = 0xfffff801`12600000 PsLoadedModuleList = 0xfffff801`12")
	do(t, w, line, []step{
		{"g", []string{"nt!DbgBreakPoint"}, 0, 0},
		{"lm", []string{"hal", "nt", "sample"}, 0, 0},
		{"k", []string{"nt!DbgBreakPoint", "nt!KiDemoThread"}, 0, 0},
		{"!process 0 0", []string{"Image: System", "Image: demo.exe"}, 0, 0},
		{"!running -i", []string{"  0  ffffd00021000180"}, 0, 0},
		{".bugcheck", []string{"Bugcheck code 00000000"}, 0, 0},
	})
}
