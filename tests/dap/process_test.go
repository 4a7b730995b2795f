package dap

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"dap-windbg/tests/built"
	"dap-windbg/tests/dapclient"

	"github.com/google/go-dap"
)

// started runs the built debugger on its standard streams, with env added. It has to end
// by itself once its input does.
func started(t *testing.T, env ...string) (*dapclient.Client, *built.Process) {
	t.Helper()
	c, p := built.Editor(t, env)
	t.Cleanup(func() {
		p.In.Close()
		select {
		case <-p.Gone:
		case <-time.After(dapclient.Patience):
			t.Error("the debugger did not end")
		}
	})
	return c, p
}

// ends waits for the debugger's end.
func ends(t *testing.T, p *built.Process) {
	t.Helper()
	select {
	case <-p.Gone:
	case <-time.After(dapclient.Patience):
		t.Fatal("the debugger did not end")
	}
}

// victim is a running tour that is not ours, in a process group of its own as a shell
// has it.
func victim(t *testing.T) *exec.Cmd {
	t.Helper()
	return running(t, &syscall.SysProcAttr{Setpgid: true})
}

func running(t *testing.T, attributes *syscall.SysProcAttr) *exec.Cmd {
	t.Helper()
	v := exec.Command(program(t), "spin")
	v.SysProcAttr = attributes
	out, err := v.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Process.Kill(); v.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "total 90\n" {
		t.Fatal(line, err)
	}
	return v
}

// state of a process: the letter in /proc, and who traces it.
func state(t *testing.T, pid int) (letter string, tracer int) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return "", 0
	}
	for _, l := range strings.Split(string(text), "\n") {
		if v, ok := strings.CutPrefix(l, "State:"); ok {
			letter = strings.Fields(v)[0]
		}
		if v, ok := strings.CutPrefix(l, "TracerPid:"); ok {
			tracer, _ = strconv.Atoi(strings.TrimSpace(v))
		}
	}
	return letter, tracer
}

// runsFree waits until the victim runs, is traced by nobody and has no trap at
// the line called ticking.
func runsFree(t *testing.T, v *exec.Cmd) {
	t.Helper()
	limit := time.Now().Add(dapclient.Patience)
	for {
		letter, tracer := state(t, v.Process.Pid)
		if tracer == 0 && (letter == "S" || letter == "R") {
			break
		}
		if time.Now().After(limit) {
			t.Fatalf("the program is in state %q, traced by %d", letter, tracer)
		}
		time.Sleep(10 * time.Millisecond) // nothing tells when a tracer lets go
	}
	// A trap left behind would kill it at its next tick, within a millisecond.
	c := inProcess(t)
	c.Start("attach", map[string]any{"processId": v.Process.Pid, "stopOnConnect": true}, "")
	stop := c.Stopped("")
	before := c.Evaluate("watch", "ticks", 0).Result
	c.Do("continue", map[string]any{"threadId": stop.ThreadId}, nil)
	set := c.Break(source(), line(t, "ticking"))
	if !set[0].Verified {
		t.Errorf("%+v", set[0])
	}
	c.Stopped("breakpoint") // before the increment
	c.Do("continue", map[string]any{"threadId": stop.ThreadId}, nil)
	c.Stopped("breakpoint")
	if after := c.Evaluate("watch", "ticks", 0).Result; after == before {
		t.Errorf("it does not tick: %s", after)
	}
	c.Disconnect(nil)
	if letter, tracer := state(t, v.Process.Pid); letter == "" || letter == "Z" || tracer != 0 {
		t.Errorf("after leaving: state %q, traced by %d", letter, tracer)
	}
}

// attached starts the built debugger, attaches to a running program and stops in it.
func attached(t *testing.T) (*dapclient.Client, *built.Process, *exec.Cmd) {
	t.Helper()
	v := victim(t)
	c, p := started(t)
	c.Start("attach", map[string]any{"processId": v.Process.Pid}, source(), line(t, "ticking"))
	c.Stopped("breakpoint")
	return c, p, v
}

func TestAttachLeavesItRunning(t *testing.T) {
	for name, leave := range map[string]func(c *dapclient.Client, p *built.Process){
		"disconnect":   func(c *dapclient.Client, _ *built.Process) { c.Do("disconnect", map[string]any{}, nil) },
		"closed stdin": func(c *dapclient.Client, p *built.Process) { p.In.Close() },
		"SIGTERM":      func(_ *dapclient.Client, p *built.Process) { p.Process.Signal(syscall.SIGTERM) },
		"while running": func(c *dapclient.Client, p *built.Process) {
			c.Break(source())
			c.Do("continue", map[string]any{"threadId": 0}, nil)
			p.In.Close()
		},
		"qd": func(c *dapclient.Client, p *built.Process) {
			c.Evaluate("repl", "qd", 0)
			c.Event("terminated", nil)
			c.Do("disconnect", map[string]any{}, nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, p, v := attached(t)
			leave(c, p)
			ends(t, p)
			runsFree(t, v)
		})
	}
}

func TestAttachAndTerminate(t *testing.T) {
	c, p, v := attached(t)
	c.Do("disconnect", map[string]any{"terminateDebuggee": true}, nil)
	ends(t, p)
	if err := v.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("the program ended with %v", err)
	}
}

// The end of the editor ends what we started.
func TestLaunchEnds(t *testing.T) {
	for name, leave := range map[string]func(c *dapclient.Client, p *built.Process){
		"disconnect":   func(c *dapclient.Client, _ *built.Process) { c.Do("disconnect", map[string]any{}, nil) },
		"closed stdin": func(_ *dapclient.Client, p *built.Process) { p.In.Close() },
		"SIGTERM":      func(_ *dapclient.Client, p *built.Process) { p.Process.Signal(syscall.SIGTERM) },
	} {
		t.Run(name, func(t *testing.T) {
			c, p := started(t)
			c.Start("launch", config(t, "args", []string{"spin"}), source(), line(t, "ticking"))
			c.Stopped("breakpoint")
			pid := decode[dap.ProcessEventBody](t, c.Seen("process")[0]).SystemProcessId
			leave(c, p)
			ends(t, p)
			for limit := time.Now().Add(dapclient.Patience); ; time.Sleep(10 * time.Millisecond) { // it is no child of ours: nothing tells of its end
				if letter, _ := state(t, pid); letter == "" || letter == "Z" {
					break
				}
				if time.Now().After(limit) {
					t.Fatalf("process %d goes on", pid)
				}
			}
		})
	}
}

// TestGdbserverByHand: a connection to a gdbserver that somebody started.
func TestGdbserverByHand(t *testing.T) {
	server := exec.Command("gdbserver", "--once", "127.0.0.1:0", program(t))
	port := listening(t, server)
	c := inProcess(t)
	c.Start("attach", map[string]any{"connection": "gdb:server=127.0.0.1,port=" + port}, source(), line(t, "print"))
	stop := c.Stopped("breakpoint")
	if top := c.Stack(stop.ThreadId, 1)[0]; top.Name != "main" {
		t.Errorf("%+v", top)
	}
	// The far end dies: the last event comes, and the session can be left.
	server.Process.Kill()
	c.Send("continue", map[string]any{"threadId": stop.ThreadId})
	c.Event("terminated", nil)
	if out := c.Output("important"); !strings.Contains(out, "may remain") {
		t.Errorf("the user is told: %q", out)
	}
	c.Disconnect(nil)
}

// TestDebuggeeKilled: somebody else kills the program.
func TestDebuggeeKilled(t *testing.T) {
	c, _, v := attached(t)
	c.Break(source())
	c.Do("continue", map[string]any{"threadId": 0}, nil)
	v.Process.Kill()
	if e := decode[dap.ExitedEventBody](t, c.Event("exited", nil)); e.ExitCode != 128+9 {
		t.Errorf("exit code %d", e.ExitCode)
	}
	c.Event("terminated", nil)
	c.Do("disconnect", map[string]any{}, nil)
}

func TestServe(t *testing.T) {
	path, err := built.Debugger()
	if err != nil {
		t.Fatal(err)
	}
	server := exec.Command(path, "serve", "--listen", "127.0.0.1:0")
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	lines.Scan()
	addr := strings.TrimPrefix(lines.Text(), "Listening on ")
	connect := func() *dapclient.Client {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		return dapclient.New(t, conn)
	}
	var both [2]*dapclient.Client
	for i := range both {
		both[i] = connect()
		both[i].Start("launch", config(t), source(), line(t, "print"))
	}
	for _, c := range both {
		stop := c.Stopped("breakpoint")
		if v := local(c, stop.ThreadId, "total"); v != "90" {
			t.Errorf("total is %s", v)
		}
	}
	both[0].Disconnect(nil)
	both[1].Evaluate("repl", "k", 0)
	server.Process.Signal(syscall.SIGTERM)
	both[1].Ended()
	server.Wait()
}
