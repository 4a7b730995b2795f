package console

import (
	"context"
	"errors"
	"fmt"
	"io"

	"dap-windbg/engine"
	"dap-windbg/launch"
)

// Exit statuses.
const (
	Done     = 0 // as configured
	Crashed  = 1 // the debuggee crashed or ended with a non-zero status
	Usage    = 2 // command line or configuration
	NoTarget = 3 // cannot be started or reached, or lost
	Failed   = 4 // a command or assertion failed
	TimedOut = 5

	Terminated = 143 // by SIGTERM or SIGHUP before all was done; 128 + 15, as shells have it
)

// StatusOf is the exit status for an error of parsing or starting.
func StatusOf(err error) int {
	var u *UsageError
	var c *launch.ConfigError
	var s *launch.ConnectionError
	switch {
	case err == nil:
		return Done
	case errors.As(err, &u), errors.As(err, &c), errors.As(err, &s):
		return Usage
	case errors.Is(err, context.DeadlineExceeded):
		return TimedOut
	}
	return NoTarget
}

// PrintError writes err and its hint.
func PrintError(w io.Writer, err error) {
	fmt.Fprintf(w, "error: %v\n", err)
	var h interface{ Hint() string }
	if errors.As(err, &h) && h.Hint() != "" {
		fmt.Fprintf(w, "hint: %s\n", h.Hint())
	}
}

// terminated is status, unless the cancelled ctx kept it from being worse.
func terminated(ctx context.Context, status int) int {
	if status == Done && errors.Is(ctx.Err(), context.Canceled) {
		return Terminated
	}
	return status
}

// statusOfEnd judges how the debuggee ended; child passes its own status on.
func statusOfEnd(e *engine.Ended, child bool) int {
	switch {
	case e == nil || e.Parting != nil:
		return Done
	case e.Gone.Err != nil:
		return NoTarget
	case child && e.Gone.Exited:
		return e.Gone.Code & 0xff
	case child && e.Gone.Signal != 0:
		return 128 + e.Gone.Signal
	case e.Gone.Signal != 0 || e.Gone.Code != 0:
		return Crashed
	}
	return Done
}
