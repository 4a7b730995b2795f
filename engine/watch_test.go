package engine

import (
	"strings"
	"testing"

	"dap-windbg/targets"
)

// TestWatchLocal: a data breakpoint on a local variable ends with its frame, not
// with that of a deeper activation, and says so.
func TestWatchLocal(t *testing.T) {
	s := launch(t, Options{}, build(t, "watch.c"))
	toMain(t, s)
	s.set("t", Breakpoint{File: "watch.c", Line: 10, OneShot: true})
	s.run(How{})
	st := s.set("w", Breakpoint{Expr: "local", Access: targets.OnWrite, Size: 4})
	if !st[0].Verified {
		t.Fatalf("%+v", st[0])
	}
	for _, want := range []byte{1, 3} {
		stop := s.run(How{})
		if stop.Reason != targets.Watch || stop.Watched == nil || stop.Watched.New[0] != want || s.eval("n") != 2 {
			t.Fatalf("stop: %q %+v at %s", stop.Text, stop.Watched, s.where())
		}
	}
	s.run(How{}) // local += 0
	stop := s.run(How{})
	if stop.Reason != targets.Watch || stop.Watched != nil || !strings.Contains(stop.Text, "is cleared: fill has returned") || !strings.HasPrefix(s.where(), "main:") {
		t.Errorf("the end of the frame: %q at %s", stop.Text, s.where())
	}
	if err := s.Look(s.ctx, func(l *Live) error {
		if n := len(l.Breakpoints()); n != 0 {
			t.Errorf("%d breakpoints are left", n)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	// A frame that is left by longjmp: its end is told when the debuggee stops next.
	s.set("t", Breakpoint{File: "watch.c", Line: 21}, Breakpoint{File: "watch.c", Line: 31})
	s.run(How{})
	s.set("w", Breakpoint{Expr: "local", Access: targets.OnWrite, Size: 4})
	if stop = s.run(How{}); stop.Watched != nil || s.where() != "main:31" {
		t.Errorf("behind the longjmp: %q at %s", stop.Text, s.where())
	}
	if st := s.set("w"); len(st) != 0 || !s.said("is cleared: leap has returned") {
		t.Error("nothing was said of a frame that a longjmp left")
	}
}

// said reports whether the debugger has said text.
func (s *session) said(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.all {
		if o, ok := e.(Output); ok && strings.Contains(o.Text, text) {
			return true
		}
	}
	return false
}

// TestWatchBySteps: what the CPU has no traps for is watched by single steps; the
// user is told, and other breakpoints and steps work meanwhile.
func TestWatchBySteps(t *testing.T) {
	s := launch(t, Options{}, build(t, "watch.c"))
	toMain(t, s)
	var want []Breakpoint
	for _, e := range []string{"slots", "slots+4", "slots+8", "slots+c", "slots+10"} {
		want = append(want, Breakpoint{Expr: e, Access: targets.OnWrite, Size: 4})
	}
	st := s.set("w", want...)
	last := st[4]
	if !last.Verified || !strings.Contains(last.Message, "watched by single steps") {
		t.Fatalf("the fifth: %+v", last)
	}
	s.set("f", Breakpoint{Function: "fill", Condition: "n == 1"})
	if stop := s.run(How{}); s.where() != "fill:9" || len(stop.Breakpoints) != 1 {
		t.Errorf("a breakpoint meanwhile: %q at %s", stop.Text, s.where())
	}
	if !s.said("thousands of times slower") {
		t.Error("nothing was said of the steps")
	}
	s.set("f")
	s.run(How{Kind: StepOver})
	if w := s.where(); w != "fill:10" {
		t.Errorf("a step meanwhile: %s", w)
	}
	s.run(How{Kind: StepOut})
	if w := s.where(); w != "fill:13" {
		t.Errorf("a step out meanwhile: %s", w)
	}
	for i := range 5 {
		stop := s.run(How{})
		if stop.Reason != targets.Watch || stop.Watched == nil || len(stop.Breakpoints) != 1 || stop.Breakpoints[0] != st[i].ID || stop.Watched.New[0] != byte(i+3) {
			t.Fatalf("slot %d: %q %+v", i, stop.Text, stop.Watched)
		}
		if i > 0 {
			continue
		}
		if stop := s.run(How{Kind: StepOver}); !stop.Step || !strings.HasPrefix(s.where(), "main:") {
			t.Errorf("a step over: %q at %s", stop.Text, s.where())
		}
	}
	s.set("w")
	s.resume(How{})
	if e := s.ended(); e.Gone.Code != 0 {
		t.Errorf("end: %+v", e.Gone)
	}
}
