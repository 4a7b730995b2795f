package adapter

import "github.com/google/go-dap"

// What go-dap's types lack or cannot express: fields of newer protocol
// versions, optional booleans whose absence means something, and numbers whose
// zero must be sent.

// capabilities is the answer to initialize.
type capabilities struct {
	dap.Capabilities
	SupportsDataBreakpointBytes bool             `json:"supportsDataBreakpointBytes,omitempty"`
	BreakpointModes             []breakpointMode `json:"breakpointModes,omitempty"`
}

type breakpointMode struct {
	Mode        string   `json:"mode"`
	Label       string   `json:"label"`
	Description string   `json:"description,omitempty"`
	AppliesTo   []string `json:"appliesTo"`
}

type disconnectArguments struct {
	Restart           bool  `json:"restart"`
	TerminateDebuggee *bool `json:"terminateDebuggee"`
	SuspendDebuggee   bool  `json:"suspendDebuggee"`
}

type sourceBreakpoint struct {
	dap.SourceBreakpoint
	Mode string `json:"mode"`
}

type setBreakpointsArguments struct {
	Source      dap.Source         `json:"source"`
	Breakpoints []sourceBreakpoint `json:"breakpoints"`
	Lines       []int              `json:"lines"`
}

type instructionBreakpoint struct {
	dap.InstructionBreakpoint
	Mode string `json:"mode"`
}

type setInstructionBreakpointsArguments struct {
	Breakpoints []instructionBreakpoint `json:"breakpoints"`
}

// breakpoint is dap.Breakpoint with a reason, and with lines and offsets that
// may be 0.
type breakpoint struct {
	ID                   int         `json:"id"`
	Verified             bool        `json:"verified"`
	Message              string      `json:"message,omitempty"`
	Reason               string      `json:"reason,omitempty"`
	Source               *dap.Source `json:"source,omitempty"`
	Line                 *int        `json:"line,omitempty"`
	Column               *int        `json:"column,omitempty"`
	InstructionReference string      `json:"instructionReference,omitempty"`
}

type breakpointsBody struct {
	Breakpoints []breakpoint `json:"breakpoints"`
}

type breakpointEventBody struct {
	Reason     string     `json:"reason"`
	Breakpoint breakpoint `json:"breakpoint"`
}

type dataBreakpointInfoArguments struct {
	dap.DataBreakpointInfoArguments
	Bytes     int  `json:"bytes"`
	AsAddress bool `json:"asAddress"`
}

// variable is dap.Variable with references to source locations.
type variable struct {
	dap.Variable
	DeclarationLocationReference int `json:"declarationLocationReference,omitempty"`
	ValueLocationReference       int `json:"valueLocationReference,omitempty"`
}

type variablesBody struct {
	Variables []variable `json:"variables"`
}

type locationsArguments struct {
	LocationReference int `json:"locationReference"`
}

type locationsBody struct {
	Source dap.Source `json:"source"`
	Line   int        `json:"line"`
	Column int        `json:"column,omitempty"`
}

type setVariableBody struct {
	Value string `json:"value"`
	handle
}

// handle is what the answers that hold a value say of it besides.
type handle struct {
	Type                   string `json:"type,omitempty"`
	VariablesReference     int    `json:"variablesReference,omitempty"`
	NamedVariables         int    `json:"namedVariables,omitempty"`
	IndexedVariables       int    `json:"indexedVariables,omitempty"`
	MemoryReference        string `json:"memoryReference,omitempty"`
	ValueLocationReference int    `json:"valueLocationReference,omitempty"`
}

// evaluateBody is dap.EvaluateResponseBody with a reference to a source location.
type evaluateBody struct {
	Result           string                        `json:"result"`
	PresentationHint *dap.VariablePresentationHint `json:"presentationHint,omitempty"`
	handle
	VariablesReference int `json:"variablesReference"` // 0 must be sent
}

// outputBody is dap.OutputEventBody whose line may be 0.
type outputBody struct {
	Category string      `json:"category,omitempty"`
	Output   string      `json:"output"`
	Group    string      `json:"group,omitempty"`
	Source   *dap.Source `json:"source,omitempty"`
	Line     *int        `json:"line,omitempty"`
	Column   *int        `json:"column,omitempty"`
}

// stackFrame is dap.StackFrame that says whether it can be restarted; absent would
// mean that it can.
type stackFrame struct {
	dap.StackFrame
	CanRestart bool `json:"canRestart"`
}

type stackTraceBody struct {
	StackFrames []stackFrame `json:"stackFrames"`
	TotalFrames int          `json:"totalFrames,omitempty"`
}

// module is dap.Module with our own columns.
type module struct {
	dap.Module
	BuildID string `json:"buildId,omitempty"`
}

type modulesBody struct {
	Modules      []module `json:"modules"`
	TotalModules int      `json:"totalModules,omitempty"`
}

type moduleEventBody struct {
	Reason string `json:"reason"`
	Module module `json:"module"`
}

type instruction struct {
	dap.DisassembledInstruction
	PresentationHint string `json:"presentationHint,omitempty"`
}

type disassembleBody struct {
	Instructions []instruction `json:"instructions"`
}

type completionItem struct {
	Label  string `json:"label"`
	Text   string `json:"text,omitempty"`
	Detail string `json:"detail,omitempty"`
	Start  *int   `json:"start,omitempty"`
	Length int    `json:"length,omitempty"`
}

type completionsBody struct {
	Targets []completionItem `json:"targets"`
}

// startArguments are the attributes of launch, attach and restart that are the
// client's; the configuration itself is launch's business.
type startArguments struct {
	NoDebug bool `json:"noDebug"`
	trust
}

// trust is what the client says of the folder that arguments come from.
type trust struct {
	Trusted          *bool `json:"__trusted"`
	WorkspaceTrusted *bool `json:"__workspaceTrusted"`
}

func (t trust) trusted() bool {
	return (t.Trusted == nil || *t.Trusted) && (t.WorkspaceTrusted == nil || *t.WorkspaceTrusted)
}
