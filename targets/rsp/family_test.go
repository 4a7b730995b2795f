package rsp

import (
	"errors"
	"fmt"
	"os/exec"
	"testing"

	"dap-windbg/targets"
)

// family serves the probe and runs it up to its fork; the child is adopted.
func family(t *testing.T, mode string) (parent, child *Target, fork, first targets.Stop) {
	t.Helper()
	addr, _ := server(t, "--once", "127.0.0.1:0", probe(t), mode)
	c, _ := connect(t, addr, Options{Forks: true})
	parent = c.Target()
	expect[targets.Stop](t, parent)
	if err := parent.Resume(soon(t), goOn()); err != nil {
		t.Fatal(err)
	}
	fork = expect[targets.Stop](t, parent)
	if fork.Reason != targets.Forked || fork.Child == nil {
		t.Fatalf("stop %+v", fork)
	}
	got, err := c.Adopt(soon(t), fork.Child.ID.Process)
	if err != nil {
		t.Fatal(err)
	}
	child = got.(*Target)
	first = expect[targets.Stop](t, child)
	return parent, child, fork, first
}

// TestBothRun: parent and child move at the same time; the stop of one is told to
// its own target alone, and the other, which it holds up, can be asked to stop.
func TestBothRun(t *testing.T) {
	parent, child, _, _ := family(t, "pair")
	at := targets.Trap{Addr: symbol(t, "step")}
	if err := parent.Resume(soon(t), goOn()); err != nil {
		t.Fatal(err)
	}
	if err := child.Resume(soon(t), goOn(at)); err != nil { // while the parent runs
		t.Fatal(err)
	}
	for range 5 {
		stop := expect[targets.Stop](t, child)
		if stop.Reason != targets.Breakpoint || stop.Thread.Process != child.Info().Process {
			t.Fatalf("child: %+v", stop)
		}
		if _, err := parent.Threads(soon(t)); !errors.Is(err, targets.ErrRunning) {
			t.Errorf("the parent runs, for those above: %v", err)
		}
		alone := map[targets.ThreadID]targets.Action{stop.Thread: {Kind: targets.Step}}
		if err := child.Resume(soon(t), targets.Resume{Threads: alone, Lift: []targets.Trap{at}}); err != nil {
			t.Fatal(err)
		}
		if stop := expect[targets.Stop](t, child); stop.Reason != targets.Stepped {
			t.Fatalf("child: %+v", stop)
		}
		if err := child.Resume(soon(t), goOn(at)); err != nil {
			t.Fatal(err)
		}
	}
	expect[targets.Stop](t, child)
	if err := parent.Interrupt(soon(t)); err != nil { // held up by the child's stop
		t.Fatal(err)
	}
	stop := expect[targets.Stop](t, parent)
	if stop.Reason != targets.Interrupted || stop.Thread.Process != parent.Info().Process {
		t.Errorf("parent: %+v", stop)
	}
	if _, err := parent.Registers(soon(t), stop.Thread); err != nil {
		t.Error(err)
	}
	endAll(t, parent, child)
}

// TestOneWaits: one process is looked at and changed while the other runs.
func TestOneWaits(t *testing.T) {
	for _, parentRuns := range []bool{true, false} {
		parent, child, fork, first := family(t, "pair")
		waits, runs, thread := child, parent, first.Thread
		if !parentRuns {
			waits, runs, thread = parent, child, fork.Thread
		}
		if err := runs.Resume(soon(t), goOn()); err != nil {
			t.Fatal(err)
		}
		for range 20 {
			regs, err := waits.Registers(soon(t), thread)
			if err != nil {
				t.Fatal(err)
			}
			if err := waits.SetRegisters(soon(t), thread, regs); err != nil {
				t.Fatal(err)
			}
		}
		for range 10 {
			if err := waits.Resume(soon(t), targets.Resume{Threads: map[targets.ThreadID]targets.Action{thread: {Kind: targets.Step}}}); err != nil {
				t.Fatal(err)
			}
			if stop := expect[targets.Stop](t, waits); stop.Reason != targets.Stepped || stop.Thread != thread {
				t.Fatalf("a step beside a running process: %+v", stop)
			}
		}
		if err := runs.Interrupt(soon(t)); err != nil {
			t.Fatal(err)
		}
		if stop := expect[targets.Stop](t, runs); stop.Reason != targets.Interrupted || stop.Thread.Process != runs.Info().Process {
			t.Errorf("stop %+v", stop)
		}
		endAll(t, waits, runs)
	}
}

// endAll ends a family and sees that all is told.
func endAll(t *testing.T, all ...*Target) {
	t.Helper()
	for _, tg := range all {
		if err := tg.Close(soon(t), targets.Kill); err != nil {
			t.Error(err)
		}
		if g := expect[targets.Gone](t, tg); g.Err != nil {
			t.Errorf("%+v", g)
		}
	}
}

// TestChildEnds: the child's end is the child's alone, the parent runs on; and a
// child that is let go has none of its parent's traps.
func TestChildEnds(t *testing.T) {
	at := targets.Trap{Addr: symbol(t, "step")}
	for _, letGo := range []bool{true, false} {
		addr, _ := server(t, "--once", "127.0.0.1:0", probe(t), "fork")
		c, _ := connect(t, addr, Options{Forks: true})
		parent := c.Target()
		expect[targets.Stop](t, parent)
		if err := parent.Resume(soon(t), goOn(at)); err != nil {
			t.Fatal(err)
		}
		stop := expect[targets.Stop](t, parent)
		got, err := c.Adopt(soon(t), stop.Child.ID.Process)
		if err != nil {
			t.Fatal(err)
		}
		child := got.(*Target)
		expect[targets.Stop](t, child)
		if err := parent.Resume(soon(t), goOn()); err != nil {
			t.Fatal(err)
		}
		if letGo {
			if err := child.Close(soon(t), targets.Detach); err != nil {
				t.Fatal(err)
			}
		} else {
			if err := child.Resume(soon(t), targets.Resume{Default: targets.Action{Kind: targets.Go}, Lift: []targets.Trap{at}}); err != nil {
				t.Fatal(err)
			}
			if g := expect[targets.Gone](t, child); !g.Exited || g.Code != 7 {
				t.Errorf("the child: %+v", g)
			}
		}
		if stop := expect[targets.Stop](t, parent); stop.Reason != targets.Breakpoint || stop.Addr != at.Addr {
			t.Fatalf("the parent: %+v", stop)
		}
		if err := parent.Resume(soon(t), targets.Resume{Default: targets.Action{Kind: targets.Go}, Lift: []targets.Trap{at}}); err != nil {
			t.Fatal(err)
		}
		if g := expect[targets.Gone](t, parent); !g.Exited || g.Code != 7 {
			t.Errorf("the parent: %+v", g)
		}
	}
}

// TestUnadopted: a child nobody adopts waits while its parent runs, and is let go
// with its parent.
func TestUnadopted(t *testing.T) {
	at := targets.Trap{Addr: symbol(t, "step")}
	addr, _ := server(t, "--once", "127.0.0.1:0", probe(t), "pair")
	c, _ := connect(t, addr, Options{Forks: true})
	parent := c.Target()
	expect[targets.Stop](t, parent)
	if err := parent.Resume(soon(t), goOn(at)); err != nil {
		t.Fatal(err)
	}
	stop := expect[targets.Stop](t, parent)
	if stop.Reason != targets.Forked {
		t.Fatalf("stop %+v", stop)
	}
	pid := int(stop.Child.ID.Process)
	t.Cleanup(func() { endProcess(pid) })
	if err := parent.Resume(soon(t), goOn()); err != nil {
		t.Fatal(err)
	}
	if stop := expect[targets.Stop](t, parent); stop.Reason != targets.Breakpoint || stop.Thread.Process == int64(pid) {
		t.Fatalf("stop %+v", stop)
	}
	if err := parent.Close(soon(t), targets.Kill); err != nil {
		t.Fatal(err)
	}
	if got := peek(t, pid, at.Addr, 1); got[0] == 0xcc {
		t.Error("a trap was left in the child")
	}
	if out, err := exec.Command("grep", "TracerPid:\t0", fmt.Sprintf("/proc/%d/status", pid)).CombinedOutput(); err != nil {
		t.Errorf("the child is still traced: %s", out)
	}
}
