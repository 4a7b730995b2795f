package rsp

import (
	"os"
	"testing"

	"dap-windbg/targets"
	"dap-windbg/targets/wire"
)

// TestRoundTrips holds the figures that the budgets above are made of.
func TestRoundTrips(t *testing.T) {
	addr, _ := server(t, "--once", "127.0.0.1:0", probe(t), "loop")
	c, tr := connect(t, addr, Options{})
	tg := c.Target()
	done := 0
	count := func(what string, most int) {
		t.Helper()
		m := tr.messages(t)
		n := wire.RoundTrips(m[done:])
		done = len(m)
		t.Logf("%-40s %d", what, n)
		if n > most {
			t.Errorf("%s: %d round trips, want at most %d", what, n, most)
		}
	}
	count("connect", 3)
	first := expect[targets.Stop](t, tg)
	refresh := func(modules bool) {
		t.Helper()
		regs, list, mods := &targets.RegistersRead{Thread: first.Thread}, &targets.ThreadsRead{}, &targets.ModulesRead{}
		stack := &targets.MemoryRead{Addr: first.Registers.SP() - 128, Data: make([]byte, 2048)}
		ops := []targets.Op{list, regs, stack}
		if modules {
			ops = append(ops, mods)
		}
		if err := targets.Do(soon(t), tg, ops...); err != nil || regs.Err != nil || list.Err != nil || stack.Err != nil || mods.Err != nil {
			t.Fatal(err, regs.Err, list.Err, stack.Err, mods.Err)
		}
	}
	refresh(true)
	count("refresh with modules", 1)
	step := targets.Trap{Addr: symbol(t, "step")}
	run := func(r targets.Resume) {
		t.Helper()
		if err := tg.Resume(soon(t), r); err != nil {
			t.Fatal(err)
		}
		first = expect[targets.Stop](t, tg)
	}
	run(goOn(step))
	count("set a trap, resume, stop", 1)
	refresh(false)
	count("refresh", 1)
	alone := map[targets.ThreadID]targets.Action{first.Thread: {Kind: targets.Step}}
	run(targets.Resume{Threads: alone, Lift: []targets.Trap{step}})
	count("step off a trap", 1)
	run(targets.Resume{Threads: map[targets.ThreadID]targets.Action{first.Thread: {Kind: targets.Step, Lo: step.Addr, Hi: step.Addr + 8}}})
	count("step over a range", 1)
	if _, err := tg.ReadMemory(soon(t), targets.Space{}, symbol(t, "window")&^0xfff, make([]byte, 8192)); err != nil {
		t.Fatal(err)
	}
	count("read 8 KiB", 1)
	stack := &targets.MemoryRead{Addr: first.Registers.SP() &^ 0xfff, Data: make([]byte, 64<<10)}
	if err := targets.Do(soon(t), tg, stack); err != nil {
		t.Fatal(err)
	}
	count("read 64 KiB (its end is not mapped)", 2)
	if err := tg.Resume(soon(t), goOn()); err != nil {
		t.Fatal(err)
	}
	if err := tg.Interrupt(soon(t)); err != nil {
		t.Fatal(err)
	}
	first = expect[targets.Stop](t, tg)
	refresh(false)
	count("resume, pause, refresh", 3)
	run(goOn(step))
	count("set a trap, resume, stop", 1)
	if err := tg.Close(soon(t), targets.Detach); err != nil {
		t.Fatal(err)
	}
	endProcess(int(tg.Info().Process))
	count("detach", 1)
}

func TestRoundTripsAttach(t *testing.T) {
	cmd := running(t, "threads")
	addr, _ := server(t, "--multi", "127.0.0.1:0")
	c, tr := connect(t, addr, Options{})
	if _, err := c.Attach(soon(t), int64(cmd.Process.Pid)); err != nil {
		t.Fatal(err)
	}
	n := wire.RoundTrips(tr.messages(t))
	t.Log("connect to a server, check the process, attach:", n)
	if n > 9 {
		t.Errorf("%d round trips", n)
	}
}

// TestInterruptAttached: gdbserver does not interrupt a process that leads no
// process group, so the other way is taken.
func TestInterruptAttached(t *testing.T) {
	cmd := running(t, "threads")
	addr, _ := server(t, "--multi", "127.0.0.1:0")
	c, tr := connect(t, addr, Options{Break: func(int64) error { return cmd.Process.Signal(os.Interrupt) }})
	got, err := c.Attach(soon(t), int64(cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	tg := got.(*Target)
	expect[targets.Stop](t, tg)
	if err := tg.Resume(soon(t), goOn()); err != nil {
		t.Fatal(err)
	}
	if err := tg.Interrupt(soon(t)); err != nil {
		t.Fatal(err)
	}
	if stop := expect[targets.Stop](t, tg); stop.Reason != targets.Interrupted {
		t.Errorf("stop %+v", stop)
	}
	before := len(tr.messages(t))
	if err := tg.Resume(soon(t), goOn(targets.Trap{Addr: symbol(t, "main")})); err != nil {
		t.Fatal(err)
	}
	if err := tg.Close(soon(t), targets.Detach); err != nil {
		t.Fatal(err)
	}
	if n := wire.RoundTrips(tr.messages(t)[before:]); n > 3 {
		t.Errorf("resuming and detaching while running: %d round trips", n)
	}
	if code := peek(t, cmd.Process.Pid, symbol(t, "main"), 1); code[0] == 0xcc {
		t.Error("a trap is left behind")
	}
}
