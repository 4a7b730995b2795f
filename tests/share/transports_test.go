package share

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dap-windbg/remote/transport"
	"dap-windbg/tests/kernel/window"
)

// TestTransports: a command window opens a session over every transport; another one and
// an editor join, and debug the program.
func TestTransports(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	certs, err := transport.Certs(filepath.Join(t.TempDir(), "certs"), []string{"localhost", "127.0.0.1"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ name, server, client string }{
		{"tcp", "tcp:port=PORT", "tcp:server=localhost,port=PORT"},
		{"tcp, password", "tcp:port=PORT,password=p1", "tcp:server=127.0.0.1,port=PORT,password=p1"},
		{"tcp, reverse", "tcp:port=PORT,clicon=localhost,password=p1", "tcp:clicon=localhost,port=PORT,password=p1"},
		{"ssl", "ssl:proto=tls1,certuser=SERVER,port=PORT", "ssl:proto=tls1,certuser=CLIENT,server=localhost,port=PORT"},
		{"ssl, password", "ssl:proto=tls13,certuser=SERVER,port=PORT,password=p1", "ssl:proto=tls13,certuser=CLIENT,server=localhost,port=PORT,password=p1"},
		{"ssl, reverse", "ssl:proto=tls1,certuser=SERVER,port=PORT,clicon=localhost", "ssl:proto=tls1,certuser=CLIENT,clicon=localhost,port=PORT"},
		{"npipe", "npipe:pipe=tiger", "npipe:server=.,pipe=tiger"},
		{"npipe, password", "npipe:pipe=lion,password=p1", "npipe:server=.,pipe=lion,password=p1"},
		{"spipe", "spipe:proto=tls1,certuser=SERVER,pipe=lynx", "spipe:proto=tls1,certuser=CLIENT,server=.,pipe=lynx"},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := strings.NewReplacer("PORT", freePort(t), "SERVER", certs.Server, "CLIENT", certs.Client)
			server, client := r.Replace(row.server), r.Replace(row.client)
			owner, w := pair(t, server, client)
			w.Do("bu loop!add")
			if got := w.Do("g"); !strings.Contains(got, "Breakpoint 0 hit") || !strings.Contains(got, "loop!add") {
				t.Errorf("g in the window shows %q", got)
			}
			owner.Await("Breakpoint 0 hit")
			if !strings.Contains(server, "clicon") {
				joins(t, client)
			}
			if status := w.End("qq"); status != 0 {
				t.Errorf("the window ends with %d", status)
			}
			if status := owner.End(""); status != 0 {
				t.Errorf("the owner ends with %d", status)
			}
		})
	}
}

// pair starts the owner's window and one that joins.
func pair(t *testing.T, server, client string) (owner, w *window.Window) {
	t.Helper()
	if !strings.Contains(server, "clicon") {
		owner = window.Open(t, "-server", server, program(t))
		owner.Await("Server started.")
		return owner, window.Open(t, "-remote", client)
	}
	w = window.Open(t, "-remote", client) // who is called waits
	for {
		owner = window.Open(t, "-server", server, program(t))
		if text := owner.AwaitAny("connected at", "has ended:"); !strings.Contains(text, "has ended:") {
			return owner, w
		}
		owner.End("q") // it was too early
	}
}

// joins has an editor look and leave.
func joins(t *testing.T, client string) {
	t.Helper()
	c := attach(t, client)
	thread := c.Stopped("breakpoint").ThreadId
	if f := top(t, c, thread); f.Name != "add" {
		t.Errorf("the editor is in %s", f.Name)
	}
	c.Disconnect(nil)
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
}
