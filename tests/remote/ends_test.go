//go:build linux

package remote

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// busy is a command window that debugs a process all the time: it stops at each pace
// and goes on.
type busy struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	said *text
	pid  int // of the debuggee
	done chan struct{}
}

const onAndOn = `bp pacing!pace "gc"; g`

// debugging starts a command window on a process (pid), or on a new one (0).
func debugging(t testing.TB, client string, pid int, commands string) *busy {
	t.Helper()
	return debuggingIn(t, nil, client, pid, commands)
}

// debuggingIn starts it in a network of its own.
func debuggingIn(t testing.TB, where *place, client string, pid int, commands string) *busy {
	t.Helper()
	b := &busy{said: &text{}, pid: pid, done: make(chan struct{})}
	args := where.within(binary, "cdb", "-premote", client, "-c", commands)
	if pid != 0 {
		args = append(args, "-p", strconv.Itoa(pid))
	} else {
		args = append(args, pacing())
	}
	b.cmd = exec.Command(args[0], args[1:]...)
	b.cmd.Stdout, b.cmd.Stderr = b.said, b.said
	var err error
	if b.in, err = b.cmd.StdinPipe(); err == nil {
		err = b.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	go func() { b.cmd.Wait(); close(b.done) }()
	t.Cleanup(func() {
		b.cmd.Process.Kill()
		<-b.done
		if t.Failed() {
			t.Log(b.said)
		}
	})
	m := b.said.wait(t, `\(([0-9a-f]+)\.[0-9a-f]+\): Break instruction`)
	if pid == 0 {
		n, _ := strconv.ParseInt(m[1], 16, 32)
		b.pid = int(n)
	}
	return b
}

// walks waits until the debuggee has met its breakpoint many times.
func (b *busy) walks(t testing.TB) {
	t.Helper()
	before := switches(b.pid)
	eventually(t, "the debuggee walks", func() bool { return switches(b.pid) > before+10 })
}

// TestEnds: whichever end dies, what was attached to runs on without traps, what was
// started is gone, nothing else is left, and other clients notice nothing.
func TestEnds(t *testing.T) {
	for _, c := range []struct {
		name   string
		kill   func(s *server, b *busy)
		others bool // live on
	}{
		{"the client is killed", func(_ *server, b *busy) { b.cmd.Process.Kill() }, true},
		{"the client hangs up", func(_ *server, b *busy) { b.in.Close(); b.cmd.Process.Signal(syscall.SIGTERM) }, true},
		{"the server is killed", func(s *server, _ *busy) { s.cmd.Process.Kill() }, false},
		{"the server ends", func(s *server, _ *busy) { s.cmd.Process.Signal(syscall.SIGTERM) }, false},
	} {
		for _, created := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, started %v", c.name, created), func(t *testing.T) {
				t.Parallel()
				s := serve(t, fmt.Sprintf("tcp:port=%d,password=p1", free(t)))
				client := fmt.Sprintf("tcp:server=localhost,port=%d,password=p1", s.port)
				pid := 0
				if !created {
					pid = pace(t).Process.Pid
				}
				b := debugging(t, client, pid, onAndOn)
				b.walks(t)
				other := debugging(t, client, pace(t).Process.Pid, onAndOn)
				other.walks(t)
				held := stubs(s)
				c.kill(s, b)
				if created {
					eventually(t, "what was started is gone", func() bool { st := status(b.pid, "State"); return st == "" || st[0] == 'Z' })
				} else {
					walking(t, b.pid)
				}
				if c.others {
					other.walks(t)
					eventually(t, "the stub has ended", func() bool { return len(stubs(s)) == 1 })
					return
				}
				walking(t, other.pid)
				eventually(t, "all stubs have ended", func() bool {
					for _, pid := range held {
						if st := status(pid, "State"); st != "" && st[0] != 'Z' && strings.HasPrefix(status(pid, "Name"), "gdbserver") {
							return false
						}
					}
					return true
				})
				other.said.wait(t, "(?i)lost|closed")
			})
		}
	}
}

// TestStubDies: the end of a stub is the end of one session and told there.
func TestStubDies(t *testing.T) {
	s := serve(t, fmt.Sprintf("tcp:port=%d", free(t)))
	client := fmt.Sprintf("tcp:server=localhost,port=%d", s.port)
	other := debugging(t, client, 0, onAndOn)
	other.walks(t)
	mine := stubs(s)
	b := debugging(t, client, 0, onAndOn)
	b.walks(t)
	for _, pid := range stubs(s) {
		if strings.HasPrefix(status(pid, "Name"), "gdbserver") && !contains(mine, pid) {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	b.said.wait(t, "(?i)lost|closed")
	eventually(t, "what was started is gone", func() bool { st := status(b.pid, "State"); return st == "" || st[0] == 'Z' })
	other.walks(t)
	again := debugger(t, "cdb", "-premote", client, "-c", "bp pacing!pace; g; q", pacing())
	if again.status != 0 || !strings.Contains(again.out, "Breakpoint 0 hit") {
		t.Errorf("%d %s%s", again.status, again.out, again.errs)
	}
}

func contains(list []int, n int) bool {
	for _, m := range list {
		if m == n {
			return true
		}
	}
	return false
}

// TestOneAfterAnother: a client has several debuggees in turn over one connection;
// attach and create, detach, kill and .restart.
func TestOneAfterAnother(t *testing.T) {
	s := serve(t, fmt.Sprintf("tcp:port=%d", free(t)))
	p := pace(t)
	script := filepath.Join(t.TempDir(), "script")
	lines := fmt.Sprintf(".tlist pacing\n.attach 0n%[1]d\nbp pacing!pace\ng\n.detach\n.create %[2]s\ng\n.restart\ng\n.kill\n.attach 0n%[1]d\ng\n.detach\n.attach 0n1073741824\n", p.Process.Pid, pacing())
	if err := os.WriteFile(script, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	r := debugger(t, "cdb", "-premote", fmt.Sprintf("tcp:server=localhost,port=%d", s.port), "-cf", script, "-c", "q")
	if got := strings.Count(r.out, "Breakpoint 0 hit"); got != 4 {
		t.Errorf("%d stops, status %d\n%s%s", got, r.status, r.out, r.errs)
	}
	walking(t, p.Process.Pid)
	if n := strings.Count(s.logs.String(), "INF connected"); n > 2 {
		t.Errorf("%d connections\n%s", n, s.logs)
	}
}

// TestPause: gdbserver cannot interrupt a process that does not lead its group; the
// process server can.
func TestPause(t *testing.T) {
	s := serve(t, fmt.Sprintf("tcp:port=%d", free(t)))
	p := pace(t) // in the group of the test
	b := debugging(t, fmt.Sprintf("tcp:server=localhost,port=%d", s.port), p.Process.Pid, "bc *; g")
	b.walks(t)
	b.cmd.Process.Signal(syscall.SIGINT)
	b.said.wait(t, `(?s)Break instruction.*Break instruction|(?s)Break instruction.*0:000>.*\n.*:\n`)
	io.WriteString(b.in, ".detach\nq\n")
	<-b.done
	walking(t, p.Process.Pid)
}
