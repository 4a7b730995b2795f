package windbg

import (
	"context"
	"io"

	"dap-windbg/engine"
	"dap-windbg/targets"
)

// Host is what commands need beyond the present session; launch.Debugger is one.
type Host interface {
	Session() *engine.Session // nil: no debuggee
	Processes(ctx context.Context) ([]targets.Process, error)
	Attach(ctx context.Context, pid int64) error
	Create(ctx context.Context, p targets.Program) error
	Restart(ctx context.Context) error
	Detach(ctx context.Context) error
	Kill(ctx context.Context) error
	Parting() targets.Parting
	Path(kind string) string
	SetPath(kind, path string) (string, error)
	Noisy(on bool) bool
	Connection() string
	Input(text string) error
	Filter(code, arg string) engine.FilterSetting
	SetFilter(engine.FilterSetting)
	Filters() []engine.FilterSetting
	// ErrorText names an error number of the debuggee's system, "" when it has none.
	ErrorText(n uint64) string
}

// Options of an Interpreter.
type Options struct {
	Host  Host
	Width int // columns, 0 = 80
	// Quit is called by q, qd, qq: end the front end; how is for the debuggee.
	Quit func(how targets.Parting)
	// Clear is called by .cls; nil: nothing.
	Clear   func()
	Version string
	// Shell runs a command of this machine's shell; nil: .shell is refused.
	Shell func(ctx context.Context, command string, in io.Reader, out io.Writer) error
	// Sharing is how others come to take part; nil: they cannot.
	Sharing Sharing
	// Secure refuses commands that touch this machine (files, shell).
	Secure     bool
	SourceMode bool // p and t step by source line (l+t); the console's and editors' default
}

// Completion is a candidate for the text [From, len(line)).
type Completion struct {
	Text string
	From int
	Help string
}
