//go:build linux

package transport

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// cable joins two serial devices. Of its bytes, one in garble is changed or lost.
func cable(t *testing.T, garble int) (a, b string) {
	t.Helper()
	end := func() (*os.File, string) {
		master, slave, err := pty.Open()
		if err != nil {
			t.Fatal(err)
		}
		attr, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
		if err == nil {
			attr.Lflag, attr.Oflag, attr.Iflag = 0, 0, 0
			err = unix.IoctlSetTermios(int(slave.Fd()), unix.TCSETS, attr)
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { master.Close(); slave.Close() })
		return master, slave.Name()
	}
	ma, a := end()
	mb, b := end()
	carry := func(from, to *os.File, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 1))
		buf := make([]byte, 512)
		for {
			n, err := from.Read(buf)
			if err != nil {
				return
			}
			out := buf[:0]
			for _, c := range buf[:n] {
				if garble == 0 || r.IntN(garble) != 0 {
					out = append(out, c)
				} else if r.IntN(2) == 0 {
					out = append(out, c^byte(1<<r.IntN(8)))
				}
			}
			to.Write(out)
		}
	}
	go carry(ma, mb, 1)
	go carry(mb, ma, 2)
	return a, b
}

// TestSerial: a connection over a serial line, also one that loses bytes; with and
// without a password; two channels at a time; one client after the other.
func TestSerial(t *testing.T) {
	for name, garble := range map[string]int{"clean": 0, "noisy": 4000} {
		t.Run(name, func(t *testing.T) {
			a, b := cable(t, garble)
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			for channel, password := range map[int]string{0: "", 254: "secret1"} {
				l, err := Listen(ctx, Spec{Protocol: "com", Device: a, Baud: 115200, Channel: channel, Password: password}, Options{Service: "test"})
				if err != nil {
					t.Fatal(err)
				}
				defer l.Close()
				l.gate.first = time.Millisecond
				go echo(ctx, l)
			}
			if _, err := Listen(ctx, Spec{Protocol: "com", Device: a, Baud: 115200}, Options{Service: "test"}); err == nil {
				t.Error("a channel is served twice")
			}
			var all []*Conn
			for _, s := range []Spec{{Channel: 0}, {Channel: 254, Password: "secret1"}} {
				s.Protocol, s.Device, s.Baud = "com", b, 115200
				c, err := Dial(ctx, s, Options{Service: "test"})
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, c)
				say(t, ctx, c)
			}
			bulk(t, ctx, all[0], 20_000)
			for _, c := range all {
				say(t, ctx, c)
				c.Close()
			}
			if _, err := Dial(ctx, Spec{Protocol: "com", Device: b, Baud: 115200, Channel: 254, Password: "x"}, Options{Service: "test"}); err == nil {
				t.Error("a wrong password")
			}
			again, err := Dial(ctx, Spec{Protocol: "com", Device: b, Baud: 115200}, Options{Service: "test"})
			if err != nil {
				t.Fatal(err)
			}
			say(t, ctx, again)
			again.Close()
		})
	}
}

// TestSerialServerIsSlow: a server that looks late who hails it has the client all the
// same, the last one where one has given up.
func TestSerialServerIsSlow(t *testing.T) {
	a, b := cable(t, 0)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	lns, err := listenCom(ctx, &Spec{Protocol: "com", Device: a, Baud: 115200}, false)
	if err != nil {
		t.Fatal(err)
	}
	dial := func() net.Conn {
		c, err := dialCom(ctx, Spec{Protocol: "com", Device: b, Baud: 115200})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	dial().Close()
	last := dial()
	defer last.Close()
	last.Write([]byte("hello"))
	far, err := lns[0].Accept()
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 5)
	if _, err := io.ReadFull(far, got); err != nil || string(got) != "hello" {
		t.Errorf("%q, %v", got, err)
	}
	far.Write([]byte("there"))
	if _, err := io.ReadFull(last, got); err != nil || string(got) != "there" {
		t.Errorf("%q, %v", got, err)
	}
	far.Close()
	lns[0].Close()
}

// bulk sends n bytes and wants them back.
func bulk(t *testing.T, ctx context.Context, c *Conn, n int) {
	t.Helper()
	s, err := c.Open(ctx, "echo", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	sent := random(n)
	go func() { s.Write(sent); s.CloseWrite() }()
	if back, err := io.ReadAll(s); err != nil || !bytes.Equal(back, sent) {
		t.Errorf("%d bytes came back of %d, %v", len(back), n, err)
	}
}

// FuzzFrames: no bytes on the line make more of a frame than it was.
func FuzzFrames(f *testing.F) {
	f.Add(frame{channel: 3, kind: data, seq: 7, payload: []byte("~}\r\nx")}.encode())
	f.Fuzz(func(t *testing.T, in []byte) {
		var d deframer
		for _, b := range in {
			if got, ok := d.take(b); ok && len(got.payload) > maxPayload {
				t.Error("too long")
			}
		}
		want := frame{channel: 1, kind: data, payload: in[:min(len(in), maxPayload)]}
		d = deframer{}
		for _, b := range append(append([]byte{}, in...), flag) {
			d.take(b)
		}
		found := false
		for _, b := range want.encode() {
			got, ok := d.take(b)
			found = found || ok && bytes.Equal(got.payload, want.payload)
		}
		if !found {
			t.Error("a frame behind noise is lost")
		}
	})
}
