package windbg

import (
	"context"
	"errors"
	"io"

	"dap-windbg/engine"
)

// Interpreter runs command lines. One goroutine at a time calls Exec.
type Interpreter struct{}

// New makes an Interpreter.
func New(o Options) *Interpreter { return &Interpreter{} }

// Exec runs a whole input line and writes what it prints as it is produced.
// When the line resumes the debuggee, Exec waits for the stop, prints the stop
// block and goes on with the rest of the line. The returned error has been
// written to out already, in WinDbg's form; callers use it for exit codes.
func (i *Interpreter) Exec(ctx context.Context, line string, out io.Writer) error { return errStub }

// Start is Exec without waiting after a command that resumes as the last one of
// the line: for editors, which learn of the stop by its event.
func (i *Interpreter) Start(ctx context.Context, line string, out io.Writer) error { return errStub }

// Prompt is the text before the input, "0:000> ".
func (i *Interpreter) Prompt(ctx context.Context) string { return "" }

// FormatEvent writes what a console shows of an event that no command waits for
// ("ModLoad: ...", debuggee output is not its business). It may return "".
func (i *Interpreter) FormatEvent(e engine.Event) string { return "" }

// StopBlock writes what is shown at a stop: the event's text, registers if
// wanted, symbol line, source line, disassembly line.
func (i *Interpreter) StopBlock(ctx context.Context, s engine.Stop, out io.Writer) error {
	return errStub
}

// IsCommand reports whether the line begins with a known command, for consoles
// where anything else is an expression.
func (i *Interpreter) IsCommand(line string) bool { return false }

// Complete lists candidates at the end of line.
func (i *Interpreter) Complete(ctx context.Context, line string) []Completion { return nil }

var errStub = errors.ErrUnsupported
