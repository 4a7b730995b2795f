package dap

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"dap-windbg/tests/dapclient"

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

// TestWalks is random use of a real program: every request has one answer, the
// debugger and the program can be left at any time.
func TestWalks(t *testing.T) {
	walks := uint64(12)
	if os.Getenv("HEAVY") != "" {
		walks = 60
	}
	for seed := range walks {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { walk(t, seed) })
	}
}

func walk(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	c := inProcess(t)
	args := []string{}
	if r.IntN(2) == 0 {
		args = append(args, "spin")
	}
	words := []string{"start", "loop", "in twice", "bottom", "ticking", "in work", "end"}
	c.Start("launch", config(t, "args", args, "stopAtEntry", true), source(), line(t, words[r.IntN(len(words))]))
	thread := c.Stopped("entry").ThreadId
	frame, ref := 1, 1
	choices := []func() (string, map[string]any){
		func() (string, map[string]any) { return "continue", map[string]any{"threadId": thread} },
		func() (string, map[string]any) { return "next", map[string]any{"threadId": thread} },
		func() (string, map[string]any) { return "stepIn", map[string]any{"threadId": thread} },
		func() (string, map[string]any) { return "stepOut", map[string]any{"threadId": thread} },
		func() (string, map[string]any) { return "pause", map[string]any{"threadId": thread} },
		func() (string, map[string]any) { return "threads", nil },
		func() (string, map[string]any) { return "stackTrace", map[string]any{"threadId": thread, "levels": 20} },
		func() (string, map[string]any) { return "scopes", map[string]any{"frameId": frame} },
		func() (string, map[string]any) { return "variables", map[string]any{"variablesReference": ref} },
		func() (string, map[string]any) {
			return "setBreakpoints", map[string]any{"source": map[string]any{"path": source()},
				"breakpoints": []any{map[string]any{"line": line(t, words[r.IntN(len(words))]), "condition": []string{"", "n > 2", "no such"}[r.IntN(3)]}}}
		},
		func() (string, map[string]any) {
			return "evaluate", map[string]any{"expression": []string{"k", "p", "g", "bl", "~*k", "x tour!*", "dv", "r", "u", "lm", "total", "?? s"}[r.IntN(12)], "context": "repl"}
		},
		func() (string, map[string]any) {
			return "disassemble", map[string]any{"memoryReference": "0x555555555188", "instructionOffset": -5, "instructionCount": 20}
		},
		func() (string, map[string]any) { return "modules", map[string]any{} },
		func() (string, map[string]any) {
			return "terminateThreads", map[string]any{"threadIds": []int{thread, 7}[r.IntN(2):]}
		},
		func() (string, map[string]any) { return "exceptionInfo", map[string]any{"threadId": thread} },
		func() (string, map[string]any) {
			return "setExceptionBreakpoints", map[string]any{"filters": []string{[]string{"av", "eh", "ld", "ct"}[r.IntN(4)]},
				"filterOptions": []any{map[string]any{"filterId": "sys", "condition": []string{"write", "nanosleep,clock_nanosleep", "no_such"}[r.IntN(3)]}}}
		},
		func() (string, map[string]any) {
			return "setDataBreakpoints", map[string]any{"breakpoints": []any{map[string]any{
				"dataId": []string{"tour!calls:4", "tour!table:32", "tour!ticks:8", "nowhere!x:1"}[r.IntN(4)], "accessType": []string{"read", "write", "readWrite"}[r.IntN(3)]}}}
		},
		func() (string, map[string]any) {
			return "dataBreakpointInfo", map[string]any{"name": []string{"total", "s", "table[2]", "0x10"}[r.IntN(4)], "frameId": frame}
		},
		func() (string, map[string]any) {
			return "setFunctionBreakpoints", map[string]any{"breakpoints": []any{map[string]any{"name": []string{"twice", "deep", "no*"}[r.IntN(3)], "hitCondition": "%2"}}}
		},
		func() (string, map[string]any) {
			return "gotoTargets", map[string]any{"source": map[string]any{"path": source()}, "line": line(t, "loop")}
		},
		func() (string, map[string]any) { return "stepInTargets", map[string]any{"frameId": frame} },
		func() (string, map[string]any) { return "loadedSources", map[string]any{} },
		func() (string, map[string]any) {
			return "completions", map[string]any{"text": "x tour!t", "column": 9, "line": 1}
		},
	}
	var open []int
	for range 30 {
		command, args := choices[r.IntN(len(choices))]()
		seq := c.Send(command, args)
		open = append(open, seq)
		if r.IntN(2) == 0 && command != "evaluate" {
			frame, ref = learn(c.Response(seq), frame, ref)
		}
	}
	c.Disconnect(nil)
	for _, seq := range open {
		if _, err := c.Answer(seq); err != nil {
			t.Fatal(err)
		}
	}
}

func learn(m *dapclient.Message, frame, ref int) (int, int) {
	var body struct {
		StackFrames []dap.StackFrame
		Scopes      []dap.Scope
		Variables   []dap.Variable
	}
	if json.Unmarshal(m.Body, &body) == nil {
		if len(body.StackFrames) > 0 {
			frame = body.StackFrames[0].Id
		}
		if len(body.Scopes) > 0 {
			ref = body.Scopes[0].VariablesReference
		}
		for _, v := range body.Variables {
			if v.VariablesReference > 0 {
				ref = v.VariablesReference
			}
		}
	}
	return frame, ref
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
