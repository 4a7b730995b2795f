package rsp

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"dap-windbg/arch"
	"dap-windbg/targets"
	"dap-windbg/targets/targettest"
	"dap-windbg/targets/wire"
)

// TestConformanceNonStop climbs the ladder in non-stop mode, where stops of one
// thread become stops of all.
func TestConformanceNonStop(t *testing.T) {
	for _, mode := range []string{"loop", "threads"} {
		t.Run(mode, func(t *testing.T) {
			targettest.Run(t, func(t *testing.T) targettest.Subject {
				addr, _ := server(t, "127.0.0.1:0", probe(t), mode)
				c, _ := connect(t, addr, Options{NonStop: true})
				tg := c.Target()
				pid := int(tg.Info().Process)
				t.Cleanup(func() { endProcess(pid) }) // it may have been detached, and run on
				if tg.Info().Limits.Bits&targets.LiveMemory == 0 {
					t.Fatal("no memory while the debuggee runs")
				}
				s := subjectOf(t, tg)
				s.Content = make([]byte, 4096)
				if mode == "threads" {
					s.Edge = 0
				}
				return s
			})
		})
	}
}

// TestLiveMemory: memory is read and written, and a trap planted, in one round
// trip each and without a stop.
func TestLiveMemory(t *testing.T) {
	addr, _ := server(t, "127.0.0.1:0", probe(t), "threads")
	c, tr := connect(t, addr, Options{NonStop: true})
	tg := c.Target()
	expect[targets.Stop](t, tg)
	if err := tg.Resume(soon(t), goOn()); err != nil {
		t.Fatal(err)
	}
	word := make([]byte, 8)
	value := func() uint64 {
		t.Helper()
		if _, err := tg.ReadMemory(soon(t), targets.Space{}, symbol(t, "counter"), word); err != nil {
			t.Fatal(err)
		}
		return littleUint(word)
	}
	for end := time.Now().Add(patience); value() < 1000; {
		if time.Now().After(end) {
			t.Fatal("the counter does not move")
		}
	}
	before := len(tr.messages(t))
	value()
	if n := wire.RoundTrips(tr.messages(t)[before:]); n != 1 {
		t.Errorf("a read took %d round trips", n)
	}
	mark := []byte("in passing")
	at := symbol(t, "window") + 100
	if _, err := tg.WriteMemory(soon(t), targets.Space{}, at, mark); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(mark))
	if _, err := tg.ReadMemory(soon(t), targets.Space{}, at, got); err != nil || !bytes.Equal(got, mark) {
		t.Errorf("read %q, %v", got, err)
	}
	if _, err := tg.ReadMemory(soon(t), targets.Space{}, 0x1000, got); !errors.As(err, new(*targets.FaultError)) {
		t.Errorf("no memory there: %v", err)
	}
	if list, err := tg.Threads(soon(t)); err != nil || len(list) == 0 {
		t.Errorf("threads %v, %v", list, err)
	}
	if _, err := tg.Registers(soon(t), targets.ThreadID{Process: tg.Info().Process, Thread: tg.Info().Process}); !errors.Is(err, targets.ErrRunning) {
		t.Errorf("registers of a running thread: %v", err)
	}
	select {
	case e := <-tg.Events():
		t.Fatalf("%#v while the debuggee was looked at", e)
	default:
	}
	trap := targets.Trap{Addr: symbol(t, "step")}
	if err := tg.SetTrap(soon(t), trap); err != nil {
		t.Fatal(err)
	}
	stop := expect[targets.Stop](t, tg)
	if stop.Reason != targets.Breakpoint || stop.Addr != trap.Addr {
		t.Errorf("stop %+v", stop)
	}
	// All threads wait: none moves between two looks.
	list, err := tg.Threads(soon(t))
	if err != nil || len(list) != 5 {
		t.Fatalf("threads %v, %v", list, err)
	}
	pcs := func() (out []arch.Addr) {
		for _, th := range list {
			r, err := tg.Registers(soon(t), th.ID)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, r.PC(), r.SP())
		}
		sums := make([]byte, 32)
		if _, err := tg.ReadMemory(soon(t), targets.Space{}, symbol(t, "counter"), sums); err != nil {
			t.Fatal(err)
		}
		return append(out, arch.Addr(littleUint(sums)))
	}
	was := pcs()
	if now := pcs(); len(was) != len(now) || was[len(was)-1] != now[len(now)-1] {
		t.Error("something runs on while the debuggee is stopped")
	}
}

// TestNonStopSignals: a signal of one thread is not lost when another's stop is told
// first, nor told twice.
func TestNonStopSignals(t *testing.T) {
	addr, _ := server(t, "127.0.0.1:0", probe(t), "raise")
	c, _ := connect(t, addr, Options{NonStop: true})
	tg := c.Target()
	expect[targets.Stop](t, tg)
	signals, hits := 0, 0
	trap := targets.Trap{Addr: symbol(t, "step")}
	resume := goOn(trap)
	for {
		if err := tg.Resume(soon(t), resume); err != nil {
			t.Fatal(err)
		}
		resume = goOn()
		e := expect[targets.Event](t, tg)
		if g, gone := e.(targets.Gone); gone {
			if !g.Exited || g.Code != 0 {
				t.Errorf("gone %+v", g)
			}
			break
		}
		switch stop := e.(targets.Stop); {
		case stop.Reason == targets.Breakpoint:
			hits++
			alone := map[targets.ThreadID]targets.Action{stop.Thread: {Kind: targets.Step}}
			if err := tg.Resume(soon(t), targets.Resume{Threads: alone, Lift: []targets.Trap{trap}}); err != nil {
				t.Fatal(err)
			}
			if stop := expect[targets.Stop](t, tg); stop.Reason != targets.Stepped {
				t.Fatalf("a step: %+v", stop)
			}
			resume = goOn(trap)
		case stop.Reason == targets.Exception && stop.Exception.Name == "SIGUSR1":
			signals++
		default:
			t.Fatalf("stop %+v", stop)
		}
	}
	if signals != 20 || hits != 20 {
		t.Errorf("%d signals and %d hits, want 20 of each", signals, hits)
	}
}

// TestNonStopSparesChildren: a pause in non-stop mode reaches the process alone, not
// the child that was let go at its fork and is in the same process group.
func TestNonStopSparesChildren(t *testing.T) {
	addr, _ := server(t, "--once", "127.0.0.1:0", probe(t), "pair")
	c, _ := connect(t, addr, Options{NonStop: true})
	tg := c.Target()
	expect[targets.Stop](t, tg)
	pid := int(tg.Info().Process)
	if err := tg.Resume(soon(t), goOn()); err != nil {
		t.Fatal(err)
	}
	child := 0
	for end := time.Now().Add(patience); child == 0; time.Sleep(time.Millisecond) { // nothing tells of a child that is let go
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
		if err != nil || time.Now().After(end) {
			t.Fatal("no child", err)
		}
		child, _ = strconv.Atoi(strings.TrimSpace(string(text)))
	}
	t.Cleanup(func() { endProcess(child) })
	for range 5 {
		if err := tg.Interrupt(soon(t)); err != nil {
			t.Fatal(err)
		}
		if stop := expect[targets.Stop](t, tg); stop.Reason != targets.Interrupted {
			t.Fatalf("stop %+v", stop)
		}
		if err := tg.Resume(soon(t), goOn()); err != nil {
			t.Fatal(err)
		}
	}
	if err := tg.Close(soon(t), targets.Kill); err != nil {
		t.Fatal(err)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", child))
	if err != nil || !strings.Contains(string(status), "TracerPid:\t0") || strings.Contains(string(status), "State:\tZ") {
		t.Errorf("the child: %v\n%s", err, status)
	}
}
