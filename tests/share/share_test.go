// Package share has several editors and command windows in one debug session, each a
// process of its own, as people have them.
package share

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"dap-windbg/tests/built"
	"dap-windbg/tests/dapclient"
	"dap-windbg/tests/kernel/window"

	"github.com/google/go-dap"
)

func TestMain(m *testing.M) { built.Main(m) }

func source() string {
	path, err := filepath.Abs("testdata/loop.c")
	if err != nil {
		panic(err)
	}
	return path
}

func program(t *testing.T) string { return built.Program(t, "testdata/loop.c") }

// editor starts the debugger for an editor; by is a command that runs it, none: itself.
func editor(t *testing.T, by ...string) (*dapclient.Client, *built.Process) {
	t.Helper()
	return built.Editor(t, built.Alone(t), by...)
}

var joining = regexp.MustCompile(`(?m)^0: <debugger> -remote (\S+)$`)

// shared is the connection string in what .server prints, with its password.
func shared(t *testing.T, text, password string) string {
	t.Helper()
	m := joining.FindStringSubmatch(text)
	if m == nil {
		t.Fatalf(".server answered %q", text)
	}
	return strings.Replace(m[1], "Password=*", "Password="+password, 1)
}

// anyPort is a server's transport: the first port that is free.
const anyPort = "tcp:port=21000:21999"

// begin starts the program in an editor, stops it in main's loop, and opens the session.
func begin(t *testing.T, transport, password string) (a *dapclient.Client, join string) {
	t.Helper()
	a, _ = editor(t)
	a.Start("launch", map[string]any{"program": program(t)}, source(), 17)
	a.Stopped("breakpoint")
	return a, shared(t, a.Command(".server "+transport), password)
}

// attach joins an editor.
func attach(t *testing.T, join string) *dapclient.Client {
	t.Helper()
	b, _ := editor(t)
	b.Start("attach", map[string]any{"remote": join}, "")
	return b
}

// top is the innermost frame of the thread that an editor shows.
func top(t *testing.T, c *dapclient.Client, thread int) dap.StackFrame {
	t.Helper()
	return c.Stack(thread, 1)[0]
}

// TestJoin: an editor and a command window join an editor's session: they see where it
// is, what is typed, and who typed it; each steps it; leaving, they take nothing along.
func TestJoin(t *testing.T) {
	a, join := begin(t, anyPort, "")
	b := attach(t, join)
	thread := b.Stopped("breakpoint").ThreadId
	if f := top(t, b, thread); f.Line != 17 || f.Source == nil || f.Source.Path != source() {
		t.Fatalf("the second editor sees %+v", f)
	}
	w := window.Open(t, "-remote", join)
	if got := w.Do("?? total"); !strings.Contains(got, "volatile int 0n0\n") {
		t.Errorf("?? total in the window is %q", got)
	}
	a.WaitOutput("console", "0:000> ?? total\nvolatile int 0n0\n")
	b.WaitOutput("console", "0:000> ?? total\nvolatile int 0n0\n")

	b.Do("next", map[string]any{"threadId": thread}, nil)
	for _, c := range []*dapclient.Client{a, b} {
		c.Stopped("step")
		if f := top(t, c, thread); f.Line != 18 {
			t.Errorf("after a step of the second editor there is line %d", f.Line)
		}
	}
	w.Await("step over\n")
	if got := w.Do("p"); !strings.Contains(got, "rounds") && !strings.Contains(got, "19") {
		t.Errorf("p in the window shows %q", got)
	}
	for _, c := range []*dapclient.Client{a, b} {
		c.Stopped("step")
		if f := top(t, c, thread); f.Line != 19 {
			t.Errorf("after a step of the window there is line %d", f.Line)
		}
	}
	b.Break(source(), 9)
	told := func(m *dapclient.Message) bool {
		var body dap.BreakpointEventBody
		return json.Unmarshal(m.Body, &body) == nil && body.Reason == "new" && body.Breakpoint.Line == 9
	}
	a.Event("breakpoint", told)
	if got := w.Do("bl"); !strings.Contains(got, "loop.c @ 17") || !strings.Contains(got, "loop.c @ 9") {
		t.Errorf("bl in the window is %q", got)
	}
	for _, m := range b.Seen("breakpoint") {
		if told(m) {
			t.Errorf("the second editor is told of its own breakpoint: %s", m.Body)
		}
	}
	b.Disconnect(nil)
	w.Await("disconnected at")
	if got := w.Do("bl"); !strings.Contains(got, "loop.c @ 9") {
		t.Errorf("the second editor has left, and bl is %q", got)
	}
	a.Do("continue", map[string]any{"threadId": thread}, nil)
	a.Stopped("breakpoint")
	if w.End(".remote_exit") != 0 {
		t.Error("leaving has a status")
	}
	a.Do("continue", map[string]any{"threadId": thread}, nil)
	a.Stopped("breakpoint")
	a.Disconnect(nil)
}
