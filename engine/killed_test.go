//go:build linux

package engine

import (
	"context"
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"dap-windbg/eval"
	"dap-windbg/targets"
)

// dying are the states in which a debuggee is killed: what is under way then.
var dying = map[string]func(s *session, kill func()){
	"stopped": func(s *session, kill func()) {
		s.set("t")
		kill()
		s.Resume(s.ctx, How{})
	},
	"running": func(s *session, kill func()) {
		s.set("t")
		s.resume(How{})
		kill()
	},
	"stepping": func(s *session, kill func()) {
		s.set("t", Breakpoint{Function: "never"})
		s.resume(How{Kind: StepOut})
		kill()
	},
	"conditions": func(s *session, kill func()) { // a hit each moment, whose condition is evaluated here
		s.set("t", Breakpoint{Function: "hot", Condition: "x < 0.5"})
		s.resume(How{})
		kill()
	},
	"hidden stops": func(s *session, kill func()) {
		s.set("t")
		s.resume(How{})
		for i := range 40 {
			if _, err := s.SetBreakpoints(s.ctx, "t", []Breakpoint{{ID: -1, File: "hot.c", Line: 24 + i%3, Condition: "x < 0"}}); err != nil {
				if !errors.Is(err, targets.ErrGone) {
					s.t.Errorf("a breakpoint of a debuggee that dies: %v", err)
				}
				return
			}
			if i == 20 {
				kill()
			}
		}
	},
	"evaluating": func(s *session, kill func()) {
		s.set("t")
		s.Do(s.ctx, func(ctx context.Context, v *View) error {
			kill()
			p := make([]byte, 64)
			for a := range 200 { // what was not read before cannot be read any more, or can: it does not hang
				v.ReadMemory(ctx, targets.Space{}, v.Live().Modules()[0].Base+0x1000, p)
				v.Stack(ctx, v.l.selected, a)
				v.l.forget()
			}
			return nil
		})
		s.Resume(s.ctx, How{})
	},
	"calling": func(s *session, kill func()) {
		s.set("t")
		s.Do(s.ctx, func(ctx context.Context, v *View) error {
			killed := make(chan struct{})
			go func() { kill(); close(killed) }()
			v.AllowCalls(true)
			if x, err := v.Eval(ctx, nil, "(int)pause()", eval.Options{}); err == nil {
				s.t.Errorf("a call that its debuggee did not survive returned %v", x.Bytes)
			}
			<-killed
			return nil
		})
		s.Resume(s.ctx, How{})
	},
	"steps for a data breakpoint": func(s *session, kill func()) {
		var want []Breakpoint
		for i := range 6 {
			want = append(want, Breakpoint{Expr: "calls+" + strconv.FormatInt(int64(80+8*i), 16), Access: targets.OnWrite, Size: 8})
		}
		s.set("t", want...)
		s.resume(How{})
		kill()
	},
}

// TestKilledInEachState kills the debuggee whatever is under way: the end is told,
// as what it was, nothing hangs and nothing is left over. Where it is killed between
// a stop and a resume gdbserver 13 fails itself (an assertion in
// resume_one_lwp_throw): there is no more to tell then than that.
func TestKilledInEachState(t *testing.T) {
	rounds := 1
	if heavy() {
		rounds = 20
	}
	path := build(t, "hot.c")
	before := openFiles(t)
	for name, die := range dying {
		t.Run(name, func(t *testing.T) {
			for i := range rounds {
				s := launch(t, Options{}, path, "4", "2000000000")
				s.stop()
				s.set("t", Breakpoint{Function: "hot"})
				s.run(How{})
				var pid int64
				s.do(func(ctx context.Context, v *View) error { pid = v.Live().Info().Process; return nil })
				die(s, func() {
					time.Sleep(time.Duration(i%5) * time.Millisecond) // each round dies at another moment of the same state
					if err := syscall.Kill(int(pid), syscall.SIGKILL); err != nil {
						t.Fatal(err)
					}
				})
				if e := s.dead(); e.Gone.Signal != 9 && !(e.Gone.Err != nil && s.serverEnds()) {
					t.Fatalf("round %d: end %+v", i, e)
				}
				if err := s.Resume(s.ctx, How{}); !errors.Is(err, targets.ErrGone) {
					t.Errorf("resume of a dead debuggee: %v", err)
				}
			}
		})
	}
	if after := openFiles(t); after > before+2 {
		t.Errorf("%d files are open, %d were before", after, before)
	}
}

// dead waits for the end; a stop told before is gone on from: its debuggee was
// killed between the stop and what was read of it.
func (s *session) dead() Ended {
	s.t.Helper()
	for {
		select {
		case e := <-s.events:
			switch e := e.(type) {
			case Ended:
				return e
			case Stopped:
				s.Resume(s.ctx, How{})
			}
		case <-s.ctx.Done():
			s.t.Fatal("no end")
		}
	}
}

// serverEnds reports whether the far end is at its own end: that is then all there is
// to tell.
func (s *session) serverEnds() bool {
	for ; s.ctx.Err() == nil; time.Sleep(time.Millisecond) { // who reads its output waits for it
		state, err := os.ReadFile("/proc/" + strconv.Itoa(s.server.Process.Pid) + "/stat")
		if err != nil || strings.Contains(string(state), ") Z ") {
			return true
		}
	}
	return false
}

// openFiles counts this process's file descriptors.
func openFiles(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}
