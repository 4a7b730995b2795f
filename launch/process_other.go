//go:build !unix

package launch

// breaker interrupts a process of a gdbserver here; there is none.
var breaker func(pid int64) error

// proceed lets a process run that was stopped by a signal; there is no such thing.
func proceed(int64) {}

// halted reports whether a process has been stopped by a signal.
func halted(int64) bool { return false }
