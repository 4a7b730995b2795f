//go:build linux

package remote

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestConnections: connection strings of both ends. All legal pairs debug a real
// process from the first stop to the last; all others say why not, and leave the
// server as it was.
func TestConnections(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	mine, other := certificates(t), certificates(t)
	for _, p := range []struct{ name, server, client, fails string }{
		{"tcp", "tcp:port=PORT", "tcp:server=localhost,port=PORT", ""},
		{"tcp, spelled as the server prints it", "TCP:Port=PORT", "tcp:Port=PORT,Server=localhost", ""},
		{"tcp, a range", "tcp:port=PORT:65535", "tcp:server=127.0.0.1,port=PORT", ""},
		{"tcp, IPv6", "tcp:port=PORT,ipversion=6", "tcp:server=[::1],port=PORT,ipversion=6", ""},
		{"tcp, password", "tcp:port=PORT,password=Abc123", `tcp:server=\\localhost,port=PORT,password=Abc123`, ""},
		{"tcp, hidden", "tcp:port=PORT,hidden,password=Abc123,icfenable", "tcp:server=localhost,port=PORT,password=Abc123", ""},
		{"tcp, wrong password", "tcp:port=PORT,password=Abc123", "tcp:server=localhost,port=PORT,password=abc123", "Error 0x80004005"},
		{"tcp, no password", "tcp:port=PORT,password=Abc123", "tcp:server=localhost,port=PORT", "Error 0x80004005"},
		{"tcp, a password that the server has not", "tcp:port=PORT", "tcp:server=localhost,port=PORT,password=x", "did not show that it knows the password"},
		{"tcp, reverse", "tcp:port=PORT,clicon=localhost", "tcp:clicon=localhost,port=PORT", ""},
		{"tcp, reverse, password", "tcp:port=PORT,clicon=localhost,password=p1", "tcp:clicon=localhost,port=PORT,password=p1", ""},
		{"tcp, reverse, wrong password", "tcp:port=PORT,clicon=localhost,password=p1", "tcp:clicon=localhost,port=PORT,password=p2", "Error 0x80004005"},
		{"ssl", "ssl:proto=tls1,certuser=SERVER,port=PORT", "ssl:proto=tls1,certuser=CLIENT,server=localhost,port=PORT", ""},
		{"ssl, password", "ssl:proto=tls13,machuser=SERVER,port=PORT,password=p1", "ssl:proto=tls1,certuser=CLIENT,server=localhost,port=PORT,password=p1", ""},
		{"ssl, pinned", "ssl:proto=tls12,certuser=SERVER,port=PORT", "ssl:proto=tls12,certuser=CLIENT,fingerprint=PRINT,server=localhost,port=PORT", ""},
		{"ssl, reverse", "ssl:proto=tls1,certuser=SERVER,port=PORT,clicon=localhost", "ssl:proto=tls1,certuser=CLIENT,clicon=localhost,port=PORT", ""},
		{"ssl, reverse, password", "ssl:proto=tls1,certuser=SERVER,port=PORT,clicon=localhost,password=p1", "ssl:proto=tls1,certuser=CLIENT,clicon=localhost,port=PORT,password=p1", ""},
		{"ssl, wrong password", "ssl:proto=tls1,certuser=SERVER,port=PORT,password=p1", "ssl:proto=tls1,certuser=CLIENT,server=localhost,port=PORT,password=p2", "Error 0x80004005"},
		{"ssl, another pair's client", "ssl:proto=tls1,certuser=SERVER,port=PORT", "ssl:proto=tls1,certuser=OTHER,fingerprint=PRINT,server=localhost,port=PORT", "did not accept our certificate"},
		{"ssl, another server", "ssl:proto=tls1,certuser=SERVER,port=PORT", "ssl:proto=tls1,certuser=OTHER,server=localhost,port=PORT", "certificate is not trusted"},
		{"ssl, downgrade", "ssl:proto=tls13,certuser=SERVER,port=PORT", "ssl:proto=tls12,certuser=CLIENT,server=localhost,port=PORT", "the ends allow no common version"},
		{"tcp to ssl", "ssl:proto=tls1,certuser=SERVER,port=PORT", "tcp:server=localhost,port=PORT", "one with TLS is reached with ssl:"},
		{"ssl to tcp", "tcp:port=PORT", "ssl:proto=tls1,certuser=CLIENT,server=localhost,port=PORT", "is it a tcp: server?"},
		{"npipe", "npipe:pipe=one", "npipe:server=.,pipe=one", ""},
		{"npipe, password", "npipe:pipe=two,password=p1", "npipe:server=localhost,pipe=two,password=p1", ""},
		{"npipe, wrong password", "npipe:pipe=three,password=p1", "npipe:server=.,pipe=three,password=P1", "Error 0x80004005"},
		{"npipe, wrong name", "npipe:pipe=four", "npipe:server=.,pipe=five", "Unable to connect to pipe five"},
		{"spipe", "spipe:proto=tls1,certuser=SERVER,pipe=six", "spipe:proto=tls1,certuser=CLIENT,server=.,pipe=six", ""},
		{"spipe, password", "spipe:proto=tls1,certuser=SERVER,pipe=seven,password=p1", "spipe:proto=tls1,certuser=CLIENT,server=.,pipe=seven,password=p1", ""},
		{"com", "com:port=TTY1,baud=115200,channel=3", "com:port=TTY2,baud=115200,channel=3", ""},
		{"com, password", "com:port=TTY1,baud=115200,channel=254,password=p1", "com:port=TTY2,baud=115200,channel=254,password=p1", ""},
		{"com, wrong password", "com:port=TTY1,baud=115200,channel=0,password=p1", "com:port=TTY2,baud=115200,channel=0,password=p2", "Error 0x80004005"},
		{"com, another channel", "com:port=TTY1,baud=115200,channel=1", "com:port=TTY2,baud=115200,channel=2", "no server answered"},
		{"npipe to spipe", "spipe:proto=tls1,certuser=SERVER,pipe=eight", "npipe:server=.,pipe=eight", "one with TLS is reached with"},
	} {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			near, far := "", ""
			if strings.Contains(p.server, "TTY") {
				near, far = cable(t)
			}
			fill := strings.NewReplacer("TTY1", near, "TTY2", far, "PORT", fmt.Sprint(free(t)), "SERVER", mine.server, "CLIENT", mine.client, "OTHER", other.client, "PRINT", mine.print).Replace
			tryConnection(t, fill(p.server), fill(p.client), p.fails)
		})
	}
}

func tryConnection(t *testing.T, serverSide, client, fails string) {
	args := []string{"cdb", "-premote", client, "-c", "bp pacing!pace; g; dv; k; g; q", pacing()}
	var s *server
	var r result
	if strings.Contains(serverSide, "clicon") { // the client waits for the server
		done := make(chan struct{})
		go func() { defer close(done); r = debugger(t, args...) }()
		s = reverse(t, serverSide, done)
		<-done
	} else {
		file := filepath.Join(t.TempDir(), "string")
		if err := os.WriteFile(file, []byte(serverSide+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		s = serve(t, "@"+file)
		r = debugger(t, args...)
	}
	if fails != "" {
		if r.status != 3 || !strings.Contains(r.errs, fails) {
			t.Errorf("status %d, want %q\n%s%s", r.status, fails, r.out, r.errs)
		}
	} else if r.status != 0 || strings.Count(r.out, "Breakpoint 0 hit") != 2 || !strings.Contains(r.out, "n = 0n0") || !strings.Contains(r.out, "pacing!main") {
		t.Errorf("status %d\n%s%s", r.status, r.out, r.errs)
	}
	if s == nil {
		return
	}
	eventually(t, "the server runs no stub any more", func() bool { return len(stubs(s)) == 0 })
	if strings.Contains(serverSide, "clicon") {
		return
	}
	select {
	case <-s.done:
		t.Error("the server has ended")
	default:
	}
}

// reverse starts a server until it has reached the client.
func reverse(t *testing.T, transport string, over chan struct{}) *server {
	t.Helper()
	for {
		s := serve(t, transport)
		select {
		case <-s.done:
			if !strings.Contains(s.logs.String(), "Reverse connection requires clicon on both sides") {
				return s
			}
		case <-over:
			return s
		}
	}
}

// stubs are the stubs that a server runs.
func stubs(s *server) []int {
	var out []int
	for _, pid := range children(s.cmd.Process.Pid) {
		if name := status(pid, "Name"); strings.HasPrefix(name, "gdbserver") || strings.HasPrefix(name, "lldb-server") || name == "pacing" {
			out = append(out, pid)
		}
	}
	return out
}

// pair is what `dap-windbg certs` made.
type pair struct{ server, client, print string }

func certificates(t *testing.T) pair {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "certs")
	out, err := exec.Command(binary, "certs", dir).Output()
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(out), "fingerprint=")
	print, _, _ := strings.Cut(rest, "\n")
	return pair{filepath.Join(dir, "server.pem"), filepath.Join(dir, "client.pem"), print}
}
