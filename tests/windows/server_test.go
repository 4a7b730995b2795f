package windows

import (
	"bufio"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"dap-windbg/tests/kdsim/sim"
	"dap-windbg/tests/kernel/window"
)

// server starts a KD connection server and returns its port.
func server(t *testing.T) int {
	t.Helper()
	binary, err := window.Binary()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	cmd := exec.Command(binary, "kdsrv", "-t", fmt.Sprintf("tcp:port=%d,password=secret", port))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "Server started.") { // what follows is little and fits into the pipe
			return port
		}
	}
	t.Fatal("the server ended before it said that it started")
	return 0
}

// TestSessionOverServer is the session through a KD connection server, on a line
// that writes CR LF for each LF of the machine's.
func TestSessionOverServer(t *testing.T) {
	_, line, name := machine(t, sim.Options{Seed: 8, AckWait: time.Second, Alone: true}, sim.Line{Baud: 115200, Out: &sim.Faults{Newlines: 1}})
	w := window.Open(t, "-k", fmt.Sprintf("kdsrv:server=@{tcp:server=127.0.0.1,port=%d,password=secret},trans=@{com:port=%s,baud=115200}", server(t), name), "-y", guest(t).Dir)
	runSession(t, w, line, name)
}
