package kernel

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"dap-windbg/tests/kernel/window"
)

// TestKernelPackets counts what a step over a line costs over kgdb, with the stack,
// variables and registers looked at after it: what it costs over QEMU's stub. What was
// sent twice to a kernel that was slow counts once.
func TestKernelPackets(t *testing.T) {
	d := start(t, 2, "nokaslr")
	d.Ready()
	trace := filepath.Join(t.TempDir(), "wire")
	d.Window = window.Open(t, "-k", d.line.Connection("kgdb", d.kernel), "--trace", trace)
	d.Do("bp /1 vmlinux!proc_pid_status")
	g := d.Say("g")
	cat := d.Begin("cat /proc/1/status >/dev/null")
	has(t, "the stop", g.Wait(), `Breakpoint 0 hit`)
	d.Do("p; k; dv; r") // what is looked at for the first time is read then
	done := len(sent(t, trace, 0))
	byTrap := 0
	for range 15 {
		at := d.Do("p")
		if text := d.Do("k; dv; r"); !strings.Contains(text, "entry_SYSCALL_64") {
			t.Fatalf("no stack after a step:\n%s", text)
		}
		raw := sent(t, trace, done)
		done += len(raw)
		packets := slices.Compact(raw)
		traps, runs, steps := begin(packets, "$Z0,"), begin(packets, "$c"), begin(packets, "$s")
		limit := 12
		if steps+runs > 1 {
			limit = 10 + 2*(steps+2*runs)
		}
		if traps <= 1 && runs <= 1 && steps <= 1 {
			byTrap++
		}
		t.Logf("%d packets of at most %d: %d traps, %d runs, %d steps of one instruction", len(packets), limit, traps, runs, steps)
		if len(packets) > limit || len(packets) == 0 {
			t.Errorf("%d packets, want at most %d; at\n%s\n%s", len(packets), limit, at, strings.Join(packets, "\n"))
		}
	}
	if byTrap < 7 {
		t.Errorf("only %d of 15 steps took one trap", byTrap)
	}
	d.finishes(cat)
}
