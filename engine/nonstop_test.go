package engine

import (
	"context"
	"net"
	"strings"
	"testing"

	"dap-windbg/targets"
	"dap-windbg/targets/rsp"
)

// nonstop starts a program over a far end in non-stop mode.
func nonstop(t *testing.T, source string, args ...string) *session {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	addr, cmd := gdbserver(t, append([]string{build(t, source)}, args...)...)
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	s := &session{t: t, ctx: ctx, events: make(chan Event, 4096), server: cmd, trace: &tracing{}, ran: make(chan error, 1)}
	c, err := rsp.Connect(ctx, conn, rsp.Options{Trace: s.tracer(), Peer: addr, NonStop: true})
	if err != nil {
		t.Fatal(err)
	}
	s.over(c.Target(), Options{}, func() { c.Close() })
	return s
}

// TestNonStop: over a far end in non-stop mode a breakpoint is set in a running
// program in one round trip, and nothing stops for it; stepping is as ever.
func TestNonStop(t *testing.T) {
	s := nonstop(t, "threads.c", "7")
	toMain(t, s)
	s.set("main")
	s.resume(How{})
	for i := range 5 {
		s.trace.trips(t)
		s.set("t", Breakpoint{File: "threads.c", Line: 68 + i%2})
		trips, text := s.trace.trips(t)
		if trips > 1 || strings.Contains(text, "vCont;t") || strings.Contains(text, "%Stop") {
			t.Errorf("%d round trips:\n%.2000s", trips, text)
		}
	}
	if err := s.Interrupt(s.ctx); err != nil {
		t.Fatal(err)
	}
	if stop := s.stop(); stop.Reason != targets.Interrupted {
		t.Fatalf("stop: %v %q", stop.Reason, stop.Text)
	}
	st := s.set("t", Breakpoint{Function: "beat"})
	if stop := s.run(How{}); len(stop.Breakpoints) != 1 || stop.Breakpoints[0] != st[0].ID {
		t.Fatalf("stop: %q", stop.Text)
	}
	for range 5 {
		if stop := s.run(How{Kind: StepOver}); !stop.Step && len(stop.Breakpoints) == 0 {
			t.Fatalf("stop: %v %q", stop.Reason, stop.Text)
		}
	}
}

// TestNonStopDelivers: each thread sees its signals, also when another's stop is told
// before it can run on.
func TestNonStopDelivers(t *testing.T) {
	s := nonstop(t, "raises.c")
	s.stop()
	for range 40 {
		if stop := s.run(How{}); stop.Exception == nil || stop.Exception.Name != "SIGUSR1" {
			t.Fatalf("stop: %v %q", stop.Reason, stop.Text)
		}
	}
	s.runsOut(0)
}

// TestHeldDelivers: a thread that is held after its signal was told sees it when it goes.
func TestHeldDelivers(t *testing.T) {
	s := launch(t, Options{}, build(t, "raises.c"))
	s.stop()
	raised := func() targets.ThreadID {
		t.Helper()
		stop := s.run(How{})
		if stop.Exception == nil || stop.Exception.Name != "SIGUSR1" {
			t.Fatalf("stop: %v %q", stop.Reason, stop.Text)
		}
		return stop.Thread
	}
	held := raised()
	freeze := func(on bool) {
		s.do(func(ctx context.Context, v *View) error { return v.Freeze(ctx, held, on) })
	}
	freeze(true)
	for range 5 {
		if raised() == held {
			t.Fatal("it is not held")
		}
	}
	freeze(false)
	for range 40 - 6 {
		raised()
	}
	s.runsOut(0)
}
