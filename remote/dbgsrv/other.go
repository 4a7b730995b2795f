//go:build !linux

package dbgsrv

import (
	"context"
	"errors"
	"os"

	"github.com/rs/zerolog"

	"dap-windbg/remote/transport"
)

// errLinux: stubs that debug processes are run on Linux.
var errLinux = errors.New("the process server runs on Linux")

type guard struct{}

func startGuard([]string) (*guard, error) { return nil, errLinux }
func (*guard) dismiss()                   {}
func usable(string) error                 { return errLinux }

// Guard is of Linux.
func Guard() error { return errLinux }

// Processes is of Linux.
func Processes() ([]Process, error) { return nil, errLinux }

// Start is of Linux.
func Start([]string, bool) (int, error) { return 0, errLinux }

func began(int64) uint64 { return 0 }

type debuggee struct{}

func (s *Server) start(zerolog.Logger) (*debuggee, error)                 { return nil, errLinux }
func (*debuggee) relay(context.Context, *transport.Stream)                {}
func (*debuggee) end()                                                    {}
func (*debuggee) takeOutput() *os.File                                    { return nil }
func (*debuggee) passOutput(context.Context, *os.File, *transport.Stream) {}
func (c *client) file(context.Context, *transport.Call) error             { return errLinux }
