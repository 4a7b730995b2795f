//go:build unix

package launch

import (
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// owner is the name of the user a file belongs to.
func owner(path string) string {
	st, err := os.Stat(path)
	if err != nil {
		return ""
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	id := strconv.FormatUint(uint64(sys.Uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return id
}

// breaker returns what interrupts process pid when a gdbserver here cannot:
// gdbserver signals the group of a process that it attached to, as if the process
// led it. nil when it does, and for pid 0.
func breaker(pid int64) func(int64) error {
	if pid == 0 {
		return nil
	}
	if group, err := syscall.Getpgid(int(pid)); err != nil || int64(group) == pid {
		return nil
	}
	return func(pid int64) error { return syscall.Kill(int(pid), syscall.SIGINT) }
}
