package targettest

import (
	"bufio"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// Server is a GNU gdbserver that runs until the test ends.
type Server struct {
	Port  string
	Cmd   *exec.Cmd
	Ended <-chan struct{} // closed when it has ended and was waited for
}

// Addr is where it listens.
func (g *Server) Addr() string { return "127.0.0.1:" + g.Port }

// says is what gdbserver writes when it listens, and when it has started a program.
var says = regexp.MustCompile(`^(?:Listening on port (\d+)|Process .* created; pid = (\d+))`)

// StartServer starts cmd, a gdbserver that chooses its own port, and waits until it
// listens. It takes what it writes to its standard error. What it has started ends with
// it.
func StartServer(t testing.TB, cmd *exec.Cmd) *Server {
	t.Helper()
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v: %v", cmd.Args, err)
	}
	ended, port, program := make(chan struct{}), make(chan string, 1), make(chan int, 1)
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			m := says.FindStringSubmatch(lines.Text())
			switch {
			case m == nil:
			case m[1] != "":
				select { // it listens again after its client has gone
				case port <- m[1]:
				default:
				}
			default:
				if pid, err := strconv.Atoi(m[2]); err == nil {
					select {
					case <-program: // an earlier one
					default:
					}
					program <- pid
				}
			}
		}
		cmd.Wait()
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		select { // a program holds on to its server's standard error
		case <-ended:
		case pid := <-program:
			if p, err := os.FindProcess(pid); err == nil {
				p.Kill()
			}
		}
		<-ended
	})
	select {
	case p := <-port:
		return &Server{Port: p, Cmd: cmd, Ended: ended}
	case <-ended:
		t.Fatalf("%v ended: %v", cmd.Args, cmd.ProcessState)
	case <-time.After(Patience):
		t.Fatalf("%v does not listen", cmd.Args)
	}
	return nil
}
