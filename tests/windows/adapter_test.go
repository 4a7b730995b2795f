package windows

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-dap"

	"dap-windbg/tests/built"
	"dap-windbg/tests/dapclient"
	"dap-windbg/tests/kdsim/sim"
)

// editor starts the debugger as an editor does.
func editor(t *testing.T) *dapclient.Client {
	t.Helper()
	c, _ := built.Editor(t, built.Alone(t))
	return c
}

// TestEditor: an editor debugs a driver: processors are its threads, breakpoints in
// the driver's source wait for the driver, steps go by its lines, and what it prints
// is in the debug console.
func TestEditor(t *testing.T) {
	_, _, name := machine(t, sim.Options{Alone: true}, sim.Line{})
	g := guest(t)
	source := filepath.Join(g.Dir, "guest", "sample.c")
	text, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	before, _, _ := strings.Cut(string(text), "LONG second = SampleScale")
	line := strings.Count(before, "\n") + 1

	c := editor(t)
	set := c.Start("attach", map[string]any{"connection": "com:port=" + name + ",baud=115200", "symbolPath": g.Dir, "stopOnConnect": true}, source, line)
	if len(set) != 1 || set[0].Verified {
		t.Errorf("a breakpoint in a driver that is not loaded: %+v", set)
	}
	stop := c.Stopped("")
	var threads dap.ThreadsResponseBody
	c.Do("threads", nil, &threads)
	if len(threads.Threads) < 2 || !strings.Contains(threads.Threads[0].Name, "CPU 0") || !strings.Contains(threads.Threads[1].Name, "CPU 1") {
		t.Errorf("threads: %+v", threads.Threads)
	}
	if frames := c.Stack(stop.ThreadId, 20); len(frames) < 4 || !strings.Contains(frames[0].Name, "RtlpBreakWithStatusInstruction") {
		t.Errorf("stack: %+v", frames)
	}
	c.Command("ed nt!DemoCommand 1")
	c.Do("continue", map[string]any{"threadId": stop.ThreadId}, nil)
	stop = c.Stopped("breakpoint")
	frames := c.Stack(stop.ThreadId, 20)
	if len(frames) < 4 || !strings.Contains(frames[0].Name, "SampleGreet") || frames[0].Line != line || frames[0].Source == nil || frames[0].Source.Path != source {
		t.Fatalf("at the breakpoint: %+v", frames)
	}
	locals := c.Variables(c.Scopes(frames[0].Id)["Locals"].VariablesReference)
	if v, ok := locals["first"]; !ok || v.Value == "" || strings.Contains(v.Value, "unavailable") {
		t.Errorf("locals: %+v", locals)
	}
	c.Do("next", map[string]any{"threadId": stop.ThreadId}, nil)
	stop = c.Stopped("step")
	if f := c.Stack(stop.ThreadId, 1); len(f) == 0 || f[0].Line != line+1 {
		t.Errorf("after a step: %+v", f)
	}
	c.Do("stepOut", map[string]any{"threadId": stop.ThreadId}, nil)
	stop = c.Stopped("step")
	if f := c.Stack(stop.ThreadId, 1); len(f) == 0 || !strings.Contains(f[0].Name, "SampleControl") {
		t.Errorf("after a step out: %+v", f)
	}
	all := c.Output("stdout") + c.Output("console") + c.Output("important")
	if !strings.Contains(all, `sample: hello from \Driver\sample`) {
		t.Errorf("the debug console has no DbgPrint:\n%s", all)
	}
	c.Command("sxe bpe") // the client has ticked no boxes
	c.Command(".crash")  // the machine runs on without being asked to, and stops again
	c.Event("continued", nil)
	c.Stopped("")
	c.Command(".reboot")
	c.Event("continued", nil)
	c.WaitOutput("important", "Shutdown occurred at the target")
	c.WaitOutput("stdout", "Kernel-mode miniature, 2 processors")
	c.Do("pause", map[string]any{"threadId": stop.ThreadId}, nil)
	c.Stopped("pause")
	c.Disconnect(map[string]any{"terminateDebuggee": false})
}
