//go:build !unix

package launch

// owner is the name of the user a file belongs to.
func owner(string) string { return "" }

// breaker returns what interrupts process pid when a gdbserver here cannot.
func breaker(int64) func(int64) error { return nil }
