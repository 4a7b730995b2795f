package windows

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"dap-windbg/tests/kdsim/sim"
	"dap-windbg/tests/kernel/window"
)

// session is what a driver developer does in a day, on a serial line.
var session = []step{
	{"lm", []string{"start             end                 module name\n", "hal", "nt"}, 12000, 0},
	{"lm", []string{"nt"}, 100, 0},
	{"k", []string{"nt!RtlpBreakWithStatusInstruction", "nt!KeUpdateSystemTime", "nt!HalpClockInterrupt", "nt!KiIdleLoop", "nt!KiSystemStartup"}, 4500, 3},
	{"k", nil, 100, 0},
	{"bp nt!DemoCompute", nil, 1000, 0},
	{"g", []string{"Breakpoint 0 hit", "nt!DemoCompute"}, 9000, 0},
	{"k 3", []string{"nt!DemoCompute", "nt!DemoRound"}, 4500, 3},
	{"dv", []string{"request = 0xff", "factor = "}, 2000, 0},
	{"p", []string{"ntoskrnl.c @ "}, 6000, 0},
	{"p", []string{"ntoskrnl.c @ "}, 6000, 0},
	{"?? request->Range.High", []string{"int 0n4"}, 2000, 0},
	{"bc *", nil, 0, 0},
	{"bp `ntoskrnl.c:LINE`", nil, 1000, 0},
	{"g", []string{"Breakpoint 0 hit", "nt!DemoRound"}, 9000, 0},
	{"bc *", nil, 0, 0},
	{"!process 0 0", []string{"**** NT ACTIVE PROCESS DUMP ****", "Image: System", "Cid: 01a4", "Image: demo.exe"}, 12000, 0},
	{"dt nt!_EPROCESS UniqueProcessId ImageFileName", []string{"+0x2e0 UniqueProcessId", "+0x438 ImageFileName"}, 100, 0},
	{"ba w4 nt!DemoTotal", nil, 4000, 0},
	{"g", []string{"Breakpoint 0 hit", "nt!DemoRound"}, 12000, 0},
	{"bc *", nil, 0, 0},
	{"bu sample!DriverEntry", nil, 1000, 0},
	{"ed nt!DemoCommand 1", nil, 1000, 0},
	{"g", []string{"ModLoad: fffff880`04120000", "sample.sys", "Breakpoint 0 hit", "sample!DriverEntry"}, 16000, 0},
	{"k", []string{"sample!DriverEntry", "nt!IopLoadDriver", "nt!KiDemoThread"}, 6000, 0},
	{"bc *", nil, 0, 0},
	{"bp sample!SampleGreet", nil, 1000, 0},
	{"g", []string{`sample: hello from \Driver\sample`, "Breakpoint 0 hit", "sample!SampleGreet"}, 12000, 0},
	{"p", []string{"sample.c @ 17"}, 6000, 0},
	{"p", []string{"sample.c @ 18"}, 6000, 0},
	{"dv", []string{"extension = 0xffffe000`", "round = ", "first = 0n"}, 2000, 0},
	{"t", []string{"SampleScale"}, 6000, 0},
	{"gu", []string{"sample!SampleGreet"}, 9000, 0},
	{"bc *", nil, 0, 0},
	{"!drvobj sample 3", []string{`\Driver\sample`, "DriverEntry:", "sample!DriverEntry", "IRP_MJ_DEVICE_CONTROL", "sample!SampleControl"}, 20000, 0},
	{"~1s", []string{"nt!Hal"}, 6000, 0},
	{"~0s", nil, 6000, 0},
	{"ed nt!DemoCommand 4", nil, 1000, 0},
	{"g", []string{"*** Fatal System Error: 0x000000d1", "nt!RtlpBreakWithStatusInstruction"}, 12000, 0},
	{".bugcheck", []string{"Bugcheck code 000000D1", "Arguments 00000000`00000010 00000000`00000002 00000000`00000001 fffff801`"}, 1000, 0},
	{"!analyze -v", []string{"DRIVER_IRQL_NOT_LESS_OR_EQUAL (d1)", "Arg1: 0000000000000010, memory referenced", "BUGCHECK_CODE:  d1", "PROCESS_NAME:  System", "TRAP_FRAME:",
		"STACK_TEXT:", "nt!KiPageFault", "nt!DemoObey", "SYMBOL_NAME:  nt!DemoObey+0x", "FAILURE_BUCKET_ID:  0xD1_nt!DemoObey"}, 12000, 0},
}

// TestSession is the session over a pseudo-terminal with the speed of a serial line;
// the debugger comes to a machine that runs.
func TestSession(t *testing.T) {
	_, line, name := machine(t, sim.Options{Seed: 7, AckWait: time.Second, Alone: true}, sim.Line{Baud: 115200})
	w := window.Open(t, "-k", "com:port="+name+",baud=115200", "-y", guest(t).Dir)
	runSession(t, w, line, name)
}

func runSession(t *testing.T, w *window.Window, line *counted, name string) {
	t.Helper()
	w.Do("")
	has(t, "the banner", w.Text(), "Opened "+name, "Waiting to reconnect...", "Connected to Windows 8.1 9600 x64 target at (", "), ptr64 TRUE", "Kernel Debugger connection established.",
		"Symbol search path is: ", "Executable search path is: ", "Windows 8.1 Kernel Version 9600 MP (2 procs) Free x64", "Built by: 9600.17031.amd64fre.winblue_gdr.140221-1952",
		"Machine Name:", "Kernel base = 0xfffff801`12600000 PsLoadedModuleList = 0xfffff801`12", "Debug session time: ", "System Uptime: 0 days ")
	in, out, reads := line.traffic()
	t.Logf("%-46s %6d bytes out %6d in %3d reads", "attach to the running machine, banner", in, out, reads)
	source, err := os.ReadFile(filepath.Join(guest(t).Dir, "guest", "ntoskrnl.c"))
	if err != nil {
		t.Fatal(err)
	}
	before, _, _ := bytes.Cut(source, []byte("LONG result = DemoCompute("))
	steps := slices.Clone(session)
	for i := range steps {
		steps[i].command = strings.Replace(steps[i].command, "LINE", fmt.Sprint(bytes.Count(before, []byte("\n"))+1), 1)
	}
	do(t, w, line, steps)
	reboots(t, w, line)
}

// reboots restarts the machine and goes on with what comes up.
func reboots(t *testing.T, w *window.Window, line *counted) {
	t.Helper()
	w.Do(".reboot")
	w.Await("Shutdown occurred at the target: the machine was started anew.")
	stopped(t, w)
	do(t, w, line, []step{
		{"k", []string{"nt!DebugService", "nt!KiSystemStartup"}, 0, 0},
		{"bp nt!DemoRound", nil, 0, 0},
		{"g", []string{"Breakpoint", "nt!DemoRound"}, 0, 0},
		{"!process 0 0", []string{"Image: demo.exe"}, 0, 0},
		{"bc *", nil, 0, 0},
	})
}
