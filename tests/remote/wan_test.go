//go:build linux

package remote

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"dap-windbg/engine"
	"dap-windbg/targets"
	"dap-windbg/targets/wire"
)

// line is a long way between two ends: each byte takes its time, and the line can be
// cut: nothing gets through, and nobody is told.
type line struct {
	ln    net.Listener
	to    string
	delay time.Duration

	mu    sync.Mutex
	cut   chan struct{} // non-nil while cut; closed when whole again
	conns []net.Conn
	all   sync.WaitGroup
}

// stretch puts a line in front of a port of this machine.
func stretch(t testing.TB, port int, delay time.Duration) *line {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &line{ln: ln, to: fmt.Sprintf("127.0.0.1:%d", port), delay: delay}
	l.all.Go(l.serve)
	t.Cleanup(l.close)
	return l
}

func (l *line) port() int { return l.ln.Addr().(*net.TCPAddr).Port }

func (l *line) close() {
	l.ln.Close()
	l.mend()
	l.drop()
	l.all.Wait()
}

// drop closes both ends of all connections.
func (l *line) drop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.conns {
		c.Close()
	}
}

func (l *line) sever() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut == nil {
		l.cut = make(chan struct{})
	}
}

func (l *line) mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut != nil {
		close(l.cut)
		l.cut = nil
	}
}

func (l *line) serve() {
	for {
		near, err := l.ln.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", l.to)
		if err != nil {
			near.Close()
			continue
		}
		l.mu.Lock()
		l.conns = append(l.conns, near, far)
		l.mu.Unlock()
		l.all.Go(func() { l.carry(near, far) })
		l.all.Go(func() { l.carry(far, near) })
	}
}

// carry moves bytes one way; each piece arrives delay after it was sent.
func (l *line) carry(from, to net.Conn) {
	type piece struct {
		due  time.Time
		data []byte
	}
	way := make(chan piece, 1<<12)
	l.all.Go(func() {
		defer to.Close()
		for p := range way {
			time.Sleep(time.Until(p.due))
			l.mu.Lock()
			cut := l.cut
			l.mu.Unlock()
			if cut != nil {
				<-cut
			}
			if _, err := to.Write(p.data); err != nil {
				break
			}
		}
		for range way {
		}
	})
	defer close(way)
	for {
		buf := make([]byte, 16<<10)
		n, err := from.Read(buf)
		if n > 0 {
			way <- piece{time.Now().Add(l.delay), buf[:n]}
		}
		if err != nil {
			return
		}
	}
}

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
// round trips that it is anywhere: the relays on the way add none. The times in the
// log are what it feels like, in round trips of the line.
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
				began := time.Now()
				if err := f(); err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				took := time.Since(began)
				n := c.count(t)
				t.Logf("%-32s %d of %d trips, feels like %.2f", what, n, limit, float64(took)/float64(2*delay))
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
			do("step over a call to a breakpoint", 4, step(engine.StepOver))
			do("continue", 4, step(engine.Go))
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

// TestCut: a line that is cut for five seconds goes on where it was; what was typed
// meanwhile arrives.
func TestCut(t *testing.T) {
	t.Parallel()
	s := serve(t, fmt.Sprintf("tcp:port=%d,password=p1", free(t)))
	l := stretch(t, s.port, time.Millisecond)
	b := debugging(t, fmt.Sprintf("tcp:server=localhost,port=%d,password=p1", l.port()), 0, "bp pacing!pace")
	l.sever()
	io.WriteString(b.in, "g\nk\n")
	time.Sleep(5 * time.Second)
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
