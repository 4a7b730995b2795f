package sim

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"time"
)

// Serve runs the machine in real time over a connection until ctx ends or the
// connection does; then it returns nil, and may be called again: the machine
// stood still meanwhile.
func (t *Target) Serve(ctx context.Context, conn io.ReadWriter) error {
	in, bad := make(chan []byte, 64), make(chan error, 1)
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := conn.Read(b)
			if n > 0 {
				select {
				case in <- bytes.Clone(b[:n]):
				case <-ctx.Done():
					return
				}
			}
			if err != nil {
				bad <- err
				return
			}
		}
	}()
	for {
		out, next, err := t.Run(time.Now())
		if err != nil {
			return err
		}
		for _, b := range out {
			if _, err := conn.Write(b); err != nil {
				return ended(err)
			}
		}
		timer := time.NewTimer(time.Until(next))
		select {
		case b := <-in:
			t.line.put(b, "")
		case <-timer.C:
		case err := <-bad:
			timer.Stop()
			return ended(err)
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
		timer.Stop()
	}
}

func ended(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// Put gives the machine bytes from its line.
func (t *Target) Put(b []byte) { t.line.put(b, "") }

// datagrams is a UDP socket towards one host as a stream of datagrams.
type datagrams struct{ *net.UDPConn }

// ServeNet runs a machine of NewNet in real time over a socket that is connected to
// the host. A host that is not there is waited for.
func (t *Target) ServeNet(ctx context.Context, c *net.UDPConn) error {
	go func() { <-ctx.Done(); c.SetReadDeadline(time.Now()) }()
	return t.Serve(ctx, datagrams{c})
}

func (d datagrams) Read(p []byte) (int, error) {
	for {
		n, err := d.UDPConn.Read(p)
		if err == nil || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed) {
			return n, err
		}
	}
}

// Write loses what the host does not take.
func (d datagrams) Write(p []byte) (int, error) {
	d.UDPConn.Write(p)
	return len(p), nil
}
