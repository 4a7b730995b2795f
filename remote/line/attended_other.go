//go:build unix && !linux

package line

// Attended is not known here.
func Attended(string) bool { return false }
