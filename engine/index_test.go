package engine

import (
	"testing"
	"time"

	"dap-windbg/targets"
)

// gained waits for the event that says that breakpoint 0 has n places.
func (s *session) gained(n int) Status {
	s.t.Helper()
	for {
		select {
		case e := <-s.events:
			if b, ok := e.(BreakpointEvent); ok && len(b.Status.Addrs) == n {
				return b.Status
			}
		case <-time.After(patience):
			s.t.Fatalf("the breakpoint never had %d places", n)
		}
	}
}

// TestInlinedOnly: a function that exists only inside others has its places when
// the index is there, told by an event; by name and by expression, stopped and
// running.
func TestInlinedOnly(t *testing.T) {
	for name, wish := range map[string]Breakpoint{"function": {Function: "twice"}, "expression": {Expr: "twice"}} {
		t.Run(name, func(t *testing.T) {
			s := launch(t, Options{}, build(t, "copies.c", "-O2"))
			s.stop()
			if now := s.set("t", wish); len(now[0].Addrs) != 2 { // else the index was there first
				s.gained(2)
			}
			for range 2 {
				if st := s.run(How{}); st.Reason != targets.Breakpoint {
					t.Fatalf("stop: %+v", st)
				}
				if at := s.stack(); at[0] != "copies!twice" {
					t.Errorf("stopped in %v", at)
				}
			}
		})
	}
	t.Run("running", func(t *testing.T) {
		s := launch(t, Options{}, build(t, "copies.c", "-O2"))
		s.stop()
		s.resume(How{})
		s.set("t", Breakpoint{Function: "twice"})
		if st := s.stop(); st.Reason != targets.Breakpoint {
			t.Fatalf("stop: %+v", st)
		}
	})
}
