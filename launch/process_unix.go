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

// breaker interrupts a process of a gdbserver here. gdbserver itself signals the
// process group of what it started or attached to: children that run on by themselves
// would be ended, and what does not lead its group would not be reached.
var breaker = func(pid int64) error { return syscall.Kill(int(pid), syscall.SIGINT) }
