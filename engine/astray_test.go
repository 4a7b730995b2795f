package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/systems"
	"dap-windbg/targets"
	"dap-windbg/targets/fake"
)

// parted is a far end whose memory at a place is looked at when it is left.
type parted struct {
	*fake.Target
	at    arch.Addr
	saved uint64
}

func (x *parted) look(ctx context.Context) uint64 {
	p := make([]byte, 8)
	if n, err := x.ReadMemory(ctx, targets.Space{}, x.at, p); err == nil && n == len(p) {
		x.saved = binary.LittleEndian.Uint64(p)
	}
	return x.saved
}

func (x *parted) Close(ctx context.Context, how targets.Parting) error {
	x.look(ctx)
	return x.Target.Close(ctx, how)
}

// interrupted is a session whose thread is seen in an interrupt's handler, as a task of a
// step that has gone astray: the flags that were saved, where f looks, have the trace flag.
func interrupted(t *testing.T) (s *session, f *parted) {
	const sp, pc, flags = fake.DemoStack + 0x800, fake.DemoText + 0x20, 0x202
	at := sp - interruptSize
	o := fake.Demo("main", 1)
	stack := o.Regions[2].Data
	for i, v := range []uint64{uint64(pc), 0x10, flags, uint64(sp), 0x18} {
		binary.LittleEndian.PutUint64(stack[sp-interruptSize-fake.DemoStack:][8*i:], v)
	}
	f = &parted{Target: fake.New(o), at: at + interruptFlag}
	s = over(t, f, Options{})
	s.stop()
	s.do(func(ctx context.Context, v *View) error {
		l := v.l
		id := l.last.Thread
		r, err := l.registers(ctx, id)
		if err != nil {
			return err
		}
		r = r.Clone()
		r.SetPC(pc)
		r.SetSP(sp)
		r.Interrupted = true
		task := &Frame{Thread: id, Regs: r, PC: pc, level: 1}
		task.code = task
		l.walks[id] = &walk{thread: id, regs: r, frames: []*Frame{{Thread: id}, task}, over: true, whole: true}
		p := &plan{how: How{Kind: StepOver, Thread: id}, thread: id, mark: mark{sp: sp}, leg: leg{kind: targets.Go}}
		if !p.goneAstray(ctx, l) || !p.astray {
			t.Error("the interrupt is not found")
		}
		l.plan = p
		return nil
	})
	if got := f.look(s.ctx); got != flags|traceFlag {
		t.Fatalf("the flags saved are %x", got)
	}
	return s, f
}

// TestTraceFlagTakenBack: a task that a step has marked in an interrupt's handler does not
// trap when the step is over, whatever ends it.
func TestTraceFlagTakenBack(t *testing.T) {
	for _, c := range []struct {
		name        string
		end         func(s *session, f *fake.Target) // of the step
		left, stops bool
	}{
		{"break in", func(s *session, _ *fake.Target) { s.Interrupt(s.ctx); s.stop() }, false, true},
		{"a breakpoint", func(s *session, _ *fake.Target) { s.set("t", Breakpoint{Addr: fake.DemoNames["leaf"]}); s.stop() }, false, true},
		{"detach", func(*session, *fake.Target) {}, false, false},
		{"a flag that cannot be cleared", func(s *session, f *fake.Target) {
			no := errors.New("no")
			f.Fail(fake.WriteMemory, no, no, no, no)
			s.Interrupt(s.ctx)
			s.stop()
		}, true, false},
		{"a lost connection", func(_ *session, f *fake.Target) { f.Cut(errors.New("cut")) }, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, f := interrupted(t)
			s.goOn(func(context.Context, *loop) {})
			c.end(s, f.Target)
			if c.stops && f.look(s.ctx) != 0x202 {
				t.Errorf("the flags saved are %x at the stop", f.saved)
			}
			s.Close(s.ctx, targets.Detach)
			e := s.ended()
			if named := strings.Contains(e.Text, "trace flag may remain"); named != c.left {
				t.Errorf("it ends with %q", e.Text)
			}
			if c.left {
				return
			}
			if f.saved != 0x202 {
				t.Errorf("the flags saved are %x", f.saved)
			}
		})
	}
}

// TestTraceFlagUsed: once the task has trapped by its flag there is none to take back, and
// what has come to the flag's place stays as it is.
func TestTraceFlagUsed(t *testing.T) {
	s, f := interrupted(t)
	s.goOn(func(ctx context.Context, l *loop) {
		l.forget() // the thread is where it is, on the task's stack
		p := l.plan
		if decided := p.found(ctx, l, &Stop{Stop: targets.Stop{Thread: p.thread, Reason: targets.Stepped}}); decided || p.astray {
			t.Error("the task has come out of the handler and is not found")
		}
	})
	s.Interrupt(s.ctx)
	s.stop()
	s.Close(s.ctx, targets.Detach)
	if e := s.ended(); e.Text != "" || f.saved != 0x202|traceFlag {
		t.Errorf("it ends with %q, the flags saved are %x", e.Text, f.saved)
	}
}

// goOn lets the debuggee run by the plan it has, after f.
func (s *session) goOn(f func(ctx context.Context, l *loop)) {
	s.t.Helper()
	s.do(func(ctx context.Context, v *View) error {
		f(ctx, v.l)
		if err := v.l.launch(ctx); err != nil {
			return err
		}
		v.l.nowRunning(false)
		return nil
	})
}

// kernelish is a machine of which only the processor that stopped is stepped.
type kernelish struct{ *fake.Target }

func (x kernelish) Info() targets.Info {
	in := x.Target.Info()
	in.Machine = true
	in.Limits.Bits |= targets.StepsStopped
	return in
}

// within is a system whose debugger has what a processor goes on with at a place, which is
// known when it is asked for the last of so many times.
type within struct {
	systems.System
	at    arch.Addr
	asked int
}

func (w *within) Entered(context.Context, systems.World, int) (arch.Addr, error) {
	if w.asked--; w.asked > 0 {
		return 0, errors.New("not yet")
	}
	return w.at, nil
}

func (*within) ActiveCPU() string   { return "" }
func (*within) StepsAlone() string  { return "" }
func (*within) Standing() string    { return "" }
func (*within) Untrapped() []string { return nil }

// TestOtherProcessorSteps: a processor that has not stopped steps by the trace flag in what
// it goes on with, also when it enters the debugger late; one in the handler of a step is
// about to tell of it.
func TestOtherProcessorSteps(t *testing.T) {
	const at = fake.DemoStack + 0x100
	for _, c := range []struct {
		name  string
		sp    arch.Addr // 0: as it is
		asked int
		flags uint64
	}{
		{"at once", 0, 1, 0x202 | traceFlag},
		{"late", 0, 2, 0x202 | traceFlag},
		{"about to tell", entryArea + 0x4bea8, 1, 0x202},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := fake.Demo("main", 2)
			f := kernelish{fake.New(o)}
			s := over(t, f, Options{})
			s.stop()
			s.do(func(ctx context.Context, v *View) error {
				l := v.l
				id := l.threads.rows[0].ID
				if id == l.last.Thread {
					id = l.threads.rows[1].ID
				}
				r, err := l.registers(ctx, id)
				if err != nil {
					return err
				}
				p := &plan{how: How{Kind: StepInto, Thread: id}, thread: id, mark: mark{sp: r.SP()}, leg: leg{kind: targets.Step}}
				var saved []byte
				for _, v := range []uint64{uint64(r.PC()), 0x10, 0x202, uint64(r.SP()), 0x18} {
					saved = binary.LittleEndian.AppendUint64(saved, v)
				}
				if _, err := l.write(ctx, spaceHere, at, saved); err != nil {
					return err
				}
				if c.sp != 0 {
					r = r.Clone()
					r.SetSP(c.sp)
					l.regs[id] = r
				}
				l.o.System = &within{at: at, asked: c.asked}
				reached, err := p.reach(ctx, l)
				l.o.System = nil
				if reached || err != nil || !p.astray {
					t.Errorf("reached %v, astray %v, %v", reached, p.astray, err)
				}
				_, flags, err := l.savedAt(ctx, at)
				if flags != c.flags || err != nil {
					t.Errorf("flags %x, %v", flags, err)
				}
				l.plan = p
				l.dropPlan(ctx)
				if _, flags, err = l.savedAt(ctx, at); flags != 0x202 || err != nil {
					t.Errorf("flags %x behind the step, %v", flags, err)
				}
				return nil
			})
		})
	}
}

// TestHeldForNothing: where a step that holds the other processors cannot be sent, they go
// on with the next.
func TestHeldForNothing(t *testing.T) {
	f := kernelish{fake.New(fake.Demo("main", 2))}
	s := over(t, f, Options{})
	s.stop()
	word := func() (w uint32) {
		p := make([]byte, 4)
		if _, err := f.ReadMemory(s.ctx, targets.Space{}, fake.DemoNames["counter"], p); err != nil {
			t.Error(err)
		}
		return binary.LittleEndian.Uint32(p)
	}
	step := How{Kind: StepInto, Unit: ByInstruction, Only: true}
	const count = fake.DemoStack + 0x100
	stand := func(n byte) {
		s.do(func(ctx context.Context, v *View) error {
			v.l.alone, v.l.stood = fake.DemoNames["counter"], count
			_, err := v.l.write(ctx, spaceHere, count, []byte{n, 0, 0, 0})
			return err
		})
	}
	stand(0) // the other has a stop of its own to tell
	if err := s.Resume(s.ctx, step); err != nil {
		t.Fatal(err)
	}
	s.stop()
	if w := word(); w != 0 {
		t.Errorf("who waits to tell is held: %d", w)
	}
	stand(1)
	f.Fail(fake.Resume, errors.New("no"))
	if err := s.Resume(s.ctx, step); err == nil {
		t.Error("it goes")
	}
	if w := word(); w != 0 {
		t.Errorf("the others are held (%d) though nothing goes", w)
	}
	if err := s.Resume(s.ctx, step); err != nil {
		t.Fatal(err)
	}
	s.stop()
	if w := word(); w != 1 {
		t.Errorf("the others are not held: %d", w)
	}
}
