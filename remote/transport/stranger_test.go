//go:build linux

package transport

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestOrphan: the kernel shows a socket whose program has closed it as root's. What a
// stranger has sent before he closed it is not taken for root's words.
func TestOrphan(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	there, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	if !ours(there) {
		t.Fatal("our own socket is taken for a stranger's")
	}
	conn.Close()
	if ours(there) {
		t.Error("a socket that nobody has open any more is taken for root's")
	}
}

// TestLateAccept: whose program the other end is, is asked once it has spoken. A server
// that connects to a waiting client is there before the client has accepted it, and the
// socket has no owner until then.
func TestLateAccept(t *testing.T) {
	var said bytes.Buffer
	newTalk(&said, nil).send(true, hello{Version: Version, Service: "test", Nonce: random(nonceSize)})
	in := bytes.NewReader(said.Bytes())
	_, err := serveHandshake(newTalk(&duplex{in}, nil), policy{service: "test", known: func() bool {
		if in.Len() > 0 {
			t.Error("asked before the client has spoken")
		}
		return false
	}})
	if err != errStranger {
		t.Errorf("a stranger: %v", err)
	}
}

// TestOwn: a listener for its user alone serves him, and hangs up on others.
func TestOwn(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be somebody else")
	}
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln := Own(plain)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			conn.Write([]byte("welcome"))
			conn.Close()
		}
	}()
	script := fmt.Sprintf("cat </dev/tcp/127.0.0.1/%d", plain.Addr().(*net.TCPAddr).Port)
	for uid, want := range map[uint32]string{65534: "", 0: "welcome"} {
		cmd := exec.CommandContext(t.Context(), "bash", "-c", script)
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		if out, _ := cmd.Output(); string(out) != want {
			t.Errorf("user %d hears %q", uid, out)
		}
	}
	ln.Close()
	<-done
}

// TestPipeOwner: who may connect to a pipe is known by whose the other socket is, too:
// its permissions are set only once it is there.
func TestPipeOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be somebody else")
	}
	dir, err := os.MkdirTemp("/tmp", "pipe")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "k")
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	l, err := Listen(ctx, Spec{Protocol: "npipe", Pipe: path}, Options{Service: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go echo(ctx, l)
	if err := os.Chmod(path, 0o666); err != nil { // as it is for a moment where the umask lets it
		t.Fatal(err)
	}
	text := `{"version":2,"nonce":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}`
	script := fmt.Sprintf("use IO::Socket::UNIX; my $s = IO::Socket::UNIX->new(Peer=>'%s') or die $!; $s->autoflush; print $s qq{DWR\\n\\0\\x%02x}.q{%s}; print while <$s>", path, len(text), text)
	for uid, answered := range map[uint32]bool{0: true, 65534: false} {
		cmd := exec.CommandContext(ctx, "perl", "-e", script)
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		out, _ := cmd.CombinedOutput()
		if strings.Contains(string(out), `refused":"version`) != answered {
			t.Errorf("user %d: %q", uid, out)
		}
	}
}

// TestPipeKeepsFiles: a socket that a killed server has left gives way to a new one; a
// file that is none stays.
func TestPipeKeepsFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "thesis")
	if err := os.WriteFile(path, []byte("years of work"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := Listen(t.Context(), Spec{Protocol: "npipe", Pipe: path}, Options{Service: "test"})
	if err == nil {
		l.Close()
		t.Error("a server took the place of a file")
	}
	if text, err := os.ReadFile(path); string(text) != "years of work" {
		t.Errorf("%q %v", text, err)
	}
	left := filepath.Join(t.TempDir(), "left")
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: left, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	ln.SetUnlinkOnClose(false)
	ln.Close()
	if l, err = Listen(t.Context(), Spec{Protocol: "npipe", Pipe: left}, Options{Service: "test"}); err != nil {
		t.Fatal(err)
	}
	l.Close()
}

// TestReverseName: a client that waits knows by clicon who is to come. A certificate of
// an issuer that it trusts, but for another host, is not enough.
func TestReverseName(t *testing.T) {
	now := time.Now()
	der, _, err := selfSigned("issuer", []string{"elsewhere.example"}, now, now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]bool{"localhost": false, "elsewhere.example": true} {
		c, err := tlsConfig(Spec{Protocol: "ssl", Proto: "tls1", Clicon: host}, false, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		var named x509.HostnameError
		err = c.VerifyConnection(tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}})
		if right := err != nil && !errors.As(err, &named); right != want { // no issuer of this machine, so that much is wrong
			t.Errorf("%s: %v", host, err)
		}
	}
}

// TestCrowd: connections of one address do not take the room of others.
func TestCrowd(t *testing.T) {
	v := newVictim(t)
	for range maxPending + 10 {
		v.raw(t, "127.0.0.3")
	}
	if got := guess(t, v.raw(t, "127.0.0.4"), nil); got != "" {
		t.Errorf("a client from elsewhere: %q", got)
	}
}

// TestStrangersComeFirst: a client that waits for its server goes on waiting when others
// come, also while one of them says nothing.
func TestStrangersComeFirst(t *testing.T) {
	for _, password := range []string{"", "p1"} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		port := freePort(t)
		told := make(chan error, 8)
		type met struct {
			conn *Conn
			err  error
		}
		done := make(chan met, 1)
		go func() {
			c, err := Dial(ctx, Spec{Protocol: "tcp", Clicon: "localhost", Port: port, Password: password},
				Options{Service: "test", Stranger: func(_ string, err error) { told <- err }})
			done <- met{c, err}
		}()
		at := fmt.Sprintf("127.0.0.1:%d", port)
		reach := func() net.Conn {
			for ctx.Err() == nil {
				if c, err := net.Dial("tcp", at); err == nil {
					return c
				}
			}
			t.Fatal("nobody waits")
			return nil
		}
		defer reach().Close() // says nothing
		browser := reach()
		browser.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
		defer browser.Close()
		if err := <-told; !strings.Contains(err.Error(), "does not speak the remote protocol") {
			t.Errorf("of a browser: %v", err)
		}
		if os.Geteuid() == 0 && password == "" {
			cmd := exec.CommandContext(ctx, "bash", "-c", fmt.Sprintf("cat </dev/tcp/127.0.0.1/%d", port))
			cmd.Dir = "/"
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
			if out, _ := cmd.Output(); len(out) > 0 {
				t.Errorf("another user hears %q", out)
			}
			if err := <-told; !errors.Is(err, errStranger) {
				t.Errorf("of another user: %v", err)
			}
		}
		l, err := Listen(ctx, Spec{Protocol: "tcp", Clicon: "localhost", Port: port, Password: password}, Options{Service: "test"})
		if err != nil {
			t.Fatal(err)
		}
		go echo(ctx, l)
		if m := <-done; m.err != nil {
			t.Errorf("password %q: %v", password, m.err)
		} else {
			say(t, ctx, m.conn)
			m.conn.Close()
		}
		l.Close()
	}
}

// freePort is a port that nobody uses now.
func freePort(t *testing.T) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port
}
