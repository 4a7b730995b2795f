package engine

import (
	"context"
	"syscall"
	"testing"

	"dap-windbg/targets"
)

// TestRoundTrips counts what each operation costs against gdbserver, the
// editor's refresh included.
func TestRoundTrips(t *testing.T) {
	s := launch(t, Options{}, build(t, "walk.c"), "1000", "loop")
	count := func(what string, limit int, f func()) {
		t.Helper()
		f()
		n, text := s.trace.trips(t)
		t.Logf("%-40s %d of %d", what, n, limit)
		if n > limit {
			t.Errorf("%s: %d round trips, want at most %d\n%s", what, n, limit, text)
		}
	}
	step := func(k HowKind, want string) func() {
		return func() {
			t.Helper()
			s.run(How{Kind: k})
			s.look()
			if w := s.where(); w != want {
				t.Errorf("at %s, want %s", w, want)
			}
		}
	}
	count("connect and run to main", 14, func() {
		s.stop()
		s.set("t", Breakpoint{Function: "main"})
		s.run(How{})
		s.look()
	})
	count("step over from a breakpoint", 3, step(StepOver, "main:57"))
	count("step over, no call", 3, step(StepOver, "main:58"))
	count("step over, no call", 3, step(StepOver, "main:59"))
	count("step in", 4, step(StepInto, "middle:25"))
	count("step over a call", 3, step(StepOver, "middle:26"))
	count("step out", 3, step(StepOut, "main:59"))
	count("set a breakpoint, stopped", 1, func() { s.set("u", Breakpoint{File: "walk.c", Line: 18}) })
	count("continue", 4, func() { s.run(How{}); s.look() })
	count("continue from a breakpoint", 4, func() { s.run(How{}); s.look() })
	s.set("u", Breakpoint{File: "walk.c", Line: 42})
	s.trace.trips(t)
	count("continue to a deep place", 4, func() { s.run(How{}); s.look() })
	count("a thousand frames", 3, func() {
		s.do(func(ctx context.Context, v *View) error {
			th, _ := v.Thread(ctx)
			st, err := v.Stack(ctx, th.ID, 0)
			if err == nil && (len(st.Frames) < 1000 || !st.Complete) {
				t.Errorf("%d frames, %s", len(st.Frames), st.End)
			}
			return err
		})
	})
	count("read 64 KiB", 1, func() {
		s.do(func(ctx context.Context, v *View) error {
			libc, _ := v.ModuleByName("libc_so")
			_, err := v.ReadMemory(ctx, targets.Space{}, libc.Base+0x30000, make([]byte, 1<<16))
			return err
		})
	})
	s.set("u", Breakpoint{File: "walk.c", Line: 65, Condition: "counter < 0"})
	s.trace.trips(t)
	s.resume(How{})
	count("set a breakpoint, running", 4, func() {
		s.set("v", Breakpoint{Function: "factorial"})
	})
	count("pause", 3, func() {
		if err := s.Interrupt(s.ctx); err != nil {
			t.Fatal(err)
		}
		s.stop()
		s.look()
	})
	var pid int64
	s.do(func(_ context.Context, v *View) error { pid = v.Live().Info().Process; return nil })
	defer syscall.Kill(int(pid), syscall.SIGKILL)
	count("disconnect", 2, func() {
		if err := s.Close(s.ctx, targets.Detach); err != nil {
			t.Fatal(err)
		}
	})
}
