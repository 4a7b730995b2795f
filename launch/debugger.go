package launch

import (
	"context"
	"errors"

	"dap-windbg/engine"
	"dap-windbg/targets"
)

// Debugger is one debug session as people see it: the link, the symbol store and
// the engine session of the present debuggee. It outlives debuggees: .restart
// and .attach replace the Session, breakpoints and paths stay.
type Debugger struct {
	plan Plan
}

// Hooks are what a front end gives to a Debugger.
type Hooks struct {
	// Emit receives every engine event, in order, from the session's loop; it must not block.
	Emit func(engine.Event)
	// Terminal starts argv in the client's terminal (DAP runInTerminal) and
	// returns its process id; nil: not available.
	Terminal func(ctx context.Context, argv []string, dir string, env []string) (int, error)
	// Progress tells of slow work; done in [0,1], < 0 unknown.
	Progress func(title string, done float64)
}

var errStub = errors.ErrUnsupported

// Start assembles a Debugger from p and brings it to its first stop. An error
// is a *ConfigError, *ReachError or from a target, with everything undone.
func Start(ctx context.Context, p Plan, h Hooks) (*Debugger, error) { return nil, errStub }

// Session is the present debuggee's, nil when there is none (a process server).
func (d *Debugger) Session() *engine.Session { return nil }

// Plan is what it was started from.
func (d *Debugger) Plan() Plan { return d.plan }

// Close ends everything that was started. how is for the debuggee.
func (d *Debugger) Close(ctx context.Context, how targets.Parting) error { return errStub }

// Parting is how to leave the debuggee by default: detach when attached, else kill.
func (d *Debugger) Parting() targets.Parting { return targets.Detach }

// Processes lists processes of the process server, or of this machine.
func (d *Debugger) Processes(ctx context.Context) ([]targets.Process, error) { return nil, errStub }

// Attach, Create, Restart replace the present debuggee.
func (d *Debugger) Attach(ctx context.Context, pid int64) error         { return errStub }
func (d *Debugger) Create(ctx context.Context, p targets.Program) error { return errStub }
func (d *Debugger) Restart(ctx context.Context) error                   { return errStub }

// Detach and Kill part from the present debuggee; the Debugger stays.
func (d *Debugger) Detach(ctx context.Context) error { return errStub }
func (d *Debugger) Kill(ctx context.Context) error   { return errStub }

// Path returns a search path: "sym", "src", "exe". SetPath replaces it and returns
// the expanded form, or an error for text that is no path.
func (d *Debugger) Path(kind string) string                   { return "" }
func (d *Debugger) SetPath(kind, path string) (string, error) { return "", errStub }

// Noisy turns chatter about symbol search on or off and reports the old setting.
func (d *Debugger) Noisy(on bool) bool { return false }

// Connection is how the far end was reached, for `||` and vertarget.
func (d *Debugger) Connection() string { return "" }

// Input sends text to the debuggee's standard input, when we hold it.
func (d *Debugger) Input(text string) error { return errStub }

// Filter returns what to do at an exception or event code, and SetFilter changes it.
func (d *Debugger) Filter(code, arg string) engine.FilterSetting { return engine.FilterSetting{} }
func (d *Debugger) SetFilter(s engine.FilterSetting)             {}
func (d *Debugger) Filters() []engine.FilterSetting              { return nil }
