package dapclient

import (
	"path/filepath"

	"github.com/google/go-dap"
)

// Initialize introduces a client that can do everything.
func (c *Client) Initialize() dap.Capabilities {
	c.t.Helper()
	var body dap.Capabilities
	args := map[string]any{
		"clientID": "test", "adapterID": "dap-windbg", "linesStartAt1": true, "columnsStartAt1": true, "pathFormat": "path",
		"supportsVariableType": true, "supportsVariablePaging": true, "supportsRunInTerminalRequest": true,
		"supportsMemoryReferences": true, "supportsProgressReporting": true, "supportsInvalidatedEvent": true, "supportsMemoryEvent": true,
		"supportsStartDebuggingRequest": c.Starts,
	}
	c.Do("initialize", args, &body)
	return body
}

// Start initializes, sends launch or attach, and sets line breakpoints when the
// adapter is ready for them. It returns once the request is answered.
func (c *Client) Start(request string, config map[string]any, file string, lines ...int) []dap.Breakpoint {
	c.t.Helper()
	c.Initialize()
	seq := c.Send(request, config)
	c.initialized(seq)
	var set []dap.Breakpoint
	if len(lines) > 0 {
		set = c.Break(file, lines...)
	}
	c.Do("setExceptionBreakpoints", map[string]any{"filters": []string{}}, nil)
	c.Do("configurationDone", nil, nil)
	c.Good(seq, nil)
	return set
}

// initialized waits for the event, or for the failure of the request before it.
func (c *Client) initialized(seq int) {
	c.t.Helper()
	c.wait("initialized", func() bool {
		for _, m := range c.log {
			if m.Event == "initialized" {
				return true
			}
		}
		return c.answered[seq] != nil
	})
	c.mu.Lock()
	failed := c.answered[seq]
	c.mu.Unlock()
	if failed != nil {
		c.t.Fatalf("%s failed: %s", failed.Command, ErrorText(failed))
	}
	c.Event("initialized", nil)
}

// Break sets the line breakpoints of a file.
func (c *Client) Break(file string, lines ...int) []dap.Breakpoint {
	c.t.Helper()
	list := []map[string]any{}
	for _, l := range lines {
		list = append(list, map[string]any{"line": l})
	}
	return c.BreakWith(file, list...)
}

// BreakWith sets breakpoints of a file with all their fields.
func (c *Client) BreakWith(file string, list ...map[string]any) []dap.Breakpoint {
	c.t.Helper()
	if list == nil {
		list = []map[string]any{}
	}
	var body dap.SetBreakpointsResponseBody
	c.Do("setBreakpoints", map[string]any{
		"source": map[string]any{"name": filepath.Base(file), "path": file}, "breakpoints": list,
	}, &body)
	if len(body.Breakpoints) != len(list) {
		c.t.Fatalf("%d breakpoints for %d", len(body.Breakpoints), len(list))
	}
	return body.Breakpoints
}

// Stack returns at most levels frames of a thread; 0 is all.
func (c *Client) Stack(thread, levels int) []dap.StackFrame {
	c.t.Helper()
	var body dap.StackTraceResponseBody
	c.Do("stackTrace", map[string]any{"threadId": thread, "startFrame": 0, "levels": levels}, &body)
	if len(body.StackFrames) == 0 {
		c.t.Fatal("an empty stack")
	}
	return body.StackFrames
}

// Scopes returns a frame's scopes by name.
func (c *Client) Scopes(frame int) map[string]dap.Scope {
	c.t.Helper()
	var body dap.ScopesResponseBody
	c.Do("scopes", map[string]any{"frameId": frame}, &body)
	out := map[string]dap.Scope{}
	for _, s := range body.Scopes {
		out[s.Name] = s
	}
	return out
}

// Variables returns the children behind a reference by name.
func (c *Client) Variables(ref int) map[string]dap.Variable {
	c.t.Helper()
	var body dap.VariablesResponseBody
	c.Do("variables", map[string]any{"variablesReference": ref}, &body)
	out := map[string]dap.Variable{}
	for _, v := range body.Variables {
		out[v.Name] = v
	}
	return out
}

// Evaluate evaluates in a context and returns the response's body.
func (c *Client) Evaluate(context, expression string, frame int) dap.EvaluateResponseBody {
	c.t.Helper()
	args := map[string]any{"expression": expression, "context": context}
	if frame != 0 {
		args["frameId"] = frame
	}
	var body dap.EvaluateResponseBody
	c.Do("evaluate", args, &body)
	return body
}

// Command types a line into the debug console and returns what it prints until
// its response: the result, or what was streamed when it was long or slow.
func (c *Client) Command(line string) string {
	c.t.Helper()
	before := c.Seq()
	var body dap.EvaluateResponseBody
	m := c.Do("evaluate", map[string]any{"expression": line, "context": "repl"}, &body)
	if body.Result != "" {
		return body.Result
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return outputOf(c.log[before:m.Seq], "console")
}

// Disconnect ends the session; args may be nil.
func (c *Client) Disconnect(args map[string]any) {
	c.t.Helper()
	if args == nil {
		args = map[string]any{}
	}
	c.Do("disconnect", args, nil)
	c.Ended()
}
