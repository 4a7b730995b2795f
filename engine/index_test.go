package engine

import (
	"context"
	"testing"
	"time"

	"dap-windbg/symbols"
	"dap-windbg/targets"
	"dap-windbg/targets/fake"
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

// TestCopiesOfFunction: a function that has code of its own gains its copies too,
// whatever way it is named; hardware has one place for it.
func TestCopiesOfFunction(t *testing.T) {
	s := launch(t, Options{}, build(t, "copies.c", "-O2"))
	s.stop()
	now := s.set("t", Breakpoint{Function: "both"}, Breakpoint{Expr: "both"}, Breakpoint{Expr: "both", Hardware: true})
	for i, want := range []int{2, 2, 1} {
		if len(now[i].Addrs) == 1 && want == 2 {
			s.gained(2)
		}
	}
	now = s.set("t", Breakpoint{Function: "both"}, Breakpoint{Expr: "both"}, Breakpoint{Expr: "both", Hardware: true})
	for i, want := range []int{2, 2, 1} {
		if len(now[i].Addrs) != want {
			t.Errorf("breakpoint %d has %d places, not %d", i, len(now[i].Addrs), want)
		}
	}
}

// TestNameOrNumber: what is a number is no function, though one is called so.
func TestNameOrNumber(t *testing.T) {
	s := launch(t, Options{}, build(t, "copies.c", "-O2"))
	s.stop()
	if now := s.set("t", Breakpoint{Function: "beef"}); len(now[0].Addrs) != 1 {
		s.gained(1) // the index is there
	}
	now := s.set("u", Breakpoint{Expr: "beef"})
	if len(now[0].Addrs) != 1 || now[0].Addrs[0] != 0xbeef {
		t.Errorf("beef is at %v", now[0].Addrs)
	}
}

// wide is an image in which copies of functions take long to find.
type wide struct {
	blank
	gate chan struct{}
}

func (*wide) Index(context.Context) error { return nil }
func (*wide) Indexed() bool               { return true }
func (w *wide) Inlined(name string) []symbols.Place {
	<-w.gate
	return []symbols.Place{{Offset: 0x10, Function: name, Inlined: true}}
}

// TestSlowCopies: the search for a function's copies does not hold the session up;
// what it finds is told, wherever the places are by then.
func TestSlowCopies(t *testing.T) {
	for _, gone := range []bool{false, true} {
		image := &wide{gate: make(chan struct{})}
		store := &shelfStore{find: func(_ context.Context, key symbols.Key) (symbols.Image, error) {
			if key.Name == "extra0.so" {
				return image, nil
			}
			return nil, &symbols.NotFoundError{What: key.Path}
		}}
		s := over(t, fake.New(fake.Demo("main", 1)), Options{Store: store})
		s.stop()
		base := hand(t, s, 1)[0]
		if now := s.set("t", Breakpoint{Function: "extra0!anywhere"}); len(now[0].Addrs) != 0 {
			t.Errorf("places: %+v", now[0])
		}
		if gone {
			s.view(func(ctx context.Context, v *View) error { return v.Unload(ctx, base) })
		}
		close(image.gate)
		if !gone {
			if now := s.gained(1); now.Addrs[0] != base+0x10 {
				t.Errorf("places: %+v", now)
			}
		}
	}
}

// TestShortProgram: a program that would be over before its index is there stops in
// a function that exists only inlined.
func TestShortProgram(t *testing.T) {
	s := launch(t, Options{}, build(t, "inline.c", "-O2"))
	s.stop()
	s.set("t", Breakpoint{Expr: "inner"})
	if st := s.run(How{}); st.Reason != targets.Breakpoint {
		t.Fatalf("stop: %+v", st)
	}
	if at := s.stack(); at[0] != "inline!inner" {
		t.Errorf("stopped in %v", at)
	}
}
