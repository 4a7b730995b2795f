package transport

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
)

// Layer is how far a connection came before it failed.
type Layer string

// The layers, from the ground up.
const (
	Settings Layer = "settings" // the string itself, files that it names
	Name     Layer = "name"
	Port     Layer = "port"
	TLS      Layer = "TLS"
	Protocol Layer = "protocol"
	Password Layer = "password"
	Service  Layer = "service" // the server is of another kind, is full, or refuses a stream
)

// Error is a connection or a stream that did not come about.
type Error struct {
	Layer Layer
	What  string
	Err   error
	Fix   string
}

func (e *Error) Error() string {
	if e.Err == nil {
		return e.What
	}
	return e.What + ": " + plainly(e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Hint says what the user can do.
func (e *Error) Hint() string { return e.Fix }

// Texts that the other debugger of these connection strings uses as well.
const (
	wrongPassword = "Error 0x80004005"
	otherVersion  = "The client is not using same version of remoting protocol as the server"
	bothSides     = "Reverse connection requires clicon on both sides"
)

// plainly is the operating system's word without Go's chain of prefixes.
func plainly(err error) string {
	var errno syscall.Errno
	if errors.Is(err, io.EOF) {
		return "the connection was closed"
	}
	if errors.As(err, &errno) {
		return errno.Error()
	}
	var ne net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &ne) && ne.Timeout() {
		return "no answer in time"
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return "no such host"
	}
	return strings.TrimPrefix(err.Error(), "dial ")
}
