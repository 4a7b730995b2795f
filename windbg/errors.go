package windbg

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"dap-windbg/eval"
	"dap-windbg/symbols"
	"dap-windbg/targets"
)

// Error is a command's failure in WinDbg's form. With Command set it is the
// caret form, "^ Syntax error in 'foo'"; with Rest the flat form, "Couldn't
// resolve error at 'foo'"; else Text alone.
type Error struct {
	Kind    string // "Syntax", "Bad register", "Couldn't resolve" ...
	Command string // whole command
	Pos     int    // byte of the line the caret stands under
	Rest    string
	Text    string
	Fix     string // what the user can do
	Err     error  // cause
}

func (e *Error) Error() string {
	switch {
	case e.Text != "":
		return e.Text
	case e.Command != "":
		return fmt.Sprintf("^ %s error in '%s'", e.Kind, e.Command)
	case e.Rest != "":
		return fmt.Sprintf("%s error at '%s'", e.Kind, e.Rest)
	}
	return e.Kind + " error"
}

func (e *Error) Unwrap() error { return e.Err }

// Hint says what the user can do.
func (e *Error) Hint() string { return e.Fix }

// fail is an Error that is a plain sentence.
func fail(format string, args ...any) *Error { return &Error{Text: fmt.Sprintf(format, args...)} }

// errorText is what the user is shown of err: one line and its hint in
// parentheses. prompt is the width of the prompt before the line.
func errorText(err error, prompt int) string {
	var own *Error
	text := err.Error()
	switch {
	case errors.As(err, &own):
		text = own.Error()
		if own.Command != "" && own.Text == "" {
			text = strings.Repeat(" ", max(0, prompt+own.Pos)) + text
		}
	case errors.Is(err, context.Canceled):
		text = "Interrupted"
	case errors.Is(err, context.DeadlineExceeded):
		text = "Timed out"
	case errors.Is(err, errors.ErrUnsupported):
		text = "Not supported by this target: " + text
	}
	var h interface{ Hint() string }
	if errors.As(err, &h) && h.Hint() != "" {
		text += " (" + h.Hint() + ")"
	}
	return text
}

// stateError turns "running" and "gone" into the errors of the command.
func (c *call) stateError(err error) error {
	switch {
	case errors.Is(err, targets.ErrGone), errors.Is(err, targets.ErrNoThreads), errors.Is(err, targets.ErrPostmortem):
		return &Error{Kind: "No runnable debuggees", Command: c.text, Pos: c.pos, Err: err}
	case errors.Is(err, targets.ErrRunning):
		return &Error{Kind: "Debuggee is running", Command: c.text, Pos: c.pos, Fix: "break in first", Err: err}
	}
	return err
}

// syntax is a caret error at byte at of the arguments.
func (c *call) syntax(at int) error { return c.caret("Syntax", at) }

func (c *call) caret(kind string, at int) error {
	return &Error{Kind: kind, Command: c.text, Pos: c.base + at}
}

// expressionError gives the evaluator's errors the words users know. src is the
// expression as typed.
func expressionError(src string, err error) error {
	var fault *targets.FaultError
	var own *Error
	var syntax *eval.SyntaxError
	var name *eval.NameError
	var memory *eval.MemoryError // says itself which operand it was
	switch {
	case err == nil, errors.As(err, &own), errors.As(err, &syntax), errors.As(err, &name), errors.As(err, &memory):
		return err
	case errors.As(err, &fault):
		return &Error{Kind: "Memory access", Rest: src, Err: err, Fix: fault.Error()}
	}
	return err
}

// unavailable tells whether err only says that a value cannot be known here.
func unavailable(err error) bool {
	var u *symbols.UnavailableError
	return errors.As(err, &u)
}
