package windows

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/term"

	"dap-windbg/tests/kdsim/sim"
	"dap-windbg/tests/kernel/window"
)

// guest builds the simulated machine's software, once for all tests.
func guest(t testing.TB) *sim.Guest { return guestOf(t, sim.Kind{}) }

func guestOf(t testing.TB, k sim.Kind) *sim.Guest {
	t.Helper()
	dir, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	g, err := sim.BuildKind(filepath.Join(dir, "dap-windbg-kdsim"), k)
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
// line, and returns the terminal's name. Where a debugger is expected it starts when one
// is there.
func machine(t *testing.T, o sim.Options, line sim.Line) (*sim.Target, *counted, string) {
	t.Helper()
	return machineOf(t, guest(t), o, line)
}

func machineOf(t *testing.T, g *sim.Guest, o sim.Options, line sim.Line) (*sim.Target, *counted, string) {
	t.Helper()
	s, err := sim.New(g, o)
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
	go func() {
		if !o.Alone { // it is switched on by the first byte of its debugger
			var b [1]byte
			if _, err := master.Read(b[:]); err != nil {
				done <- err
				return
			}
		}
		done <- s.Serve(ctx, &line)
	}()
	t.Cleanup(func() {
		stop()
		slave.Close()
		master.Close()
		<-done
	})
	return s, c, slave.Name()
}

// step is a command, what its answer must have in this order, and what it may cost.
type step struct {
	command string
	want    []string // parts of the answer, in order
	bytes   int      // on the wire in both directions; 0: no limit
	reads   int      // of memory; 0: no limit
}

// do runs steps and prints their cost.
func do(t *testing.T, w *window.Window, line *counted, steps []step) {
	t.Helper()
	for _, s := range steps {
		in, out, reads := line.traffic()
		start := time.Now()
		got := w.Do(s.command)
		in2, out2, reads2 := line.traffic()
		total := in2 - in + out2 - out
		t.Logf("%-46.46s %6d bytes out %6d in %3d reads %6.2f s", s.command, in2-in, out2-out, reads2-reads, time.Since(start).Seconds())
		has(t, s.command, got, s.want...)
		if s.bytes > 0 && total > s.bytes {
			t.Errorf("%s: %d bytes on the wire, at most %d are allowed", s.command, total, s.bytes)
		}
		if s.reads > 0 && reads2-reads > s.reads {
			t.Errorf("%s: %d reads of memory, at most %d are allowed", s.command, reads2-reads, s.reads)
		}
	}
}

// has reports parts that an answer lacks, or has in another order.
func has(t *testing.T, what, answer string, parts ...string) {
	t.Helper()
	rest := answer
	for _, part := range parts {
		_, after, ok := strings.Cut(rest, part)
		if !ok {
			t.Errorf("%s: %q is not in the answer, or not in its place:\n%s", what, part, answer)
			return
		}
		rest = after
	}
}

// stopped waits until commands of a stopped target are obeyed.
func stopped(t *testing.T, w *window.Window) {
	t.Helper()
	for end := time.Now().Add(window.Patience); strings.Contains(w.Do("r rip"), "Debuggee is running"); {
		if time.Now().After(end) {
			t.Fatal("the target does not stop")
		}
	}
}
