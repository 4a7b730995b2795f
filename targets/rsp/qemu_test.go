package rsp

import (
	"context"
	"strings"
	"testing"
	"time"

	"dap-windbg/arch"
	"dap-windbg/targets"
	"dap-windbg/targets/targettest"
)

func romSubject(t *testing.T, m *targettest.Machine) targettest.Subject {
	addr := m.Serve(t, "-serial", "none")
	c, _ := connect(t, addr, Options{})
	tg := c.Target()
	expect[targets.Stop](t, tg)
	turn := targets.Trap{Addr: m.Symbol(t, "take_turn")}
	if err := tg.Resume(soon(t), goOn(turn)); err != nil {
		t.Fatal(err)
	}
	if stop := expect[targets.Stop](t, tg); stop.Reason != targets.Breakpoint {
		t.Fatalf("stop %+v", stop)
	}
	if err := tg.Close(soon(t), targets.Leave); err != nil {
		t.Fatal(err)
	}
	c, _ = connect(t, addr, Options{})
	return targettest.Subject{
		Target: c.Target(), Known: 0xf0000, Content: m.Bytes[:8192], Writable: 0x2000, Loop: turn.Addr, Watched: 0x3000, Threads: 1, Ends: true,
	}
}

func TestConformanceQEMU(t *testing.T) {
	m := targettest.NewMachine(t)
	targettest.Run(t, func(t *testing.T) targettest.Subject { return romSubject(t, m) })
}

// TestReverse: back by instructions and to traps, near, far and before the first,
// to places that were passed; in one machine with the device that hangs over
// snapshots, where that is made of seeks, and in one without, which does it itself.
func TestReverse(t *testing.T) {
	for name, more := range map[string][]string{"seeks": nil, "itself": {"-global", "apic.vapic=off"}} {
		steps, turns := 50, uint64(4)
		if name == "seeks" { // it takes its time
			steps, turns = 5, 2
		}
		t.Run(name, func(t *testing.T) {
			m := targettest.NewMachine(t)
			c, tr := connect(t, m.Replay(t, more...), Options{})
			w := &replayed{t: t, tg: c.Target(), mix: targets.Trap{Addr: m.Symbol(t, "mix")}, say: targets.Trap{Addr: m.Symbol(t, "say")}}
			w.passes(steps, turns)
			if asked := strings.Contains(tr.String(), "$bc#"); asked != (name == "itself") {
				t.Errorf("bc was sent: %v", asked)
			}
		})
	}
}

// replayed is the machine as it goes forth and back in its recording.
type replayed struct {
	t        *testing.T
	tg       *Target
	mix, say targets.Trap
}

func (w *replayed) run(r targets.Resume) targets.Stop {
	w.t.Helper()
	if err := w.tg.Resume(soon(w.t), r); err != nil {
		w.t.Fatal(err)
	}
	return expect[targets.Stop](w.t, w.tg)
}

// turn is the one that the machine is in.
func (w *replayed) turn() uint64 {
	w.t.Helper()
	p := make([]byte, 4)
	if _, err := w.tg.ReadMemory(soon(w.t), targets.Space{}, 0x3000, p); err != nil {
		w.t.Fatal(err)
	}
	return littleUint(p)
}

// place is where a stop is.
func (w *replayed) place(stop targets.Stop) [2]arch.Addr {
	w.t.Helper()
	r, err := w.tg.Registers(soon(w.t), stop.Thread)
	if err != nil {
		w.t.Fatal(err)
	}
	return [2]arch.Addr{r.PC(), r.SP()}
}

func (w *replayed) passes(steps int, turns uint64) {
	t, step, back := w.t, targets.Action{Kind: targets.Step}, targets.Resume{Reverse: true, Default: goOn().Default}
	in := w.tg.Info()
	if expect[targets.Stop](t, w.tg); !in.Machine || in.Stub != "QEMU" || in.Set.Arch != arch.I386 || in.Limits.Bits&targets.ReverseStep == 0 {
		t.Errorf("info %+v", in)
	}
	if stop := w.run(goOn(w.mix)); w.turn() != 1 || stop.Reason != targets.Breakpoint {
		t.Fatalf("%+v in turn %d", stop, w.turn())
	}
	stop := w.run(targets.Resume{Default: step, Lift: []targets.Trap{w.mix}})
	if stop.Reason != targets.Stepped || stop.Replay {
		t.Errorf("stop %+v", stop)
	}
	var passed [][2]arch.Addr
	for range steps {
		passed = append(passed, w.place(stop))
		stop = w.run(targets.Resume{Default: step})
	}
	for i := range passed {
		stop = w.run(targets.Resume{Reverse: true, Default: step})
		if was := passed[len(passed)-1-i]; w.place(stop) != was || stop.Reason != targets.Stepped || !stop.Replay {
			t.Fatalf("back: %+v at %x, want %x", stop, w.place(stop), was)
		}
	}
	w.run(goOn(w.say)) // in turn 1000
	back.Lift, back.Plant = []targets.Trap{w.say}, []targets.Trap{w.mix}
	for want := w.turn(); want > 1000-turns; want-- {
		if stop := w.run(back); stop.Reason != targets.Breakpoint || !stop.Replay || w.turn() != want || w.place(stop)[0] != w.mix.Addr {
			t.Fatalf("back: %+v in turn %d, want %d", stop, w.turn(), want)
		}
	}
	count := targets.Trap{Kind: targets.OnWrite, Addr: 0x3000, Size: 4}
	back.Lift, back.Plant = []targets.Trap{w.mix}, []targets.Trap{count}
	if stop := w.run(back); stop.Reason != targets.Watch || stop.Addr != 0x3000 || w.turn() > 1000-turns+1 {
		t.Fatalf("back to a write: %+v in turn %d", stop, w.turn())
	}
	back.Lift, back.Plant = []targets.Trap{count}, nil
	if stop := w.run(back); stop.Reason != targets.HistoryEnd || w.turn() != 0 {
		t.Errorf("back to the start: %+v in turn %d", stop, w.turn())
	}
	for _, a := range []targets.Action{step, back.Default} {
		if stop := w.run(targets.Resume{Reverse: true, Default: a}); stop.Reason != targets.HistoryEnd {
			t.Errorf("back from the start: %+v", stop)
		}
	}
	out, effect, err := w.tg.Command(soon(t), "info replay")
	if err != nil || effect != (targets.Effect{}) || out == "" {
		t.Errorf("info replay: %q, %+v, %v", out, effect, err)
	}
	if stop := w.run(goOn(w.mix)); w.turn() != 1 || stop.Reason != targets.Breakpoint {
		t.Errorf("forth: %+v in turn %d", stop, w.turn())
	}
}

// TestNotReplaying: QEMU dies of a reverse step when it is not replaying, so none
// may be sent.
func TestNotReplaying(t *testing.T) {
	c, _ := connect(t, targettest.NewMachine(t).Serve(t, "-serial", "none"), Options{})
	expect[targets.Stop](t, c.Target())
	if err := c.Target().Resume(soon(t), targets.Resume{Reverse: true, Default: targets.Action{Kind: targets.Step}}); err == nil {
		t.Error("a reverse step without a recording")
	}
	if _, err := c.Target().Threads(soon(t)); err != nil {
		t.Errorf("QEMU is gone: %v", err)
	}
}

// TestCommandResumes: a command that lets the machine run is followed by its stop, one
// that only says why it cannot leaves it waiting.
func TestCommandResumes(t *testing.T) {
	c, _ := connect(t, targettest.NewMachine(t).Serve(t, "-serial", "none"), Options{})
	tg := c.Target()
	expect[targets.Stop](t, tg)
	for _, line := range []string{"system_wakeup", "c nowhere", "replay_seek x"} {
		if out, effect, err := tg.Command(soon(t), line); out == "" || effect.Resumed || err != nil {
			t.Errorf("%s: %q, %+v, %v", line, out, effect, err)
		}
		if _, err := tg.Threads(soon(t)); err != nil {
			t.Fatalf("behind %s: %v", line, err)
		}
	}
	if out, effect, err := tg.Command(soon(t), "c"); out != "" || !effect.Resumed || err != nil {
		t.Errorf("c: %q, %+v, %v", out, effect, err)
	}
	expect[targets.Running](t, tg)
	if err := tg.Interrupt(soon(t)); err != nil {
		t.Fatal(err)
	}
	if stop := expect[targets.Stop](t, tg); stop.Reason != targets.Interrupted {
		t.Errorf("stop %+v", stop)
	}
}

func TestPhysicalMemory(t *testing.T) {
	c, _ := connect(t, targettest.NewMachine(t).Serve(t, "-serial", "none"), Options{})
	p := make([]byte, 16)
	if _, err := c.Target().ReadMemory(soon(t), targets.Space{Physical: true}, 0xffff0, p); err != nil || p[0] != 0xea {
		t.Errorf("the reset vector: % x, %v", p, err)
	}
	// One that is given up leaves the far end with virtual addresses.
	ctx, cancel := context.WithCancel(soon(t))
	time.AfterFunc(time.Millisecond, cancel)
	c.Target().ReadMemory(ctx, targets.Space{Physical: true}, 0, make([]byte, 1<<20))
	out, err := c.read(soon(t), false, "features", "target.xml")
	if err != nil || len(out) == 0 {
		t.Error(err)
	}
	mode := ask("qqemu.PhyMemMode")
	if err := c.exchange(soon(t), mode); err != nil || string(mode.reply) != "0" {
		t.Errorf("physical mode is %q, %v", mode.reply, err)
	}
}
