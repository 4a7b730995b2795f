package dap

import (
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"dap-windbg/tests/dapclient"

	"github.com/google/go-dap"
)

// TestBreakpointModes: a hardware breakpoint is one at the far end, too; software ones
// are replaced instructions.
func TestBreakpointModes(t *testing.T) {
	trace := filepath.Join(t.TempDir(), "wire")
	c := inProcess(t)
	c.Start("launch", config(t, "trace", trace), source(), line(t, "start"))
	thread := c.Stopped("breakpoint").ThreadId
	set := c.BreakWith(source(), map[string]any{"line": line(t, "in twice"), "mode": "hardware"},
		map[string]any{"line": line(t, "print"), "mode": "software"})
	if !set[0].Verified || !set[1].Verified {
		t.Errorf("%+v", set)
	}
	c.Do("continue", map[string]any{"threadId": thread}, nil)
	if stop := c.Stopped("breakpoint"); len(stop.HitBreakpointIds) != 1 || stop.HitBreakpointIds[0] != set[0].Id {
		t.Errorf("hit %v", stop.HitBreakpointIds)
	}
	pc := strings.TrimPrefix(c.Stack(thread, 1)[0].InstructionPointerReference, "0x")
	c.BreakWith(source(), map[string]any{"line": line(t, "print"), "mode": "software"})
	c.Do("continue", map[string]any{"threadId": thread}, nil)
	c.Stopped("breakpoint")
	c.Disconnect(nil)
	wire, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	if text := string(wire); !strings.Contains(text, "$Z1,"+pc) || strings.Contains(text, "$Z0,"+pc) {
		t.Errorf("the far end was told otherwise about %s", pc)
	}
}

// TestSuspend: a debuggee that is left suspended waits, free of traps, for the next
// debugger of the same server.
func TestSuspend(t *testing.T) {
	v := victim(t)
	server := exec.Command("gdbserver", "--attach", "127.0.0.1:0", strconv.Itoa(v.Process.Pid))
	port := listening(t, server)
	connection := "gdb:server=127.0.0.1,port=" + port
	c := inProcess(t)
	c.Start("attach", map[string]any{"connection": connection}, source(), line(t, "ticking"))
	c.Stopped("breakpoint")
	c.Disconnect(map[string]any{"suspendDebuggee": true})
	if letter, tracer := state(t, v.Process.Pid); letter != "t" || tracer != server.Process.Pid {
		t.Fatalf("left in state %q, traced by %d", letter, tracer)
	}
	c = inProcess(t)
	c.Start("attach", map[string]any{"connection": connection, "stopOnConnect": true}, "")
	stop := c.Stopped("")
	top := c.Stack(stop.ThreadId, 1)[0]
	if top.Name != "tick" || top.Line != line(t, "ticking") {
		t.Errorf("the next debugger finds it in %s:%d", top.Name, top.Line)
	}
	var code dap.ReadMemoryResponseBody
	c.Do("readMemory", map[string]any{"memoryReference": top.InstructionPointerReference, "count": 1}, &code)
	if b, _ := base64.StdEncoding.DecodeString(code.Data); len(b) != 1 || b[0] == 0xcc {
		t.Errorf("a trap is left: % x", b)
	}
	c.Disconnect(nil)
	runsFree(t, v)
}

// TestInvalidated: what a command changed is told, by view.
func TestInvalidated(t *testing.T) {
	c, thread := stoppedAt(t, "print")
	frame := c.Stack(thread, 1)[0].Id
	place := c.Evaluate("watch", "&total", frame).MemoryReference
	c.Do("readMemory", map[string]any{"memoryReference": place, "count": 4}, nil)
	c.Command("ed " + place + " 5")
	memory := decode[dap.MemoryEventBody](t, c.Event("memory", nil))
	if memory.MemoryReference != place || memory.Count != 4 {
		t.Errorf("memory %+v", memory)
	}
	variables := func(m *dapclient.Message) bool {
		for _, a := range decode[dap.InvalidatedEventBody](t, m).Areas {
			if a == "variables" {
				return true
			}
		}
		return false
	}
	c.Event("invalidated", variables)
	if got := c.Evaluate("hover", "total", frame).Result; got != "5" {
		t.Errorf("total is %s", got)
	}
	c.Command("r rax=7")
	c.Event("invalidated", variables)
	c.Disconnect(nil)
}

// TestWritePartial: as much as can be written is, when that is wanted.
func TestWritePartial(t *testing.T) {
	c, _ := stoppedAt(t, "print")
	var maps string
	for _, l := range strings.Split(c.Command("!address"), "\n") {
		if strings.Contains(l, "stack") {
			maps = l
		}
	}
	fields := strings.Fields(strings.TrimLeft(maps, "+ "))
	if len(fields) < 2 {
		t.Fatalf("no stack in !address: %q", maps)
	}
	end := "0x" + strings.ReplaceAll(fields[1], "`", "")
	data := base64.StdEncoding.EncodeToString([]byte("12345678"))
	args := map[string]any{"memoryReference": end, "offset": -4, "data": data}
	c.Fail("writeMemory", args)
	args["allowPartial"] = true
	var body dap.WriteMemoryResponseBody
	c.Do("writeMemory", args, &body)
	if body.BytesWritten != 4 {
		t.Errorf("%d bytes written", body.BytesWritten)
	}
	c.Disconnect(nil)
}

// TestValueLocations: a function pointer leads to its function wherever its value is
// shown.
func TestValueLocations(t *testing.T) {
	c, thread := stoppedAt(t, "print")
	frame := c.Stack(thread, 1)[0].Id
	type answer struct {
		Value                  string
		ValueLocationReference int
	}
	leads := func(what string, a answer) {
		t.Helper()
		var place struct{ Line int }
		c.Do("locations", map[string]any{"locationReference": a.ValueLocationReference}, &place)
		if want := line(t, "in twice"); place.Line < want-4 || place.Line > want {
			t.Errorf("%s leads to line %d", what, place.Line)
		}
	}
	var a answer
	c.Do("evaluate", map[string]any{"expression": "s.grow", "frameId": frame, "context": "watch"}, &a)
	leads("evaluate", a)
	a = answer{}
	c.Do("setExpression", map[string]any{"expression": "s.grow", "value": "&twice", "frameId": frame}, &a)
	leads("setExpression", a)
	s := c.Variables(c.Scopes(frame)["Locals"].VariablesReference)["s"]
	a = answer{}
	c.Do("setVariable", map[string]any{"variablesReference": s.VariablesReference, "name": "grow", "value": "&twice"}, &a)
	leads("setVariable", a)
	c.Disconnect(nil)
}
