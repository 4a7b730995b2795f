package engine

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/targets"
	"dap-windbg/targets/rsp"
	"dap-windbg/targets/targettest"
)

// recorder makes a recording of what it has a real process do, one instruction after
// the other, and goes back in it.
type recorder struct {
	targets.Target
	events chan targets.Event
	past   []moment
	traps  map[arch.Addr]bool
	goes   bool // it runs backwards too, not in steps alone
	backs  int  // resumes backwards
	whole  bool // it is a machine
}

// moment is all that an instruction can change: the programs have one thread, and
// write to their stack and to few variables.
type moment struct {
	regs  *arch.Registers
	stack []byte
	at    arch.Addr
}

const (
	recordBelow = 512
	recordStack = 2048
)

func (r *recorder) Info() targets.Info {
	in := r.Target.Info()
	in.Limits.Bits &^= targets.StepRange | targets.Conditions
	in.Limits.Bits |= targets.ReverseStep
	if r.goes {
		in.Limits.Bits |= targets.ReverseGo
	}
	in.Machine = r.whole
	return in
}

func (r *recorder) Modules(ctx context.Context) ([]targets.Module, error) {
	return r.Target.(targets.ModuleLister).Modules(ctx)
}

func (r *recorder) Query(ctx context.Context, k targets.Kind, annex string) ([]byte, error) {
	return r.Target.(targets.Queryer).Query(ctx, k, annex)
}

func (r *recorder) Set(ctx context.Context, k targets.Kind, annex string, value []byte) error {
	return r.Target.(targets.Queryer).Set(ctx, k, annex, value)
}

func (r *recorder) Events() <-chan targets.Event { return r.events }

func (r *recorder) Interrupt(context.Context) error { return nil }

func (r *recorder) WriteMemory(ctx context.Context, s targets.Space, a arch.Addr, p []byte) (int, error) {
	return r.Target.(targets.Writer).WriteMemory(ctx, s, a, p)
}

func (r *recorder) SetRegisters(ctx context.Context, id targets.ThreadID, x *arch.Registers) error {
	return r.Target.(targets.Writer).SetRegisters(ctx, id, x)
}

func (r *recorder) SetTrap(_ context.Context, x targets.Trap) error {
	r.traps[x.Addr] = true
	return nil
}

func (r *recorder) ClearTrap(_ context.Context, x targets.Trap) error {
	delete(r.traps, x.Addr)
	return nil
}

// Resume goes on, or back, until a trap or the step's end. It takes its time: what it
// tells is read when it has returned.
func (r *recorder) Resume(ctx context.Context, how targets.Resume) error {
	for _, x := range how.Lift {
		delete(r.traps, x.Addr)
	}
	for _, x := range how.Plant {
		r.traps[x.Addr] = true
	}
	step := how.Default.Kind == targets.Step
	for _, a := range how.Threads {
		step = step || a.Kind == targets.Step
	}
	if how.Reverse {
		r.backs++
	}
	for {
		stop, err := r.one(ctx, how.Reverse)
		if err != nil {
			return err
		}
		if step || stop.Reason != targets.Stepped || r.traps[stop.Addr] {
			if !step && r.traps[stop.Addr] {
				stop.Reason = targets.Breakpoint
			}
			r.events <- stop
			return nil
		}
	}
}

// one carries out an instruction, or undoes one.
func (r *recorder) one(ctx context.Context, back bool) (targets.Stop, error) {
	ts, err := r.Threads(ctx)
	if err != nil {
		return targets.Stop{}, err
	}
	id := ts[0].ID
	w := r.Target.(targets.Writer)
	if back {
		if len(r.past) == 0 {
			return targets.Stop{Thread: id, Reason: targets.HistoryEnd}, nil
		}
		m := r.past[len(r.past)-1]
		r.past = r.past[:len(r.past)-1]
		if _, err := w.WriteMemory(ctx, spaceHere, m.at, m.stack); err != nil {
			return targets.Stop{}, err
		}
		return targets.Stop{Thread: id, Reason: targets.Stepped, Replay: true, Addr: m.regs.PC()}, w.SetRegisters(ctx, id, m.regs)
	}
	m := moment{stack: make([]byte, recordStack)}
	if m.regs, err = r.Registers(ctx, id); err != nil {
		return targets.Stop{}, err
	}
	m.at = m.regs.SP() - recordBelow
	if n, err := r.ReadMemory(ctx, spaceHere, m.at, m.stack); n < recordBelow+64 {
		return targets.Stop{}, err
	} else {
		m.stack = m.stack[:n]
	}
	r.past = append(r.past, m)
	if err := r.Target.(targets.Runner).Resume(ctx, targets.Resume{Threads: map[targets.ThreadID]targets.Action{id: {Kind: targets.Step}}}); err != nil {
		return targets.Stop{}, err
	}
	for {
		select {
		case e := <-r.Target.(targets.Runner).Events():
			if s, ok := e.(targets.Stop); ok {
				if x, err := r.Registers(ctx, id); err == nil {
					s.Addr = x.PC()
				}
				return s, nil
			}
		case <-ctx.Done():
			return targets.Stop{}, ctx.Err()
		}
	}
}

// TestBackwards steps back by lines and instructions, over calls, into them and out
// of them, to places that were passed before.
func TestBackwards(t *testing.T) {
	for _, goes := range []bool{false, true} {
		s, rec := recording(t, goes)
		back := func(how How, want string) {
			t.Helper()
			how.Reverse = true
			s.run(how)
			if w := s.where(); w != want {
				t.Fatalf("back %v: at %s, want %s", how.Kind, w, want)
			}
		}
		forth := func(kind HowKind, want string) {
			t.Helper()
			s.run(How{Kind: kind})
			if w := s.where(); w != want {
				t.Fatalf("forth %v: at %s, want %s", kind, w, want)
			}
		}
		forth(StepOver, "main:57")
		forth(StepOver, "main:58")
		forth(StepOver, "main:59")
		forth(StepOver, "main:60")
		forth(StepOver, "main:61") // over factorial
		if goes {                  // thousands of instructions
			forth(StepOver, "main:62")
			n := rec.backs
			if back(How{Kind: StepOver}, "main:61"); rec.backs-n > deepSlow+50 {
				t.Errorf("%d resumes back over a call", rec.backs-n)
			}
			forth(StepOver, "main:62")
			rec.whole = true
			back(How{Kind: StepOver}, "main:61")
			rec.whole = false
		}
		back(How{Kind: StepOver}, "main:60")
		back(How{Kind: StepOver}, "main:59")
		if total := s.eval("total"); total != 0 {
			t.Errorf("total is %d", total)
		}
		forth(StepOver, "main:60")
		back(How{Kind: StepInto}, "middle:28") // into the end of it
		back(How{Kind: StepOver}, "middle:27")
		back(How{Kind: StepOver}, "middle:26") // over a call
		back(How{Kind: StepInto}, "leaf:21")
		before := s.pc()
		s.run(How{Kind: StepInto, Unit: ByInstruction})
		s.run(How{Kind: StepInto, Unit: ByInstruction, Reverse: true})
		if after := s.pc(); after != before {
			t.Errorf("an instruction forth and back leads from %x to %x", before, after)
		}
		back(How{Kind: StepOut}, "middle:25") // to the call
		back(How{Kind: StepOver}, "middle:25")
		back(How{Kind: StepOver}, "middle:24")
		back(How{Kind: StepOver}, "main:59")
		back(How{Kind: StepOver}, "main:58")
		s.set("t", Breakpoint{File: "walk.c", Line: 57})
		if stop := s.run(How{Reverse: true}); goes && (len(stop.Breakpoints) != 1 || s.where() != "main:57") {
			t.Errorf("back to a breakpoint: %+v at %s", stop, s.where())
		}
		if stop := s.run(How{Reverse: true}); stop.Reason != targets.HistoryEnd {
			t.Errorf("before the recording: %v", stop.Reason)
		}
	}
}

// TestBackwardsMachine goes back in a real recording, of QEMU's: by many lines and
// instructions, over calls and into their ends, to breakpoints and a write.
func TestBackwardsMachine(t *testing.T) {
	m := targettest.NewMachine(t)
	s := connect(t, Options{}, m.Replay(t, "-global", "apic.vapic=off"), nil)
	s.stop()
	s.view(func(ctx context.Context, v *View) error {
		rom, err := v.AddModule(ctx, targets.Module{Path: m.Image, Base: 0xf0000, Size: 0x10000})
		if err == nil {
			_, err = v.LoadSymbols(ctx, rom.Base, false, false)
		}
		return err
	})
	s.set("t", Breakpoint{Function: "mix"})
	for range 5 {
		s.run(How{})
	}
	at := func(want string) {
		t.Helper()
		if w := fmt.Sprint(s.where(), " ", s.eval("((struct board *)0x3000)->turn")); w != want {
			t.Fatalf("at %s, want %s", w, want)
		}
	}
	at("mix:19 5")
	s.run(How{Reverse: true})
	at("mix:19 4")
	s.set("t")
	for range 14 {
		s.run(How{Kind: StepOver})
	}
	at("machine_main:33 7")
	for turn := 7; turn > 3; turn-- { // over take_turn
		for _, line := range []string{"machine_main:36", "machine_main:34"} {
			s.run(How{Kind: StepOver, Reverse: true})
			at(fmt.Sprint(line, " ", turn))
		}
		s.run(How{Kind: StepOver, Reverse: true})
		at(fmt.Sprint("machine_main:33 ", turn-1))
	}
	for _, want := range []string{"machine_main:36 3", "machine_main:34 3", "take_turn:28 3", "mix:22 3", "mix:21 3", "mix:20 3", "mix:19 3", "take_turn:27 3", "take_turn:26 2"} {
		s.run(How{Kind: StepInto, Reverse: true})
		at(want)
	}
	s.run(How{Kind: StepOut, Reverse: true})
	at("machine_main:33 2")
	var passed []arch.Addr
	for range 60 {
		passed = append(passed, s.pc())
		s.run(How{Kind: StepInto, Unit: ByInstruction})
	}
	for i := range passed {
		s.run(How{Kind: StepInto, Unit: ByInstruction, Reverse: true})
		if want := passed[len(passed)-1-i]; s.pc() != want {
			t.Fatalf("back at %x, want %x", s.pc(), want)
		}
	}
	st := s.set("t", Breakpoint{Access: targets.OnWrite, Size: 4, Addr: 0x3004})
	if stop := s.run(How{Reverse: true}); len(stop.Breakpoints) != 1 || stop.Breakpoints[0] != st[0].ID {
		t.Errorf("back to a write: %+v", stop)
	}
	s.set("t")
	if stop := s.run(How{Reverse: true}); stop.Reason != targets.HistoryEnd {
		t.Errorf("back to the start: %v", stop.Reason)
	}
}

// reached starts a gdbserver for a program and connects to it.
func reached(t *testing.T, program string) (context.Context, *exec.Cmd, *rsp.Conn) {
	t.Helper()
	addr, cmd := gdbserver(t, program)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	c, err := rsp.Connect(ctx, conn, rsp.Options{Peer: addr})
	if err != nil {
		t.Fatal(err)
	}
	return ctx, cmd, c
}

// recording runs walk.c to main and records it from there on.
func recording(t *testing.T, goes bool) (*session, *recorder) {
	t.Helper()
	program := build(t, "walk.c")
	plain := launch(t, Options{}, program)
	toMain(t, plain)
	at := plain.pc()
	ctx, cmd, c := reached(t, program)
	tg := c.Target()
	var run targets.Runner = tg
	if e := <-run.Events(); e == nil {
		t.Fatal("no stop")
	}
	trap := targets.Trap{Addr: at}
	if err := run.Resume(ctx, targets.Resume{Default: targets.Action{Kind: targets.Go}, Plant: []targets.Trap{trap}}); err != nil {
		t.Fatal(err)
	}
	stop, ok := (<-run.Events()).(targets.Stop)
	if !ok || tg.ClearTrap(ctx, trap) != nil {
		t.Fatal("main is not reached")
	}
	rec := &recorder{Target: tg, events: make(chan targets.Event, 4), traps: map[arch.Addr]bool{}, goes: goes}
	rec.events <- targets.Stop{Thread: stop.Thread, Reason: targets.Initial}
	s := &session{t: t, ctx: ctx, events: make(chan Event, 4096), server: cmd, trace: &tracing{}, ran: make(chan error, 1)}
	s.over(rec, Options{}, func() { c.Close() })
	s.stop()
	return s, rec
}
