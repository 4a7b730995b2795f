//go:build unix

package main

import (
	"io/fs"
	"os"
	"syscall"
)

// polled is a standard stream that is waited for as sockets are: a read that blocks
// keeps a thread for itself, and each message then waits for another to be woken.
// A terminal is left as it is, for others share it; so is what standard error shares,
// whose writes must not fail when a reader is slow.
func polled(f *os.File) *os.File {
	info, err := f.Stat()
	if err != nil || info.Mode()&(fs.ModeNamedPipe|fs.ModeSocket) == 0 {
		return f
	}
	if told, err := os.Stderr.Stat(); err == nil && os.SameFile(info, told) {
		return f
	}
	fd := f.Fd()
	if syscall.SetNonblock(int(fd), true) != nil {
		return f
	}
	return os.NewFile(fd, f.Name())
}
