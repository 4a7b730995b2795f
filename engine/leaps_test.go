//go:build linux

package engine

import "testing"

// TestLeftWays runs on behind a step over a longjmp: the traps that told of it are
// still there, are met once, unseen, and then are gone.
func TestLeftWays(t *testing.T) {
	s := launch(t, Options{}, build(t, "leaps.c"))
	s.stop()
	s.set("t", Breakpoint{File: "leaps.c", Line: 14}, Breakpoint{File: "leaps.c", Line: 19})
	s.run(How{})
	s.run(How{Kind: StepOver})
	if w := s.where(); w != "main:15" {
		t.Fatalf("at %s", w)
	}
	s.run(How{Kind: StepOver})
	s.run(How{Kind: StepOver})
	s.trace.trips(t)
	s.run(How{})
	if n, text := s.trace.trips(t); n > 6 || s.where() != "main:19" || s.eval("leaps") != 51 {
		t.Errorf("at %s after %d round trips\n%s", s.where(), n, text)
	}
}
