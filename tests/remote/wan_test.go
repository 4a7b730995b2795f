//go:build linux

package remote

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"dap-windbg/engine"
	"dap-windbg/targets"
	"dap-windbg/targets/wire"
	"dap-windbg/tests/dapclient"
)

// trips counts the round trips of the debug protocol since the last call: a chain of
// requests, each of which waits for the reply to the one before.
type trips struct {
	file string
	read int
}

func (c *trips) count(t *testing.T) int {
	t.Helper()
	src, err := os.ReadFile(c.file)
	if err != nil {
		t.Fatal(err)
	}
	part := src[c.read : bytes.LastIndexByte(src, '\n')+1]
	c.read += len(part)
	ms, err := wire.Parse(bytes.NewReader(part))
	if err != nil {
		t.Fatal(err)
	}
	return wire.RoundTrips(ms)
}

// TestFarAway: over a line of 25 and of 50 ms each way, what a user waits for is the
// round trips that it is anywhere: the relays on the way add none. They are counted in
// the trace of the debug protocol, and on the line itself, where whatever travels counts.
// The times in the log are what it feels like, in round trips of the line.
func TestFarAway(t *testing.T) {
	for _, delay := range []time.Duration{25 * time.Millisecond, 50 * time.Millisecond} {
		t.Run(delay.String(), func(t *testing.T) {
			t.Parallel()
			s := serve(t, fmt.Sprintf("tcp:port=%d,password=p1", free(t)))
			l := stretch(t, s.port, delay)
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			c := &trips{file: filepath.Join(t.TempDir(), "trace")}
			d, err := open(ctx, fmt.Sprintf("tcp:server=localhost,port=%d,password=p1", l.port()), 0, c.file)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close(ctx, targets.Kill)
			c.count(t)
			do := func(what string, limit int, f func() error) {
				t.Helper()
				began, before := time.Now(), l.flights()
				if err := f(); err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				took, flights := time.Since(began), l.flights()-before
				n := c.count(t)
				t.Logf("%-32s %d of %d trips, %d flights, %v, feels like %.2f", what, n, limit, flights, took.Round(time.Millisecond), float64(took)/float64(2*delay))
				if flights > limit {
					t.Errorf("%s: %d flights over the line, want at most %d", what, flights, limit)
				}
				if n > limit {
					t.Errorf("%s: %d round trips, want at most %d", what, n, limit)
				}
			}
			step := func(k engine.HowKind) func() error {
				return func() error {
					if _, err := d.run(engine.How{Kind: k}); err != nil {
						return err
					}
					_, err := d.look()
					return err
				}
			}
			do("set a breakpoint", 1, func() error { return d.breakAt("pace") })
			do("run to it the first time", 14, step(engine.Go))
			do("step over", 3, step(engine.StepOver))
			do("step over", 3, step(engine.StepOver))
			do("step out", 3, step(engine.StepOut))
			do("step over a call to a breakpoint", 3, step(engine.StepOver))
			do("continue", 3, step(engine.Go))
			do("read 64 KiB", 1, func() error {
				return d.Session().Do(ctx, func(ctx context.Context, v *engine.View) error {
					libc, ok := v.ModuleByName("libc_so")
					if !ok {
						return io.ErrUnexpectedEOF
					}
					_, err := v.ReadMemory(ctx, targets.Space{}, libc.Base+0x30000, make([]byte, 1<<16))
					return err
				})
			})
		})
	}
}

// TestFarEditor: what an editor's user waits for at a step: the stop, and all that the
// editor then shows of it.
func TestFarEditor(t *testing.T) {
	const steps, limit = 12, 3
	for _, delay := range []time.Duration{25 * time.Millisecond, 50 * time.Millisecond} {
		t.Run(delay.String(), func(t *testing.T) {
			t.Parallel()
			s := serve(t, fmt.Sprintf("tcp:port=%d,password=p1", free(t)))
			l := stretch(t, s.port, delay)
			e := editor(t)
			e.Start("launch", map[string]any{"program": pacing(), "processServer": fmt.Sprintf("tcp:server=localhost,port=%d,password=p1", l.port())}, pacingSource(t), 23)
			thread := e.Stopped("breakpoint").ThreadId
			refresh := func() {
				e.Do("threads", nil, nil)
				for _, scope := range e.Scopes(e.Stack(thread, 20)[0].Id) {
					if !scope.Expensive {
						e.Variables(scope.VariablesReference)
					}
				}
			}
			refresh()
			var took []time.Duration
			most := 0
			for n := range steps {
				began, before := time.Now(), l.flights()
				e.Do("next", map[string]any{"threadId": thread}, nil)
				e.Event("stopped", nil)
				refresh()
				took = append(took, time.Since(began))
				flights := l.flights() - before
				if most = max(most, flights); flights > limit {
					t.Errorf("step %d: %d flights over the line, want at most %d", n, flights, limit)
				}
			}
			slices.Sort(took)
			t.Logf("a step and what is shown of it, %d times: at most %d flights, %v to %v, feels like %.2f, mostly", steps, most, took[0].Round(time.Millisecond), took[steps-1].Round(time.Millisecond), float64(took[steps/2])/float64(2*delay))
		})
	}
}

// editor is a debug adapter as an editor starts it.
func editor(t *testing.T) *dapclient.Client {
	t.Helper()
	cmd := exec.Command(binary)
	cmd.Env = append(os.Environ(), "DEBUGINFOD_URLS=", "XDG_CACHE_HOME="+t.TempDir())
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return dapclient.New(t, struct {
		io.Reader
		io.WriteCloser
	}{out, in})
}

// pacingSource is the path of the program's source, as its debug information has it.
func pacingSource(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs("../programs/pacing.c")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestCut: a line that is cut for five seconds goes on where it was; what was typed
// meanwhile arrives.
func TestCut(t *testing.T) {
	t.Parallel()
	s := serve(t, fmt.Sprintf("tcp:port=%d,password=p1", free(t)))
	l := stretch(t, s.port, time.Millisecond)
	b := debugging(t, fmt.Sprintf("tcp:server=localhost,port=%d,password=p1", l.port()), 0, "bp pacing!pace")
	l.sever()
	io.WriteString(b.in, "g\nk\n")
	time.Sleep(5 * time.Second) // so long is the cut
	l.mend()
	b.said.wait(t, "Breakpoint 0 hit(?s:.*)pacing!main")
}

// TestCutForEver: a line that is cut for ever, without a word to either end, is found
// out by both: the client tells its user, and the server parts from the debuggee.
func TestCutForEver(t *testing.T) {
	t.Parallel()
	s := serve(t, fmt.Sprintf("tcp:port=%d,password=p1", free(t)))
	l := stretch(t, s.port, time.Millisecond)
	p := pace(t)
	b := debugging(t, fmt.Sprintf("tcp:server=localhost,port=%d,password=p1", l.port()), p.Process.Pid, onAndOn)
	b.walks(t)
	other := debugging(t, fmt.Sprintf("tcp:server=localhost,port=%d,password=p1", s.port), 0, onAndOn)
	began := time.Now()
	l.sever()
	s.logs.wait(t, "parted in the client's place")
	t.Logf("the server has parted after %v", time.Since(began).Round(time.Second))
	walking(t, p.Process.Pid)
	b.said.wait(t, "(?i)is lost")
	t.Logf("the client has told after %v", time.Since(began).Round(time.Second))
	other.walks(t)
}
