package dap

import (
	"testing"

	"github.com/google/go-dap"
)

// TestRush: an impatient user steps on before the editor has its answers. Each
// request is answered or refused, and each step ends where it should.
func TestRush(t *testing.T) {
	c, thread := stoppedAt(t, "start")
	c.Break(source())
	var open []int
	send := func(command string, args map[string]any) { open = append(open, c.Send(command, args)) }
	for range 12 {
		frame := c.Stack(thread, 1)[0].Id
		for i := range 6 {
			send("scopes", map[string]any{"frameId": frame})
			send("variables", map[string]any{"variablesReference": frame + i})
			send("stackTrace", map[string]any{"threadId": thread, "levels": 20})
			send("evaluate", map[string]any{"expression": "total", "context": "watch", "frameId": frame})
		}
		c.Do("next", map[string]any{"threadId": thread}, nil)
		send("variables", map[string]any{"variablesReference": frame})
		send("scopes", map[string]any{"frameId": frame})
		c.Stopped("step")
	}
	for _, seq := range open {
		c.Response(seq)
	}
	// Six lines to the loop's body, then around it.
	if top := c.Stack(thread, 1)[0]; top.Name != "main" {
		t.Errorf("after 12 steps: %+v", top)
	}
	c.Disconnect(nil)
}

// TestClientWithoutPaging gets long arrays in pieces, and small ones whole.
func TestClientWithoutPaging(t *testing.T) {
	c := inProcess(t)
	c.Do("initialize", map[string]any{"adapterID": "x"}, nil)
	seq := c.Send("launch", config(t))
	c.Event("initialized", nil)
	c.Break(source(), line(t, "print"))
	c.Do("configurationDone", nil, nil)
	c.Good(seq, nil)
	stop := c.Stopped("breakpoint")
	frame := c.Stack(stop.ThreadId, 1)[0].Id
	e := c.Evaluate("watch", "table", frame)
	if e.IndexedVariables != 0 {
		t.Errorf("%d elements were announced to a client that does not page", e.IndexedVariables)
	}
	pieces := c.Variables(e.VariablesReference)
	if len(pieces) != 5 {
		t.Fatalf("%d pieces", len(pieces))
	}
	piece := c.Variables(pieces["[3000..3999]"].VariablesReference)
	if len(piece) != 1000 || piece["[3500]"].Value != "12250000" {
		t.Errorf("%d elements, %+v", len(piece), piece["[3500]"])
	}
	var set dap.SetVariableResponseBody
	c.Do("setVariable", map[string]any{"variablesReference": pieces["[3000..3999]"].VariablesReference, "name": "[3500]", "value": "5"}, &set)
	if got := c.Evaluate("watch", "table[3500]", frame).Result; got != "5" {
		t.Errorf("set to %s", got)
	}
	c.Disconnect(nil)
}

// TestNoDebug: a program run without debugging keeps its breakpoints out.
func TestNoDebug(t *testing.T) {
	c := inProcess(t)
	set := c.Start("launch", config(t, "noDebug", true), source(), line(t, "print"))
	if set[0].Verified {
		t.Errorf("%+v", set[0])
	}
	c.WaitOutput("stdout", "total 90")
	if e := decode[dap.ExitedEventBody](t, c.Event("exited", nil)); e.ExitCode != 7 {
		t.Errorf("exit code %d", e.ExitCode)
	}
	c.Event("terminated", nil)
	if n := len(c.Seen("stopped")); n != 0 {
		t.Errorf("%d stops", n)
	}
	c.Disconnect(nil)
}
