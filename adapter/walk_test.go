package adapter_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"dap-windbg/targets/fake"
	"dap-windbg/tests/dapclient"
)

// walker walks over a debuggee in memory, without waiting for answers as a rule.
type walker struct{ dapclient.Walker }

// id is one of the ids seen, of any stop, or one never given.
func (w *walker) id(seen []int) int {
	if len(seen) == 0 || w.IntN(6) == 0 {
		return w.IntN(200) - 3
	}
	return seen[w.IntN(len(seen))]
}

func (w *walker) address() string {
	bases := []uint64{uint64(fake.DemoText), uint64(fake.DemoData), uint64(fake.DemoStack), 0, 1<<64 - 16}
	return fmt.Sprintf("0x%x", bases[w.IntN(len(bases))]+uint64(w.IntN(256)))
}

func (w *walker) thread() int { return w.Pick(1000, 1001, 1002, 1, 0, -1).(int) }

func (w *walker) line() map[string]any { return map[string]any{"threadId": w.thread()} }

type dict = map[string]any

// walks is every request with arguments that make some sense.
var walks = []func(w *walker) (string, any){
	func(w *walker) (string, any) { return "continue", w.line() },
	func(w *walker) (string, any) {
		return w.Pick("next", "stepIn", "stepOut", "stepBack").(string),
			dict{"threadId": w.thread(), "granularity": w.Pick("instruction", "line", "statement"), "singleThread": w.IntN(2) == 0}
	},
	func(w *walker) (string, any) { return "reverseContinue", w.line() },
	func(w *walker) (string, any) { return "pause", w.line() },
	func(w *walker) (string, any) { return "pause", w.line() },
	func(w *walker) (string, any) { return "threads", nil },
	func(w *walker) (string, any) {
		return "stackTrace", dict{"threadId": w.thread(), "startFrame": w.IntN(3), "levels": w.IntN(5),
			"format": dict{"parameters": w.IntN(2) == 0, "parameterValues": true, "module": true, "hex": true}}
	},
	func(w *walker) (string, any) { return "scopes", dict{"frameId": w.id(w.Frames)} },
	func(w *walker) (string, any) {
		return "variables", dict{"variablesReference": w.id(w.Refs), "start": w.IntN(4), "count": w.IntN(4),
			"filter": w.Pick("indexed", "named"), "format": dict{"hex": w.IntN(2) == 0}}
	},
	func(w *walker) (string, any) {
		return "setVariable", dict{"variablesReference": w.id(w.Refs), "name": w.Pick("rax", "rip", "x"), "value": w.Pick("1", "0x401000", "zz")}
	},
	func(w *walker) (string, any) {
		return "setExpression", dict{"expression": w.Pick("@rax", "*(int*)0x404000"), "value": "3", "frameId": w.id(w.Frames)}
	},
	func(w *walker) (string, any) {
		return "evaluate", dict{"expression": w.Pick("@rip", "1+1", "*(int*)0x404000", "nonsense(", ""), "frameId": w.id(w.Frames),
			"context": w.Pick("watch", "hover", "clipboard", "repl")}
	},
	func(w *walker) (string, any) {
		return "evaluate", dict{"expression": w.Pick("echo hello", "g", "go-and-wait", "flood"), "context": "repl"}
	},
	func(w *walker) (string, any) {
		return "setInstructionBreakpoints", dict{"breakpoints": []any{dict{"instructionReference": w.address(), "hitCondition": w.Pick("2", "> 1", "x")}}}
	},
	func(w *walker) (string, any) {
		return "setFunctionBreakpoints", dict{"breakpoints": []any{dict{"name": w.Pick("main", ""), "condition": w.Pick("", "1", "(")}}}
	},
	func(w *walker) (string, any) {
		return "setBreakpoints", dict{"source": dict{"path": "/a.c"}, "breakpoints": []any{dict{"line": w.IntN(9)}}}
	},
	func(w *walker) (string, any) {
		return "setDataBreakpoints", dict{"breakpoints": []any{dict{"dataId": w.address() + w.Pick(":8", ":4:frame", ":", "").(string), "accessType": w.Pick("write", "read", "readWrite", "x")}}}
	},
	func(w *walker) (string, any) {
		return "dataBreakpointInfo", dict{"name": w.Pick(w.address(), "rax", "*(int*)0x404000", ""), "asAddress": w.IntN(2) == 0,
			"bytes": w.IntN(20) - 2, "variablesReference": w.Pick(0, w.id(w.Refs)), "frameId": w.id(w.Frames)}
	},
	func(w *walker) (string, any) {
		return "setExceptionBreakpoints", dict{"filters": []any{w.Pick("av", "no")},
			"filterOptions": []any{dict{"filterId": w.Pick("ld", "signals", "av"), "condition": w.Pick("", "lib*", "SIGSEGV", ",")}}}
	},
	func(w *walker) (string, any) {
		return "disassemble", dict{"memoryReference": w.address(), "instructionOffset": w.IntN(60) - 40, "instructionCount": w.IntN(30), "resolveSymbols": true}
	},
	func(w *walker) (string, any) {
		return "readMemory", dict{"memoryReference": w.address(), "offset": w.IntN(9) - 4, "count": w.IntN(5000)}
	},
	func(w *walker) (string, any) {
		return "writeMemory", dict{"memoryReference": fmt.Sprintf("%#x", uint64(fake.DemoStack)), "data": "AAAA"}
	},
	func(w *walker) (string, any) { return "modules", dict{"startModule": w.IntN(3)} },
	func(w *walker) (string, any) { return "loadedSources", nil },
	func(w *walker) (string, any) { return "exceptionInfo", w.line() },
	func(w *walker) (string, any) { return "completions", dict{"text": "ec", "column": w.IntN(5)} },
	func(w *walker) (string, any) { return "stepInTargets", dict{"frameId": w.id(w.Frames)} },
	func(w *walker) (string, any) { return "gotoTargets", dict{"source": dict{"path": "/a.c"}, "line": 1} },
	func(w *walker) (string, any) { return "goto", dict{"threadId": w.thread(), "targetId": w.IntN(90)} },
	func(w *walker) (string, any) {
		return "breakpointLocations", dict{"source": dict{"path": "/a.c"}, "line": 1, "endLine": 4}
	},
	func(w *walker) (string, any) { return "source", dict{"sourceReference": w.IntN(4)} },
	func(w *walker) (string, any) { return "locations", dict{"locationReference": w.IntN(90)} },
	func(w *walker) (string, any) { return "cancel", dict{"requestId": w.id(w.Open)} },
	func(w *walker) (string, any) {
		return "cancel", dict{"progressId": fmt.Sprintf("work-%d", w.IntN(30))}
	},
	func(w *walker) (string, any) { return "terminateThreads", dict{"threadIds": []int{w.thread()}} },
	func(w *walker) (string, any) { return "restartFrame", dict{"frameId": w.id(w.Frames)} },
	func(w *walker) (string, any) { return "processes", dict{"pattern": w.Pick("*", "[")} },
	func(w *walker) (string, any) { return "debuggee", nil },
	func(w *walker) (string, any) { return "tasks", nil },
	func(w *walker) (string, any) { return "lookFrom", dict{"address": w.Pick("", "0x1")} },
	func(w *walker) (string, any) { return "unheardOf", dict{"x": 1} },
}

// rare ones end or begin things.
var rare = []func(w *walker) (string, any){
	func(w *walker) (string, any) { return "restart", dict{} },
	func(w *walker) (string, any) { return "terminate", dict{} },
	func(w *walker) (string, any) { return "launch", dict{} },
	func(w *walker) (string, any) { return "initialize", dict{"adapterID": "x"} },
	func(w *walker) (string, any) { return "evaluate", dict{"expression": "q", "context": "repl"} },
	func(w *walker) (string, any) { return "configurationDone", dict{} },
}

// TestWalks: whatever is asked, in any order and at any speed, each request has
// its one answer, all of it valid, and the session can be left. The client
// checks the rest. WALK_SEED runs one walk again.
func TestWalks(t *testing.T) {
	for _, seed := range dapclient.Seeds(1, 200) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { walk(t, seed) })
	}
}

func walk(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 0))
	starts := []string{"main", "main", "hello", "crash", "loader", "trap"}
	c, _ := serve(t, t.Context(), faking(starts[r.IntN(len(starts))], 1+r.IntN(3), nil))
	w := &walker{dapclient.Walker{Rand: r, C: c}}
	c.Initialize()
	w.Send(w.Pick("launch", "attach").(string), dict{})
	if r.IntN(4) > 0 {
		c.Event("initialized", nil)
		w.Send("configurationDone", nil)
	}
	for range 40 {
		next := walks[r.IntN(len(walks))]
		if r.IntN(40) == 0 {
			next = rare[r.IntN(len(rare))]
		}
		command, args := next(w)
		seq := w.Send(command, args)
		if r.IntN(3) == 0 && w.Open[0] != seq && command != "launch" && command != "evaluate" {
			w.Learn(c.Response(seq))
		}
	}
	c.Do("disconnect", dict{}, nil)
	c.Ended()
	w.Answered()
}
