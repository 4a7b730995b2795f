//go:build linux

package engine

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"dap-windbg/targets"
)

func TestKilledDebuggee(t *testing.T) {
	for _, state := range []string{"running", "stopped"} {
		t.Run(state, func(t *testing.T) {
			s := launch(t, Options{}, build(t, "threads.c"))
			toMain(t, s)
			var pid int64
			s.do(func(ctx context.Context, v *View) error { pid = v.Live().Info().Process; return nil })
			if state == "running" {
				s.resume(How{})
				if err := syscall.Kill(int(pid), syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
			} else {
				syscall.Kill(int(pid), syscall.SIGKILL)
				s.Resume(s.ctx, How{})
			}
			if e := s.ended(); e.Gone.Signal != 9 || !strings.Contains(e.Text, "SIGKILL") {
				t.Errorf("end %+v", e)
			}
			if _, err := s.Wait(s.ctx); !errors.Is(err, targets.ErrGone) {
				t.Errorf("wait: %v", err)
			}
			if err := s.Look(s.ctx, func(l *Live) error {
				if l.State() != StateGone {
					t.Errorf("state %v", l.State())
				}
				return nil
			}); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestKilledServer(t *testing.T) {
	s := launch(t, Options{}, build(t, "threads.c"))
	toMain(t, s)
	s.set("t", Breakpoint{Function: "tick", Condition: "n < 0"})
	s.resume(How{})
	s.server.Process.Kill()
	e := s.ended()
	if e.Gone.Err == nil || len(e.Traps) == 0 || !strings.Contains(e.Text, "Traps may remain at") {
		t.Errorf("end %+v", e)
	}
}

// TestDetach leaves an attached program running and free of traps, from any state.
func TestDetach(t *testing.T) {
	for _, state := range []string{"running", "stopped", "context"} {
		t.Run(state, func(t *testing.T) {
			cmd := exec.Command(build(t, "threads.c"))
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // gdbserver interrupts process groups
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			dead := make(chan error, 1)
			go func() { dead <- cmd.Wait() }()
			defer func() { cmd.Process.Kill(); <-dead }()
			addr, server := gdbserver(t, "--attach", strconv.Itoa(cmd.Process.Pid))
			s := connect(t, Options{}, addr, server)
			s.stop()
			s.set("t", Breakpoint{Function: "tick", Condition: "n < 0"}, Breakpoint{Function: "beat", Condition: "n < 0"})
			if state != "stopped" {
				s.resume(How{})
			}
			if err := s.Close(s.ctx, targets.Detach); err != nil {
				t.Error(err)
			}
			if e := s.ended(); e.Parting == nil || len(e.Traps) > 0 {
				t.Errorf("end %+v", e)
			}
			if !progresses(t, cmd.Process.Pid) {
				t.Error("the program does not run on")
			}
			select {
			case err := <-dead:
				t.Errorf("the program died: %v", err)
				dead <- err
			default:
			}
		})
	}
}

// progresses waits until the process has slept and run again, going by its
// context switches.
func progresses(t *testing.T, pid int) bool {
	t.Helper()
	switches := func() string {
		text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
		if err != nil {
			return ""
		}
		_, after, _ := strings.Cut(string(text), "\nvoluntary_ctxt_switches:")
		n, _, _ := strings.Cut(after, "\n")
		return n
	}
	first := switches()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for limit := time.After(patience); ; {
		select {
		case <-tick.C:
			if now := switches(); now != "" && now != first {
				return true
			}
		case <-limit:
			return false
		}
	}
}
