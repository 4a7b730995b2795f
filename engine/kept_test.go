package engine

import (
	"context"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

// tabled is a machine that has room for few traps, as kernels have.
type tabled struct {
	targets.Target
	targets.Runner
	targets.ModuleLister
	targets.Queryer
	traps   targets.Trapper
	room    int
	in      map[arch.Addr]bool
	resumes int
	full    int // traps that were refused
}

func (x *tabled) Info() targets.Info {
	in := x.Target.Info()
	in.Machine = true
	in.Limits.Bits &^= targets.StepRange | targets.Conditions
	return in
}

func (x *tabled) SetTrap(ctx context.Context, trap targets.Trap) error {
	if !x.in[trap.Addr] && len(x.in) == x.room {
		x.full++
		return &targets.RefusedError{Op: "setting a trap", Text: "all are in use"}
	}
	x.in[trap.Addr] = true
	return x.traps.SetTrap(ctx, trap)
}

func (x *tabled) ClearTrap(ctx context.Context, trap targets.Trap) error {
	delete(x.in, trap.Addr)
	return x.traps.ClearTrap(ctx, trap)
}

func (x *tabled) Resume(ctx context.Context, r targets.Resume) error {
	for _, trap := range r.Lift {
		if err := x.ClearTrap(ctx, trap); err != nil {
			return err
		}
	}
	for _, trap := range r.Plant {
		if err := x.SetTrap(ctx, trap); err != nil {
			return err
		}
	}
	x.resumes++
	r.Lift, r.Plant = nil, nil
	return x.Runner.Resume(ctx, r)
}

// TestFullTable: traps that are kept from steps leave a machine's table to those that
// are wanted.
func TestFullTable(t *testing.T) {
	ctx, cmd, c := reached(t, build(t, "walk.c"))
	tg := c.Target()
	x := &tabled{Target: tg, Runner: tg, ModuleLister: tg, Queryer: tg, traps: tg, room: 12, in: map[arch.Addr]bool{}}
	s := &session{t: t, ctx: ctx, events: make(chan Event, 4096), server: cmd, trace: &tracing{}, ran: make(chan error, 1)}
	s.over(x, Options{}, func() { c.Close() })
	toMain(t, s)
	s.view(func(ctx context.Context, v *View) error {
		deep, ok := functionIn(v.l.modules.rows[0], "deep")
		for i := range x.room - len(x.in) - 2 { // that many are left from steps, the next needs two
			v.l.kept = append(v.l.kept, deep+arch.Addr(4*i))
		}
		if !ok {
			t.Error("there is no deep")
		}
		return nil
	})
	s.run(How{Kind: StepOver})
	s.set("t", Breakpoint{File: "walk.c", Line: 36}, Breakpoint{File: "walk.c", Line: 44})
	n := x.resumes
	if s.run(How{Kind: StepOver}); s.where() != "main:58" || x.resumes-n > 2 {
		t.Errorf("at %s after %d resumes", s.where(), x.resumes-n)
	}
	if x.full == 0 || s.said("instruction by instruction") {
		t.Errorf("%d traps were refused", x.full)
	}
	s.Close(s.ctx, targets.Detach)
	if len(x.in) > 0 {
		t.Errorf("traps left: %v", x.in)
	}
}
