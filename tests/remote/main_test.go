//go:build linux

// Package remote tests process servers with real processes, over real transports.
package remote

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/term"

	"dap-windbg/targets/targettest"
)

// patience bounds every wait: whoever is not done by then hangs.
const patience = 60 * time.Second

var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "dap-windbg-remote")
	if err == nil {
		binary = filepath.Join(dir, "dap-windbg")
		err = run(exec.Command("go", "build", "-o", binary, "../../cmd/dap-windbg"))
	}
	if err == nil {
		err = run(exec.Command("gcc", "-g", "-O0", "-o", filepath.Join(dir, "pacing"), "../programs/pacing.c"))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

func run(cmd *exec.Cmd) error {
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%v: %w\n%s", cmd.Args, err, out)
	}
	return nil
}

// pacing is a program that runs until it is ended.
func pacing() string { return filepath.Join(filepath.Dir(binary), "pacing") }

// pace starts it.
func pace(t testing.TB) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(pacing())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return cmd
}

// server is a running `dap-windbg dbgsrv`.
type server struct {
	cmd  *exec.Cmd
	port int
	said *text
	logs *text
	done chan struct{}
}

// text is what a program wrote so far.
type text struct {
	mu   sync.Mutex
	b    bytes.Buffer
	more chan struct{} // closed when more is written; nil: nobody waits
}

func (x *text) Write(p []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.more != nil {
		close(x.more)
		x.more = nil
	}
	return x.b.Write(p)
}

// now is what is written, and a channel that is closed when there is more.
func (x *text) now() (string, <-chan struct{}) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.more == nil {
		x.more = make(chan struct{})
	}
	return x.b.String(), x.more
}

func (x *text) String() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.b.String()
}

// wait waits for a match of pattern in what is written.
func (x *text) wait(t testing.TB, pattern string) []string {
	t.Helper()
	re, limit := regexp.MustCompile(pattern), time.After(patience)
	for {
		said, more := x.now()
		if m := re.FindStringSubmatch(said); m != nil {
			return m
		}
		select {
		case <-more:
		case <-limit:
			t.Fatalf("not within %v: '%s' is said", patience, pattern)
		}
	}
}

// eventually waits for what nobody tells of: states of processes, in /proc, that are no
// children of the test.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// serve starts a process server and waits until it listens, or connects.
func serve(t testing.TB, transport string, options ...string) *server {
	t.Helper()
	return serveIn(t, nil, transport, options...)
}

// serveIn starts it in a network of its own.
func serveIn(t testing.TB, where *place, transport string, options ...string) *server {
	t.Helper()
	s := &server{said: &text{}, logs: &text{}, done: make(chan struct{})}
	argv := where.within(append([]string{binary, "dbgsrv", "-t", transport}, options...)...)
	s.cmd = exec.Command(argv[0], argv[1:]...)
	s.cmd.Stdout, s.cmd.Stderr = s.said, s.logs
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { s.cmd.Wait(); close(s.done) }()
	t.Cleanup(func() {
		s.end(t)
		if t.Failed() {
			t.Logf("%s\n%s%s", transport, s.said, s.logs)
		}
	})
	for started, limit := false, time.After(patience); !started; {
		said, more := s.said.now()
		if started = strings.Contains(said, "Server started.") && strings.HasSuffix(said, "\n") &&
			(strings.Contains(said, "-premote") || strings.Contains(transport, "clicon")); started {
			break
		}
		select {
		case <-more:
		case <-s.done:
			started = true
		case <-limit:
			t.Fatalf("not within %v: the server starts", patience)
		}
	}
	if m := regexp.MustCompile(`Port=(\d+)`).FindStringSubmatch(s.said.String()); m != nil {
		s.port, _ = strconv.Atoi(m[1])
	}
	return s
}

// end asks the server to end, as systemd does, and wants it to.
func (s *server) end(t testing.TB) {
	t.Helper()
	s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.done:
	case <-time.After(patience):
		t.Error("the server does not end")
		s.cmd.Process.Kill()
		<-s.done
	}
}

// result of one run of the debugger.
type result struct {
	status    int
	out, errs string
}

func debugger(t testing.TB, args ...string) result {
	t.Helper()
	var r result
	r.status, r.out, r.errs = output(t, append([]string{binary}, args...)...)
	return r
}

func output(t testing.TB, argv ...string) (status int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &out, &errs, time.Second
	cmd.Env = append(os.Environ(), "DEBUGINFOD_URLS=")
	err := cmd.Run()
	if ctx.Err() != nil {
		t.Fatalf("%v: no end\n%s%s", argv, out.String(), errs.String())
	}
	if _, ok := err.(*exec.ExitError); err != nil && !ok {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// free is a port that nobody uses now.
func free(t testing.TB) int {
	t.Helper()
	return targettest.FreePort(t)
}

// status is a line of /proc/PID/status, "" when the process is gone.
func status(pid int, key string) string {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return ""
	}
	defer f.Close()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		if v, ok := strings.CutPrefix(sc.Text(), key+":"); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// walking reads the program's counter twice: it runs, without a debugger and without
// its traps.
func walking(t testing.TB, pid int) {
	t.Helper()
	eventually(t, "no debugger holds the process", func() bool { return status(pid, "TracerPid") == "0" })
	before := switches(pid)
	eventually(t, "the process runs on", func() bool { return switches(pid) > before+20 })
	if state := status(pid, "State"); state == "" || strings.HasPrefix(state, "Z") || strings.HasPrefix(state, "T") {
		t.Errorf("the process is %q", state)
	}
}

// switches counts how often the program has slept: it does so at each pace.
func switches(pid int) int {
	n, _ := strconv.Atoi(status(pid, "voluntary_ctxt_switches"))
	return n
}

// children of a process, and theirs.
func children(pid int) []int {
	var out []int
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, l := range lists {
		src, _ := os.ReadFile(l)
		for _, f := range strings.Fields(string(src)) {
			child, _ := strconv.Atoi(f)
			out = append(append(out, child), children(child)...)
		}
	}
	return out
}

// webServer is something else that listens, and answers.
func webServer(t testing.TB) int {
	t.Helper()
	at := targettest.Listen(t, "tcp", "127.0.0.1:0", func(c net.Conn) {
		c.SetReadDeadline(time.Now().Add(patience))
		c.Read(make([]byte, 1<<10))
		io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n")
		c.Close()
	})
	return at.(*net.TCPAddr).Port
}

// cable joins two serial devices and returns their names.
func cable(t testing.TB) (a, b string) {
	t.Helper()
	var masters []*os.File
	var names []string
	for range 2 {
		master, slave, err := pty.Open()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := term.MakeRaw(int(slave.Fd())); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { master.Close(); slave.Close() })
		masters, names = append(masters, master), append(names, slave.Name())
	}
	go io.Copy(masters[0], masters[1])
	go io.Copy(masters[1], masters[0])
	return names[0], names[1]
}
