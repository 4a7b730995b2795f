package share

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"dap-windbg/tests/built"
	"dap-windbg/tests/kernel/window"

	"github.com/creack/pty"
)

// terminal is a command window on a terminal at which nobody types.
type terminal struct {
	t    *testing.T
	text chan string // what it shows, closed at its end
	all  string
}

func onTerminal(t *testing.T, args ...string) *terminal {
	t.Helper()
	binary, err := built.Debugger()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, append([]string{"cdb"}, args...)...)
	cmd.Env = append(append(os.Environ(), built.Alone(t)...), "TERM=xterm")
	tty, err := pty.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	x := &terminal{t: t, text: make(chan string, 1000)}
	go func() {
		defer close(x.text)
		buf := make([]byte, 4096)
		for {
			n, err := tty.Read(buf) // EIO once nobody has the other end
			x.text <- string(buf[:n])
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		tty.Close()
	})
	return x
}

// await waits for text, "" for the end.
func (x *terminal) await(text string) {
	x.t.Helper()
	limit := time.After(window.Patience)
	for text == "" || !strings.Contains(x.all, text) {
		select {
		case more, ok := <-x.text:
			if x.all += more; !ok {
				if text != "" {
					x.t.Fatalf("it has ended without %q:\n%s", text, x.all)
				}
				return
			}
		case <-limit:
			x.t.Fatalf("it has not shown %q:\n%s", text, x.all)
		}
	}
}

// TestTerminals: a window that waits for a key ends when the session does, a guest's with
// its owner and the owner's when a guest ends it.
func TestTerminals(t *testing.T) {
	owner := window.Open(t, "-server", anyPort, program(t))
	owner.Await("Server started.")
	guest := onTerminal(t, "-remote", shared(t, owner.Text(), ""))
	guest.await("0:000> ")
	owner.End("q")
	guest.await("The debug session has ended.")
	guest.await("")

	mine := onTerminal(t, "-server", anyPort, program(t))
	mine.await("0:000> ")
	w := window.Open(t, "-remote", shared(t, strings.ReplaceAll(mine.all, "\r", ""), ""))
	w.End("qq")
	mine.await("")
}
