//go:build unix

package launch

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
)

// breaker interrupts a process of a gdbserver here. gdbserver itself signals the
// process group of what it started or attached to: children that run on by themselves
// would be ended, and what does not lead its group would not be reached.
var breaker = func(pid int64) error { return syscall.Kill(int(pid), syscall.SIGINT) }

// proceed lets a process run that was stopped by a signal, or is about to be.
func proceed(pid int64) { syscall.Kill(int(pid), syscall.SIGCONT) }

// halted reports whether a process has been stopped by a signal.
func halted(pid int64) bool {
	text, err := os.ReadFile("/proc/" + strconv.FormatInt(pid, 10) + "/stat")
	_, after, _ := bytes.Cut(text, []byte(") "))
	return err == nil && bytes.HasPrefix(after, []byte("T"))
}
