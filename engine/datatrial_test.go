package engine

import (
	"context"
	"testing"

	"dap-windbg/targets"
	"dap-windbg/targets/rsp"
)

// unproven is a far end of which it is not known whether hardware traps spring.
type unproven struct{ *rsp.Target }

func (x *unproven) Info() targets.Info {
	in := x.Target.Info()
	in.Limits.Bits |= targets.HardwareUnproven
	return in
}

// TestTriedOnCPU: the trials hear what a real CPU tells, and what is watched is told then.
func TestTriedOnCPU(t *testing.T) {
	ctx, cmd, c := reached(t, build(t, "watch.c"))
	s := &session{t: t, ctx: ctx, events: make(chan Event, 4096), server: cmd, trace: &tracing{}, ran: make(chan error, 1)}
	s.over(&unproven{c.Target()}, Options{}, func() { c.Close() })
	toMain(t, s)
	s.set("t", Breakpoint{File: "watch.c", Line: 9}) // int local = 0, then int i = 1
	if st := s.set("w", Breakpoint{Expr: "slots", Access: targets.OnWrite, Size: 4})[0]; !st.Verified {
		t.Fatalf("%+v", st)
	}
	for range 2 {
		if s.run(How{}); s.where() != "fill:9" {
			t.Fatalf("stopped at %s", s.where())
		}
	}
	if stop := s.run(How{}); stop.Reason != targets.Watch || s.where() != "main:27" {
		t.Errorf("%v %q at %s", stop.Reason, stop.Text, s.where())
	}
	s.view(func(_ context.Context, v *View) error {
		if x := v.l.trial; !x.proven || !x.heard || x.deaf != (deafness{}) {
			t.Errorf("the trials found %+v", x)
		}
		return nil
	})
}
