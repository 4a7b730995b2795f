package transport

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pair is a table row of both ends of one connection.
type pair struct {
	name           string
	server, client Spec
	fails          Layer // "" connects
}

// echo serves streams that say back what they hear.
func echo(ctx context.Context, l *Listener) {
	for {
		c, err := l.Accept(ctx)
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			c.Serve(ctx, func(_ context.Context, call *Call) {
				if call.Kind != "echo" {
					call.Refuse(errors.New("no such kind"))
					return
				}
				s, err := call.Accept(string(call.Request))
				if err != nil {
					return
				}
				io.Copy(s, s)
				s.Close()
			})
		}()
	}
}

func certPair(t *testing.T) Pair {
	t.Helper()
	p, err := Certs(filepath.Join(t.TempDir(), "certs"), []string{"localhost", "127.0.0.1"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestPairs: both ends of every transport, with and without what protects it.
func TestPairs(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	mine, other := certPair(t), certPair(t)
	tcp := func(s, pw string) Spec { return Spec{Protocol: "tcp", Server: s, Password: pw} }
	ssl := func(s, cert, pw string) Spec {
		return Spec{Protocol: "ssl", Proto: "tls1", Server: s, Cert: cert, Password: pw}
	}
	with := func(s Spec, f func(*Spec)) Spec { f(&s); return s }
	pipe := func(s, name, pw string) Spec { return Spec{Protocol: "npipe", Server: s, Pipe: name, Password: pw} }
	for _, p := range []pair{
		{"tcp", tcp("", ""), tcp("localhost", ""), ""},
		{"tcp, IPv6", tcp("", ""), tcp("[::1]", ""), ""},
		{"tcp, only IPv6", with(tcp("", ""), func(s *Spec) { s.IPv6 = true }), tcp("::1", ""), ""},
		{"tcp, password", tcp("", "abc123"), tcp(`\\localhost`, "abc123"), ""},
		{"tcp, wrong password", tcp("", "abc123"), tcp("localhost", "abc124"), Password},
		{"tcp, case of the password", tcp("", "abc123"), tcp("localhost", "ABC123"), Password},
		{"tcp, missing password", tcp("", "abc123"), tcp("localhost", ""), Password},
		{"tcp, a server without the password", tcp("", ""), tcp("localhost", "abc123"), Password},
		{"tcp, no such host", tcp("", ""), tcp("no-such-host.invalid", ""), Name},
		{"tcp server, ssl client", tcp("", ""), ssl("localhost", mine.Client, ""), TLS},
		{"ssl server, tcp client", ssl("", mine.Server, ""), tcp("localhost", ""), Protocol},
		{"ssl", ssl("", mine.Server, ""), ssl("localhost", mine.Client, ""), ""},
		{"ssl, password", ssl("", mine.Server, "abc123"), ssl("localhost", mine.Client, "abc123"), ""},
		{"ssl, wrong password", ssl("", mine.Server, "abc123"), ssl("localhost", mine.Client, "x"), Password},
		{"ssl, client without certificate", ssl("", mine.Server, ""), with(ssl("localhost", "", ""), func(s *Spec) { s.Fingerprint = mine.ServerPrint }), TLS},
		{"ssl, unknown client", ssl("", mine.Server, ""), with(ssl("localhost", other.Client, ""), func(s *Spec) { s.Fingerprint = mine.ServerPrint }), TLS},
		{"ssl, unknown server", ssl("", other.Server, ""), ssl("localhost", mine.Client, ""), TLS},
		{"ssl, wrong fingerprint", ssl("", mine.Server, ""), with(ssl("localhost", mine.Client, ""), func(s *Spec) { s.Fingerprint = mine.ClientPrint }), TLS},
		{"ssl, pinned at both ends", with(ssl("", mine.Server, ""), func(s *Spec) { s.Fingerprint = other.ClientPrint }), with(ssl("localhost", other.Client, ""), func(s *Spec) { s.Fingerprint = mine.ServerPrint }), ""},
		{"ssl, 1.2 both", with(ssl("", mine.Server, ""), func(s *Spec) { s.Proto = "tls12" }), with(ssl("localhost", mine.Client, ""), func(s *Spec) { s.Proto = "tls12" }), ""},
		{"ssl, no common version", with(ssl("", mine.Server, ""), func(s *Spec) { s.Proto = "tls13" }), with(ssl("localhost", mine.Client, ""), func(s *Spec) { s.Proto = "tls12" }), TLS},
		{"npipe", pipe("", "k", ""), pipe(".", "k", ""), ""},
		{"npipe, password", pipe("", "k%x", "p"), pipe("localhost", "", "p"), ""},
		{"npipe, wrong password", pipe("", "k", "p"), pipe(".", "k", "q"), Password},
		{"npipe, another name", pipe("", "k", ""), pipe(".", "l", ""), Port},
		{"npipe, another machine", pipe("", "k", ""), pipe("elsewhere", "k", ""), Name},
		{"spipe", with(pipe("", "s", ""), func(s *Spec) { s.Protocol, s.Cert = "spipe", mine.Server }), with(pipe(".", "s", ""), func(s *Spec) { s.Protocol, s.Cert = "spipe", mine.Client }), ""},
		{"spipe, password", with(pipe("", "s", "p"), func(s *Spec) { s.Protocol, s.Cert = "spipe", mine.Server }), with(pipe(".", "s", "p"), func(s *Spec) { s.Protocol, s.Cert = "spipe", mine.Client }), ""},
	} {
		t.Run(p.name, func(t *testing.T) { tryPair(t, p) })
	}
}

func tryPair(t *testing.T, p pair) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	l, err := Listen(ctx, p.server, Options{Service: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	l.gate.first = time.Millisecond
	go echo(ctx, l)
	if p.client.Port = l.Spec().Port; p.client.Pipe == "" {
		p.client.Pipe = l.Spec().Pipe
	}
	c, err := Dial(ctx, p.client, Options{Service: "test"})
	var e *Error
	if p.fails != "" {
		if !errors.As(err, &e) || e.Layer != p.fails {
			t.Fatalf("got %v, want a fault of the layer %s", err, p.fails)
		}
		t.Log(err)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	say(t, ctx, c)
}

// say sends text over a stream and wants it back.
func say(t *testing.T, ctx context.Context, c *Conn) {
	t.Helper()
	var reply string
	s, err := c.Open(ctx, "echo", "who", &reply)
	if err != nil || reply != `"who"` {
		t.Fatal(reply, err)
	}
	defer s.Close()
	if _, err := s.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	s.CloseWrite()
	if back, err := io.ReadAll(s); err != nil || string(back) != "hello" {
		t.Fatalf("%q %v", back, err)
	}
	if err := c.Call(ctx, "nothing", nil, nil); err == nil || err.Error() != "no such kind" {
		t.Fatal(err)
	}
}
