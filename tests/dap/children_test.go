package dap

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dap-windbg/tests/built"
	"dap-windbg/tests/dapclient"

	"github.com/google/go-dap"
)

// forks is a program of processes that come of processes; its modes are told in its source.
func forks(t *testing.T) string { return built.Program(t, forksSource(), "-pthread") }

func forksSource() string {
	p, err := filepath.Abs(filepath.Join("..", "..", "engine", "testdata", "forks.c"))
	if err != nil {
		panic(err)
	}
	return p
}

// hot is the line of forks.c that every process comes by.
func hot(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile(forksSource())
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range strings.Split(string(text), "\n") {
		if strings.Contains(l, "/* hot */") {
			return i + 1
		}
	}
	t.Fatal("no such line")
	return 0
}

// editor is a client that begins the sessions it is asked for, as editors do: on the
// port that the configuration names, and with the breakpoints it has.
type editor struct {
	*dapclient.Client
	t        *testing.T
	children chan dap.StartDebuggingRequestArguments
	starting bool // it starts a debugger for each session
}

// family launches forks in a mode and stops at the parent's first hit of hot.
func family(t *testing.T, starts bool, follow string, mode ...string) (*editor, *built.Process) {
	t.Helper()
	path := forks(t)
	c, p := started(t)
	e := &editor{Client: c, t: t, children: make(chan dap.StartDebuggingRequestArguments, 16)}
	c.Starts = starts
	c.Reverse = func(command string, args json.RawMessage) (any, error) {
		var a dap.StartDebuggingRequestArguments
		if command != "startDebugging" {
			return nil, fmt.Errorf("%s is not to be asked for", command)
		}
		if err := json.Unmarshal(args, &a); err != nil {
			return nil, err
		}
		e.children <- a
		return nil, nil
	}
	c.Start("launch", map[string]any{"program": path, "args": mode, "followForks": follow, "sourceMap": map[string]any{"/nowhere": "/else"}}, forksSource(), hot(t))
	c.Stopped("breakpoint")
	return e, p
}

func (e *editor) goOn() { e.Do("continue", map[string]any{"threadId": 0}, nil) }

// exits waits for the end of the program, with a status, and leaves.
func (e *editor) exits(status int) {
	e.t.Helper()
	if x := decode[dap.ExitedEventBody](e.t, e.Event("exited", nil)); x.ExitCode != status {
		e.t.Errorf("the program's status is %d, not %d", x.ExitCode, status)
	}
	e.Event("terminated", nil)
	e.Do("disconnect", map[string]any{}, nil)
}

func who(c *dapclient.Client) string { return c.Evaluate("watch", "who", 0).Result }

// child begins the session that the debugger asks for.
func (e *editor) child() *editor {
	e.t.Helper()
	var a dap.StartDebuggingRequestArguments
	select {
	case a = <-e.children:
	case <-time.After(dapclient.Patience):
		e.t.Fatal("no session was asked for")
	}
	port, ok := a.Configuration["debugServer"].(float64)
	if !ok || a.Request != "attach" || a.Configuration["type"] != "dap-windbg" || a.Configuration["sourceMap"] == nil || a.Configuration["program"] != nil {
		e.t.Fatalf("%+v", a)
	}
	var c *dapclient.Client
	if e.starting {
		c, _ = started(e.t)
	} else {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", int(port)))
		if err != nil {
			e.t.Fatal(err)
		}
		c = dapclient.New(e.t, conn)
	}
	c.Starts = true
	c.Start(a.Request, a.Configuration, forksSource(), hot(e.t))
	return &editor{Client: c, t: e.t, children: e.children}
}

// TestChildSession: both sides of a fork, each in a session of its own, step in turn;
// the end of one is its own.
func TestChildSession(t *testing.T) {
	t.Run("the same debugger", func(t *testing.T) { childSession(t, false) })
	t.Run("another debugger", func(t *testing.T) { childSession(t, true) })
}

func childSession(t *testing.T, starting bool) {
	e, p := family(t, true, "both", "fork")
	e.starting = starting
	e.goOn()
	c := e.child()
	stop := c.Stopped("breakpoint")
	if w := who(c.Client); w != "2" {
		t.Errorf("the child is in hot(%s)", w)
	}
	pid := decode[dap.ProcessEventBody](t, c.Seen("process")[0]).SystemProcessId
	if parent := decode[dap.ProcessEventBody](t, e.Seen("process")[0]).SystemProcessId; pid == parent || pid == 0 {
		t.Errorf("processes %d and %d", parent, pid)
	}
	top := c.Stack(stop.ThreadId, 1)[0]
	c.Do("next", map[string]any{"threadId": stop.ThreadId}, nil)
	c.Stopped("step")
	if next := c.Stack(stop.ThreadId, 1)[0]; next.Line != top.Line+1 {
		t.Errorf("from line %d to %d", top.Line, next.Line)
	}
	c.goOn()
	c.exits(7)
	e.Stopped("breakpoint")
	if w := who(e.Client); w != "1" {
		t.Errorf("the parent is in hot(%s)", w)
	}
	e.goOn()
	e.exits(7)
	ends(t, p)
}

// TestChildOutlives: the child's session goes on after its parent's.
func TestChildOutlives(t *testing.T) {
	e, p := family(t, true, "both", "orphan")
	e.goOn()
	c := e.child()
	e.exits(4)
	c.Stopped("breakpoint")
	if w := who(c.Client); w != "2" {
		t.Errorf("the child is in hot(%s)", w)
	}
	c.goOn()
	c.Event("terminated", nil)
	c.Disconnect(nil)
	ends(t, p)
}

// TestFamilyIsLeft: both run on, without a trap, when both sessions are left.
func TestFamilyIsLeft(t *testing.T) {
	e, p := family(t, true, "both", "pair")
	e.goOn()
	c := e.child()
	c.Stopped("breakpoint")
	var pids []int
	for _, x := range []*editor{e, c} {
		pids = append(pids, decode[dap.ProcessEventBody](t, x.Seen("process")[0]).SystemProcessId)
	}
	for _, x := range []*editor{c, e} {
		x.Do("disconnect", map[string]any{"terminateDebuggee": false}, nil)
	}
	ends(t, p)
	for _, pid := range pids {
		killLater(t, pid)
		goesRound(t, pid)
	}
}

// goesRound waits until a process of "forks pair" is traced by nobody and has called
// hot a few times more.
func goesRound(t *testing.T, pid int) {
	t.Helper()
	from := -1
	for limit := time.Now().Add(dapclient.Patience); ; time.Sleep(time.Millisecond) { // nothing tells when a tracer lets go
		letter, tracer := state(t, pid)
		if letter == "" || letter == "Z" || time.Now().After(limit) {
			t.Fatalf("process %d is in state %q, traced by %d", pid, letter, tracer)
		}
		if tracer == 0 && from < 0 {
			from = turns(t, pid)
		}
		if tracer == 0 && turns(t, pid) > from+5 {
			return
		}
	}
}

// turns is how often a process has waited: once in each round of "forks pair".
func turns(t *testing.T, pid int) (n int) {
	t.Helper()
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for _, l := range strings.Split(string(text), "\n") {
		fmt.Sscanf(l, "voluntary_ctxt_switches: %d", &n)
	}
	return n
}

// TestChildIsRefused: who cannot or will not begin a session is told that the child
// runs by itself, and it does.
func TestChildIsRefused(t *testing.T) {
	t.Run("cannot", func(t *testing.T) {
		e, _ := family(t, false, "both", "fork")
		e.WaitOutput("important", "startDebugging")
		e.Break(forksSource())
		e.goOn()
		if x := decode[dap.ExitedEventBody](t, e.Event("exited", nil)); x.ExitCode != 7 {
			t.Errorf("status %d", x.ExitCode)
		}
		e.Do("disconnect", map[string]any{}, nil)
	})
	t.Run("will not", func(t *testing.T) {
		e, _ := family(t, true, "both", "fork")
		e.Reverse = func(string, json.RawMessage) (any, error) { return nil, fmt.Errorf("no room") }
		e.goOn()
		e.WaitOutput("important", "no room")
		e.Stopped("breakpoint")
		if w := who(e.Client); w != "1" {
			t.Errorf("in hot(%s)", w)
		}
		e.goOn()
		if x := decode[dap.ExitedEventBody](t, e.Event("exited", nil)); x.ExitCode != 7 {
			t.Errorf("status %d", x.ExitCode)
		}
		e.Do("disconnect", map[string]any{}, nil)
	})
}

// TestDoorServesChildrenOnly: what listens for them starts nothing else.
func TestDoorServesChildrenOnly(t *testing.T) {
	e, _ := family(t, true, "both", "pair")
	e.goOn()
	a := <-e.children
	for _, x := range []struct {
		request string
		config  map[string]any
	}{
		{"launch", map[string]any{"program": "/bin/true"}},
		{"attach", map[string]any{"processId": os.Getpid()}},
		{"attach", map[string]any{"__child": "ABCDEFGH"}},
	} {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", int(a.Configuration["debugServer"].(float64))))
		if err != nil {
			t.Fatal(err)
		}
		c := dapclient.New(t, conn)
		c.Initialize()
		if text := c.Fail(x.request, x.config); !strings.Contains(text, "child processes") {
			t.Errorf("%v: %s", x.config, text)
		}
		c.Disconnect(nil)
	}
	e.Do("disconnect", map[string]any{"terminateDebuggee": true}, nil)
}

// TestFollowsTheChild: the session goes on in the child.
func TestFollowsTheChild(t *testing.T) {
	e, _ := family(t, false, "child", "fork")
	e.goOn()
	e.Stopped("breakpoint")
	if w := who(e.Client); w != "2" {
		t.Errorf("in hot(%s)", w)
	}
	if n := len(e.Seen("process")); n != 2 {
		t.Errorf("%d process events", n)
	}
	e.goOn()
	if x := decode[dap.ExitedEventBody](t, e.Event("exited", nil)); x.ExitCode != 7 {
		t.Errorf("status %d", x.ExitCode)
	}
	e.Do("disconnect", map[string]any{}, nil)
}
