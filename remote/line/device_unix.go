//go:build unix

package line

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Identity is the same for all names of a line: of a device, its number.
func (s Spec) Identity() string {
	if s.TCP != 0 {
		return strings.ToLower(s.String())
	}
	if n, ok := deviceNumber(s.path()); ok {
		return fmt.Sprintf("device %d", n)
	}
	if target, err := filepath.EvalSymlinks(s.path()); err == nil {
		return target
	}
	return s.path()
}

// deviceNumber is a character device's.
func deviceNumber(path string) (uint64, bool) {
	st, err := os.Stat(path)
	if err != nil || st.Mode()&os.ModeCharDevice == 0 {
		return 0, false
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return uint64(sys.Rdev), true
}
