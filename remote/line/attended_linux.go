package line

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// Attended reports whether a device is the terminal that somebody's session has: the
// seventh field of a process's stat (proc(5)) is its number, as new_encode_dev of the
// kernel's kdev_t.h packs it.
func Attended(name string) bool {
	n, ok := deviceNumber(name)
	if !ok {
		return false
	}
	major, minor := unix.Major(n), unix.Minor(n)
	packed := []byte(strconv.Itoa(int(int32(minor&0xff | major<<8 | minor&^0xff<<12))))
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, s := range stats {
		text, err := os.ReadFile(s)
		i := bytes.LastIndex(text, []byte(") "))
		if err != nil || i < 0 {
			continue
		}
		if f := bytes.Fields(text[i+2:]); len(f) > 4 && bytes.Equal(f[4], packed) {
			return true
		}
	}
	return false
}
