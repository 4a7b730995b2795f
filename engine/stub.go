package engine

import (
	"context"
	"errors"

	"dap-windbg/arch"
	"dap-windbg/eval"
	"dap-windbg/symbols"
	"dap-windbg/targets"
)

// Session is one debuggee.
type Session struct{}

var errStub = errors.ErrUnsupported

// New makes a session over a connected, stopped target. Run must be called.
func New(t targets.Target, o Options) *Session { return &Session{} }

// Run is the loop; it returns when the debuggee is gone or ctx ends (then the
// debuggee is detached, or killed when it was created by the far end for us).
func (s *Session) Run(ctx context.Context) error { return errStub }

// Do runs f in the loop over the stopped debuggee; *targets.ErrRunning when it runs.
func (s *Session) Do(ctx context.Context, f func(context.Context, *View) error) error { return errStub }

// Look runs f in the loop whatever the debuggee does.
func (s *Session) Look(ctx context.Context, f func(*Live) error) error { return errStub }

// Resume returns once the debuggee runs (or the step has ended already).
func (s *Session) Resume(ctx context.Context, how How) error { return errStub }

// Wait waits until the debuggee is stopped and returns that stop; ErrGone when it ended.
func (s *Session) Wait(ctx context.Context) (Stop, error) { return Stop{}, errStub }

// Interrupt stops a running debuggee; no error when it is stopped already.
func (s *Session) Interrupt(ctx context.Context) error { return errStub }

// Preempt gives up the operation in flight.
func (s *Session) Preempt() {}

// Close parts from the debuggee: traps are lifted, Ended is emitted, Run returns.
func (s *Session) Close(ctx context.Context, how targets.Parting) error { return errStub }

// SetBreakpoints replaces the owner's breakpoints, at any time. IDs are kept
// for wishes that are the same as before.
func (s *Session) SetBreakpoints(ctx context.Context, owner string, want []Breakpoint) ([]Status, error) {
	return nil, errStub
}

// ChangeBreakpoints edits the whole table: f gets all and returns all; at any time.
func (s *Session) ChangeBreakpoints(ctx context.Context, f func([]Status) []Breakpoint) ([]Status, error) {
	return nil, errStub
}

// Snapshot of what Live and View know without reading. All are safe in both.
func (l *Live) State() State           { return StateGone }
func (l *Live) Info() targets.Info     { return targets.Info{} }
func (l *Live) Modules() []*Module     { return nil }
func (l *Live) Unloaded() []*Module    { return nil }
func (l *Live) Breakpoints() []Status  { return nil }
func (l *Live) KnownThreads() []Thread { return nil }
func (l *Live) LastStop() (Stop, bool) { return Stop{}, false }

// Live gives the View's snapshots.
func (v *View) Live() *Live { return &Live{} }

// Target gives access to optional interfaces (Console, Files, Queryer).
func (v *View) Target() targets.Target { return nil }

// Changed drops the caches an Effect made stale.
func (v *View) Changed(e targets.Effect) {}

// Threads lists threads with their ordinals.
func (v *View) Threads(ctx context.Context) ([]Thread, error) { return nil, errStub }

// Thread returns the selected thread; SelectThread selects and resets the frame to 0.
func (v *View) Thread(ctx context.Context) (Thread, error)                     { return Thread{}, errStub }
func (v *View) SelectThread(ctx context.Context, id targets.ThreadID) error    { return errStub }
func (v *View) Freeze(ctx context.Context, id targets.ThreadID, on bool) error { return errStub }

// Frame returns the selected frame; SelectFrame selects frame n of the selected thread.
func (v *View) Frame(ctx context.Context) (*Frame, error)              { return nil, errStub }
func (v *View) SelectFrame(ctx context.Context, n int) (*Frame, error) { return nil, errStub }

// Stack unwinds at most limit frames (0: all, up to 10,000).
func (v *View) Stack(ctx context.Context, id targets.ThreadID, limit int) (*Stack, error) {
	return nil, errStub
}

// Stacks unwinds several threads with shared flights.
func (v *View) Stacks(ctx context.Context, ids []targets.ThreadID, limit int) (map[targets.ThreadID]*Stack, error) {
	return nil, errStub
}

// Registers of a thread; SetRegisters writes them and tells Invalidated.
func (v *View) Registers(ctx context.Context, id targets.ThreadID) (*arch.Registers, error) {
	return nil, errStub
}
func (v *View) SetRegisters(ctx context.Context, id targets.ThreadID, r *arch.Registers) error {
	return errStub
}

// ReadMemory reads through the cache, with planted traps masked out.
func (v *View) ReadMemory(ctx context.Context, s targets.Space, addr arch.Addr, p []byte) (int, error) {
	return 0, errStub
}

// WriteMemory writes, under planted traps too.
func (v *View) WriteMemory(ctx context.Context, s targets.Space, addr arch.Addr, p []byte) (int, error) {
	return 0, errStub
}

// Gather runs r over the stop's cache until it misses nothing more (at most 16 rounds).
func (v *View) Gather(ctx context.Context, r Reader) error { return errStub }

// Env is the environment of expressions in frame f (nil: the selected frame).
// Its reads fetch at once; inside Gather use EnvOver with the Memory given.
func (v *View) Env(f *Frame) eval.Env                         { return nil }
func (v *View) EnvOver(f *Frame, mem symbols.Memory) eval.Env { return nil }

// Eval parses and evaluates in frame f (nil: selected), with as few round trips as it can.
func (v *View) Eval(ctx context.Context, f *Frame, src string, o eval.Options) (eval.Value, error) {
	return eval.Value{}, errStub
}

// Object evaluates src (with format specifiers) and makes its data-model node.
// name is what the node is called; "" uses src.
func (v *View) Object(ctx context.Context, f *Frame, name, src string) (*eval.Object, error) {
	return nil, errStub
}

// Children expands o in frame f.
func (v *View) Children(ctx context.Context, f *Frame, o *eval.Object, start, count int) ([]*eval.Object, error) {
	return nil, errStub
}

// Locals returns variables of f: parameters first, then locals, innermost block first.
func (v *View) Locals(ctx context.Context, f *Frame) ([]Local, error) { return nil, errStub }

// LocalObjects is Locals as data-model nodes.
func (v *View) LocalObjects(ctx context.Context, f *Frame) ([]*eval.Object, error) {
	return nil, errStub
}

// Model is the session's data model.
func (v *View) Model() *eval.Model { return nil }

// Locate names an address.
func (v *View) Locate(addr arch.Addr) Location { return Location{} }

// ModuleAt returns the module that holds addr; ModuleByName accepts the command
// spelling and the file name.
func (v *View) ModuleAt(addr arch.Addr) (*Module, bool)  { return nil, false }
func (v *View) ModuleByName(name string) (*Module, bool) { return nil, false }

// LoadSymbols opens a module's image now. force looks again, anyBuild accepts mismatches.
func (v *View) LoadSymbols(ctx context.Context, base arch.Addr, force, anyBuild bool) (*Module, error) {
	return nil, errStub
}

// Reload drops symbols and reads the module list again.
func (v *View) Reload(ctx context.Context) error { return errStub }

// Symbols yields matches of "mod!pattern" or "pattern" with run-time addresses;
// loads deferred symbols of the modules that match. f returns false to stop.
func (v *View) Symbols(ctx context.Context, pattern string, f func(Location) bool) error {
	return errStub
}

// Address evaluates a MASM expression to an address.
func (v *View) Address(ctx context.Context, expr string) (arch.Addr, error) { return 0, errStub }

// Places resolves file:line over all loaded images.
func (v *View) Places(ctx context.Context, file string, line int) ([]Location, error) {
	return nil, errStub
}

// Disassemble decodes n instructions at addr; before decodes the n before addr.
func (v *View) Disassemble(ctx context.Context, addr arch.Addr, n int) ([]Inst, error) {
	return nil, errStub
}
func (v *View) DisassembleBefore(ctx context.Context, addr arch.Addr, n int) ([]Inst, error) {
	return nil, errStub
}

// Source finds the text of a frame's source file.
func (v *View) Source(ctx context.Context, m *Module, path string) (string, error) {
	return "", errStub
}

// JumpTo sets the PC of a thread (goto, set next statement).
func (v *View) JumpTo(ctx context.Context, id targets.ThreadID, addr arch.Addr) error { return errStub }

// Vars are the debugger's variables ($t0 .. and user ones), kept over stops.
func (v *View) Var(name string) (eval.Value, bool) { return eval.Value{}, false }
func (v *View) SetVar(name string, val eval.Value) {}
