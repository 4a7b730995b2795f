package dap

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-dap"
)

// TestScopes: arguments beside the locals, and what a function handed back after a
// step out of it, until the next stop.
func TestScopes(t *testing.T) {
	c, thread := stoppedAt(t, "in twice")
	c.Break(source())
	scopes := c.Scopes(c.Stack(thread, 1)[0].Id)
	for name, s := range scopes { // registers are read when somebody looks at them
		if s.Expensive != (name == "Registers") {
			t.Errorf("%s: expensive is %v", name, s.Expensive)
		}
	}
	arguments := c.Variables(scopes["Arguments"].VariablesReference)
	if len(arguments) != 1 || arguments["n"].Value != "0" || scopes["Arguments"].PresentationHint != "arguments" {
		t.Errorf("arguments %+v in %+v", arguments, scopes["Arguments"])
	}
	if locals := c.Variables(scopes["Locals"].VariablesReference); locals["n"].Value != "0" || locals["r"].Value != "0" {
		t.Errorf("locals %+v", locals)
	}
	if _, ok := scopes["Return value"]; ok {
		t.Error("a return value before anything returned")
	}
	if v := c.Variables(scopes["Arguments"].VariablesReference); v["n"].PresentationHint != nil {
		t.Errorf("plain data has the hint %+v", v["n"].PresentationHint)
	}

	c.Do("setVariable", map[string]any{"variablesReference": scopes["Arguments"].VariablesReference, "name": "n", "value": "21"}, nil)
	c.Do("setExpression", map[string]any{"expression": "r", "value": "42"}, nil)
	c.Do("stepOut", map[string]any{"threadId": thread}, nil)
	c.Stopped("step")
	top := c.Stack(thread, 1)[0]
	scope, ok := c.Scopes(top.Id)["Return value"]
	if !ok || scope.PresentationHint != "returnValue" {
		t.Fatalf("no return value: %+v", c.Scopes(top.Id))
	}
	value := c.Variables(scope.VariablesReference)
	if x := value["twice()"]; x.Value != "42" || x.Type != "int" {
		t.Errorf("handed back %+v", value)
	}
	c.Do("next", map[string]any{"threadId": thread}, nil)
	c.Stopped("step")
	if _, ok := c.Scopes(c.Stack(thread, 1)[0].Id)["Return value"]; ok {
		t.Error("a return value of long ago")
	}
	c.Disconnect(nil)
}

// TestFrameFormat: a frame's name has of its parameters what was asked for.
func TestFrameFormat(t *testing.T) {
	c, thread := stoppedAt(t, "bottom")
	name := func(format map[string]any) string {
		var body dap.StackTraceResponseBody
		format["parameters"] = true
		c.Do("stackTrace", map[string]any{"threadId": thread, "startFrame": 1, "levels": 1, "format": format}, &body)
		return body.StackFrames[0].Name
	}
	for _, x := range []struct {
		want   string
		format map[string]any
	}{
		{"deep(int)", map[string]any{"parameterTypes": true}},
		{"deep(n)", map[string]any{"parameterNames": true}},
		{"deep(1)", map[string]any{"parameterValues": true}},
		{"deep(int n = 0x1)", map[string]any{"parameterTypes": true, "parameterNames": true, "parameterValues": true, "hex": true}},
	} {
		if got := name(x.format); got != x.want {
			t.Errorf("%v: %q, want %q", x.format, got, x.want)
		}
	}
	c.Disconnect(nil)
}

// TestOutputPlaces: log messages and stops say where they come from; the commands of
// the configuration are groups.
func TestOutputPlaces(t *testing.T) {
	c := inProcess(t)
	c.Initialize()
	seq := c.Send("launch", config(t, "initCommands", []string{".echo first", ".echo second"}))
	c.Event("initialized", nil)
	c.BreakWith(source(),
		map[string]any{"line": line(t, "in twice"), "logMessage": "called with {n}"},
		map[string]any{"line": line(t, "print")})
	c.Do("configurationDone", nil, nil)
	c.Good(seq, nil)
	c.Stopped("breakpoint")
	c.WaitOutput("console", "called with 9")

	var group []string
	places := map[string]int{}
	for _, m := range c.Seen("output") {
		var o dap.OutputEventBody
		if err := json.Unmarshal(m.Body, &o); err != nil {
			t.Fatal(err)
		}
		if o.Group != "" {
			group = append(group, o.Group+strings.TrimSuffix(o.Output, "\n"))
		}
		if o.Source != nil && o.Source.Path == source() && strings.HasPrefix(o.Output, "called with ") {
			places[o.Output] = o.Line
		}
	}
	if got, want := strings.Join(group, "|"), "start> .echo first|end|start> .echo second|end"; got != want {
		t.Errorf("groups %s", got)
	}
	if len(places) != 10 || places["called with 3\n"] != line(t, "in twice") {
		t.Errorf("places of messages: %v", places)
	}
	c.Disconnect(nil)
}

// TestModuleColumns: a module has the columns that initialize announces.
func TestModuleColumns(t *testing.T) {
	c, _ := stoppedAt(t, "print")
	var body struct {
		Modules []map[string]any `json:"modules"`
	}
	c.Do("modules", nil, &body)
	for _, m := range body.Modules {
		if id, _ := m["buildId"].(string); strings.HasPrefix(m["name"].(string), "libc") && len(id) != 40 {
			t.Errorf("libc's build id is %q", id)
		}
	}
	c.Disconnect(nil)
}
