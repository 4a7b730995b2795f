package targets

import (
	"errors"
	"fmt"

	"dap-windbg/arch"
)

var (
	// ErrRunning: the operation needs a stopped debuggee.
	ErrRunning = errors.New("the debuggee is running")
	// ErrGone: there is no debuggee any more, or the wire is lost.
	ErrGone = errors.New("the debuggee is gone")
	// ErrPostmortem: the target is a debuggee that has ended, of which a core file is left.
	ErrPostmortem = fmt.Errorf("the debuggee has ended, this is its core file: it can be looked at and not be run: %w", errors.ErrUnsupported)
	// ErrNoThreads: the target is a file that nobody runs.
	ErrNoThreads = errors.New("there is no debuggee, only its image")
)

// FaultError: memory cannot be read or written from Addr on.
type FaultError struct {
	Addr  arch.Addr
	Write bool
}

func (e *FaultError) Error() string {
	verb := "read"
	if e.Write {
		verb = "write"
	}
	return fmt.Sprintf("unable to %s memory at 0x%x", verb, uint64(e.Addr))
}

// ProtocolError: the far end answered what the protocol does not allow.
type ProtocolError struct {
	Op   string // in the user's words
	Sent string
	Got  string
	Fix  string // what the user can do, may be empty
}

func (e *ProtocolError) Error() string {
	return fmt.Sprintf("%s: unexpected answer %.80q to %.80q", e.Op, e.Got, e.Sent)
}

// Hint says what the user can do.
func (e *ProtocolError) Hint() string { return e.Fix }

// RefusedError: the far end understood and said no (RSP Exx, NTSTATUS).
type RefusedError struct {
	Op   string
	Code int
	Text string
	Fix  string
}

func (e *RefusedError) Error() string {
	if e.Text != "" {
		return fmt.Sprintf("%s: %s", e.Op, e.Text)
	}
	return fmt.Sprintf("%s: the far end refused (error %d)", e.Op, e.Code)
}

// Hint says what the user can do.
func (e *RefusedError) Hint() string { return e.Fix }
