package adapter

import (
	"context"
	"errors"
	"fmt"

	"dap-windbg/launch"
	"dap-windbg/targets"

	"github.com/google/go-dap"
)

// errNoDebuggee: the request needs one.
var errNoDebuggee = errors.New("there is no debuggee")

// argumentError: an argument of a request is wrong.
type argumentError struct {
	field, want string
}

func (e *argumentError) Error() string { return fmt.Sprintf("%s: %s", e.field, e.want) }

// staleError: a frame or variable of an earlier stop.
type staleError struct {
	what string
	id   int
}

func (e *staleError) Error() string {
	return fmt.Sprintf("%s %d belongs to an earlier stop", e.what, e.id)
}

// Hint says what the user can do.
func (e *staleError) Hint() string { return "expand it again; the view shows the present stop" }

// message is the machine-readable short form the protocol names, else the text.
func message(err error) string {
	switch {
	case errors.Is(err, context.Canceled):
		return "cancelled"
	case errors.Is(err, targets.ErrRunning):
		return "notStopped"
	}
	return err.Error()
}

// explain is err with its hint.
func explain(err error) string {
	text := err.Error()
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) {
		if h := hinted.Hint(); h != "" {
			text += "\n" + h
		}
	}
	return text
}

// Error ids of error bodies.
const (
	errorOther = 1 + iota
	errorCancelled
	errorRunning
	errorGone
	errorConfiguration
)

func errorBody(err error, show bool) dap.ErrorResponseBody {
	id := errorOther
	var config *launch.ConfigError
	switch {
	case errors.Is(err, context.Canceled):
		id = errorCancelled
	case errors.Is(err, targets.ErrRunning):
		id = errorRunning
	case errors.Is(err, targets.ErrGone):
		id = errorGone
	case errors.As(err, &config):
		id = errorConfiguration
	}
	return dap.ErrorResponseBody{Error: &dap.ErrorMessage{Id: id, Format: explain(err), ShowUser: show}}
}

// shown reports whether the user must see the error of r: what he started has
// failed, as opposed to a view that could not be filled.
func (s *session) shown(r *request, err error) bool {
	if errors.Is(err, context.Canceled) {
		return false
	}
	switch r.command {
	case "launch", "attach", "restart", "goto", "restartFrame", "terminateThreads", "setVariable", "setExpression", "writeMemory":
		return true
	}
	return false
}
