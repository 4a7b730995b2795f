package line

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"go.bug.st/serial"
)

// DefaultBaud is the speed of a serial port of which nobody said any.
const DefaultBaud = 115200

// connectTimeout bounds one attempt to reach a host.
const connectTimeout = 10 * time.Second

// Spec names a line.
type Spec struct {
	Port  string // "com1", "1", a device, a unix socket or pipe; with TCP a host
	Baud  int    // bits per second of a serial device, 0: DefaultBaud
	Pipe  bool   // Port is a named pipe: a unix socket or a pair of FIFOs elsewhere than on Windows
	TCP   int    // port number of a serial line over TCP, 0: none
	Modem bool   // the line is gone when the carrier is
}

// Line is an open line. Writes are whole or fail.
type Line interface {
	io.ReadWriteCloser
	// SendBreak holds the line in the break condition for a quarter of a second.
	SendBreak() error
}

// String is the line as users name it.
func (s Spec) String() string {
	if s.TCP != 0 {
		return net.JoinHostPort(host(s.Port), strconv.Itoa(s.TCP))
	}
	return s.path()
}

func host(s string) string { return strings.TrimPrefix(strings.Trim(s, "[]"), `\\`) }

// OpenError: a line cannot be opened.
type OpenError struct {
	Name string // of the line
	Err  error
}

func (e *OpenError) Error() string { return fmt.Sprintf("Unable to open %s: %s", e.Name, word(e.Err)) }

// Unwrap returns the cause.
func (e *OpenError) Unwrap() error { return e.Err }

// word is the operating system's word for err.
func word(err error) string {
	var errno syscall.Errno
	var port *serial.PortError
	switch {
	case errors.As(err, &errno):
		return errno.Error()
	case errors.As(err, &port):
		return strings.ToLower(port.Error())
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	}
	return strings.TrimPrefix(err.Error(), "dial ")
}

// Hint says what the user can do.
func (e *OpenError) Hint() string {
	var port *serial.PortError
	code := serial.PortErrorCode(-1)
	if errors.As(e.Err, &port) {
		code = port.Code()
	}
	switch {
	case code == serial.PermissionDenied, errors.Is(e.Err, fs.ErrPermission):
		return "Serial devices belong to a group, mostly dialout: add yourself to it (sudo usermod -aG dialout $USER) and log in again."
	case code == serial.PortBusy, errors.Is(e.Err, syscall.EBUSY):
		return "Another program uses the line: end it first."
	case code == serial.PortNotFound, errors.Is(e.Err, fs.ErrNotExist):
		return "Start the machine that makes the line, check its name, or add \"reconnect\" to wait for it."
	case errors.Is(e.Err, syscall.ECONNREFUSED):
		return "Nobody listens there: start the far end, or add \"reconnect\" to wait for it."
	}
	return "Check the name of the line and that nothing else uses it."
}

// Open opens a line.
func Open(ctx context.Context, s Spec) (Line, error) {
	l, err := open(ctx, s)
	if err != nil {
		return nil, &OpenError{Name: s.String(), Err: err}
	}
	return l, nil
}

func open(ctx context.Context, s Spec) (Line, error) {
	switch {
	case s.TCP != 0:
		return dial(ctx, "tcp", s.String())
	case s.Pipe || isPipe(s.path()):
		return openPipe(ctx, s.path())
	}
	baud := s.Baud
	if baud == 0 {
		baud = DefaultBaud
	}
	p, err := serial.Open(s.path(), &serial.Mode{BaudRate: baud})
	if err != nil {
		return nil, err
	}
	if s.Modem {
		if bits, err := p.GetModemStatusBits(); err == nil && !bits.DCD {
			p.Close()
			return nil, errors.New("no carrier")
		}
	}
	return &device{p: p, over: make(chan struct{})}, nil
}

// dial connects with small packets sent at once: a target waits for the
// acknowledgement of each.
func dial(ctx context.Context, network, addr string) (Line, error) {
	d := net.Dialer{Timeout: connectTimeout}
	c, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	if t, ok := c.(*net.TCPConn); ok {
		t.SetNoDelay(true)
		t.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 2 * time.Second, Count: 5})
	}
	return stream{c}, nil
}

// stream is a line without a break condition.
type stream struct{ io.ReadWriteCloser }

func (stream) SendBreak() error { return fmt.Errorf("a break on this line: %w", errors.ErrUnsupported) }

// device is a serial device or pseudo terminal.
type device struct {
	p     serial.Port
	over  chan struct{} // closed by Close
	close sync.Once
}

func (d *device) Read(p []byte) (int, error) {
	n, err := d.p.Read(p)
	if n == 0 && err == nil {
		err = io.EOF
	}
	return n, err
}

// Write goes on where the device took a part, until Close.
func (d *device) Write(p []byte) (int, error) {
	for n := 0; ; {
		k, err := d.put(p[n:])
		if n += k; err != nil && !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.EINTR) || n == len(p) {
			if n == len(p) {
				err = nil
			}
			return n, err
		}
		if k == 0 {
			time.Sleep(time.Millisecond) // the device's buffer is full, and nothing in the library tells of room
		}
	}
}

// put is one write. One to a far end that takes nothing cannot be called back: when the
// device is closed meanwhile it is left to itself, and ends when the far end does.
func (d *device) put(p []byte) (int, error) {
	type result struct {
		n   int
		err error
	}
	done := make(chan result, 1)
	b := bytes.Clone(p)
	go func() {
		n, err := d.p.Write(b)
		done <- result{n, err}
	}()
	select {
	case r := <-done:
		return r.n, r.err
	case <-d.over:
		return 0, io.ErrClosedPipe
	}
}

// Close ends reads and writes.
func (d *device) Close() error {
	d.close.Do(func() { close(d.over) })
	return d.p.Close()
}

func (d *device) SendBreak() error { return d.p.Break(250 * time.Millisecond) }
