package launch

import (
	"io"
	"syscall"

	"golang.org/x/sys/unix"
)

// read waits for text and takes it with busy held, which stays so when there is some.
func (t *tap) read(buf []byte) (n int, err error) {
	raw, err := t.file.SyscallConn()
	if err != nil {
		return 0, err
	}
	var failed error
	err = raw.Read(func(fd uintptr) bool {
		t.busy.Lock()
		for {
			n, failed = syscall.Read(int(fd), buf)
			if failed != syscall.EINTR {
				break
			}
		}
		if failed == nil && n > 0 {
			return true
		}
		t.busy.Unlock()
		return failed != syscall.EAGAIN
	})
	switch {
	case err != nil:
		return 0, err
	case failed != nil:
		return 0, failed
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// waits reports whether text waits in the stream; busy is held.
func (t *tap) waits() bool {
	raw, err := t.file.SyscallConn()
	if err != nil {
		return false
	}
	n := 0
	if raw.Control(func(fd uintptr) { n, err = unix.IoctlGetInt(int(fd), unix.TIOCINQ) }) != nil || err != nil {
		return false
	}
	return n > 0
}
