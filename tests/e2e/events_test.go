package e2e

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestEvents: what `sx` asks for stops the program: a C++ exception with its type
// and text, a system call with its result, a signal; a data breakpoint on a local
// variable ends with its function.
func TestEvents(t *testing.T) {
	prog := program(t, "throws.cpp")
	r := debugger(t, strings.Join([]string{
		"sxe eh:Fault", "sxe ehc", "sxe sys:getppid", "sxi sig10", "bp throws!work", "g", "p", "bd 0", "ba w4 local", "g", "g", "g", "bc *", "g", ".lastevent", "g", "g", "g", "g", "q",
	}, "\n")+"\n", "cdb", prog)
	r.Must(t, 0, `Breakpoint 0 hit`, `Breakpoint 1 hit`, `Breakpoint 1 hit`, `Breakpoint 1 is cleared: work\S* has returned, in whose frame it was`,
		`C\+\+ exception thrown, Fault: no more paper - code e06d7363 \(first chance\)`, `Last event: \S+ C\+\+ exception thrown`,
		`C\+\+ exception caught, Fault: no more paper`, `System call getppid \(110\) entered`, `System call getppid \(110\) returned = \d+`, `exited with status 0`)
}

// TestSecondChance: `sxd` leaves a signal to the program that handles it, and stops
// where nothing does.
func TestSecondChance(t *testing.T) {
	r := debugger(t, "sxd av\ng\n?? handled\nq\n", "cdb", program(t, "handled.c"))
	r.Must(t, 0, `Signal SIGSEGV .* \(first chance\)`, `Signal SIGSEGV .* \(second chance\)`, `^>\s+16: .*mark: unhandled`, `int 0n1`)
	r = debugger(t, "sxe av\ng\n?? handled\nq\n", "cdb", program(t, "handled.c"))
	r.Must(t, 0, `Signal SIGSEGV`, `int 0n0`)
}

// TestBreakpointsByName: names that hold operators, lines without code.
func TestBreakpointsByName(t *testing.T) {
	prog := program(t, "rows.cpp")
	r := debugger(t, "bp `rows.cpp:9999`\nbu rows!*main*\nbl\nq\n", "cdb", prog)
	r.Must(t, 0, "line 9999 of rows.cpp has no code: its lines with code are from", `e Disable Clear .*rows!main`)
}

// TestMuchOutput: all that a program writes arrives, in order, and its end behind it.
func TestMuchOutput(t *testing.T) {
	lines := 1 << 15 // 2 MB
	if os.Getenv("HEAVY") != "" {
		lines = 100 << 20 / 64
	}
	r := debugger(t, "g\nq\n", "cdb", program(t, "spew.c"), strconv.Itoa(lines))
	next := 0
	for line := range strings.SplitSeq(r.Out, "\n") {
		if want := fmt.Sprintf("%015d %047d", next, 0); strings.HasSuffix(strings.TrimSuffix(line, "\r"), want) {
			next++
		} else if next > 0 && next < lines {
			t.Fatalf("behind line %d: %.100q", next, line)
		}
	}
	if next != lines || !strings.Contains(r.Out, "exited with status 0") {
		t.Errorf("%d of %d lines; end: %.200q", next, lines, r.Out[max(0, len(r.Out)-200):])
	}
}
