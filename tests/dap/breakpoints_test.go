package dap

import (
	"strings"
	"testing"

	"dap-windbg/tests/dapclient"

	"github.com/google/go-dap"
)

// spinning launches the tour so that it runs until it is ended.
func spinning(t *testing.T) *dapclient.Client {
	t.Helper()
	c := inProcess(t)
	c.Start("launch", config(t, "args", []string{"spin"}), "")
	c.WaitOutput("stdout", "total 90")
	return c
}

func local(c *dapclient.Client, thread int, name string) string {
	return c.Variables(c.Scopes(c.Stack(thread, 1)[0].Id)["Locals"].VariablesReference)[name].Value
}

func TestConditions(t *testing.T) {
	c := inProcess(t)
	c.Initialize()
	seq := c.Send("launch", config(t))
	c.Event("initialized", nil)
	set := c.BreakWith(source(),
		map[string]any{"line": line(t, "in twice"), "condition": "n == 4"},
		map[string]any{"line": line(t, "loop"), "hitCondition": "7"},
		map[string]any{"line": line(t, "print"), "logMessage": "the total is {total}, {{not this}}"},
		map[string]any{"line": line(t, "in work")})
	for _, b := range set {
		if !b.Verified {
			t.Errorf("not verified: %+v", b)
		}
	}
	c.Do("configurationDone", nil, nil)
	c.Good(seq, nil)

	stop := c.Stopped("breakpoint")
	if n := local(c, stop.ThreadId, "n"); n != "4" {
		t.Errorf("the condition held with n = %s", n)
	}
	c.Do("continue", map[string]any{"threadId": stop.ThreadId}, nil)
	stop = c.Stopped("breakpoint")
	if i := local(c, stop.ThreadId, "i"); i != "6" {
		t.Errorf("the seventh hit has i = %s", i)
	}
	c.Do("continue", map[string]any{"threadId": stop.ThreadId}, nil)
	worker := c.Stopped("breakpoint").ThreadId
	c.WaitOutput("console", "the total is 90, ")
	if worker == stop.ThreadId {
		t.Error("the worker's breakpoint stopped the main thread")
	}
	var threads dap.ThreadsResponseBody
	c.Do("threads", nil, &threads)
	if len(threads.Threads) != 2 {
		t.Errorf("threads %+v", threads.Threads)
	}
	started := 0
	for _, m := range c.Seen("thread") {
		if b := decode[dap.ThreadEventBody](t, m); b.Reason == "started" && b.ThreadId == worker {
			started++
		}
	}
	if started != 1 {
		t.Errorf("the worker was told to start %d times", started)
	}
	c.Disconnect(nil)
}

func TestOtherBreakpoints(t *testing.T) {
	c, thread := stoppedAt(t, "start")
	c.Break(source())
	var set dap.SetFunctionBreakpointsResponseBody
	c.Do("setFunctionBreakpoints", map[string]any{"breakpoints": []any{
		map[string]any{"name": "twice", "condition": "n == 1"}, map[string]any{"name": "noSuchFunction"}}}, &set)
	if len(set.Breakpoints) != 2 || !set.Breakpoints[0].Verified || set.Breakpoints[1].Verified || set.Breakpoints[1].Message == "" {
		t.Errorf("functions: %+v", set.Breakpoints)
	}
	c.Do("continue", map[string]any{"threadId": thread}, nil)
	stop := c.Stopped("function breakpoint")
	if len(stop.HitBreakpointIds) != 1 || stop.HitBreakpointIds[0] != set.Breakpoints[0].Id {
		t.Errorf("hit %v", stop.HitBreakpointIds)
	}
	c.Do("setFunctionBreakpoints", map[string]any{"breakpoints": []any{}}, nil)

	var frames = c.Stack(thread, 2)
	caller := frames[1].InstructionPointerReference
	var at dap.SetInstructionBreakpointsResponseBody
	c.Do("setInstructionBreakpoints", map[string]any{"breakpoints": []any{map[string]any{"instructionReference": caller}}}, &at)
	if len(at.Breakpoints) != 1 || !at.Breakpoints[0].Verified {
		t.Errorf("instruction: %+v", at.Breakpoints)
	}
	c.Do("continue", map[string]any{"threadId": thread}, nil)
	c.Stopped("instruction breakpoint")
	if pc := c.Stack(thread, 1)[0].InstructionPointerReference; pc != caller {
		t.Errorf("at %s, not %s", pc, caller)
	}
	c.Do("setInstructionBreakpoints", map[string]any{"breakpoints": []any{}}, nil)

	frame := c.Stack(thread, 1)[0].Id
	var info dap.DataBreakpointInfoResponseBody
	c.Do("dataBreakpointInfo", map[string]any{"name": "calls", "frameId": frame}, &info)
	if info.DataId == nil {
		t.Fatalf("no data breakpoint on calls: %+v", info)
	}
	var data dap.SetDataBreakpointsResponseBody
	c.Do("setDataBreakpoints", map[string]any{"breakpoints": []any{map[string]any{"dataId": info.DataId, "accessType": "write"}}}, &data)
	if len(data.Breakpoints) != 1 || !data.Breakpoints[0].Verified {
		t.Fatalf("data: %+v", data.Breakpoints)
	}
	before := c.Evaluate("watch", "calls", frame).Result
	c.Do("continue", map[string]any{"threadId": thread}, nil)
	c.Stopped("data breakpoint")
	frame = c.Stack(thread, 1)[0].Id
	if after := c.Evaluate("watch", "calls", frame).Result; after == before {
		t.Errorf("calls is still %s", after)
	}
	for _, name := range []string{"s", "1 + 1"} {
		var no dap.DataBreakpointInfoResponseBody
		c.Do("dataBreakpointInfo", map[string]any{"name": name, "frameId": frame}, &no)
		if no.DataId != nil || no.Description == "" {
			t.Errorf("%s can be watched: %+v", name, no)
		}
	}
	c.Disconnect(nil)
}

func TestBreakpointLocations(t *testing.T) {
	c, _ := stoppedAt(t, "start")
	var body dap.BreakpointLocationsResponseBody
	c.Do("breakpointLocations", map[string]any{"source": map[string]any{"path": source()}, "line": 1, "endLine": line(t, "start")}, &body)
	lines := map[int]bool{}
	for _, b := range body.Breakpoints {
		lines[b.Line] = true
	}
	if !lines[line(t, "in twice")] || !lines[line(t, "start")] || lines[1] {
		t.Errorf("lines %v", lines)
	}
	c.Disconnect(nil)
}

// TestWhileRunning: breakpoints, threads and tables while the program runs.
func TestWhileRunning(t *testing.T) {
	c := spinning(t)
	for _, line := range []string{"bl", "lm"} {
		if got := c.Command(line); line == "lm" && !strings.Contains(got, "tour") {
			t.Errorf("%s while running: %q", line, got)
		}
	}
	var threads dap.ThreadsResponseBody
	c.Do("threads", nil, &threads)
	if len(threads.Threads) == 0 {
		t.Error("no threads while running")
	}
	m := c.Response(c.Send("stackTrace", map[string]any{"threadId": threads.Threads[0].Id}))
	if m.Success || m.Message != "notStopped" {
		t.Errorf("a stack while running: %+v", m)
	}
	if n := len(c.Seen("stopped")); n != 0 {
		t.Fatalf("%d stops were told", n)
	}
	set := c.Break(source(), line(t, "ticking"))
	if !set[0].Verified {
		t.Errorf("%+v", set[0])
	}
	stop := c.Stopped("breakpoint")
	if top := c.Stack(stop.ThreadId, 1)[0]; top.Line != line(t, "ticking") {
		t.Errorf("at line %d", top.Line)
	}
	c.Do("continue", map[string]any{"threadId": stop.ThreadId}, nil)
	c.Stopped("breakpoint")
	c.Break(source())
	c.Do("continue", map[string]any{"threadId": stop.ThreadId}, nil)
	c.Do("pause", map[string]any{"threadId": stop.ThreadId}, nil)
	c.Stopped("pause")
	c.Evaluate("repl", "bp tour!tick", 0)
	b := decode[dap.BreakpointEventBody](t, c.Event("breakpoint", nil))
	if b.Reason != "new" || !b.Breakpoint.Verified {
		t.Errorf("bp in the console: %+v", b)
	}
	c.Disconnect(nil)
}

// TestPauseAndDisconnect, each at once after the other.
func TestPauseAndDisconnect(t *testing.T) {
	c := spinning(t)
	for range 5 {
		c.Do("pause", map[string]any{"threadId": 0}, nil)
		stop := c.Stopped("pause")
		c.Do("continue", map[string]any{"threadId": stop.ThreadId}, nil)
	}
	c.Disconnect(nil)
}

// TestConsoleResumes: g and p typed into the console are told like any resume,
// after their response; what is printed at the stop is output.
func TestConsoleResumes(t *testing.T) {
	c, thread := stoppedAt(t, "start")
	c.Break(source(), line(t, "print"))
	seq := c.Send("evaluate", map[string]any{"expression": "g", "context": "repl"})
	answer := c.Good(seq, nil)
	if m := c.Event("continued", nil); m.Seq < answer.Seq {
		t.Error("continued precedes the response of g")
	}
	c.Stopped("breakpoint")
	c.WaitOutput("console", "Breakpoint")
	c.Evaluate("repl", "p", 0)
	c.Stopped("step")
	if top := c.Stack(thread, 1)[0]; top.Line != line(t, "print")+1 {
		t.Errorf("after p: line %d", top.Line)
	}
	c.Evaluate("repl", "p; .echo done-here", 0)
	c.Stopped("step")
	c.WaitOutput("console", "done-here")
	c.Disconnect(nil)
}

// TestEndings of a program started by us, by commands and requests.
func TestEndings(t *testing.T) {
	for name, end := range map[string]func(c *dapclient.Client){
		"terminate":     func(c *dapclient.Client) { c.Do("terminate", map[string]any{}, nil) },
		"q":             func(c *dapclient.Client) { c.Evaluate("repl", "q", 0) },
		".kill":         func(c *dapclient.Client) { c.Evaluate("repl", ".kill", 0) },
		"end of itself": func(c *dapclient.Client) { c.Evaluate("repl", "g", 0) },
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := stoppedAt(t, "print")
			end(c)
			c.Event("terminated", nil)
			c.Disconnect(nil)
		})
	}
}

func TestRestart(t *testing.T) {
	c, thread := stoppedAt(t, "print")
	c.Do("restart", nil, nil)
	stop := c.Stopped("breakpoint")
	if stop.ThreadId == thread {
		t.Log("the new process has the old number")
	}
	if top := c.Stack(stop.ThreadId, 1)[0]; top.Line != line(t, "print") {
		t.Errorf("at line %d", top.Line)
	}
	c.Break(source())
	c.Do("continue", map[string]any{"threadId": stop.ThreadId}, nil)
	c.Event("exited", nil)
	c.Event("terminated", nil)
	if n := len(c.Seen("terminated")); n != 1 {
		t.Errorf("terminated %d times", n)
	}
	c.Disconnect(nil)
}

func TestStopAtEntry(t *testing.T) {
	c := inProcess(t)
	c.Start("launch", config(t, "stopAtEntry", true), source(), line(t, "start"))
	stop := c.Stopped("entry")
	c.Stack(stop.ThreadId, 5)
	c.Do("continue", map[string]any{"threadId": stop.ThreadId}, nil)
	c.Stopped("breakpoint")
	c.Disconnect(nil)
}

func TestCommandsOfTheConfiguration(t *testing.T) {
	c := inProcess(t)
	c.Start("launch", config(t, "postConnectCommands", []string{".echo connected", "bp tour!deep"}, "exitCommands", []string{".echo leaving"}), "")
	c.WaitOutput("console", "connected")
	c.Stopped("breakpoint")
	c.Do("disconnect", map[string]any{}, nil)
	if !strings.Contains(c.Output("console"), "leaving") {
		t.Errorf("console: %q", c.Output("console"))
	}
	c.Ended()
}

func TestExceptions(t *testing.T) {
	c := inProcess(t)
	c.Initialize()
	seq := c.Send("launch", config(t))
	c.Event("capabilities", func(m *dapclient.Message) bool { return strings.Contains(string(m.Body), `"filter":"av"`) })
	c.Event("initialized", nil)
	c.Break(source(), line(t, "print"))
	var set dap.SetExceptionBreakpointsResponseBody
	c.Do("setExceptionBreakpoints", map[string]any{"filters": []string{"av", "rubbish"}}, &set)
	if len(set.Breakpoints) != 2 || !set.Breakpoints[0].Verified || set.Breakpoints[1].Verified {
		t.Errorf("filters: %+v", set.Breakpoints)
	}
	c.Do("configurationDone", nil, nil)
	c.Good(seq, nil)
	thread := c.Stopped("breakpoint").ThreadId
	if text := c.Fail("exceptionInfo", map[string]any{"threadId": thread}); !strings.Contains(text, "exception") {
		t.Error(text)
	}
	c.Evaluate("repl", "r rip=0", 0)
	c.Do("continue", map[string]any{"threadId": thread}, nil)
	c.Stopped("exception")
	var info dap.ExceptionInfoResponseBody
	c.Do("exceptionInfo", map[string]any{"threadId": thread}, &info)
	if info.ExceptionId != "SIGSEGV" || info.Details == nil {
		t.Errorf("info %+v", info)
	}
	c.Disconnect(nil)
}

// TestInlinedFunction: a breakpoint on a function that exists only inside others
// is completed, and told of, when the names are known.
func TestInlinedFunction(t *testing.T) {
	c := inProcess(t)
	c.Start("launch", config(t, "args", []string{"spin"}, "stopAtEntry", true), "")
	thread := c.Stopped("entry").ThreadId
	var set dap.SetFunctionBreakpointsResponseBody
	c.Do("setFunctionBreakpoints", map[string]any{"breakpoints": []any{map[string]any{"name": "count"}}}, &set)
	b := set.Breakpoints[0]
	if !b.Verified { // the index was not there yet
		b = decode[dap.BreakpointEventBody](t, c.Event("breakpoint", nil)).Breakpoint
	}
	if !b.Verified || b.Id != set.Breakpoints[0].Id || b.Line != line(t, "counting, inside others") {
		t.Errorf("completed: %+v", b)
	}
	c.Do("continue", map[string]any{"threadId": thread}, nil)
	stop := c.Stopped("function breakpoint")
	if f := c.Stack(stop.ThreadId, 2); f[0].Name != "count [inlined]" {
		t.Errorf("stopped in %s", f[0].Name)
	}
}
