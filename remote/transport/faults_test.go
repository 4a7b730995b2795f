package transport

import (
	"bytes"
	"context"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// victim is a server with a password, and a client that must notice nothing of what is
// done to it.
type victim struct {
	l      *Listener
	client *Conn
	ctx    context.Context
}

func newVictim(t *testing.T) *victim {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	l, err := Listen(ctx, Spec{Protocol: "tcp", Password: "secret1"}, Options{Service: "test"})
	if err != nil {
		t.Fatal(err)
	}
	l.gate.first, l.gate.longest = time.Millisecond, time.Millisecond
	go echo(ctx, l)
	c, err := Dial(ctx, Spec{Protocol: "tcp", Server: "localhost", Port: l.Spec().Port, Password: "secret1"}, Options{Service: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		say(t, ctx, c)
		c.Close()
		l.Close()
		cancel()
	})
	return &victim{l, c, ctx}
}

// raw connects below the protocol.
func (v *victim) raw(t *testing.T, from string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := d.Dial("tcp", hostPort("127.0.0.1", v.l.Spec().Port))
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	t.Cleanup(func() { conn.Close() })
	return conn
}

// ended wants the server to hang up without more than limit bytes of an answer.
func ended(t *testing.T, conn net.Conn, limit int) {
	t.Helper()
	got, err := io.ReadAll(conn)
	var ne net.Error
	if errors.As(err, &ne) && ne.Timeout() || len(got) > limit {
		t.Errorf("%q %v", got, err)
	}
}

// guess tries one proof and returns the server's reason.
func guess(t *testing.T, conn net.Conn, key []byte) string {
	t.Helper()
	k := newTalk(conn, nil)
	if err := k.send(true, hello{Version: Version, Service: "test", Nonce: random(nonceSize)}); err != nil {
		return "gone"
	}
	var c challenge
	if err := k.receive(true, &c); err != nil {
		return "gone"
	}
	if key == nil {
		var err error
		if key, err = pbkdf2.Key(sha256.New, "secret1", c.Salt, c.Rounds, keySize); err != nil {
			t.Error(err)
		}
	}
	said := k.said.Sum(nil)
	if err := k.send(false, proof{sign(key, "client", said)}); err != nil {
		return "gone"
	}
	var v verdict
	if err := k.receive(false, &v); err != nil {
		return "gone"
	}
	return v.Refused
}

// TestGuessing: ten thousand wrong passwords from one address. It is locked out, also
// for the right one; another address is served.
func TestGuessing(t *testing.T) {
	v := newVictim(t)
	var wrongs, locks, others atomic.Int32
	var all sync.WaitGroup
	todo := make(chan bool)
	for range 20 {
		all.Go(func() {
			for range todo {
				conn := v.raw(t, "127.0.0.2")
				switch guess(t, conn, random(keySize)) {
				case refusedPassword:
					wrongs.Add(1)
				case refusedLocked:
					locks.Add(1)
				default:
					others.Add(1)
				}
				conn.Close()
			}
		})
	}
	for range 10_000 {
		todo <- true
	}
	close(todo)
	all.Wait()
	t.Log(wrongs.Load(), "wrong,", locks.Load(), "locked out")
	if wrongs.Load() != lockAfter-1 || others.Load() != 0 {
		t.Errorf("%d were judged, %d had no answer", wrongs.Load(), others.Load())
	}
	if got := guess(t, v.raw(t, "127.0.0.2"), nil); got != refusedLocked {
		t.Errorf("the right password from there: %q", got)
	}
	if got := guess(t, v.raw(t, "127.0.0.3"), nil); got != "" {
		t.Errorf("the right password from elsewhere: %q", got)
	}
}

// TestReplay: what was recorded of a good handshake opens nothing.
func TestReplay(t *testing.T) {
	v := newVictim(t)
	tap := &recorded{Conn: v.raw(t, "127.0.0.1")}
	if got := guess(t, tap, nil); got != "" {
		t.Fatal(got)
	}
	conn := v.raw(t, "127.0.0.1")
	conn.Write(tap.sent.Bytes())
	got, _ := io.ReadAll(conn)
	if !bytes.Contains(got, []byte(refusedPassword)) {
		t.Errorf("%q", got)
	}
}

type recorded struct {
	net.Conn
	sent bytes.Buffer
}

func (r *recorded) Write(p []byte) (int, error) {
	r.sent.Write(p)
	return r.Conn.Write(p)
}

// TestNoise: what is no handshake gets no answer, and what is none to the end a short one.
func TestNoise(t *testing.T) {
	v := newVictim(t)
	message := func(n int, text string) string {
		return string(binary.BigEndian.AppendUint16([]byte(preamble), uint16(n))) + text
	}
	for name, noise := range map[string]string{
		"a browser":     "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"a debugger":    "+$qSupported:multiprocess+#c6",
		"zeros":         string(make([]byte, 4096)),
		"random":        string(random(100_000)),
		"oversize":      message(65535, strings.Repeat("x", 65535)),
		"not JSON":      message(5, "hello"),
		"an array":      message(2, "[]"),
		"a short nonce": message(32, `{"version":1,"service":"test"}  `),
		"half":          message(200, `{"version":1`),
		"hangs up":      "DW",
	} {
		t.Run(name, func(t *testing.T) {
			conn := v.raw(t, "127.0.0.1")
			io.WriteString(conn, noise)
			conn.(*net.TCPConn).CloseWrite()
			ended(t, conn, 300)
		})
	}
	t.Run("another version", func(t *testing.T) {
		k := newTalk(v.raw(t, "127.0.0.1"), nil)
		k.send(true, hello{Version: Version + 1, Service: "test", Nonce: random(nonceSize)})
		var c challenge
		if err := k.receive(true, &c); err != nil || c.Refused != refusedVersion {
			t.Errorf("%+v %v", c, err)
		}
	})
	t.Run("another service", func(t *testing.T) {
		_, err := Dial(v.ctx, Spec{Protocol: "tcp", Server: "localhost", Port: v.l.Spec().Port, Password: "secret1"}, Options{Service: "kdsrv"})
		var e *Error
		if !errors.As(err, &e) || e.Layer != Service {
			t.Error(err)
		}
	})
}

// TestAfterwards: who knows the password and then talks nonsense loses his connection.
func TestAfterwards(t *testing.T) {
	v := newVictim(t)
	for name, noise := range map[string][]byte{
		"random":       random(100_000),
		"zeros":        make([]byte, 4096),
		"giant stream": append([]byte{0, 0, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff}, random(2<<20)...),
	} {
		t.Run(name, func(t *testing.T) {
			conn := v.raw(t, "127.0.0.1")
			if got := guess(t, conn, nil); got != "" {
				t.Fatal(got)
			}
			conn.Write(noise)
			conn.(*net.TCPConn).CloseWrite()
			ended(t, conn, 1<<20)
		})
	}
	t.Run("giant request", func(t *testing.T) {
		c, err := Dial(v.ctx, Spec{Protocol: "tcp", Server: "localhost", Port: v.l.Spec().Port, Password: "secret1"}, Options{Service: "test"})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Open(v.ctx, "echo", strings.Repeat("x", maxHeader), nil); err == nil {
			t.Error("taken")
		}
		s, err := c.session.OpenStream()
		if err != nil {
			t.Fatal(err)
		}
		s.Write([]byte{0xff, 0xff, 0xff, 0xff})
		s.SetReadDeadline(time.Now().Add(20 * time.Second))
		if _, err := s.Read(make([]byte, 1)); err != io.EOF {
			t.Error(err)
		}
		say(t, v.ctx, c)
	})
}

// TestLoris: who sends a byte now and then is let go when the handshake has lasted too
// long; hundreds of them keep nobody out.
func TestLoris(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	var conns []net.Conn
	for range maxFrom - 1 {
		conns = append(conns, v.raw(t, "127.0.0.1"))
	}
	began := time.Now()
	ticks := time.NewTicker(time.Second)
	defer ticks.Stop()
	for i := 0; time.Since(began) < handshakeLimit-time.Second; i++ {
		for _, c := range conns {
			c.Write([]byte(preamble + "\x07")[min(i, 4):][:1])
		}
		<-ticks.C
	}
	if got := guess(t, v.raw(t, "127.0.0.1"), nil); got != "" {
		t.Errorf("a client among them: %q", got)
	}
	for _, c := range conns {
		ended(t, c, 0)
	}
}

// TestFull: a server with as many clients as it takes says so, and takes the next one
// when one has left.
func TestFull(t *testing.T) {
	for _, password := range []string{"", "p"} {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		l, err := Listen(ctx, Spec{Protocol: "tcp", Password: password}, Options{Service: "test", MaxClients: 1})
		if err != nil {
			t.Fatal(err)
		}
		go echo(ctx, l)
		s := Spec{Protocol: "tcp", Server: "localhost", Port: l.Spec().Port, Password: password}
		first, err := Dial(ctx, s, Options{Service: "test"})
		if err != nil {
			t.Fatal(err)
		}
		say(t, ctx, first)
		var e *Error
		if _, err := Dial(ctx, s, Options{Service: "test"}); !errors.As(err, &e) || e.Layer != Service {
			t.Errorf("a second client: %v", err)
		}
		first.Close()
		for {
			c, err := Dial(ctx, s, Options{Service: "test"})
			if err == nil {
				c.Close()
				break
			}
			if ctx.Err() != nil {
				t.Fatal(err)
			}
		}
		l.Close()
		cancel()
	}
}

// TestTimes: a certificate is good between its times and at no others, at both ends.
func TestTimes(t *testing.T) {
	p := certPair(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	later := func() time.Time { return time.Now().Add(certLife + time.Hour) }
	before := func() time.Time { return time.Now().Add(-48 * time.Hour) }
	server := Spec{Protocol: "ssl", Proto: "tls1", Cert: p.Server}
	var e *Error
	if _, err := Listen(ctx, server, Options{Service: "test", Now: later}); !errors.As(err, &e) || e.Layer != Settings || !strings.Contains(err.Error(), "expired") {
		t.Errorf("a server with an old certificate: %v", err)
	}
	l, err := Listen(ctx, server, Options{Service: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client := Spec{Protocol: "ssl", Proto: "tls1", Server: "localhost", Port: l.Spec().Port, Cert: p.Client}
	for text, now := range map[string]func() time.Time{"expired": later, "not valid before": before} {
		for _, pin := range []string{"", p.ServerPrint} {
			client.Fingerprint = pin
			if _, err := Dial(ctx, client, Options{Service: "test", Now: now}); !errors.As(err, &e) || e.Layer != TLS || !strings.Contains(err.Error(), text) {
				t.Errorf("%s, pinned %v: %v", text, pin != "", err)
			}
		}
	}
}

// TestGate: the delays grow, a right password ends them, and a lock does.
func TestGate(t *testing.T) {
	now := time.Unix(0, 0)
	var waits []time.Duration
	g := newGate()
	g.now = func() time.Time { return now }
	g.wait = func(d time.Duration) { waits = append(waits, d); now = now.Add(d) }
	yes, no := func() bool { return true }, func() bool { return false }
	for range 3 {
		if got := g.try("a", no); got != wrong {
			t.Fatal(got)
		}
	}
	if g.try("a", yes) != right || g.try("a", no) != wrong {
		t.Error("a right password changes nothing")
	}
	want := []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, time.Second}
	for i, w := range want {
		if waits[i] != w {
			t.Errorf("waits %v", waits)
		}
	}
	for range lockAfter - 2 {
		g.try("a", no)
	}
	if g.try("a", no) != locked || g.try("a", yes) != locked || g.try("b", yes) != right {
		t.Error("no lock, or for all")
	}
	now = now.Add(g.lock)
	if g.try("a", yes) != right {
		t.Error("locked for ever")
	}
	for i := range 3 * maxPlaces {
		g.try(string(binary.BigEndian.AppendUint32(nil, uint32(i))), yes)
	}
	if len(g.places) > maxPlaces {
		t.Errorf("%d addresses are remembered", len(g.places))
	}
}

func TestOrigin(t *testing.T) {
	for in, want := range map[string]string{
		"10.0.0.7:1234": "10.0.0.7", "[::ffff:10.0.0.7]:1": "10.0.0.7", "[2001:db8:1:2:3:4:5:6]:9": "2001:db8:1:2::/64", "[fe80::1%eth0]:9": "fe80::/64",
		"[::1]:9": "::1", "@": "@", "": "",
	} {
		if got := origin(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

// FuzzHandshake: whatever a client says, the server comes to an end and does not let
// it in.
func FuzzHandshake(f *testing.F) {
	f.Add([]byte(preamble + "\x00\x02{}"))
	f.Add([]byte(preamble + "\xff\xff"))
	var good bytes.Buffer
	newTalk(&good, nil).send(true, hello{Version: Version, Service: "test", Nonce: random(nonceSize)})
	newTalk(&good, nil).send(false, proof{random(32)})
	f.Add(good.Bytes())
	s := &secret{salt: random(16), key: random(32)}
	f.Fuzz(func(t *testing.T, in []byte) {
		_, err := serveHandshake(newTalk(&duplex{bytes.NewReader(in)}, nil), policy{service: "test", secret: s, known: func() bool { return true },
			try:   func(check func() bool) trial { return map[bool]trial{true: right, false: wrong}[check()] },
			admit: func() bool { return true }})
		if err == nil {
			t.Error("let in")
		}
		var c challenge
		newTalk(&duplex{bytes.NewReader(in)}, nil).receive(true, &c)
		dialHandshake(newTalk(&duplex{bytes.NewReader(in)}, nil), hello{Service: "test"}, "", func(Layer, string) {})
		var h header
		receiveJSON(bytes.NewReader(in), &h)
	})
}

type duplex struct{ io.Reader }

func (*duplex) Write(p []byte) (int, error) { return len(p), nil }

// TestHalfClosed: streams that one end alone has closed are as many as are kept, and then
// the connection ends; others live on.
func TestHalfClosed(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	l, err := Listen(ctx, Spec{Protocol: "tcp"}, Options{Service: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go echo(ctx, l)
	dial := func() *Conn {
		c, err := Dial(ctx, Spec{Protocol: "tcp", Server: "localhost", Port: l.Spec().Port}, Options{Service: "test"})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	other, c := dial(), dial()
	defer other.Close()
	defer c.Close()
	for n := 0; ; n++ {
		s, err := c.session.OpenStream()
		if err != nil {
			break
		}
		if n > 2*maxHalves {
			t.Fatal("there is no end of it")
		}
		sendJSON(s, header{Kind: "unknown"}) // refused, closed there, and kept open here
	}
	<-c.Done()
	say(t, ctx, other)
}
