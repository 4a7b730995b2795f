package kdb

import (
	"context"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/engine"
	"dap-windbg/targets"
)

// TestEngine debugs the recorded target by the engine, which knows nothing of
// this protocol: breakpoint, steps, off the trap and back to it, interrupt, detach.
func TestEngine(t *testing.T) {
	f := newFarEnd(t)
	k, err := Connect(patience(t), f, Options{})
	must(t, err)
	debug(t, k, loop, []arch.Addr{loop + 1, loop + 3})
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.traps != [16]uint64{} || !f.running {
		t.Errorf("left behind: breakpoints %x, running %v", f.traps, f.running)
	}
}

// debug walks a session from its first stop to its end. The breakpoint at trap
// is hit, and steps lists where single steps from there arrive.
func debug(t *testing.T, k targets.Target, trap arch.Addr, steps []arch.Addr) {
	t.Helper()
	ctx := patience(t)
	s := engine.New(k, engine.Options{Emit: func(engine.Event) {}})
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	arrive := func(reason targets.Reason, at arch.Addr) {
		t.Helper()
		stop, err := s.Wait(ctx)
		must(t, err)
		if stop.Reason != reason || at != 0 && stop.Addr != at {
			t.Fatalf("stopped for %v at %x, want %v at %x", stop.Reason, stop.Addr, reason, at)
		}
	}
	resume := func(how engine.How, reason targets.Reason, at arch.Addr) {
		t.Helper()
		must(t, s.Resume(ctx, how))
		arrive(reason, at)
	}
	arrive(targets.Initial, 0)
	set, err := s.SetBreakpoints(ctx, "test", []engine.Breakpoint{{ID: -1, Addr: trap}})
	must(t, err)
	if len(set) != 1 || !set[0].Verified {
		t.Fatalf("%+v", set)
	}
	resume(engine.How{}, targets.Breakpoint, trap)
	must(t, s.Do(ctx, func(ctx context.Context, v *engine.View) error {
		code, err := v.Disassemble(ctx, trap, 1)
		if len(code) != 1 || code[0].Op != "push" {
			t.Errorf("at the trap lies %+v", code)
		}
		return err
	}))
	for _, at := range steps {
		resume(engine.How{Kind: engine.StepInto, Unit: engine.ByInstruction}, targets.Stepped, at)
	}
	resume(engine.How{}, targets.Breakpoint, trap)
	resume(engine.How{}, targets.Breakpoint, trap)
	_, err = s.SetBreakpoints(ctx, "test", nil)
	must(t, err)
	must(t, s.Resume(ctx, engine.How{}))
	must(t, s.Interrupt(ctx))
	arrive(targets.Interrupted, 0)
	must(t, s.Close(ctx, targets.Detach))
	must(t, <-done)
}

// TestPassed: a step that the user has kdb do by its own word is told by the engine.
func TestPassed(t *testing.T) {
	f := newFarEnd(t)
	k, err := Connect(patience(t), f, Options{})
	must(t, err)
	ctx := patience(t)
	s := engine.New(k, engine.Options{Emit: func(engine.Event) {}})
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	if _, err := s.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		must(t, s.Do(ctx, func(ctx context.Context, v *engine.View) error {
			_, e, err := k.CommandAnyway(ctx, "ss")
			v.Changed(e)
			return err
		}))
		stop, err := s.Wait(ctx)
		must(t, err)
		if stop.Text != "SS trap" {
			t.Errorf("%+v", stop)
		}
	}
	must(t, s.Close(ctx, targets.Detach))
	must(t, <-done)
}
