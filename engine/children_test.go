package engine

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"dap-windbg/targets"
)

// always answers how at every fork.
func always(how Follow) func() Follow { return func() Follow { return how } }

// forking starts testdata/forks.c with a breakpoint in hot and is at its first hit.
//
// gdbserver interrupts the whole process group, children that we have let go
// included; so it is done as for servers of our own.
func forking(t *testing.T, how Follow, args ...string) *session {
	t.Helper()
	interrupter = func(pid int64) error { return syscall.Kill(int(pid), syscall.SIGINT) }
	defer func() { interrupter = nil }()
	s := launch(t, Options{Follow: always(how)}, build(t, "forks.c"), args...)
	s.stop()
	s.set("test", Breakpoint{Function: "hot"})
	if hit := s.run(How{}); len(hit.Breakpoints) != 1 || s.eval("who") != 0 {
		t.Fatalf("first hit: %+v", hit)
	}
	return s
}

// child waits for ChildStarted and begins the child's session, which waits where it
// came to life.
func (s *session) child() *session {
	s.t.Helper()
	for {
		select {
		case e := <-s.events:
			if e, ok := e.(ChildStarted); ok {
				return s.begin(e.Child)
			}
			if e, ok := e.(Ended); ok {
				s.t.Fatalf("no child: %+v", e)
			}
		case <-s.ctx.Done():
			s.t.Fatal("no child")
		}
	}
}

func (s *session) begin(c *Child) *session {
	s.t.Helper()
	n := &session{t: s.t, ctx: s.ctx, events: make(chan Event, 4096), server: s.server, trace: s.trace, ran: make(chan error, 1)}
	o := s.l.o
	o.Emit, o.Breakpoints = n.emit, nil
	n.Session = c.Session(o)
	go func() { n.ran <- n.Run(context.Background()) }()
	s.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := n.Close(ctx, targets.Kill); err != nil {
			s.t.Logf("close: %v", err)
		}
		select {
		case <-n.ran:
		case <-ctx.Done():
			s.t.Error("Run does not return")
		}
	})
	if first := n.stop(); first.Thread.Process != c.Process {
		s.t.Fatalf("the child's first stop: %+v", first)
	}
	return n
}

func (s *session) pid() int {
	s.t.Helper()
	var pid int64
	if err := s.Look(s.ctx, func(l *Live) error { pid = l.Info().Process; return nil }); err != nil {
		s.t.Fatal(err)
	}
	return int(pid)
}

// exits lets the debuggee run to its end.
func (s *session) exits(status int) {
	s.t.Helper()
	s.set("test")
	s.resume(How{})
	if e := s.ended(); !e.Gone.Exited || e.Gone.Code != status {
		s.t.Errorf("end: %+v, want status %d", e, status)
	}
}

// TestForkParent: children run on by themselves, however they came to be, and meet no
// trap of ours.
func TestForkParent(t *testing.T) {
	for mode, status := range map[string]int{"fork": 7, "exec": 3, "vfork": 3} {
		t.Run(mode, func(t *testing.T) {
			s := forking(t, FollowParent, mode)
			s.run(How{})
			if who := s.eval("who"); who != 1 {
				t.Errorf("stopped in hot(%d), want the parent's", who)
			}
			s.exits(status)
		})
	}
	t.Run("threads", func(t *testing.T) { forking(t, FollowParent, "threads").runsOut(0) })
	t.Run("many", func(t *testing.T) { forking(t, FollowParent, "many", "60").runsOut(0) })
}

// runsOut runs to the end with the breakpoints in place.
func (s *session) runsOut(status int) {
	s.t.Helper()
	s.resume(How{})
	if e := s.ended(); !e.Gone.Exited || e.Gone.Code != status {
		s.t.Errorf("end: %+v, want status %d", e, status)
	}
}

// TestThousandForks: of a thousand children none is harmed; each calls the function with the
// breakpoint.
func TestThousandForks(t *testing.T) {
	if os.Getenv("HEAVY") == "" {
		t.Skip("HEAVY=1 runs 1,000 forks in each manner")
	}
	for name, how := range map[string]Follow{"parent": FollowParent, "both": FollowBoth} {
		t.Run(name, func(t *testing.T) {
			s := forking(t, how, "many", "1000")
			began, files, routines := time.Now(), openFiles(t), runtime.NumGoroutine()
			s.resume(How{})
			if how == FollowBoth {
				for range 1000 {
					c := s.child()
					if st := c.run(How{}); len(st.Breakpoints) != 1 || c.eval("who") != 2 {
						t.Fatalf("the child: %+v", st)
					}
					c.runsOut(0)
				}
			}
			if e := s.ended(); e.Gone.Code != 0 {
				t.Errorf("%d children failed", e.Gone.Code)
			}
			t.Logf("%v a fork", time.Since(began)/1000)
			if n := openFiles(t); n > files+2 {
				t.Errorf("%d files are open, %d were before", n, files)
			}
			goneRoutines(t, routines)
		})
	}
}

// TestForkChild: the child takes the parent's place, with its breakpoints.
func TestForkChild(t *testing.T) {
	for mode, want := range map[string]string{"fork": "hot 2, 7", "exec": "hot 0, 3", "vfork": "hot 0, 3"} {
		t.Run(mode, func(t *testing.T) {
			s := forking(t, FollowChild, mode)
			parent := s.pid()
			stop := s.run(How{})
			got := fmt.Sprintf("hot %d", s.eval("who"))
			if s.pid() == parent || stop.Thread.Process != int64(s.pid()) {
				t.Errorf("process %d, stop of %v; the parent is %d", s.pid(), stop.Thread, parent)
			}
			if tracer(t, parent) != 0 {
				t.Error("the parent is still traced")
			}
			if w := s.stack(); len(w) < 2 || !strings.HasSuffix(w[1], "!main") {
				t.Errorf("stack %v", w)
			}
			s.set("test")
			s.resume(How{})
			e := s.ended()
			if got = fmt.Sprintf("%s, %d", got, e.Gone.Code); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		})
	}
}

// tracer is the process that traces pid; 0 nobody.
func tracer(t *testing.T, pid int) int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	n := 0
	for _, l := range strings.Split(string(text), "\n") {
		fmt.Sscanf(l, "TracerPid: %d", &n)
	}
	return n
}

func TestForkNone(t *testing.T) {
	s := forking(t, FollowNone, "fork")
	parent := s.pid()
	s.resume(How{})
	if e := s.ended(); e.Parting == nil || *e.Parting != targets.Detach || len(e.Traps) > 0 {
		t.Errorf("end: %+v", e)
	}
	for limit := time.Now().Add(patience); alive(parent); time.Sleep(5 * time.Millisecond) { // nothing tells of its end
		if time.Now().After(limit) {
			t.Fatal("the parent does not end")
		}
	}
}

func alive(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(text), ") Z ")
}

// TestForkBoth: two sessions, each with the breakpoints, step in turn while the other
// waits; the end of one is not the other's.
func TestForkBoth(t *testing.T) {
	s := forking(t, FollowBoth, "pair")
	s.resume(How{})
	c := s.child()
	if st := c.run(How{}); len(st.Breakpoints) != 1 || c.eval("who") != 2 {
		t.Fatalf("the child: %+v", st)
	}
	if st := s.stop(); len(st.Breakpoints) != 1 || s.eval("who") != 1 {
		t.Fatalf("the parent: %+v", st)
	}
	for range 3 {
		for _, x := range []*session{s, c} {
			before, other := x.where(), c
			if x == c {
				other = s
			}
			still := other.where()
			if st := x.run(How{Kind: StepOver}); !st.Step || x.where() == before {
				t.Fatalf("a step from %s: %+v at %s", before, st, x.where())
			}
			if now := other.where(); now != still {
				t.Fatalf("the other process went from %s to %s", still, now)
			}
		}
	}
	// One waits, the other goes round and round.
	for _, pair := range [][2]*session{{s, c}, {c, s}} {
		goes, waits := pair[0], pair[1]
		for range 5 {
			if st := goes.run(How{}); len(st.Breakpoints) != 1 {
				t.Fatalf("%+v", st)
			}
		}
		goes.set("test")
		goes.resume(How{})
		for range 5 { // while the other runs
			waits.look()
			waits.run(How{Kind: StepOver, Unit: ByInstruction})
		}
		goes.set("test", Breakpoint{Function: "hot"})
		goes.stop()
	}
	if err := c.Close(c.ctx, targets.Kill); err != nil {
		t.Fatal(err)
	}
	if st := s.run(How{}); len(st.Breakpoints) != 1 || s.eval("who") != 1 {
		t.Errorf("the parent, alone again: %+v", st)
	}
}

// TestChildRuns: the parent runs on while its child's stop is looked at.
func TestChildRuns(t *testing.T) {
	s := forking(t, FollowBoth, "pair")
	s.resume(How{})
	c := s.child()
	s.stop()
	s.set("test")
	s.resume(How{})
	c.run(How{})
	if err := s.Interrupt(s.ctx); err != nil {
		t.Fatal(err)
	}
	s.stop()
	one := s.eval("calls")
	s.resume(How{})
	c.run(How{}) // the child's next stop, some 2 ms later
	c.run(How{})
	if err := s.Interrupt(s.ctx); err != nil {
		t.Fatal(err)
	}
	s.stop()
	if two := s.eval("calls"); two <= one {
		t.Errorf("the parent stood still: %d calls, then %d", one, two)
	}
}

// TestForkEnds: who ends, in which order.
func TestForkEnds(t *testing.T) {
	t.Run("child first", func(t *testing.T) {
		s := forking(t, FollowBoth, "fork")
		s.resume(How{})
		c := s.child()
		c.exits(7)
		if st := s.stop(); len(st.Breakpoints) != 1 || s.eval("who") != 1 {
			t.Errorf("the parent: %+v", st)
		}
		s.exits(7)
	})
	t.Run("parent first", func(t *testing.T) {
		s := forking(t, FollowBoth, "orphan")
		s.resume(How{})
		c := s.child()
		if e := s.ended(); e.Gone.Code != 4 {
			t.Errorf("the parent: %+v", e)
		}
		if st := c.run(How{}); len(st.Breakpoints) != 1 || c.eval("who") != 2 {
			t.Errorf("the child: %+v", st)
		}
		c.exits(7)
	})
	for _, mode := range []string{"exec", "vfork"} {
		t.Run("child executes by "+mode, func(t *testing.T) {
			s := forking(t, FollowBoth, mode)
			s.resume(How{})
			c := s.child()
			if st := c.run(How{}); len(st.Breakpoints) != 1 || c.eval("who") != 0 {
				t.Errorf("the child: %+v", st)
			}
			c.exits(3)
			if st := s.stop(); len(st.Breakpoints) != 1 || s.eval("who") != 1 {
				t.Errorf("the parent: %+v", st)
			}
			s.exits(3)
		})
	}
	t.Run("child killed", func(t *testing.T) {
		s := forking(t, FollowBoth, "fork")
		s.resume(How{})
		c := s.child()
		c.set("test")
		c.resume(How{Kind: StepOver, Unit: ByInstruction})
		c.stop()
		p, _ := os.FindProcess(c.pid())
		if err := p.Kill(); err != nil {
			t.Fatal(err)
		}
		c.resume(How{})
		if e := c.ended(); e.Gone.Signal != 9 {
			t.Errorf("the child: %+v", e)
		}
		s.stop()
		s.exits(128 + 9)
	})
}

// TestLeaveBoth: leaving leaves both free, whatever each is at.
func TestLeaveBoth(t *testing.T) {
	for _, first := range []string{"parent", "child"} {
		for _, running := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s first, running %v", first, running), func(t *testing.T) {
				s := forking(t, FollowBoth, "pair")
				s.resume(How{})
				c := s.child()
				s.stop()
				c.run(How{})
				if running {
					s.set("test")
					s.resume(How{})
				}
				order, pids := []*session{s, c}, []int{s.pid(), c.pid()}
				if first == "child" {
					order[0], order[1] = c, s
				}
				for _, x := range order {
					if err := x.Close(x.ctx, targets.Detach); err != nil {
						t.Error(err)
					}
					if e := x.ended(); len(e.Traps) > 0 {
						t.Errorf("traps remain at %v", e.Traps)
					}
				}
				for _, pid := range pids {
					free(t, pid)
				}
			})
		}
	}
}

// free checks that a process of "forks pair" runs without a tracer and survives hot().
func free(t *testing.T, pid int) {
	t.Helper()
	p, _ := os.FindProcess(pid)
	defer p.Kill()
	for limit := time.Now().Add(patience); tracer(t, pid) != 0; time.Sleep(time.Millisecond) { // nothing tells when a tracer lets go
		if time.Now().After(limit) {
			t.Fatalf("process %d is still traced", pid)
		}
	}
	turns := func() (n int) { // it sleeps once a call
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		for _, l := range strings.Split(string(text), "\n") {
			fmt.Sscanf(l, "voluntary_ctxt_switches: %d", &n)
		}
		return n
	}
	from := turns()
	for limit := time.Now().Add(patience); turns() < from+5; time.Sleep(time.Millisecond) { // only the kernel counts its turns
		if time.Now().After(limit) || !alive(pid) {
			t.Fatalf("process %d does not run: alive %v, %d turns after %d", pid, alive(pid), turns(), from)
		}
	}
}

// TestBecomes: names, modules and breakpoints are the new program's, and it is told.
func TestBecomes(t *testing.T) {
	s := forking(t, FollowParent, "self")
	if st := s.run(How{}); len(st.Breakpoints) != 1 || s.eval("who") != 0 || s.eval("calls") != 0 {
		t.Errorf("the new image: %+v", st)
	}
	if w := s.stack(); len(w) < 2 || !strings.HasSuffix(w[1], "!main") {
		t.Errorf("stack %v", w)
	}
	s.mu.Lock()
	told := 0
	for _, e := range s.all {
		if e, ok := e.(Became); ok && e.Path != "" && e.Process == e.Was {
			told++
		}
	}
	s.mu.Unlock()
	if told != 1 {
		t.Errorf("told %d times", told)
	}
	s.exits(3)
}
