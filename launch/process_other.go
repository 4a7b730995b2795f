//go:build !unix

package launch

// owner is the name of the user a file belongs to.
func owner(string) string { return "" }

// breaker interrupts a process of a gdbserver here; there is none.
var breaker func(pid int64) error
