package dap

import "fmt"

// one is one of those seen, of any stop, or one that was never given.
func (w *walker) one(seen []int) int {
	if len(seen) == 0 || w.IntN(8) == 0 {
		return w.Pick(0, 1, -1, 7, 1000, 1<<30).(int)
	}
	return seen[w.IntN(len(seen))]
}

func (w *walker) place() any {
	if len(w.Places) == 0 || w.IntN(6) == 0 {
		return w.Pick("0x0", "0x555555555188", "0xfffffffffffffff0", "0x7ffff7fe0000", "rubbish")
	}
	return w.Places[w.IntN(len(w.Places))]
}

// figure is a small number as a rule.
func (w *walker) figure() any {
	if w.IntN(8) == 0 {
		return w.Pick(-1, -50, 1<<20, 1<<31-1, -1<<31, int64(1)<<53, -int64(1)<<53)
	}
	return w.IntN(40)
}

func (w *walker) thread() dict {
	return dict{"threadId": w.one(w.Threads), "singleThread": w.IntN(4) == 0, "granularity": w.Pick("line", "instruction", "statement")}
}

// word is a line of the tour.
func (w *walker) word() int {
	return line(w.t, w.Pick("start", "loop", "in twice", "bottom", "ticking", "in work", "end", "print").(string))
}

func breakpoints(w *walker) dict {
	return dict{"source": dict{"path": w.Pick(source(), source(), source(), "/no/such.c", `C:\x\tour.c`)},
		"breakpoints": []any{dict{"line": w.word(), "condition": w.Pick("", "", "n > 2", "no such", "1/0"),
			"hitCondition": w.Pick("", "", "2", "%3", "> 1", "x"), "logMessage": w.Pick("", "", "ticks {ticks}", "{"), "mode": w.Pick("", "hardware", "no")}}}
}

// walks are requests with arguments that make sense, mostly.
var walks = []func(w *walker) (string, dict){
	func(w *walker) (string, dict) { return "continue", w.thread() },
	func(w *walker) (string, dict) { return "next", w.thread() },
	func(w *walker) (string, dict) { return "stepIn", w.thread() },
	func(w *walker) (string, dict) {
		args := w.thread()
		args["targetId"] = w.one(w.IDs)
		return "stepIn", args
	},
	func(w *walker) (string, dict) { return "stepOut", w.thread() },
	func(w *walker) (string, dict) { return w.Pick("stepBack", "reverseContinue").(string), w.thread() },
	func(w *walker) (string, dict) { return "pause", w.thread() },
	func(w *walker) (string, dict) { return "pause", w.thread() },
	func(w *walker) (string, dict) { return "pause", w.thread() },
	func(w *walker) (string, dict) { return "threads", dict{} },
	func(w *walker) (string, dict) { return "threads", dict{} },
	func(w *walker) (string, dict) {
		return "stackTrace", dict{"threadId": w.one(w.Threads), "startFrame": w.figure(), "levels": w.figure(), "format": dict{"parameters": true, "parameterValues": true, "hex": true}}
	},
	func(w *walker) (string, dict) { return "stackTrace", dict{"threadId": w.one(w.Threads), "levels": 20} },
	func(w *walker) (string, dict) { return "stackTrace", dict{"threadId": w.one(w.Threads)} },
	func(w *walker) (string, dict) { return "scopes", dict{"frameId": w.one(w.Frames)} },
	func(w *walker) (string, dict) { return "scopes", dict{"frameId": w.one(w.Frames)} },
	func(w *walker) (string, dict) { return "variables", dict{"variablesReference": w.one(w.Refs)} },
	func(w *walker) (string, dict) {
		return "variables", dict{"variablesReference": w.one(w.Refs), "start": w.figure(), "count": w.figure(), "filter": w.Pick("indexed", "named"), "format": dict{"hex": true}}
	},
	func(w *walker) (string, dict) {
		return "setVariable", dict{"variablesReference": w.one(w.Refs), "name": w.Pick("rax", "rip", "total", "n", "i", "[3]", "x"), "value": w.Pick("1", "0x401000", "zz", "-1")}
	},
	func(w *walker) (string, dict) {
		return "setExpression", dict{"expression": w.Pick("ticks", "@rbx", "table[3]", "*(int*)0"), "value": w.Pick("3", "1/0", ""), "frameId": w.one(w.Frames)}
	},
	func(w *walker) (string, dict) {
		return "evaluate", dict{"expression": w.Pick("total", "s", "table", "&s", "@rip", "1/0", "((((", "no_such", "*(struct shape*)0", "table[4999999]"),
			"context": w.Pick("watch", "hover", "clipboard", "variables", "no such"), "frameId": w.one(w.Frames)}
	},
	func(w *walker) (string, dict) {
		return "evaluate", dict{"context": "repl", "expression": w.Pick("k", "p", "t", "gu", "g", "bl", "~*k", "x tour!*", "dv", "r", "u", "lm", "total", "?? s", "dx s", "db @rip L40",
			"bp twice", "bc *", "~", "|", "sx", ".lastevent", "!analyze", "ed @rsp 1", ".frame 1", "uf main", "no such command", "bp /w \"n == 3\" twice")}
	},
	func(w *walker) (string, dict) { return "setBreakpoints", breakpoints(w) },
	func(w *walker) (string, dict) { return "setBreakpoints", breakpoints(w) },
	func(w *walker) (string, dict) {
		return "setFunctionBreakpoints", dict{"breakpoints": []any{dict{"name": w.Pick("twice", "deep", "tick", "t*", "no*", ""), "hitCondition": w.Pick("", "%2")}}}
	},
	func(w *walker) (string, dict) {
		return "setInstructionBreakpoints", dict{"breakpoints": []any{dict{"instructionReference": w.place(), "offset": w.figure(), "mode": w.Pick("", "hardware")}}}
	},
	func(w *walker) (string, dict) {
		return "setDataBreakpoints", dict{"breakpoints": []any{dict{"dataId": w.Pick("tour!calls:4", "tour!table:32", "tour!ticks:8", "nowhere!x:1", "tour!table:20000", ":"),
			"accessType": w.Pick("read", "write", "readWrite", "x")}}}
	},
	func(w *walker) (string, dict) {
		return "dataBreakpointInfo", dict{"name": w.Pick("total", "s", "table[2]", w.place()), "asAddress": w.IntN(3) == 0, "bytes": w.figure(),
			"frameId": w.one(w.Frames), "variablesReference": w.Pick(0, w.one(w.Refs))}
	},
	func(w *walker) (string, dict) {
		return "setExceptionBreakpoints", dict{"filters": []any{w.Pick("av", "eh", "ld", "ct", "no")},
			"filterOptions": []any{dict{"filterId": w.Pick("sys", "signals", "ld"), "condition": w.Pick("write", "nanosleep,clock_nanosleep", "no_such", "SIGUSR1", ",")}}}
	},
	func(w *walker) (string, dict) {
		return "disassemble", dict{"memoryReference": w.place(), "offset": w.figure(), "instructionOffset": w.figure(), "instructionCount": w.figure(), "resolveSymbols": w.IntN(2) == 0}
	},
	func(w *walker) (string, dict) {
		return "readMemory", dict{"memoryReference": w.place(), "offset": w.figure(), "count": w.figure()}
	},
	func(w *walker) (string, dict) {
		return "writeMemory", dict{"memoryReference": w.place(), "offset": w.figure(), "data": w.Pick("", "AAAA", "*"), "allowPartial": w.IntN(2) == 0}
	},
	func(w *walker) (string, dict) {
		return "modules", dict{"startModule": w.figure(), "moduleCount": w.figure()}
	},
	func(w *walker) (string, dict) { return "loadedSources", dict{} },
	func(w *walker) (string, dict) { return "exceptionInfo", w.thread() },
	func(w *walker) (string, dict) {
		return "completions", dict{"text": w.Pick("x tour!t", "dx s.", "ä", ""), "column": w.figure(), "line": w.figure(), "frameId": w.one(w.Frames)}
	},
	func(w *walker) (string, dict) { return "stepInTargets", dict{"frameId": w.one(w.Frames)} },
	func(w *walker) (string, dict) {
		return "gotoTargets", dict{"source": dict{"path": source()}, "line": w.Pick(w.word(), w.figure())}
	},
	func(w *walker) (string, dict) {
		return "goto", dict{"threadId": w.one(w.Threads), "targetId": w.one(w.IDs)}
	},
	func(w *walker) (string, dict) { return "restartFrame", dict{"frameId": w.one(w.Frames)} },
	func(w *walker) (string, dict) {
		return "breakpointLocations", dict{"source": dict{"path": source()}, "line": w.figure(), "endLine": w.figure()}
	},
	func(w *walker) (string, dict) {
		return "source", dict{"sourceReference": w.one(w.IDs), "source": dict{"path": w.Pick(source(), "/no")}}
	},
	func(w *walker) (string, dict) { return "locations", dict{"locationReference": w.one(w.IDs)} },
	func(w *walker) (string, dict) { return "terminateThreads", dict{"threadIds": []any{w.one(w.Threads)}} },
	func(w *walker) (string, dict) { return "cancel", dict{"requestId": w.Pick(w.one(w.Open), len(w.Open))} },
	func(w *walker) (string, dict) {
		return "cancel", dict{"progressId": fmt.Sprintf("work-%d", w.IntN(30))}
	},
	func(w *walker) (string, dict) { return "processes", dict{"pattern": w.Pick("*", "tour", "[")} },
	func(w *walker) (string, dict) { return "unheardOf", dict{"x": 1} },
	func(w *walker) (string, dict) {
		return w.Pick("runInTerminal", "startDebugging", "").(string), dict{"args": []any{"x"}}
	},
}

// rare ones begin and end things.
var rare = []func(w *walker) (string, dict){
	func(w *walker) (string, dict) { return "restart", dict{} },
	func(w *walker) (string, dict) { return "terminate", dict{} },
	func(w *walker) (string, dict) { return w.request, w.config },
	func(w *walker) (string, dict) { return "initialize", dict{"adapterID": "x"} },
	func(w *walker) (string, dict) { return "configurationDone", dict{} },
	func(w *walker) (string, dict) {
		return "evaluate", dict{"context": "repl", "expression": w.Pick("q", "qd", ".kill", ".detach", ".restart", "q;q")}
	},
}
