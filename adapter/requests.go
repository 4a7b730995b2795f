package adapter

import (
	"encoding/json"
	"fmt"
)

// handler carries out a request and returns the body of its response.
type handler func(s *session, r *request) (any, error)

// none are the arguments of requests without any.
type none struct{}

// with makes a handler of a method with typed arguments. Unknown fields are
// ignored; missing arguments are the zero value.
func with[A any](f func(*session, *request, *A) (any, error)) handler {
	return func(s *session, r *request) (any, error) {
		var a A
		if len(r.args) > 0 && string(r.args) != "null" {
			if err := json.Unmarshal(r.args, &a); err != nil {
				return nil, fmt.Errorf("arguments of %s: %w", r.command, err)
			}
		}
		return f(s, r, &a)
	}
}

// requests is every request there is an answer to. (A function fills it because
// the methods, through the session, refer to the table.)
var requests map[string]handler

func init() {
	requests = map[string]handler{
		// a session's life
		"initialize":        (*session).initialize,
		"launch":            (*session).launch,
		"attach":            (*session).launch,
		"configurationDone": with((*session).configurationDone),
		"restart":           with((*session).restart),
		"terminate":         with((*session).terminate),
		"disconnect":        with((*session).disconnect),
		"cancel":            with((*session).cancelled),

		"processes": with((*session).processes),
		"debuggee":  with((*session).debuggee),
		"tasks":     with((*session).tasks),
		"lookFrom":  with((*session).lookFrom),

		// where to stop
		"setBreakpoints":            with((*session).setBreakpoints),
		"setFunctionBreakpoints":    with((*session).setFunctionBreakpoints),
		"setInstructionBreakpoints": with((*session).setInstructionBreakpoints),
		"setDataBreakpoints":        with((*session).setDataBreakpoints),
		"dataBreakpointInfo":        with((*session).dataBreakpointInfo),
		"setExceptionBreakpoints":   with((*session).setExceptionBreakpoints),
		"breakpointLocations":       with((*session).breakpointLocations),
		"exceptionInfo":             with((*session).exceptionInfo),

		// running
		"continue":        with((*session).continueRequest),
		"next":            with((*session).next),
		"stepIn":          with((*session).stepIn),
		"stepOut":         with((*session).stepOut),
		"stepBack":        with((*session).stepBack),
		"reverseContinue": with((*session).reverseContinue),
		"pause":           with((*session).pause),
		"restartFrame":    with((*session).restartFrame),
		"stepInTargets":   with((*session).stepInTargets),
		"gotoTargets":     with((*session).gotoTargets),
		"goto":            with((*session).gotoRequest),

		// looking
		"threads":          with((*session).threadList),
		"terminateThreads": with((*session).terminateThreads),
		"stackTrace":       with((*session).stackTrace),
		"scopes":           with((*session).scopes),
		"variables":        with((*session).variables),
		"setVariable":      with((*session).setVariable),
		"setExpression":    with((*session).setExpression),
		"evaluate":         with((*session).evaluate),
		"completions":      with((*session).completions),
		"locations":        with((*session).locations),
		"source":           with((*session).source),
		"modules":          with((*session).modules),
		"loadedSources":    with((*session).loadedSources),
		"disassemble":      with((*session).disassemble),
		"readMemory":       with((*session).readMemory),
		"writeMemory":      with((*session).writeMemory),
	}
}

// slow are the requests that a far end, a large symbol file or a deep stack can make
// slow, and what they do, for the progress view. Command lines see to theirs.
var slow = map[string]string{
	"restart":                   "Restarting",
	"setBreakpoints":            "Setting breakpoints",
	"setFunctionBreakpoints":    "Setting breakpoints",
	"setInstructionBreakpoints": "Setting breakpoints",
	"setDataBreakpoints":        "Setting breakpoints",
	"breakpointLocations":       "Finding where a breakpoint can be",
	"gotoTargets":               "Finding where to go",
	"next":                      "Stepping",
	"stepIn":                    "Stepping",
	"stepOut":                   "Stepping",
	"stackTrace":                "Reading the stack",
	"scopes":                    "Reading the frame",
	"variables":                 "Reading variables",
	"setVariable":               "Setting a variable",
	"setExpression":             "Setting a variable",
	"evaluate":                  "Evaluating",
	"source":                    "Fetching the source",
	"loadedSources":             "Listing the sources",
	"modules":                   "Listing the modules",
	"processes":                 "Listing processes",
	"disassemble":               "Disassembling",
	"readMemory":                "Reading memory",
	"writeMemory":               "Writing memory",
	"exceptionInfo":             "Reading the exception",
}
