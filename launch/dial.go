package launch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// connectTimeout bounds one attempt to reach a host.
const connectTimeout = 10 * time.Second

// silence is after how long a far end that says nothing is asked by the network
// layer whether it is still there; ten seconds later it counts as lost.
const silence = 5 * time.Second

// dialTCP connects with small packets sent at once: stubs that acknowledge every
// packet are forty times slower otherwise.
func dialTCP(ctx context.Context, what, host, port string) (net.Conn, error) {
	host = strings.TrimPrefix(strings.Trim(host, "[]"), `\\`)
	addr := net.JoinHostPort(host, port)
	d := net.Dialer{Timeout: connectTimeout}
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		fix := ""
		if errors.Is(err, syscall.ECONNREFUSED) {
			fix = fmt.Sprintf("start the far end (`gdbserver %s PROGRAM`, QEMU with `-gdb tcp::%s`), and check the port", addr, port)
		}
		return nil, &ReachError{What: fmt.Sprintf("Unable to connect to %s at %s", what, addr), Err: err, Fix: fix}
	}
	if t, ok := c.(*net.TCPConn); ok {
		t.SetNoDelay(true)
		t.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: silence, Interval: 2 * time.Second, Count: 5})
	}
	return c, nil
}

// dialCommand runs argv and speaks on its standard input and output.
func dialCommand(argv []string) (io.ReadWriteCloser, error) {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	isolate(cmd)
	if err := cmd.Start(); err != nil {
		return nil, &ReachError{What: fmt.Sprintf("Unable to run %s", argv[0]), Err: err}
	}
	return &pipes{in: in, out: out, cmd: cmd}, nil
}

// pipes is a program spoken to on its standard input and output.
type pipes struct {
	in   io.WriteCloser
	out  io.ReadCloser
	cmd  *exec.Cmd
	once sync.Once
}

func (p *pipes) Read(b []byte) (int, error)  { return p.out.Read(b) }
func (p *pipes) Write(b []byte) (int, error) { return p.in.Write(b) }

// Close lets the program end by itself for a second, then ends it.
func (p *pipes) Close() error {
	p.once.Do(func() {
		p.in.Close()
		p.out.Close()
		done := make(chan struct{})
		go func() { p.cmd.Wait(); close(done) }()
		select {
		case <-done:
		case <-time.After(time.Second):
			p.cmd.Process.Kill()
			<-done
		}
	})
	return nil
}
