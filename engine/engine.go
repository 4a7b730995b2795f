package engine

import (
	"context"
	"time"

	"dap-windbg/arch"
	"dap-windbg/eval"
	"dap-windbg/symbols"
	"dap-windbg/systems"
	"dap-windbg/targets"

	"github.com/rs/zerolog"
)

// Options of a Session.
type Options struct {
	System systems.System // nil: modules come from the target alone
	Store  symbols.Store
	Model  *eval.Model
	// OpenMemory opens an image that is in no file, from its bytes in memory (the
	// vDSO); nil: such images have no names.
	OpenMemory func(key symbols.Key, data []byte) (symbols.Image, error)
	// ReadLoaded reads of an image in memory what identifies it and what it takes to
	// open it without a file, from its base on; nil: images are files.
	ReadLoaded func(read func(off symbols.Offset, p []byte) error) ([]symbols.Part, error)
	// Emit is called in the loop for every Event; it must not block.
	Emit func(Event)
	// Filter tells what to do with an exception or event; nil uses the defaults.
	Filter func(FilterEvent) Disposition
	// Catching tells what to arrange to be told of; it is asked in the loop, at each
	// resume and after Session.Refilter. Nil: nothing beyond what the far end tells.
	Catching func() Catching
	// Follow says which side of a fork stays; it is asked in the loop, at each fork, each
	// resume and after Session.Refilter. Nil: the parent.
	Follow func() Follow
	// Together: a stop holds up the other processes of the wire until the next resume;
	// else those that ran run on.
	Together bool
	// Unwatched: nobody wants to hear of modules as they come. While there are no
	// breakpoints the program does not stop for them, and stops read the list.
	Unwatched bool
	// Breakpoints to start with (kept over a restart).
	Breakpoints []Breakpoint
	// Leftover lists where an earlier session's traps may remain (Ended.Traps);
	// those that the image's file does not have are taken out.
	Leftover []arch.Addr
	// AllowCalls lets the expressions of a View call functions of the debuggee.
	AllowCalls bool
	StepFilter []string      // functions `t` steps over, wildcards, "mod!f*"
	Timeout    time.Duration // of one wait for the far end, 0 = 30 s
	Log        zerolog.Logger
}

// State of a session.
type State uint8

const (
	StateStopped State = iota
	StateRunning
	StateGone
)

// Module is an image in place. Values are snapshots; compare by Base.
type Module struct {
	targets.Module
	Name  string        // as commands spell it: libc_so
	Image symbols.Image // nil: deferred or not found
	Tried bool          // symbols were looked for
	Err   error         // why there are none, or what is wrong with Image
	// Forced: files of other builds were accepted. What is wrong with them, if
	// anything, is in Err.
	Forced bool

	inMemory bool // its memory was looked at for names
	placed   bool // where its sections lie is known
	loaded   []symbols.Part
	seen     bool // its headers in memory were looked at
	known    scopeMemo
}

// Thread is a row of `~`.
type Thread struct {
	targets.Thread
	Ordinal int // never reused within a process
	Frozen  bool
	Current bool // selected
	Event   bool // the stop is its
}

// FrameKind says how a frame was found.
type FrameKind uint8

const (
	ByContext FrameKind = iota // the innermost
	ByCFI
	ByFramePointer
	ByScan
	ByInline
	ByTailCall // its function's last act was a call that took the frame over
	ByCode     // its callee's code was followed to the return
)

// Frame is one row of a stack. Inlined calls are frames of their own that share
// the registers of the function they are in.
type Frame struct {
	Index   int
	Thread  targets.ThreadID
	Regs    *arch.Registers
	PC      arch.Addr
	CFA     arch.Addr // 0 unknown
	ChildSP arch.Addr // this frame's SP when it called the frame above
	Return  arch.Addr // 0 at the end
	Kind    FrameKind
	Inlined bool
	Module  *Module        // nil: no image there
	Symbol  symbols.Symbol // Name "" when unknown
	Disp    uint64         // from the symbol's start
	Line    symbols.Line   // File "" when unknown
	Scope   *symbols.Scope // nil without debug information
	walk    *walk          // where it was found
	code    *Frame         // the frame that has the code; itself when not inlined
	level   int            // how many frames with code lie above it
}

// Stack is a list of frames and why it ends.
type Stack struct {
	Frames   []Frame
	Complete bool   // reached the outermost frame
	End      string // why it ended early, "" when it did not
}

// Local is a variable of a frame with its value, which may be unavailable.
type Local struct {
	symbols.Variable
	Value eval.Value
}

// Inst is a decoded instruction in place.
type Inst struct {
	arch.Inst
	Addr  arch.Addr
	Bytes []byte
	Err   error // unreadable or unknown; Len is then 1 or the CPU's alignment
}

// Location names an address.
type Location struct {
	Addr   arch.Addr
	Module *Module
	Symbol symbols.Symbol
	Disp   uint64
	Line   symbols.Line
}

// HowKind is what to do.
type HowKind uint8

const (
	Go HowKind = iota
	StepOver
	StepInto
	StepOut
)

// Unit of a step.
type Unit uint8

const (
	ByLine Unit = iota
	ByInstruction
)

// How says how to resume.
type How struct {
	Kind      HowKind
	Unit      Unit
	Thread    targets.ThreadID // zero: the selected one
	Only      bool             // hold all other threads
	Reverse   bool
	Until     []arch.Addr      // temporary breakpoints (g ADDR, run to cursor)
	Hardware  bool             // the temporary breakpoints are the CPU's own
	UntilKind UntilKind        // stop at a kind of instruction (pc, pt, ph ...)
	Frame     int              // StepOut: return from this frame
	Target    arch.Addr        // StepInto: only this call (step-in target), 0 any
	Deliver   *targets.Deliver // nil: as the filter says
}

// UntilKind ends a step at an instruction of a kind.
type UntilKind uint8

const (
	AnyInstruction UntilKind = iota
	NextCall
	NextReturn
	NextCallOrReturn
	NextBranch
)

// Breakpoint is a wish. What it becomes is in Status.
type Breakpoint struct {
	ID    int    // as `bl` shows; < 0 allocates the lowest free one
	Owner string // who set it: "windbg", "source:/path", "function" ...

	// Exactly one of these says where.
	Addr     arch.Addr // by address
	Expr     string    // MASM expression or pattern, "mod!sym+4", resolved now or at a module load
	Function string    // function name, after its prologue (all that match)
	File     string    // by line
	Aliases  string    // other names of File, one a line: the first that an image has is taken where none has File
	Line     int
	Column   int
	Access   targets.TrapKind // OnWrite, OnRead, OnAccess: data breakpoint of Size bytes at Addr or Expr
	Size     int

	Scoped       bool // data breakpoint: it ends with the frame that holds its address
	Hardware     bool
	Deferred     bool // bu: keep the expression and resolve again at each module load
	Disabled     bool
	OneShot      bool
	Thread       targets.ThreadID // zero: any
	MaxDepth     int              // stop only while fewer frames are on the stack, 0: whatever
	MinDepth     int              // stop only while more frames are
	Passes       int              // stop at the Nth hit; 0 and 1: the first
	HitCondition string           // DAP: "> 5", "% 3", "== 2", "7"
	Condition    string           // C++ expression
	Log          string           // DAP log message with {expr}; does not stop
	Command      string           // WinDbg commands run at a hit
	Label        string           // what bl shows as the symbol when not resolved
}

// Status is a breakpoint as it is.
type Status struct {
	Breakpoint
	Places   []symbols.Place // resolved code places with run-time addresses in Addrs
	Addrs    []arch.Addr
	Verified bool
	Message  string // why not verified, or a warning
	Hits     int
	Left     int  // passes left
	FarSide  bool // its condition is evaluated by the far end
}

// Stop is what front ends are told.
type Stop struct {
	targets.Stop
	Number      int          // counts stops; handles of an older stop are stale
	Breakpoints []int        // IDs hit
	Hit         []Breakpoint // those of them that are still set
	Step        bool         // a step plan ended
	Text        string       // "Breakpoint 0 hit", "(2d5.2d9): Signal SIGSEGV ..."
	All         bool
	Watched     *WatchHit
	Thrown      *Thrown      // a C++ exception
	Syscall     *SyscallStop // a system call
}

// WatchHit tells a data breakpoint's change.
type WatchHit struct {
	Addr     arch.Addr
	Old, New []byte
}

// Event is what a session tells front ends.
type Event interface{ engineEvent() }

type (
	// Stopped: the debuggee waits.
	Stopped struct{ Stop Stop }
	// Resumed: it runs.
	Resumed struct {
		Thread    targets.ThreadID
		All, Step bool
	}
	// Output of the debuggee, the far end's console, or the debugger.
	Output struct {
		Text     string
		Category OutputCategory
		Place    *Location // of a breakpoint's log message: where it was hit
	}
	// ModuleEvent: loaded, unloaded, or symbols changed.
	ModuleEvent struct {
		Module Module
		Change ModuleChange
	}
	// ThreadEvent: started or exited.
	ThreadEvent struct {
		Thread Thread
		Exited bool
	}
	// BreakpointEvent: new, changed or removed. Own: by its owner's SetBreakpoints, which
	// has told the owner; it is for the other front ends of a shared session.
	BreakpointEvent struct {
		Status  Status
		Removed bool
		New     bool
		Own     bool
	}
	// Invalidated: views are stale though nothing ran (a register was set, memory written).
	Invalidated struct{ Memory, Registers, Stacks, Threads bool }
	// Ended: no debuggee any more. Traps lists addresses where traps may remain.
	Ended struct {
		Gone    targets.Gone
		Parting *targets.Parting // we left by this, nil when it ended by itself
		Traps   []arch.Addr
		Text    string
	}
)

func (Stopped) engineEvent()         {}
func (Resumed) engineEvent()         {}
func (Output) engineEvent()          {}
func (ModuleEvent) engineEvent()     {}
func (ThreadEvent) engineEvent()     {}
func (BreakpointEvent) engineEvent() {}
func (Invalidated) engineEvent()     {}
func (Ended) engineEvent()           {}

// OutputCategory says whose text it is.
type OutputCategory uint8

const (
	FromDebuggee      OutputCategory = iota
	FromDebuggeeError                // its standard error stream, where that is known
	FromFarEnd
	FromDebugger
	Important // the user must see it
)

// ModuleChange of a ModuleEvent.
type ModuleChange uint8

const (
	Loaded ModuleChange = iota
	Unloaded
	SymbolsChanged
)

// FilterEvent is an exception or event about which a Filter decides.
type FilterEvent struct {
	Code   string // WinDbg's event code: "av", "ld", "ct", "epr", "cpr", "ibp", "sig12" ...
	Arg    string // module name, signal name ...
	Stop   targets.Stop
	Module *Module
	// Unhandled reports whether nothing in the debuggee takes care of the exception, so
	// that it is its second chance. It may ask the far end. Nil: it is no exception.
	Unhandled func() bool
}

// Disposition is a Filter's answer.
type Disposition struct {
	Break   bool
	Print   bool
	Deliver targets.Deliver // upon resume
}

// View is the token for a stopped debuggee; valid only inside Do.
type View struct {
	l     *loop
	calls bool // expressions may call functions of the debuggee
}

// Live serves what needs no stop.
type Live struct {
	l *loop
}

// Reader is run by Gather until it has no more misses.
type Reader func(ctx context.Context, mem symbols.Memory) error
