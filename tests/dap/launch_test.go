package dap

import (
	"strings"
	"testing"

	"github.com/google/go-dap"
)

// TestWalk is a whole session: launch, breakpoint, locals, step, command line,
// pause, end.
func TestWalk(t *testing.T) {
	c := inProcess(t)
	set := c.Start("launch", config(t), source(), line(t, "start"))
	if !set[0].Verified || set[0].Line != line(t, "start") {
		t.Fatalf("breakpoint %+v", set[0])
	}
	stop := c.Stopped("breakpoint")
	if len(stop.HitBreakpointIds) != 1 || stop.HitBreakpointIds[0] != set[0].Id {
		t.Errorf("hit %v, set %d", stop.HitBreakpointIds, set[0].Id)
	}
	thread := stop.ThreadId
	var threads dap.ThreadsResponseBody
	c.Do("threads", nil, &threads)
	if len(threads.Threads) != 1 || threads.Threads[0].Id != thread {
		t.Errorf("threads %+v, stopped in %d", threads, thread)
	}
	top := c.Stack(thread, 20)[0]
	if top.Name != "main" || top.Line != line(t, "start") || top.Source == nil || top.Source.Path != source() {
		t.Fatalf("top frame %+v", top)
	}
	scopes := c.Scopes(top.Id)
	locals := c.Variables(scopes["Locals"].VariablesReference)
	for name, want := range map[string]string{"total": "0", "argc": "1"} {
		if locals[name].Value != want {
			t.Errorf("%s is %q, not %q", name, locals[name].Value, want)
		}
	}
	if !strings.Contains(c.Variables(locals["s"].VariablesReference)["name"].Value, "square") {
		t.Errorf("s.name: %+v", c.Variables(locals["s"].VariablesReference)["name"])
	}

	before := c.Send("next", map[string]any{"threadId": thread})
	c.Good(before, nil)
	c.Stopped("step")
	if top = c.Stack(thread, 1)[0]; top.Line != line(t, "start")+1 {
		t.Errorf("after next: line %d", top.Line)
	}
	if k := c.Command("k"); !strings.Contains(k, "tour!main") {
		t.Errorf("k: %q", k)
	}
	c.Break(source())
	c.Do("continue", map[string]any{"threadId": thread}, nil)
	c.WaitOutput("stdout", "total 90")
	var exit dap.ExitedEventBody
	m := c.Event("exited", nil)
	exit = decode[dap.ExitedEventBody](t, m)
	if exit.ExitCode != 7 {
		t.Errorf("exit code %d", exit.ExitCode)
	}
	c.Event("terminated", nil)
	c.Disconnect(nil)
}
