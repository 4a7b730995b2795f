package launch

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
)

// ReachError: the target cannot be started or reached.
type ReachError struct {
	What string // "Unable to connect to gdbserver at localhost:1234"
	Err  error
	Fix  string
	// Cause is wrapped and not said: What has its words.
	Cause error
}

func (e *ReachError) Error() string {
	if e.Err == nil {
		return e.What
	}
	return fmt.Sprintf("%s: %s", e.What, plainly(e.Err))
}

// Unwrap returns the cause.
func (e *ReachError) Unwrap() error {
	if e.Err == nil {
		return e.Cause
	}
	return e.Err
}

// Hint says what the user can do.
func (e *ReachError) Hint() string { return e.Fix }

// UnavailableError: this version or this machine cannot do what was asked.
type UnavailableError struct{ What, Fix string }

func (e *UnavailableError) Error() string { return e.What }

// Hint says what the user can do.
func (e *UnavailableError) Hint() string { return e.Fix }

// plainly is the operating system's word without Go's chain of prefixes.
func plainly(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	var ne net.Error
	if errors.As(err, &ne) && ne.Timeout() || errors.Is(err, os.ErrDeadlineExceeded) {
		return "no answer in time"
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return "no such host"
	}
	return strings.TrimPrefix(err.Error(), "dial ")
}
