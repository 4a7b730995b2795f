package windows

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"dap-windbg/tests/kdsim/sim"
	"dap-windbg/tests/kernel/window"
)

// TestCrashOnDemand: .crash has the kernel die by its own means.
func TestCrashOnDemand(t *testing.T) {
	_, line, name := machine(t, sim.Options{Script: stage}, sim.Line{})
	w := window.Open(t, "-k", "com:port="+name+",baud=115200", "-y", guest(t).Dir)
	w.Do("")
	do(t, w, line, []step{{"g", []string{"nt!DbgBreakPoint"}, 0, 0}, {".crash", nil, 0, 0}})
	stopped(t, w)
	do(t, w, line, []step{
		{".bugcheck", []string{"Bugcheck code 000000E2"}, 0, 0},
		{"!analyze -v", []string{"MANUALLY_INITIATED_CRASH (e2)"}, 0, 0},
		{"k", []string{"nt!KeBugCheckEx", "nt!KiDispatchTrap"}, 0, 0},
	})
}

var trapFrame = regexp.MustCompile(`TRAP_FRAME:  ([0-9a-f]+)`)

// TestFrames: a trap frame, a context and an exception record in memory are looked from,
// and at.
func TestFrames(t *testing.T) {
	script := append(append([]sim.Command{}, stage...), sim.Command{Tick: 50, Do: sim.Commands["fault"]})
	_, line, name := machine(t, sim.Options{Script: script}, sim.Line{})
	w := window.Open(t, "-k", "com:port="+name+",baud=115200", "-y", guest(t).Dir)
	w.Do("")
	do(t, w, line, []step{{"g", []string{"nt!DbgBreakPoint"}, 0, 0}, {"g", []string{"*** Fatal System Error: 0x000000d1"}, 0, 0}})
	whole := w.Do("k")
	has(t, "k", whole, "nt!KeBugCheckEx", "nt!KiPageFault", "nt!DemoObey", "nt!KiDemoThread")
	at := trapFrame.FindStringSubmatch(w.Do("!analyze -v"))
	if at == nil {
		t.Fatal("!analyze tells no trap frame")
	}
	do(t, w, line, []step{
		{".trap 0x" + at[1], []string{"rip=fffff801126"}, 0, 0},
		{"r rip", []string{"rip="}, 0, 0},
	})
	faulted := w.Do("k")
	has(t, "k of the trap frame", faulted, "nt!DemoObey", "nt!KiDemoThread")
	if strings.Contains(faulted, "KeBugCheckEx") {
		t.Errorf("the trap frame's stack is the processor's:\n%s", faulted)
	}
	do(t, w, line, []step{{".trap", []string{"Resetting default scope"}, 0, 0}})
	if again := w.Do("k"); frames(again) != frames(whole) {
		t.Errorf("the stack is another after .trap:\n%s\nbefore:\n%s", again, whole)
	}

	// A context made of the trap frame's registers, where the guest keeps text.
	const context, trap = "nt!KdPrintCircularBuffer", "0x"
	for _, r := range []struct{ to, from int }{{0x98, 0x180}, {0xa0, 0x158}, {0xf8, 0x168}, {0x90, 0x140}, {0xa8, 0x150}, {0xb0, 0x148}} {
		w.Do(fmt.Sprintf("eq %s+%x poi(%s%s+%x)", context, r.to, trap, at[1], r.from))
	}
	has(t, ".cxr", w.Do(".cxr "+context), "rip=fffff801126")
	if got := w.Do("k"); frames(got) != frames(faulted) || frames(got) == "" {
		t.Errorf("the context's stack:\n%s\nthe trap frame's:\n%s", got, faulted)
	}
	w.Do(".cxr")

	// An exception record (winnt.h): code, flags, record, address, parameters.
	for off, value := range map[int]string{0: "1c0000005", 8: "0", 16: "poi(0x" + at[1] + "+168)", 24: "2", 32: "1", 40: "10"} {
		w.Do(fmt.Sprintf("eq %s+%x %s", context, 0x400+off, value))
	}
	has(t, ".exr", w.Do(".exr "+context+"+400"), "ExceptionAddress: fffff801126", "(nt!DemoObey+0x", "ExceptionCode: c0000005 (Access violation)", "ExceptionFlags: 00000001",
		"NumberParameters: 2", "Parameter[0]: 0000000000000001", "Parameter[1]: 0000000000000010", "Attempt to write to address 0000000000000010")
	has(t, ".exr of no record", w.Do(".exr nt!NtBuildNumber"), "No exception record at ")
}

// frames are the lines of a stack.
func frames(k string) string {
	return strings.Join(regexp.MustCompile(`(?m)^[0-9a-f]{2} .*$`).FindAllString(k, -1), "\n")
}
