package kernel

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dap-windbg/targets/wire"
	"dap-windbg/tests/kernel/guest"
	"dap-windbg/tests/kernel/window"
)

// TestPackets counts what a step over a line costs, with the stack, variables and
// registers looked at after it.
func TestPackets(t *testing.T) {
	k := heavy(t)
	vm := guest.Start(t, guest.Config{Kernel: k, CPUs: 2}).Ready()
	trace := filepath.Join(t.TempDir(), "wire")
	w := window.Open(t, "-k", vm.Stub(), "-y", symbolPath(k), "--trace", trace)
	w.Do("bp /1 vmlinux!proc_pid_status")
	g := w.Say("g")
	vm.Begin("cat /proc/1/status >/dev/null")
	has(t, "the stop", g.Wait(), `Breakpoint 0 hit`)
	w.Do("p; k; dv; r") // what is looked at for the first time is read then
	done := len(sent(t, trace, 0))
	byTrap := 0
	for range 20 {
		at := w.Do("p")
		if text := w.Do("k; dv; r"); !strings.Contains(text, "entry_SYSCALL_64") {
			t.Fatalf("no stack after a step:\n%s", text)
		}
		packets := sent(t, trace, done)
		done += len(packets)
		traps, runs, steps := begin(packets, "$Z0,"), begin(packets, "$vCont;c"), begin(packets, "$vCont;s")
		if traps <= 1 && runs <= 1 && steps <= 1 {
			byTrap++
		}
		// 12 with one trap. A line of several exits takes one for each, set and cleared;
		// one whose code lies apart runs several times: go, thread, registers, the code there.
		limit := 10 + 2*max(traps+steps, 1) + 4*max(runs-1, 0)
		t.Logf("%d packets of at most %d: %d traps, %d runs, %d steps of one instruction", len(packets), limit, traps, runs, steps)
		if len(packets) > limit || len(packets) == 0 {
			t.Errorf("%d packets, want at most %d; at\n%s\n%s", len(packets), limit, at, strings.Join(packets, "\n"))
		}
	}
	if byTrap < 10 {
		t.Errorf("only %d of 20 steps took one trap", byTrap)
	}
	w.Do("bc *")
	w.End("qd")
}

// begin counts those that begin with a prefix.
func begin(packets []string, prefix string) (n int) {
	for _, p := range packets {
		if strings.HasPrefix(p, prefix) {
			n++
		}
	}
	return n
}

// sent are the packets that a trace of the wire has, behind the first few.
func sent(t *testing.T, trace string, from int) []string {
	t.Helper()
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	messages, err := wire.Parse(bytes.NewReader(text[:bytes.LastIndexByte(text, '\n')+1]))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range messages {
		if m.Out && bytes.HasPrefix(m.Data, []byte("$")) {
			out = append(out, string(m.Data))
		}
	}
	return out[from:]
}
