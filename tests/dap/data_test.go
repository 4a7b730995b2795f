package dap

import (
	"fmt"
	"strings"
	"testing"

	"dap-windbg/tests/dapclient"

	"github.com/google/go-dap"
)

// watch sets one data breakpoint, of what dataBreakpointInfo says.
func watch(t *testing.T, c *dapclient.Client, info map[string]any, access string) (dap.DataBreakpointInfoResponseBody, dap.Breakpoint) {
	t.Helper()
	var about dap.DataBreakpointInfoResponseBody
	c.Do("dataBreakpointInfo", info, &about)
	if about.DataId == nil {
		t.Fatalf("%v cannot be watched: %s", info, about.Description)
	}
	var set dap.SetDataBreakpointsResponseBody
	c.Do("setDataBreakpoints", map[string]any{"breakpoints": []any{map[string]any{"dataId": about.DataId, "accessType": access}}}, &set)
	return about, set.Breakpoints[0]
}

// TestDataBreakpoints: by address and size, on reads alone, of more bytes than one
// register of the CPU covers.
func TestDataBreakpoints(t *testing.T) {
	c, thread := stoppedAt(t, "start")
	c.Break(source())
	frame := c.Stack(thread, 1)[0].Id
	place := c.Evaluate("watch", "&table[0]", frame).MemoryReference
	next := func() { c.Do("continue", map[string]any{"threadId": thread}, nil) }

	about, set := watch(t, c, map[string]any{"name": place, "asAddress": true, "bytes": 16}, "write")
	if about.CanPersist || !set.Verified || about.DataId != place+":16" {
		t.Errorf("by address: %+v, %+v", about, set)
	}
	for _, want := range []string{"1", "2"} { // table[0] becomes 0, which it was: x86 tells of each write
		next()
		if stop := c.Stopped("data breakpoint"); stop.Description != "Paused on access to "+place {
			t.Errorf("%q", stop.Description)
		}
		if i := local(c, thread, "i"); want == "1" && i != "0" || want == "2" && i != "1" {
			t.Errorf("write %s with i = %s", want, i)
		}
	}
	if got := c.Evaluate("watch", "table[1]", 0).Result; got != "1" {
		t.Errorf("table[1] is %s", got)
	}

	for _, x := range []struct {
		info map[string]any
		want string
	}{
		{map[string]any{"name": place, "asAddress": true, "bytes": 33}, "33 bytes"},
		{map[string]any{"name": "table"}, "20000 bytes"},
		{map[string]any{"name": "rax", "variablesReference": c.Scopes(c.Stack(thread, 1)[0].Id)["Registers"].VariablesReference}, "register"},
	} {
		var no dap.DataBreakpointInfoResponseBody
		c.Do("dataBreakpointInfo", x.info, &no)
		if no.DataId != nil || !strings.Contains(no.Description, x.want) {
			t.Errorf("%v: %+v", x.info, no)
		}
	}
	for _, id := range []string{"", ":4", place, place + ":0", place + ":x"} {
		c.Fail("setDataBreakpoints", map[string]any{"breakpoints": []any{map[string]any{"dataId": id}}})
	}

	c.Break(source(), line(t, "loop"))
	c.Do("setDataBreakpoints", map[string]any{"breakpoints": []any{}}, nil)
	next()
	c.Stopped("breakpoint")
	c.Break(source())
	// calls++ reads and then writes: on reads alone it stops at the former.
	if _, set := watch(t, c, map[string]any{"name": "calls"}, "read"); !set.Verified {
		t.Fatalf("on reads: %+v", set)
	}
	next()
	c.Stopped("data breakpoint")
	if top := c.Stack(thread, 1)[0]; top.Name != "twice" || c.Evaluate("watch", "calls", 0).Result != "0" {
		t.Errorf("in %s with calls %s", top.Name, c.Evaluate("watch", "calls", 0).Result)
	}
	if _, set := watch(t, c, map[string]any{"name": "calls"}, "write"); !set.Verified {
		t.Fatalf("on writes: %+v", set)
	}
	next()
	if stop := c.Stopped("data breakpoint"); !strings.HasPrefix(stop.Description, "Changed from 0x00000000 to 0x00000001 at 0x") {
		t.Errorf("%q", stop.Description)
	}
	watch(t, c, map[string]any{"name": "calls"}, "read")
	next()
	c.Stopped("data breakpoint") // of the next call; the write that follows is passed over
	next()
	c.Stopped("data breakpoint")
	if got := c.Evaluate("watch", "calls", 0).Result; got != "2" {
		t.Errorf("calls is %s at the third read", got)
	}
	c.Disconnect(nil)
}

// TestDataBreakpointOfAFrame: one on a local variable ends with the function.
func TestDataBreakpointOfAFrame(t *testing.T) {
	c, thread := stoppedAt(t, "in twice")
	c.Break(source())
	_, set := watch(t, c, map[string]any{"name": "r", "variablesReference": c.Scopes(c.Stack(thread, 1)[0].Id)["Locals"].VariablesReference}, "write")
	c.Do("continue", map[string]any{"threadId": thread}, nil)
	if stop := c.Stopped("data breakpoint"); !strings.Contains(stop.Text, "twice has returned") {
		t.Errorf("stopped: %q", stop.Text)
	}
	removed := false
	for _, m := range c.Seen("breakpoint") {
		b := decode[dap.BreakpointEventBody](t, m)
		removed = removed || b.Reason == "removed" && b.Breakpoint.Id == set.Id
	}
	if !removed {
		t.Error("its end was not told")
	}
	c.Disconnect(nil)
}

// TestDataBreakpointsPersist: one on a variable that outlives the program's run is
// named by the variable; it is set again before the next run and after a restart.
func TestDataBreakpointsPersist(t *testing.T) {
	c, thread := stoppedAt(t, "in twice")
	c.Break(source())
	frame := c.Stack(thread, 1)[0].Id
	about, set := watch(t, c, map[string]any{"name": "table[7]", "frameId": frame}, "write")
	if !about.CanPersist || about.DataId != "tour!table+0x1c:4" || !set.Verified {
		t.Errorf("table[7]: %+v, %+v", about, set)
	}
	var no dap.DataBreakpointInfoResponseBody
	c.Do("dataBreakpointInfo", map[string]any{"name": "r", "frameId": frame}, &no)
	if no.CanPersist || no.DataId == nil {
		t.Errorf("a local: %+v", no)
	}
	c.Do("restart", nil, nil)
	if stop := c.Stopped("data breakpoint"); local(c, stop.ThreadId, "i") != "7" {
		t.Errorf("after the restart i is %s", local(c, stop.ThreadId, "i"))
	}
	c.Disconnect(nil)

	c = inProcess(t)
	c.Initialize()
	c.Do("setDataBreakpoints", map[string]any{"breakpoints": []any{map[string]any{"dataId": about.DataId, "accessType": "write"}}}, nil)
	seq := c.Send("launch", config(t))
	c.Event("initialized", nil)
	c.Do("configurationDone", nil, nil)
	c.Good(seq, nil)
	if stop := c.Stopped("data breakpoint"); local(c, stop.ThreadId, "i") != "7" {
		t.Errorf("in the next session i is %s", fmt.Sprint(local(c, stop.ThreadId, "i")))
	}
	c.Disconnect(nil)
}
