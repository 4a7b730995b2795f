package dap

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"dap-windbg/tests/built"
	"dap-windbg/tests/dapclient"

	"github.com/google/go-dap"
)

// inspected starts the built debugger over the tour, stopped at the line marked word.
func inspected(t *testing.T, word string, env ...string) (c *dapclient.Client, p *built.Process, thread int) {
	t.Helper()
	c, p = started(t, env...)
	c.Start("launch", config(t), source(), line(t, word))
	return c, p, c.Stopped("breakpoint").ThreadId
}

// TestGarbage: what is no message is told once and passed over; the requests around it
// have their answers.
func TestGarbage(t *testing.T) {
	for name, raw := range map[string]string{
		"no header":              "hello\r\n\r\n",
		"another header":         "X-Other: 1\r\n\r\n",
		"no length":              "Content-Length: \r\n\r\n",
		"a word for a length":    "Content-Length: many\r\n\r\n",
		"a negative length":      "Content-Length: -7\r\n\r\n",
		"a huge length":          "Content-Length: 99999999999999999999\r\n\r\n{\"seq\":1}",
		"a length of a gigabyte": "Content-Length: 1073741824\r\n\r\n{\"seq\":1}",
		"no JSON":                "Content-Length: 3\r\n\r\n{{{",
		"half of JSON":           "Content-Length: 8\r\n\r\n{\"seq\":1",
		"no object":              "Content-Length: 7\r\n\r\n[1,2,3]",
		"nothing":                "Content-Length: 0\r\n\r\n",
		"null":                   "Content-Length: 4\r\n\r\nnull",
		"no type":                "Content-Length: 2\r\n\r\n{}",
		"an unknown type":        "Content-Length: 16\r\n\r\n{\"type\":\"bogus\"}",
		"an event":               "Content-Length: 32\r\n\r\n{\"type\":\"event\",\"event\":\"output\"}",
		"a stray response":       "Content-Length: 77\r\n\r\n{\"seq\":9,\"type\":\"response\",\"request_seq\":99,\"command\":\"evaluate\",\"success\":true}",
		"bytes that are no text": "Content-Length: 6\r\n\r\n\"\xff\xfe\x00\x80\"",
		"deep nesting":           fmt.Sprintf("Content-Length: %d\r\n\r\n%s", 200000, strings.Repeat("[", 200000)),
		"a long line":            strings.Repeat("garbage", 100000) + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			c, p := started(t)
			c.Initialize()
			before := c.Send("threads", nil)
			if err := c.Raw([]byte(raw)); err != nil {
				t.Fatal(err)
			}
			after := c.Send("noSuchRequest", nil)
			c.Response(before)
			if m := c.Response(after); m.Success || !strings.Contains(dapclient.ErrorText(m), "not supported") {
				t.Errorf("%+v", m)
			}
			if rss := highWater(t, p.Process.Pid); rss > walkMemory {
				t.Errorf("%d MiB resident", rss>>20)
			}
			c.Disconnect(nil)
			ends(t, p)
		})
	}
}

// TestWrongTypes: a request whose parts are of other types has an answer that says so.
func TestWrongTypes(t *testing.T) {
	c, _, _ := inspected(t, "print")
	for _, args := range []any{[]int{1}, "x", 7, true, dict{"threadId": "x", "frameId": []int{}, "variablesReference": dict{}, "expression": 1,
		"breakpoints": "x", "memoryReference": 5, "source": 7, "filters": dict{}, "text": 3, "locationReference": "x", "sourceReference": "y",
		"requestId": "x", "startModule": "x", "threadIds": 4, "targetId": "x", "name": 5, "terminateDebuggee": 7, "pattern": 9}} {
		for _, command := range []string{"setBreakpoints", "setFunctionBreakpoints", "setInstructionBreakpoints", "setDataBreakpoints", "setExceptionBreakpoints",
			"dataBreakpointInfo", "breakpointLocations", "continue", "next", "stepIn", "stepOut", "pause", "stackTrace", "scopes", "variables", "setVariable",
			"setExpression", "evaluate", "completions", "locations", "source", "modules", "disassemble", "readMemory", "writeMemory", "goto", "gotoTargets",
			"stepInTargets", "restartFrame", "terminateThreads", "exceptionInfo", "processes"} {
			if text := c.Fail(command, args); !strings.Contains(text, command) {
				t.Errorf("%s with %v: %s", command, args, text)
			}
		}
	}
	c.Response(c.Send("cancel", dict{"requestId": "x"}))
	c.Response(c.Send("disconnect", []int{1})) // it is left all the same
	c.Ended()
}

// TestHalfMessage: the end of input amid a message ends the session.
func TestHalfMessage(t *testing.T) {
	for _, raw := range []string{"Content-Le", "Content-Length: 50\r\n", "Content-Length: 50\r\n\r\n", "Content-Length: 50\r\n\r\n{\"seq\":1,"} {
		c, p, _ := inspected(t, "print", "DAP_HALF=yes")
		c.Raw([]byte(raw))
		p.In.Close()
		ends(t, p)
		w := walker{t: t}
		w.until("the debuggee to end", func() bool { return len(marked("DAP_HALF=yes")) == 0 })
	}
}

// TestAbsurdCounts: what is asked for in absurd figures is refused or bounded, in
// memory as in time.
func TestAbsurdCounts(t *testing.T) {
	c, p, thread := inspected(t, "bottom")
	top := c.Stack(thread, 1)[0]
	array := c.Evaluate("watch", "table", top.Id)
	base := highWater(t, p.Process.Pid)
	for _, n := range []int64{-1, -100, -1 << 20, -1 << 31, -1 << 53, 1 << 20, 1<<31 - 1, 1 << 31, 1 << 53} {
		for command, args := range map[string]dict{
			"disassemble":         {"memoryReference": top.InstructionPointerReference, "instructionOffset": n, "instructionCount": 10},
			"readMemory":          {"memoryReference": top.InstructionPointerReference, "count": n},
			"stackTrace":          {"threadId": thread, "startFrame": 0, "levels": n},
			"variables":           {"variablesReference": array.VariablesReference, "start": n, "count": 5},
			"modules":             {"startModule": n, "moduleCount": n},
			"breakpointLocations": {"source": dict{"path": source()}, "line": 1, "endLine": n},
			"completions":         {"text": "x", "column": n},
			"threads":             {},
			"dataBreakpointInfo":  {"name": top.InstructionPointerReference, "asAddress": true, "bytes": n},
			"locations":           {"locationReference": n},
			"gotoTargets":         {"source": dict{"path": source()}, "line": n},
		} {
			c.Response(c.Send(command, args))
		}
		c.Response(c.Send("disassemble", dict{"memoryReference": top.InstructionPointerReference, "instructionCount": n}))
		c.Response(c.Send("stackTrace", dict{"threadId": thread, "startFrame": n, "levels": 5}))
		c.Response(c.Send("variables", dict{"variablesReference": array.VariablesReference, "count": n}))
		c.Response(c.Send("readMemory", dict{"memoryReference": top.InstructionPointerReference, "offset": n, "count": 4}))
	}
	if rss := highWater(t, p.Process.Pid); rss > base+walkMemory {
		t.Errorf("%d MiB resident, %d before", rss>>20, base>>20)
	}
	if got := c.Stack(thread, 0); got[0].Name != "deep" {
		t.Errorf("afterwards: %+v", got[0])
	}
	c.Disconnect(nil)
}

// TestAnswersWhileRunning: over a gdbserver that somebody started, whose program runs:
// every request has its answer, and the program can be left as it is.
func TestAnswersWhileRunning(t *testing.T) {
	v := victim(t)
	server := exec.Command("gdbserver", "--once", "--attach", "127.0.0.1:0", fmt.Sprint(v.Process.Pid))
	port := listening(t, server)
	c, p := started(t)
	c.Start("attach", dict{"connection": "gdb:server=127.0.0.1,port=" + port, "stopOnConnect": true}, "")
	thread := c.Stopped("").ThreadId
	frame := c.Stack(thread, 1)[0]
	c.Do("continue", dict{"threadId": thread}, nil)
	schema, err := dapclient.LoadSchema()
	if err != nil {
		t.Fatal(err)
	}
	everything := dict{"threadId": thread, "threadIds": []int{}, "frameId": frame.Id, "variablesReference": 3, "expression": "ticks", "context": "watch",
		"source": dict{"path": source()}, "line": 5, "breakpoints": []int{}, "filters": []int{}, "memoryReference": frame.InstructionPointerReference, "count": 16,
		"instructionCount": 5, "data": "AAAA", "text": "x", "column": 1, "name": "ticks", "value": "1", "targetId": 1, "sourceReference": 1, "locationReference": 1}
	var open []int
	for _, command := range schema.Requests() {
		switch command {
		case "disconnect", "terminate", "pause", "writeMemory":
		default:
			open = append(open, c.Send(command, everything))
		}
	}
	for _, seq := range open {
		c.Response(seq)
	}
	if n := len(c.Seen("stopped")); n != 1 {
		t.Errorf("%d stops: one of the requests has stopped it", n)
	}
	set := c.Break(source(), line(t, "ticking"))
	if !set[0].Verified {
		t.Errorf("%+v", set[0])
	}
	c.Stopped("breakpoint")
	c.Break(source())
	c.Do("continue", dict{"threadId": thread}, nil)
	c.Do("pause", dict{"threadId": thread}, nil)
	c.Stopped("pause")
	c.Do("continue", dict{"threadId": thread}, nil)
	c.Disconnect(nil)
	ends(t, p)
	runsFree(t, v)
}

// TestOrders: launch, the event, breakpoints and filters come in any order; the
// configuration ends with configurationDone.
func TestOrders(t *testing.T) {
	for _, order := range []string{"LBE.", "LEB.", "BLE.", "BEL.", "EBL.", "ELB.", "BE.L", "EB.L"} {
		t.Run(order, func(t *testing.T) {
			c, _ := started(t)
			c.Initialize()
			var open []int
			for _, x := range order {
				switch x {
				case 'L':
					open = append(open, c.Send("launch", config(t)))
				case 'B':
					open = append(open, c.Send("setBreakpoints", dict{"source": dict{"path": source()}, "breakpoints": []any{dict{"line": line(t, "print")}}}))
				case 'E':
					open = append(open, c.Send("setExceptionBreakpoints", dict{"filters": []any{}}))
				case '.':
					open = append(open, c.Send("configurationDone", nil))
				}
			}
			for _, seq := range open {
				c.Good(seq, nil)
			}
			stop := c.Stopped("breakpoint")
			if top := c.Stack(stop.ThreadId, 1)[0]; top.Line != line(t, "print") {
				t.Errorf("stopped in line %d", top.Line)
			}
			if n := len(c.Seen("initialized")); n != 1 {
				t.Errorf("initialized %d times", n)
			}
			c.Disconnect(nil)
		})
	}
}

// TestStaleIDs: what belongs to an earlier stop is refused as such, whatever kind of
// id it is and whatever was asked since.
func TestStaleIDs(t *testing.T) {
	c, _, thread := inspected(t, "two calls")
	top := c.Stack(thread, 1)[0]
	scope := c.Scopes(top.Id)["Locals"].VariablesReference
	s := c.Variables(scope)["s"].VariablesReference
	var calls dap.StepInTargetsResponseBody
	c.Do("stepInTargets", dict{"frameId": top.Id}, &calls)
	var places dap.GotoTargetsResponseBody
	c.Do("gotoTargets", dict{"source": dict{"path": source()}, "line": line(t, "loop")}, &places)
	var pointer struct{ ValueLocationReference int }
	c.Do("evaluate", dict{"expression": "s.grow", "frameId": top.Id, "context": "watch"}, &pointer)
	if len(calls.Targets) == 0 || len(places.Targets) == 0 || pointer.ValueLocationReference == 0 {
		t.Fatalf("%+v %+v %+v", calls, places, pointer)
	}
	c.Do("next", dict{"threadId": thread}, nil)
	c.Stopped("step")
	stale := func() {
		t.Helper()
		for _, x := range []struct {
			command string
			args    dict
		}{
			{"scopes", dict{"frameId": top.Id}},
			{"variables", dict{"variablesReference": scope}},
			{"variables", dict{"variablesReference": s}},
			{"setVariable", dict{"variablesReference": scope, "name": "total", "value": "1"}},
			{"evaluate", dict{"expression": "total", "frameId": top.Id, "context": "watch"}},
			{"setExpression", dict{"expression": "total", "value": "1", "frameId": top.Id}},
			{"stepInTargets", dict{"frameId": top.Id}},
			{"restartFrame", dict{"frameId": top.Id}},
			{"stepIn", dict{"threadId": thread, "targetId": calls.Targets[0].Id}},
			{"goto", dict{"threadId": thread, "targetId": places.Targets[0].Id}},
			{"locations", dict{"locationReference": pointer.ValueLocationReference}},
		} {
			if text := c.Fail(x.command, x.args); !strings.Contains(text, "earlier stop") {
				t.Errorf("%s: %s", x.command, text)
			}
		}
		var about dap.DataBreakpointInfoResponseBody
		c.Do("dataBreakpointInfo", dict{"variablesReference": scope, "name": "total"}, &about)
		if about.DataId != nil || !strings.Contains(about.Description, "earlier stop") {
			t.Errorf("dataBreakpointInfo: %+v", about)
		}
	}
	stale()
	again := c.Stack(thread, 1)[0]
	c.Variables(c.Scopes(again.Id)["Locals"].VariablesReference)
	stale()
	if again.Id == top.Id {
		t.Error("a number is used again")
	}
	c.Disconnect(nil)
}

// TestUnknownFields of later versions of the protocol disturb nothing, at any depth.
func TestUnknownFields(t *testing.T) {
	c, _ := started(t)
	more := func(args dict) dict {
		args["__later"], args["also"] = dict{"x": []any{1, nil}}, "x"
		return args
	}
	c.Do("initialize", more(dict{"adapterID": "x", "linesStartAt1": true, "columnsStartAt1": true, "supportsTeleportation": true}), nil)
	// What is no attribute of ours is a mistake of the user's, but for what editors add.
	seq := c.Send("launch", dict{"program": program(t), "type": "dap-windbg", "request": "launch", "name": "n", "preLaunchTask": "x", "presentation": dict{}, "command": "launch", "__later": "s"})
	c.Event("initialized", nil)
	c.Do("setBreakpoints", more(dict{"source": more(dict{"path": source()}), "breakpoints": []any{more(dict{"line": line(t, "print")})}}), nil)
	c.Do("configurationDone", more(dict{}), nil)
	c.Good(seq, nil)
	stop := c.Stopped("breakpoint")
	frame := c.Stack(stop.ThreadId, 1)[0].Id
	for command, args := range map[string]dict{
		"threads": {}, "scopes": {"frameId": frame}, "stackTrace": {"threadId": stop.ThreadId, "format": more(dict{"hex": true})},
		"evaluate": {"expression": "total", "frameId": frame, "context": "of tomorrow"}, "modules": {}, "cancel": {"requestId": 3},
		"setFunctionBreakpoints": {"breakpoints": []any{more(dict{"name": "deep"})}},
	} {
		c.Do(command, more(args), nil)
	}
	c.Do("disconnect", more(dict{}), nil)
	c.Ended()
}

// TestNothingAfterTheEnd: what is asked of a program that has ended is refused and
// brings no event; the session can still be left.
func TestNothingAfterTheEnd(t *testing.T) {
	c, p, thread := inspected(t, "end")
	frame := c.Stack(thread, 1)[0].Id
	c.Do("continue", dict{"threadId": thread}, nil)
	c.Event("terminated", nil)
	for command, args := range map[string]dict{
		"continue": {"threadId": thread}, "next": {"threadId": thread}, "stackTrace": {"threadId": thread}, "scopes": {"frameId": frame},
		"evaluate": {"expression": "total", "frameId": frame, "context": "watch"}, "readMemory": {"memoryReference": "0x1000", "count": 4},
		"goto": {"threadId": thread, "targetId": 1},
	} {
		c.Fail(command, args)
	}
	for _, command := range []string{"threads", "pause", "terminate", "setBreakpoints", "evaluate"} {
		c.Response(c.Send(command, dict{"source": dict{"path": source()}, "breakpoints": []any{}, "expression": "k", "context": "repl", "threadId": thread}))
	}
	c.Disconnect(nil)
	ends(t, p)
}

// TestMixedCancel: cancelled requests are answered once, whether they were waiting,
// under way or done.
func TestMixedCancel(t *testing.T) {
	c, _, thread := inspected(t, "bottom")
	var open []int
	for range 40 {
		open = append(open, c.Send("stackTrace", dict{"threadId": thread}))
		c.Send("cancel", dict{"requestId": open[len(open)-1]})
	}
	for _, seq := range open {
		if m := c.Response(seq); !m.Success && m.Message != "cancelled" {
			t.Errorf("%+v", m)
		}
	}
	for _, args := range []dict{{}, {"requestId": 999999}, {"requestId": open[0]}, {"progressId": "none"}} {
		c.Do("cancel", args, nil)
	}
	if got := c.Stack(thread, 1)[0].Name; got != "deep" {
		t.Errorf("afterwards in %s", got)
	}
	c.Disconnect(nil)
}
