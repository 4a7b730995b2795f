package share

import (
	"math/rand/v2"
	"os"
	"testing"

	"dap-windbg/tests/kernel/guest"
	"dap-windbg/tests/kernel/window"
)

// often is a function that an idle kernel calls all the time.
const often = "update_wall_time"

// TestKernel: two editors and a command window share the session over a machine's kernel.
func TestKernel(t *testing.T) {
	operations := 60
	if os.Getenv("HEAVY") != "" {
		operations = 700
	}
	vm := guest.Start(t, guest.Config{Kernel: guest.Debian(t, false)}).Ready()
	a, _ := editor(t)
	a.Start("attach", map[string]any{"connection": vm.Stub(), "stopOnConnect": true}, "")
	a.Stopped("")
	join := shared(t, a.Command(".server "+anyPort), "")
	b := attach(t, join)
	thread := b.Stopped("").ThreadId
	w := window.Open(t, "-remote", join)
	w.Do("bp vmlinux!" + often)
	e := &ends{t: t, a: a, b: b, w: w, thread: thread, unit: "instruction", rnd: rand.New(rand.NewPCG(3, 4))}
	e.move("continue")()
	if got := top(t, b, e.thread).Name; got != often {
		t.Fatalf("the kernel is in %s, not %s", got, often)
	}
	steps := []func(){e.move("next"), e.move("next"), e.move("stepIn"), e.typed("p", "t"), e.move("continue"), e.typed("g")}
	for ; e.ops < operations; e.ops++ {
		switch {
		case e.ops%40 == 39: // it runs without a breakpoint, until somebody stops it
			w.Do("bd *")
			actor, other := e.editors()
			actor.Do("continue", map[string]any{"threadId": e.thread}, nil)
			other.Event("continued", nil)
			other.Do("pause", map[string]any{"threadId": e.thread}, nil)
			a.Stopped("pause")
			b.Stopped("pause")
			w.Do("be *")
			e.move("continue")()
		case e.ops%6 == 5: // out of where interrupts are stepped through
			e.move("continue")()
		default:
			steps[e.rnd.IntN(len(steps))]()
		}
		if e.ops%5 == 4 {
			e.same()
		}
	}
	e.chorus(operations / 7)
	e.same()
	w.Do("bc *")
	w.End(".remote_exit")
	b.Disconnect(nil)
	a.Disconnect(nil)
	if got := vm.Run("echo alive"); got != "alive\n" {
		t.Errorf("afterwards the guest says %q", got)
	}
}
