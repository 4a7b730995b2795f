package transport

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"syscall"
	"unsafe"
)

// Polled is rw, a socket or a polled file, with reads and writes that the scheduler is
// not told of: they never block, for the descriptor is waited for by the poller. Else
// each would wake the scheduler's monitor where the process has been idle, which is
// what a debugger is between two messages. Whatever else rw may be is returned as it is.
func Polled(rw io.ReadWriteCloser) io.ReadWriteCloser {
	conn, ok := rw.(interface {
		io.ReadWriteCloser
		syscall.Conn
	})
	if !ok {
		return rw
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return rw
	}
	if nonblocking := false; raw.Control(func(fd uintptr) { nonblocking = isNonblocking(fd) }) != nil || !nonblocking {
		return rw
	}
	_, socket := rw.(net.Conn)
	return &polled{conn, raw, socket}
}

func isNonblocking(fd uintptr) bool {
	flags, _, no := syscall.RawSyscall(syscall.SYS_FCNTL, fd, syscall.F_GETFL, 0)
	return no == 0 && flags&syscall.O_NONBLOCK != 0
}

type polled struct {
	io.ReadWriteCloser
	raw    syscall.RawConn
	socket bool
}

// Socket is what is behind, nil for a file.
func (c *polled) Socket() net.Conn {
	conn, _ := c.ReadWriteCloser.(net.Conn)
	return conn
}

func (c *polled) Read(p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	var no syscall.Errno
	if err := c.raw.Read(func(fd uintptr) bool {
		n, no = c.transfer(syscall.SYS_RECVFROM, syscall.SYS_READ, fd, p)
		return no != syscall.EAGAIN
	}); err != nil {
		return 0, c.ended("read", err)
	}
	switch {
	case no != 0:
		return 0, c.failed("read", no)
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

func (c *polled) Write(p []byte) (done int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	var no syscall.Errno
	err = c.raw.Write(func(fd uintptr) bool {
		for no = 0; done < len(p) && no == 0; {
			var n int
			n, no = c.transfer(syscall.SYS_SENDTO, syscall.SYS_WRITE, fd, p[done:])
			done += n
		}
		return no != syscall.EAGAIN
	})
	switch {
	case err != nil:
		err = c.ended("write", err)
	case no != 0:
		err = c.failed("write", no)
	}
	return done, err
}

// ended words what ended a wait as rw itself does: a file does not say that it was closed.
func (c *polled) ended(op string, err error) error {
	f, ok := c.ReadWriteCloser.(*os.File)
	switch {
	case !ok:
		return err
	case !errors.Is(err, os.ErrDeadlineExceeded):
		err = os.ErrClosed
	}
	return &fs.PathError{Op: op, Path: f.Name(), Err: err}
}

// failed words a failure as rw itself does.
func (c *polled) failed(op string, no syscall.Errno) error {
	switch rw := c.ReadWriteCloser.(type) {
	case net.Conn:
		return &net.OpError{Op: op, Net: rw.LocalAddr().Network(), Source: rw.LocalAddr(), Addr: rw.RemoteAddr(), Err: os.NewSyscallError(op, no)}
	case *os.File:
		return &fs.PathError{Op: op, Path: rw.Name(), Err: no}
	}
	return os.NewSyscallError(op, no)
}

// transfer reads or writes by call on a socket, by file on a file, once more where a
// signal came in between. It does not block: a socket is told so each time. A file's mode
// belongs to all who share the open file, so it is looked at; where somebody has it block,
// the scheduler is told.
func (c *polled) transfer(call, file, fd uintptr, p []byte) (int, syscall.Errno) {
	at, size := unsafe.Pointer(unsafe.SliceData(p)), uintptr(len(p))
	for {
		var n uintptr
		var no syscall.Errno
		switch {
		case c.socket:
			n, _, no = syscall.RawSyscall6(call, fd, uintptr(at), size, syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL, 0, 0)
		case isNonblocking(fd):
			n, _, no = syscall.RawSyscall(file, fd, uintptr(at), size)
		default:
			n, _, no = syscall.Syscall(file, fd, uintptr(at), size)
		}
		switch no {
		case 0:
			return int(n), 0
		case syscall.EINTR:
			continue
		}
		return 0, no
	}
}
