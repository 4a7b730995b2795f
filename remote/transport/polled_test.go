//go:build linux

package transport

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// TestPolled moves more than any buffer holds both ways, over a socket and over a pipe.
func TestPolled(t *testing.T) {
	near, far := sockets(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	for name, ends := range map[string][2]io.ReadWriteCloser{"socket": {near, far}, "pipe": {w, r}} {
		out, in := Polled(ends[0]), Polled(ends[1])
		if _, ok := out.(*polled); !ok {
			t.Fatalf("%s: is not taken", name)
		}
		sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<17)
		failed := make(chan error, 1)
		go func() {
			_, err := out.Write(sent)
			out.Close()
			failed <- err
		}()
		got, err := io.ReadAll(in)
		if err := errors.Join(err, <-failed); err != nil || !bytes.Equal(got, sent) {
			t.Errorf("%s: %d bytes of %d, %v", name, len(got), len(sent), err)
		}
	}
}

// TestPolledEnds: a closed end, a reset and a limit are told as the connection itself would.
func TestPolledEnds(t *testing.T) {
	near, far := sockets(t)
	p := Polled(near)
	near.SetReadDeadline(time.Now().Add(-time.Second))
	if _, err := p.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("behind its limit: %v", err)
	}
	near.SetReadDeadline(time.Time{})
	far.(*net.TCPConn).SetLinger(0)
	far.Close()
	var op *net.OpError
	if _, err := p.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) || !errors.As(err, &op) || op.Op != "read" || op.Addr.String() != near.RemoteAddr().String() {
		t.Errorf("reset: %v", err)
	}
	if _, err := p.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("a write behind that: %v", err)
	}
	p.Close()
	if _, err := p.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// TestPolledFile: a file that was closed is told so, and one that somebody has block
// blocks nobody else.
func TestPolledFile(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	p := Polled(r)
	raw, err := r.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) { err = syscall.SetNonblock(int(fd), false) })
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan error, 1)
	go func() {
		_, err := p.Read(make([]byte, 8))
		got <- err
	}()
	runtime.GC() // which waits for all who do not say that they block
	if _, err := w.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err != nil {
		t.Error(err)
	}
	r.Close()
	if _, err := p.Read(make([]byte, 8)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// sockets are the two ends of a connection.
func sockets(t *testing.T) (near, far net.Conn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if near, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if far, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); far.Close() })
	return near, far
}
