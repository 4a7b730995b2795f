package dap

import (
	"fmt"
	"net"
	"path/filepath"
	"testing"

	"github.com/google/go-dap"

	"dap-windbg/targets/targettest"
)

// TestReverse: where the far end has a recording, the editor goes back in it, by
// instructions and lines and to breakpoints; capabilities say so.
func TestReverse(t *testing.T) {
	m := targettest.NewMachine(t)
	host, port, err := net.SplitHostPort(m.Replay(t, "-global", "apic.vapic=off"))
	if err != nil {
		t.Fatal(err)
	}
	c := inProcess(t)
	c.Start("attach", map[string]any{"connection": "gdb:server=" + host + ",port=" + port, "imagePath": filepath.Dir(m.Image), "stopOnConnect": true,
		"postConnectCommands": []string{".reload /f rom.elf=f0000,10000"}}, "")
	thread := c.Stopped("").ThreadId
	for _, m := range c.Seen("capabilities") {
		body := decode[struct{ Capabilities map[string]any }](t, m)
		if body.Capabilities["supportsStepBack"] == false {
			t.Error("going back is taken back")
		}
		if body.Capabilities["supportsTerminateThreadsRequest"] != false {
			t.Error("threads of a machine could be ended")
		}
	}
	c.Do("setFunctionBreakpoints", map[string]any{"breakpoints": []any{map[string]any{"name": "mix"}}}, nil)
	move := func(request, reason string) (top dap.StackFrame, n string) {
		t.Helper()
		c.Do(request, map[string]any{"threadId": thread}, nil)
		c.Stopped(reason)
		top = c.Stack(thread, 1)[0]
		if top.Name == "mix" {
			n = c.Variables(c.Scopes(top.Id)["Arguments"].VariablesReference)["n"].Value
		}
		return top, n
	}
	for _, want := range []string{"0x1", "0x2", "0x3"} {
		if _, n := move("continue", "function breakpoint"); n != want {
			t.Fatalf("turn %s, not %s", n, want)
		}
	}
	for _, want := range []string{"0x2", "0x1"} {
		if _, n := move("reverseContinue", "function breakpoint"); n != want {
			t.Fatalf("back in turn %s, not %s", n, want)
		}
	}
	move("continue", "function breakpoint")
	c.Do("setFunctionBreakpoints", map[string]any{"breakpoints": []any{}}, nil)
	before := c.Stack(thread, 1)[0].InstructionPointerReference
	c.Do("stepIn", map[string]any{"threadId": thread, "granularity": "instruction"}, nil)
	c.Stopped("step")
	c.Do("stepBack", map[string]any{"threadId": thread, "granularity": "instruction"}, nil)
	c.Stopped("step")
	if after := c.Stack(thread, 1)[0].InstructionPointerReference; after != before {
		t.Errorf("an instruction forth and back leads from %s to %s", before, after)
	}
	for _, want := range []string{"mix:20", "mix:21", "machine_main:34"} {
		if top, _ := move("next", "step"); fmt.Sprint(top.Name, ":", top.Line) != want {
			t.Fatalf("forth to %s:%d, want %s", top.Name, top.Line, want)
		}
	}
	for _, want := range []string{"machine_main:33", "machine_main:36", "machine_main:34"} {
		if top, _ := move("stepBack", "step"); fmt.Sprint(top.Name, ":", top.Line) != want {
			t.Fatalf("back to %s:%d, want %s", top.Name, top.Line, want)
		}
	}
	move("reverseContinue", "end of history")
	c.Disconnect(nil)
}
