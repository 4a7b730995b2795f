package kdlines

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"dap-windbg/arch"
	"dap-windbg/targets"
	"dap-windbg/targets/kd"
	"dap-windbg/tests/kdsim/sim"
)

// TestRough: with break-ins out of nothing, and a target that gives its debugger up
// after a second of silence and comes back, a session still ends as it should: the
// target can be stopped, looked at, and left without a trace.
func TestRough(t *testing.T) {
	g := guest(t)
	each(t, schedules()/10, func(t *testing.T, seed int) {
		to, from := quality{faults: 60, between: 5, delay: 30}.ways(seed, 21, named())
		rough(t, g, sim.Options{Seed: uint64(seed), Strict: seed%2 == 0, Tick: 50 * time.Millisecond}, to, from)
	})
}

func rough(t *testing.T, g *sim.Guest, o sim.Options, to, from *way) {
	ctx, k := plug(t, g, o, 40, to, from)
	// What goes wrong meanwhile is told, and no more than that.
	var silent *kd.SilentError
	var refused *targets.RefusedError
	expected := func(err error) {
		if err != nil && !errors.As(err, &silent) && !errors.As(err, &refused) && !errors.Is(err, targets.ErrRunning) {
			t.Errorf("%v", err)
		}
	}
	stopped := func() bool {
		for {
			select {
			case e, ok := <-k.Events():
				if g, gone := e.(targets.Gone); gone || !ok {
					t.Fatalf("the target is gone: %v", g.Err)
				}
				if s, ok := e.(targets.Stop); ok {
					if s.Reason == targets.Prompt {
						_, _, err := k.Command(ctx, "i")
						expected(err)
						continue
					}
					return true
				}
			case <-time.After(20 * time.Second):
				return false
			}
		}
	}
	at := k.Version().Kernel + 0x1000
	code := make([]byte, 16)
	for round := 0; round < 400 && (to.remaining()+from.remaining() > 0 || round < 4); round++ {
		stopped()
		_, err := k.ReadMemory(ctx, targets.Space{}, at, code)
		expected(err)
		_, err = k.Registers(ctx, targets.ThreadID{Thread: 1})
		expected(err)
		expected(k.SetTrap(ctx, targets.Trap{Addr: at + arch.Addr(round%8)}))
		expected(k.Resume(ctx, letGo))
		expected(k.Interrupt(ctx))
	}
	quiet := time.Now()
	for to.remaining()+from.remaining() == 0 {
		if stopped() {
			if _, err := k.Registers(ctx, targets.ThreadID{Thread: 1}); err == nil {
				break
			}
		}
		expected(k.Interrupt(ctx))
		if time.Since(quiet) > time.Minute {
			t.Fatal("a minute after the last fault the target is not stopped")
		}
	}
	for i := range 8 {
		if err := k.ClearTrap(ctx, targets.Trap{Addr: at + arch.Addr(i)}); err != nil {
			t.Fatal(err)
		}
	}
	again := make([]byte, 16)
	if _, err := k.ReadMemory(ctx, targets.Space{}, at, again); err != nil {
		t.Fatal(err)
	}
	if clean := make([]byte, 16); !bytes.Equal(again, code) && !bytes.Equal(code, clean) {
		t.Errorf("the code was % x and is % x", code, again)
	}
	if err := k.Close(ctx, targets.Detach); err != nil {
		t.Error(err)
	}
}
