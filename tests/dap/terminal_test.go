package dap

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"dap-windbg/tests/dapclient"

	"github.com/creack/pty"
	"github.com/google/go-dap"
)

// terminal is a client's: it runs what it is asked to on a pseudo terminal.
type terminal struct {
	*exec.Cmd
	*os.File
	asked dap.RunInTerminalRequestArguments
	text  strings.Builder // complete once shown is closed
	shown chan struct{}
}

// open answers runInTerminal.
func (x *terminal) open(command string, args json.RawMessage) (any, error) {
	if err := json.Unmarshal(args, &x.asked); err != nil {
		return nil, err
	}
	x.Cmd = exec.Command(x.asked.Args[0], x.asked.Args[1:]...)
	x.Dir = x.asked.Cwd
	for k, v := range x.asked.Env {
		x.Env = append(x.Environ(), k+"="+v.(string))
	}
	var err error
	if x.File, err = pty.Start(x.Cmd); err != nil {
		return nil, err
	}
	x.shown = make(chan struct{})
	go func() {
		defer close(x.shown)
		io.Copy(&x.text, x.File) // ends with an error when the last process leaves the terminal
	}()
	return map[string]any{"shellProcessId": os.Getpid()}, nil // as editors do: not the program's
}

// ended waits for the server's end and returns what the terminal showed.
func (x *terminal) ended() string {
	x.Wait()
	<-x.shown
	x.File.Close()
	return x.text.String()
}

// inTerminal launches the tour in a terminal and stops at the line called word.
func inTerminal(t *testing.T, c *dapclient.Client, word string, more ...any) (*terminal, int) {
	t.Helper()
	x := &terminal{}
	c.Reverse = x.open
	c.Start("launch", config(t, append(more, "console", "integratedTerminal")...), source(), line(t, word))
	if x.Cmd == nil {
		t.Fatal("the client was not asked for a terminal")
	}
	return x, c.Stopped("breakpoint").ThreadId
}

func TestTerminal(t *testing.T) {
	c := inProcess(t)
	dir := t.TempDir()
	x, thread := inTerminal(t, c, "end", "cwd", dir, "env", map[string]any{"TOUR": "of 'force'"})
	if x.asked.Kind != "integrated" || x.asked.Cwd != dir {
		t.Errorf("asked for %+v", x.asked)
	}
	pid := decode[dap.ProcessEventBody](t, c.Seen("process")[0]).SystemProcessId
	if env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid)); err != nil || !strings.Contains(string(env), "TOUR=of 'force'\x00") {
		t.Errorf("the program's environment: %q, %v", env, err)
	}
	if where, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid)); where != dir {
		t.Errorf("it runs in %s, %v", where, err)
	}
	c.Do("continue", map[string]any{"threadId": thread}, nil)
	if e := decode[dap.ExitedEventBody](t, c.Event("exited", nil)); e.ExitCode != 7 {
		t.Errorf("exit code %d", e.ExitCode)
	}
	c.Disconnect(nil)
	if text := x.ended(); !strings.Contains(text, "total 90\r\n") {
		t.Errorf("the terminal shows %q", text)
	}
	if out := c.Output("stdout"); out != "" {
		t.Errorf("the debugger shows %q too", out)
	}
}

// TestTerminalEnds: the end of the session ends what runs in the terminal.
func TestTerminalEnds(t *testing.T) {
	c := inProcess(t)
	x, _ := inTerminal(t, c, "ticking", "args", []string{"spin"})
	pid := decode[dap.ProcessEventBody](t, c.Seen("process")[0]).SystemProcessId
	c.Disconnect(nil)
	x.ended()
	if letter, _ := state(t, pid); letter != "" && letter != "Z" {
		t.Errorf("process %d goes on in state %q", pid, letter)
	}
}

// TestTerminalGone: somebody closes the terminal.
func TestTerminalGone(t *testing.T) {
	c := inProcess(t)
	x, _ := inTerminal(t, c, "ticking", "args", []string{"spin"})
	x.Process.Kill()
	c.Event("terminated", nil)
	x.ended()
	c.Disconnect(nil)
}

// TestTerminalFails: what a client cannot do, and what does not start, is told.
func TestTerminalFails(t *testing.T) {
	for name, answer := range map[string]func(command string, args json.RawMessage) (any, error){
		"no terminal today": func(string, json.RawMessage) (any, error) { return nil, io.ErrNoProgress },
		"ended at once": func(_ string, args json.RawMessage) (any, error) {
			var a dap.RunInTerminalRequestArguments
			if err := json.Unmarshal(args, &a); err != nil {
				return nil, err
			}
			return nil, exec.Command(a.Args[0], a.Args[1], "true").Run()
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := inProcess(t)
			c.Reverse = answer
			c.Initialize()
			text := c.Fail("launch", config(t, "console", "externalTerminal"))
			want := name
			if name == "no terminal today" {
				want = io.ErrNoProgress.Error()
			}
			if !strings.Contains(text, want) {
				t.Errorf("told %q", text)
			}
			c.Disconnect(nil)
		})
	}
}

// TestNoTerminal: a client that has none sees the output with the debugger's.
func TestNoTerminal(t *testing.T) {
	var once sync.Once
	c := inProcess(t)
	c.Reverse = func(string, json.RawMessage) (any, error) {
		once.Do(func() { t.Error("the client was asked") })
		return nil, io.EOF
	}
	c.Do("initialize", map[string]any{"adapterID": "dap-windbg"}, nil)
	seq := c.Send("launch", config(t, "console", "integratedTerminal"))
	c.Event("initialized", nil)
	c.Do("configurationDone", nil, nil)
	c.Good(seq, nil)
	c.WaitOutput("stdout", "total 90")
	c.WaitOutput("console", "warning: no integratedTerminal")
	c.Event("terminated", nil)
	c.Disconnect(nil)
}
