package windows

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/term"

	"dap-windbg/tests/kdsim/sim"
)

// program is the debugger, built once.
var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "dap-windbg-windows")
	if err != nil {
		panic(err)
	}
	program = filepath.Join(dir, "dap-windbg")
	cmd := exec.Command("go", "build", "-o", program, "dap-windbg/cmd/dap-windbg")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "building the debugger:", err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// guest builds the simulated machine's software, once for all tests.
func guest(t testing.TB) *sim.Guest {
	t.Helper()
	dir, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	g, err := sim.Build(filepath.Join(dir, "dap-windbg-kdsim"))
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// counted counts what passes a machine's end of the line.
type counted struct {
	io.ReadWriter
	mu             sync.Mutex
	in, out, reads int
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.ReadWriter.Read(p)
	c.mu.Lock()
	c.in += n
	// Requests to read memory, as they leave the debugger in one piece.
	c.reads += bytes.Count(p[:n], []byte{0x30, 0x31, 0, 0})
	c.mu.Unlock()
	return n, err
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.ReadWriter.Write(p)
	c.mu.Lock()
	c.out += n
	c.mu.Unlock()
	return n, err
}

// traffic is what passed so far: to the machine, from it, and memory reads.
func (c *counted) traffic() (in, out, reads int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.in, c.out, c.reads
}

// machine runs a simulated machine on a pseudo-terminal with the speed of a serial
// line, and returns the terminal's name.
func machine(t *testing.T, o sim.Options, line sim.Line) (*sim.Target, *counted, string) {
	t.Helper()
	s, err := sim.New(guest(t), o)
	if err != nil {
		t.Fatal(err)
	}
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := term.MakeRaw(int(slave.Fd())); err != nil {
		t.Fatal(err)
	}
	c := &counted{ReadWriter: master}
	line.ReadWriter = c
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, &line) }()
	t.Cleanup(func() {
		stop()
		slave.Close()
		master.Close()
		<-done
	})
	return s, c, slave.Name()
}

// window is a command window of the debugger, driven through pipes.
type window struct {
	t    *testing.T
	cmd  *exec.Cmd
	in   io.WriteCloser
	mu   sync.Mutex
	text strings.Builder
	read int // how much of text was looked at
	more chan struct{}
	line *counted
}

// patience bounds every wait.
const patience = 60 * time.Second

// marker ends each answer; typed is what has it written, which is echoed.
const marker, typed = "that is all of it: 7", `.printf "that is all of it: %d\n", 7`

// open starts the debugger.
func open(t *testing.T, line *counted, args ...string) *window {
	t.Helper()
	w := &window{t: t, line: line, more: make(chan struct{}, 1)}
	w.cmd = exec.Command(program, append([]string{"cdb"}, args...)...)
	w.cmd.Env = append(os.Environ(), "_NT_SYMBOL_PATH=", "_NT_SOURCE_PATH=")
	in, err := w.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	w.in = in
	w.cmd.Stdout = w
	w.cmd.Stderr = w
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.in.Close()
		w.cmd.Process.Kill()
		w.cmd.Wait()
	})
	return w
}

func (w *window) Write(p []byte) (int, error) {
	w.mu.Lock()
	w.text.Write(p)
	w.mu.Unlock()
	select {
	case w.more <- struct{}{}:
	default:
	}
	return len(p), nil
}

// answer waits for the marker and returns what came before it.
func (w *window) answer(what string) string {
	w.t.Helper()
	return w.wait(what, marker)
}

// stopped waits until commands of a stopped target are obeyed.
func (w *window) stopped() {
	w.t.Helper()
	for end := time.Now().Add(patience); strings.Contains(w.ask("r rip"), "Debuggee is running"); {
		if time.Now().After(end) {
			w.t.Fatal("the target does not stop")
		}
	}
}

// until waits for a text that comes by itself.
func (w *window) until(text string) string {
	w.t.Helper()
	return w.wait(text, text)
}

func (w *window) wait(what, end string) string {
	w.t.Helper()
	deadline := time.After(patience)
	for {
		w.mu.Lock()
		text := w.text.String()[w.read:]
		if answer, rest, ok := strings.Cut(text, end+"\n"); ok {
			w.read += len(text) - len(rest)
			w.mu.Unlock()
			return answer
		}
		w.mu.Unlock()
		select {
		case <-w.more:
		case <-deadline:
			w.t.Fatalf("%s: no end after %v; there is\n%s", what, patience, text)
		}
	}
}

// ask types a command and returns its answer.
func (w *window) ask(command string) string {
	w.t.Helper()
	if _, err := io.WriteString(w.in, command+"\n"+typed+"\n"); err != nil {
		w.t.Fatal(err)
	}
	return w.answer(command)
}

// step is a command, what its answer must have in this order, and what it may cost.
type step struct {
	command string
	want    []string // parts of the answer, in order
	bytes   int      // on the wire in both directions; 0: no limit
	reads   int      // of memory; 0: no limit
}

// do runs steps and prints their cost.
func (w *window) do(steps []step) {
	w.t.Helper()
	for _, s := range steps {
		in, out, reads := w.line.traffic()
		start := time.Now()
		got := w.ask(s.command)
		in2, out2, reads2 := w.line.traffic()
		total := in2 - in + out2 - out
		w.t.Logf("%-46.46s %6d bytes out %6d in %3d reads %6.2f s", s.command, in2-in, out2-out, reads2-reads, time.Since(start).Seconds())
		rest := got
		for _, part := range s.want {
			_, after, ok := strings.Cut(rest, part)
			if !ok {
				w.t.Errorf("%s: %q is not in the answer, or not in its place:\n%s", s.command, part, got)
				break
			}
			rest = after
		}
		if s.bytes > 0 && total > s.bytes {
			w.t.Errorf("%s: %d bytes on the wire, at most %d are allowed", s.command, total, s.bytes)
		}
		if s.reads > 0 && reads2-reads > s.reads {
			w.t.Errorf("%s: %d reads of memory, at most %d are allowed", s.command, reads2-reads, s.reads)
		}
	}
}
