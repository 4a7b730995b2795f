//go:build linux

package engine

import (
	"context"
	"os/exec"
	"strconv"
	"syscall"
	"testing"

	"dap-windbg/arch"
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
	count("step over the rest of a line", 3, step(StepOver, "main:60"))
	count("step in", 4, step(StepInto, "factorial:32"))
	count("step over, no call", 3, step(StepOver, "factorial:34"))
	count("step over a recursive call", 3, step(StepOver, "factorial:35"))
	count("step out of recursion", 3, step(StepOut, "main:60"))
	count("step over the rest of a line", 3, step(StepOver, "main:61"))
	s.set("r", Breakpoint{File: "walk.c", Line: 21, OneShot: true})
	s.run(How{})
	s.trace.trips(t)
	count("step over a return", 3, step(StepOver, "spin:49"))
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

// TestRoundTripsThreads: many threads and many breakpoints cost nothing more.
func TestRoundTripsThreads(t *testing.T) {
	cmd := exec.Command(build(t, "threads.c"), "63")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() }) // when gdbserver has let go
	if !progresses(t, cmd.Process.Pid) {
		t.Fatal("the program does not start")
	}
	addr, server := gdbserver(t, "--attach", strconv.Itoa(cmd.Process.Pid))
	s := connect(t, Options{}, addr, server)
	count := func(what string, limit int, f func()) {
		t.Helper()
		f()
		n, text := s.trace.trips(t)
		t.Logf("%-40s %d of %d", what, n, limit)
		if n > limit {
			t.Errorf("%s: %d round trips, want at most %d\n%s", what, n, limit, text)
		}
	}
	count("attach to 64 threads", 12, func() { s.stop(); s.look() })
	count("20 frames of 64 threads", 4, func() {
		s.do(func(ctx context.Context, v *View) error {
			ts, err := v.Threads(ctx)
			if err != nil {
				return err
			}
			var ids []targets.ThreadID
			for _, x := range ts {
				ids = append(ids, x.ID)
			}
			stacks, err := v.Stacks(ctx, ids, 20)
			if len(stacks) != 64 {
				t.Errorf("%d stacks", len(stacks))
			}
			for id, st := range stacks {
				if !st.Complete {
					t.Errorf("thread %v: %d frames, then %s", id, len(st.Frames), st.End)
				}
			}
			return err
		})
	})
	var many []Breakpoint
	var from arch.Addr
	s.do(func(ctx context.Context, v *View) error {
		var err error
		if from, err = v.Address(ctx, "libc_so!printf"); err != nil {
			return err
		}
		ins, err := v.Disassemble(ctx, from, 200)
		for _, in := range ins {
			many = append(many, Breakpoint{Addr: in.Addr})
		}
		return err
	})
	s.set("t", Breakpoint{Function: "tick"})
	s.run(How{})
	s.trace.trips(t)
	count("step over with 64 threads", 3, func() { s.run(How{Kind: StepOver}); s.look() })
	count("20 frames of 64 threads, one by one", 10, func() {
		s.do(func(ctx context.Context, v *View) error {
			ts, err := v.Threads(ctx)
			for _, x := range ts {
				if st, err := v.Stack(ctx, x.ID, 20); err != nil || !st.Complete {
					t.Errorf("thread %v: %v", x.ID, err)
				}
			}
			return err
		})
	})
	s.set("many", many...)
	s.run(How{})
	s.trace.trips(t)
	count("step over with 200 breakpoints", 3, func() { s.run(How{Kind: StepOver}); s.look() })
	count("continue with 200 breakpoints", 4, func() { s.run(How{}); s.look() })
}

// TestRoundTripsRecursion: activations further in that come by where a step ends cost
// nothing, however many they are.
func TestRoundTripsRecursion(t *testing.T) {
	s := launch(t, Options{}, build(t, "walk.c"), "1000")
	s.stop()
	s.set("t", Breakpoint{File: "walk.c", Line: 43})
	s.run(How{})
	s.run(How{})
	s.look()
	s.set("t")
	for _, c := range []struct {
		what string
		how  HowKind
		to   string
	}{{"step out of the second activation", StepOut, "deep:43"}, {"step over the rest of the line", StepOver, "deep:44"}} {
		s.trace.trips(t)
		s.run(How{Kind: c.how})
		s.look()
		n, text := s.trace.trips(t)
		if w := s.where(); w != c.to || n > 3 {
			t.Errorf("%s: to %s, not %s, by %d round trips\n%.3000s", c.what, w, c.to, n, text)
		}
		t.Logf("%-40s %d", c.what, n)
	}
}

// TestRoundTripsCondition: the far end evaluates what it can.
func TestRoundTripsCondition(t *testing.T) {
	s := launch(t, Options{}, build(t, "walk.c"), "3", "loop")
	toMain(t, s)
	s.set("t", Breakpoint{Function: "leaf", Condition: "counter > 20000 && a != 1"}, Breakpoint{Function: "deep", Disabled: true})
	s.trace.trips(t)
	s.run(How{})
	s.look()
	n, text := s.trace.trips(t)
	if n > 4 {
		t.Errorf("a condition false thousands of times: %d round trips\n%.2000s", n, text)
	}
	if c, a := s.eval("counter"), s.eval("a"); c <= 20000 || a == 1 {
		t.Errorf("stopped with counter %d, a %d", c, a)
	}
	s.do(func(_ context.Context, v *View) error {
		for _, b := range v.Live().Breakpoints() {
			if b.Condition != "" && !b.FarSide {
				t.Errorf("%+v is not evaluated at the far end", b.Breakpoint)
			}
		}
		return nil
	})
}
