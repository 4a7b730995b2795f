package dap

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"dap-windbg/tests/dapclient"

	"github.com/google/go-dap"
)

// stoppedAt launches the tour and stops at the line marked word.
func stoppedAt(t *testing.T, word string) (c *dapclient.Client, thread int) {
	t.Helper()
	c = inProcess(t)
	c.Start("launch", config(t), source(), line(t, word))
	return c, c.Stopped("breakpoint").ThreadId
}

func TestVariables(t *testing.T) {
	c, thread := stoppedAt(t, "print")
	frame := c.Stack(thread, 1)[0].Id
	scopes := c.Scopes(frame)
	locals := c.Variables(scopes["Locals"].VariablesReference)
	s := c.Variables(locals["s"].VariablesReference)
	corners := c.Variables(s["corner"].VariablesReference)
	if got := c.Variables(corners["[2]"].VariablesReference)["y"].Value; got != "6" {
		t.Errorf("s.corner[2].y is %q", got)
	}
	if got := c.Variables(s["origin"].VariablesReference); got["x"].Value != "3" {
		t.Errorf("s.origin %+v", got)
	}
	if s["grow"].Value == "" || !strings.Contains(s["grow"].Value, "twice") {
		t.Errorf("a function pointer is %q", s["grow"].Value)
	}

	// Paging: the elements of table, which is not in any frame.
	e := c.Evaluate("watch", "table", frame)
	if e.IndexedVariables != 5000 {
		t.Errorf("table has %d elements", e.IndexedVariables)
	}
	var page dap.VariablesResponseBody
	c.Do("variables", map[string]any{"variablesReference": e.VariablesReference, "filter": "indexed", "start": 4990, "count": 100}, &page)
	if len(page.Variables) != 10 || page.Variables[9].Name != "[4999]" || page.Variables[9].Value != strconv.Itoa(4999*4999) {
		t.Errorf("the last page has %d: %+v", len(page.Variables), page.Variables)
	}
	page = dap.VariablesResponseBody{}
	c.Do("variables", map[string]any{"variablesReference": e.VariablesReference, "filter": "named"}, &page)
	if len(page.Variables) != 0 {
		t.Errorf("an array has named children %+v", page.Variables)
	}
	page = dap.VariablesResponseBody{}
	c.Do("variables", map[string]any{"variablesReference": e.VariablesReference, "format": map[string]any{"hex": true}, "start": 16, "count": 1}, &page)
	if len(page.Variables) != 1 || page.Variables[0].Value != "0x100" {
		t.Errorf("hexadecimal: %+v", page.Variables)
	}

	var set dap.SetVariableResponseBody
	c.Do("setVariable", map[string]any{"variablesReference": corners["[2]"].VariablesReference, "name": "y", "value": "40+2"}, &set)
	if set.Value != "42" {
		t.Errorf("set to %q", set.Value)
	}
	if got := c.Evaluate("hover", "s.corner[2].y", frame).Result; got != "42" {
		t.Errorf("reads back %q", got)
	}
	if got := c.Variables(corners["[2]"].VariablesReference)["y"].Value; got != "42" {
		t.Errorf("the old reference shows %q", got)
	}
	var ex dap.SetExpressionResponseBody
	c.Do("setExpression", map[string]any{"expression": "table[3]", "value": "-5", "frameId": frame}, &ex)
	if ex.Value != "-5" || c.Evaluate("watch", "table[3]", frame).Result != "-5" {
		t.Errorf("setExpression: %q", ex.Value)
	}
	for name, want := range map[string]string{"nonsense": "no variable", "total": ""} {
		text := c.Fail("setVariable", map[string]any{"variablesReference": scopes["Locals"].VariablesReference, "name": name, "value": "1 +"})
		if !strings.Contains(text, want) {
			t.Errorf("set %s: %s", name, text)
		}
	}
	c.Disconnect(nil)
}

func TestRegistersAndStatics(t *testing.T) {
	c, thread := stoppedAt(t, "in twice")
	top := c.Stack(thread, 1)[0]
	scopes := c.Scopes(top.Id)
	if got := c.Variables(scopes["Statics"].VariablesReference)["most"].Value; got != "3" {
		t.Errorf("the static is %q", got)
	}
	if _, ok := c.Variables(scopes["Locals"].VariablesReference)["most"]; ok {
		t.Error("the static is among the locals")
	}
	regs := c.Variables(scopes["Registers"].VariablesReference)
	pc, err := strconv.ParseUint(regs["rip"].Value, 0, 64)
	if want, _ := strconv.ParseUint(top.InstructionPointerReference, 0, 64); err != nil || pc != want {
		t.Errorf("rip %q, frame at %s", regs["rip"].Value, top.InstructionPointerReference)
	}
	if v := c.Variables(regs["Vector"].VariablesReference); len(v) < 16 {
		t.Errorf("%d vector registers", len(v))
	}
	var set dap.SetVariableResponseBody
	c.Do("setVariable", map[string]any{"variablesReference": scopes["Registers"].VariablesReference, "name": "rax", "value": "0x1234"}, &set)
	if n, _ := strconv.ParseUint(set.Value, 0, 64); n != 0x1234 {
		t.Errorf("rax set to %q", set.Value)
	}
	if got := c.Evaluate("watch", "@rax", top.Id).Result; !strings.Contains(got, "1234") && got != "4660" {
		t.Errorf("rax reads %q", got)
	}
	c.Fail("setVariable", map[string]any{"variablesReference": scopes["Registers"].VariablesReference, "name": "rax", "value": "0x1ffffffffffffffff"})
	c.Disconnect(nil)
}

func TestStackPages(t *testing.T) {
	c, thread := stoppedAt(t, "bottom")
	all := c.Stack(thread, 0)
	if len(all) < 47 { // deep(45) .. deep(0), main and what called it
		t.Fatalf("%d frames", len(all))
	}
	for i := range 46 {
		if all[i].Name != "deep" {
			t.Errorf("frame %d is %q", i, all[i].Name)
		}
	}
	var page dap.StackTraceResponseBody
	c.Do("stackTrace", map[string]any{"threadId": thread, "startFrame": 44, "levels": 3}, &page)
	if len(page.StackFrames) != 3 || page.StackFrames[0] != all[44] && page.StackFrames[0].Id != all[44].Id || page.StackFrames[2].Name != "main" {
		t.Errorf("a page: %+v", page.StackFrames)
	}
	if page.TotalFrames < 47 {
		t.Errorf("total %d", page.TotalFrames)
	}
	if n := c.Variables(c.Scopes(all[10].Id)["Locals"].VariablesReference)["n"].Value; n != "10" {
		t.Errorf("n in frame 10 is %q", n)
	}
	c.Do("stepOut", map[string]any{"threadId": thread}, nil)
	c.Stopped("step")
	if text := c.Fail("scopes", map[string]any{"frameId": all[3].Id}); !strings.Contains(text, "earlier stop") {
		t.Errorf("a stale frame: %s", text)
	}
	if text := c.Fail("scopes", map[string]any{"frameId": 1 << 20}); !strings.Contains(text, "no frame") {
		t.Errorf("an unknown frame: %s", text)
	}
	c.Disconnect(nil)
}

func TestMemory(t *testing.T) {
	c, thread := stoppedAt(t, "print")
	frame := c.Stack(thread, 1)[0].Id
	ref := c.Evaluate("watch", "table", frame).MemoryReference
	var read dap.ReadMemoryResponseBody
	c.Do("readMemory", map[string]any{"memoryReference": ref, "offset": 8, "count": 8}, &read)
	b, _ := base64.StdEncoding.DecodeString(read.Data)
	if len(b) != 8 || b[0] != 4 || b[4] != 9 {
		t.Errorf("table[2], table[3]: % x", b)
	}
	var wrote dap.WriteMemoryResponseBody
	c.Do("writeMemory", map[string]any{"memoryReference": ref, "offset": 8, "data": base64.StdEncoding.EncodeToString([]byte{77, 0, 0, 0})}, &wrote)
	if wrote.BytesWritten != 4 || c.Evaluate("watch", "table[2]", frame).Result != "77" {
		t.Errorf("wrote %d", wrote.BytesWritten)
	}
	m := decode[dap.MemoryEventBody](t, c.Event("memory", nil))
	if m.Count != 4 {
		t.Errorf("memory event %+v", m)
	}
	if b := decode[dap.InvalidatedEventBody](t, c.Event("invalidated", nil)); len(b.Areas) != 1 || b.Areas[0] != "variables" {
		t.Errorf("invalidated %+v", b)
	}
	read = dap.ReadMemoryResponseBody{}
	c.Do("readMemory", map[string]any{"memoryReference": "0x10", "count": 64}, &read)
	if read.UnreadableBytes != 64 || read.Data != "" {
		t.Errorf("page 0: %+v", read)
	}
	c.Evaluate("repl", "eb "+ref+" 1", 0)
	c.Event("memory", nil)
	c.Disconnect(nil)
}

func TestDisassemble(t *testing.T) {
	c, thread := stoppedAt(t, "loop")
	top := c.Stack(thread, 1)[0]
	window := func(offset, count int) []dap.DisassembledInstruction {
		var body dap.DisassembleResponseBody
		c.Do("disassemble", map[string]any{"memoryReference": top.InstructionPointerReference, "instructionOffset": offset, "instructionCount": count, "resolveSymbols": true}, &body)
		if len(body.Instructions) != count {
			t.Fatalf("%d instructions for %d", len(body.Instructions), count)
		}
		return body.Instructions
	}
	at := window(-20, 40)
	if at[20].Address != top.InstructionPointerReference {
		t.Errorf("instruction 20 is at %s, not %s", at[20].Address, top.InstructionPointerReference)
	}
	calls := 0
	for _, i := range at[20:] {
		if strings.HasPrefix(i.Instruction, "call") && strings.Contains(i.Instruction, "tour!twice") {
			calls++
		}
	}
	if calls == 0 {
		t.Errorf("no call of twice in %+v", at[20:])
	}
	if at[20].Line != line(t, "loop") || at[20].Location == nil {
		t.Errorf("no source at %+v", at[20])
	}
	ahead := window(5, 3)
	if ahead[0].Address != at[25].Address {
		t.Errorf("offset 5 is %s, not %s", ahead[0].Address, at[25].Address)
	}
	window(-3, 2)
	var bad dap.DisassembleResponseBody
	c.Do("disassemble", map[string]any{"memoryReference": "0x10", "instructionOffset": -4, "instructionCount": 8}, &bad)
	if len(bad.Instructions) != 8 {
		t.Errorf("%d instructions of nothing", len(bad.Instructions))
	}
	c.Disconnect(nil)
}

func TestModulesAndSources(t *testing.T) {
	c, thread := stoppedAt(t, "loop")
	var mods dap.ModulesResponseBody
	c.Do("modules", map[string]any{}, &mods)
	names := map[string]dap.Module{}
	for _, m := range mods.Modules {
		names[m.Name] = m
	}
	if m := names["tour"]; m.SymbolStatus != "DWARF symbols" || m.Path != program(t) {
		t.Errorf("modules %+v", mods.Modules)
	}
	var sources dap.LoadedSourcesResponseBody
	c.Do("loadedSources", nil, &sources)
	found := false
	for _, s := range sources.Sources {
		found = found || s.Path == source()
	}
	if !found {
		t.Errorf("tour.c is not among %d sources", len(sources.Sources))
	}
	frame := c.Stack(thread, 1)[0].Id
	v := c.Variables(c.Scopes(frame)["Locals"].VariablesReference)
	var raw struct{ Variables []map[string]any }
	c.Do("variables", map[string]any{"variablesReference": c.Scopes(frame)["Locals"].VariablesReference}, &raw)
	for _, x := range raw.Variables {
		if x["name"] != "total" {
			continue
		}
		var place struct {
			Source dap.Source
			Line   int
		}
		c.Do("locations", map[string]any{"locationReference": x["declarationLocationReference"]}, &place)
		if place.Source.Path != source() || place.Line != line(t, "start")-3 {
			t.Errorf("total is declared at %+v", place)
		}
	}
	if v["total"].Name == "" {
		t.Error("no total")
	}
	c.Disconnect(nil)
}

func TestEvaluate(t *testing.T) {
	c, thread := stoppedAt(t, "print")
	frame := c.Stack(thread, 1)[0].Id
	for _, x := range []struct{ context, expression, want string }{
		{"watch", "total", "90"},
		{"watch", "total,x", "0x5a"},
		{"hover", "s.corner[1].x + 1", "4"},
		{"variables", "s.name", `"square"`},
		{"clipboard", "total * 2", "180"},
		{"clipboard", "s.corner", "{{x = 1, y = 2}, {x = 3, y = 4}, {x = 5, y = 6}, {x = 7, y = 8}}"},
		{"clipboard", "*s.origin", "{x = 3, y = 4}"},
		{"repl", "total", "90"},
		{"repl", "? 2+2", "Evaluate expression: 4"},
		{"repl", ".echo hello", "hello"},
		{"repl", "bl", "tour.c"},
		{"repl", "lm", "tour"},
	} {
		got := ""
		if x.context == "repl" {
			got = c.Command(x.expression)
		} else {
			got = c.Evaluate(x.context, x.expression, frame).Result
		}
		if !strings.Contains(got, x.want) {
			t.Errorf("%s %q is %q, not %q", x.context, x.expression, got, x.want)
		}
	}
	for _, x := range []string{"noSuchName", "1 +", "s.nothing", "*(int*)0"} {
		if m := c.Response(c.Send("evaluate", map[string]any{"expression": x, "context": "watch", "frameId": frame})); m.Success {
			t.Errorf("%s is %s", x, m.Body)
		}
	}
	var hex dap.EvaluateResponseBody
	c.Do("evaluate", map[string]any{"expression": "total", "context": "watch", "frameId": frame, "format": map[string]any{"hex": true}}, &hex)
	if hex.Result != "0x5a" {
		t.Errorf("hexadecimal total is %q", hex.Result)
	}
	if s := c.Evaluate("repl", "s.corner", frame); s.VariablesReference == 0 || c.Variables(s.VariablesReference)["[1]"].Name == "" {
		t.Errorf("a value in the console cannot be expanded: %+v", s)
	}
	var done dap.CompletionsResponseBody
	c.Do("completions", map[string]any{"text": "bp tour!twi", "column": 12, "frameId": frame}, &done)
	found := false
	for _, i := range done.Targets {
		found = found || strings.Contains(i.Label, "twice")
	}
	if !found {
		t.Errorf("completions %+v", done.Targets)
	}
	c.Disconnect(nil)
}

// A long text is streamed, whole, and the response is empty; nothing is twice.
func TestLongOutput(t *testing.T) {
	c, _ := stoppedAt(t, "print")
	got := c.Evaluate("repl", "db tour!table L10000", 0).Result
	if got != "" {
		t.Errorf("the response has %d bytes of it", len(got))
	}
	if n := strings.Count(c.Output("console"), "\n"); n < 4096 {
		t.Errorf("%d lines were streamed", n)
	}
	long := c.Output("console")
	short := strings.TrimSuffix(c.Command("db tour!table L10"), "\n")
	if short == "" || strings.Contains(short, "\n") || strings.Count(long, short) != 1 {
		t.Errorf("short output: %q", short)
	}
	c.Disconnect(nil)
}

func TestGoto(t *testing.T) {
	c, thread := stoppedAt(t, "print")
	var targets dap.GotoTargetsResponseBody
	c.Do("gotoTargets", map[string]any{"source": map[string]any{"path": source()}, "line": line(t, "end")}, &targets)
	if len(targets.Targets) != 1 || targets.Targets[0].Line != line(t, "end") {
		t.Fatalf("targets %+v", targets)
	}
	c.Do("goto", map[string]any{"threadId": thread, "targetId": targets.Targets[0].Id}, nil)
	c.Stopped("goto")
	if stale, stops := c.Seen("invalidated"), c.Seen("stopped"); len(stale) != 1 || stale[0].Seq > stops[len(stops)-1].Seq {
		t.Errorf("what became stale is not told before the stop, once: %v", stale)
	}
	if top := c.Stack(thread, 1)[0]; top.Line != line(t, "end") {
		t.Errorf("after goto: line %d", top.Line)
	}
	c.Do("continue", map[string]any{"threadId": thread}, nil)
	if e := decode[dap.ExitedEventBody](t, c.Event("exited", nil)); e.ExitCode != 7 {
		t.Errorf("exit code %d", e.ExitCode)
	}
	if strings.Contains(c.Output("stdout"), "total") {
		t.Error("the line jumped over has printed")
	}
	c.Disconnect(nil)
}

func TestStepIn(t *testing.T) {
	c, thread := stoppedAt(t, "two calls")
	top := c.Stack(thread, 1)[0]
	var targets dap.StepInTargetsResponseBody
	c.Do("stepInTargets", map[string]any{"frameId": top.Id}, &targets)
	labels := fmt.Sprint(targets.Targets)
	if len(targets.Targets) != 2 || !strings.Contains(labels, "deep") || !strings.Contains(labels, "twice") {
		t.Fatalf("targets %+v", targets.Targets)
	}
	for _, x := range targets.Targets {
		if strings.Contains(x.Label, "twice") {
			c.Do("stepIn", map[string]any{"threadId": thread, "targetId": x.Id}, nil)
		}
	}
	c.Stopped("step")
	if got := c.Stack(thread, 2); got[0].Name != "twice" || got[1].Name != "main" {
		t.Errorf("stepped into %+v", got)
	}
	c.Do("stepOut", map[string]any{"threadId": thread}, nil)
	c.Stopped("step")
	if got := c.Stack(thread, 1)[0]; got.Name != "main" {
		t.Errorf("stepped out to %+v", got)
	}
	pc := c.Stack(thread, 1)[0].InstructionPointerReference
	c.Do("next", map[string]any{"threadId": thread, "granularity": "instruction"}, nil)
	c.Stopped("step")
	if got := c.Stack(thread, 1)[0].InstructionPointerReference; got == pc {
		t.Error("an instruction step stays where it was")
	}
	c.Disconnect(nil)
}

// TestHoverChangesNothing: what an editor asks by itself does not write.
func TestHoverChangesNothing(t *testing.T) {
	c := inProcess(t)
	c.Start("launch", config(t), source(), line(t, "in twice"))
	thread := c.Stopped("breakpoint").ThreadId
	before := local(c, thread, "n")
	why := c.Fail("evaluate", map[string]any{"expression": "n = 77", "context": "hover", "frameId": c.Stack(thread, 1)[0].Id})
	if !strings.Contains(why, "would change") {
		t.Errorf("refused: %s", why)
	}
	if now := local(c, thread, "n"); now != before {
		t.Errorf("n was %s and is %s", before, now)
	}
}
