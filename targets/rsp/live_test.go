package rsp

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"dap-windbg/arch"
	"dap-windbg/targets"
	"dap-windbg/targets/targettest"
	"dap-windbg/targets/wire"
)

// patience bounds every wait of these tests; reaching it is a failure.
const patience = 20 * time.Second

var built struct {
	once sync.Once
	path string
	err  error
}

// TestMain removes what probe built.
func TestMain(m *testing.M) {
	code := m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	if filepath.IsAbs(built.path) {
		os.RemoveAll(filepath.Dir(built.path))
	}
	os.Exit(code)
}

// probe builds the test program, once.
func probe(t testing.TB) string {
	t.Helper()
	built.once.Do(func() {
		dir, err := os.MkdirTemp("", "rsp-probe")
		if err != nil {
			built.err = err
			return
		}
		built.path = filepath.Join(dir, "probe")
		out, err := exec.Command("gcc", "-g", "-O0", "-fno-omit-frame-pointer", "-pthread", "-no-pie", "-o", built.path, "testdata/probe.c").CombinedOutput()
		if err != nil {
			built.err = fmt.Errorf("gcc: %w\n%s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.path
}

// symbol is the address of a symbol of the probe, which is not relocatable.
func symbol(t testing.TB, name string) arch.Addr {
	t.Helper()
	f, err := elf.Open(probe(t))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	syms, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range syms {
		if s.Name == name {
			return arch.Addr(s.Value)
		}
	}
	t.Fatalf("no symbol %s", name)
	return 0
}

// server starts gdbserver and returns its address.
func server(t testing.TB, args ...string) (string, *exec.Cmd) {
	t.Helper()
	g := targettest.StartServer(t, exec.Command("gdbserver", args...))
	return g.Addr(), g.Cmd
}

// tracing is a trace that can be read while it is written.
type tracing struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *tracing) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *tracing) messages(t testing.TB) []wire.Message {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	m, err := wire.Parse(bytes.NewReader(b.text.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (b *tracing) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// connect dials addr; the connection ends with the test.
func connect(t testing.TB, addr string, o Options) (*Conn, *tracing) {
	t.Helper()
	var nc net.Conn
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	tr := &tracing{}
	o.Trace = wire.NewTrace(tr, nil)
	o.Peer = addr
	c, err := Connect(soon(t), nc, o)
	if err != nil {
		t.Fatalf("connect: %v\n%s", err, tr)
	}
	t.Cleanup(func() {
		c.Close()
		if bad := spokenWhileRunning(tr.messages(t)); bad != "" && !c.nonstop {
			t.Errorf("sent while the debuggee ran: %s", bad)
		}
		if t.Failed() {
			t.Logf("wire:\n%s", tail(tr.String(), 3000))
		}
	})
	return c, tr
}

// serve starts the probe under gdbserver and connects.
func serve(t testing.TB, mode string) (*Target, *tracing) {
	t.Helper()
	addr, _ := server(t, "--once", "127.0.0.1:0", probe(t), mode)
	c, tr := connect(t, addr, Options{})
	if c.Target() == nil {
		t.Fatalf("no target\n%s", tr)
	}
	expect[targets.Stop](t, c.Target())
	return c.Target(), tr
}

// expect takes the next event that is no output, which must be an E.
func expect[E targets.Event](t testing.TB, r targets.Runner) E {
	t.Helper()
	for {
		select {
		case e, ok := <-r.Events():
			if !ok {
				t.Fatal("the events have ended")
			}
			if _, output := e.(targets.Output); output {
				continue
			}
			got, ok := e.(E)
			if !ok {
				t.Fatalf("got %#v, want %T", e, got)
			}
			return got
		case <-time.After(patience):
			t.Fatal("no event")
		}
	}
}

func goOn(plant ...targets.Trap) targets.Resume {
	return targets.Resume{Default: targets.Action{Kind: targets.Go}, Plant: plant}
}

func TestLive(t *testing.T) {
	tg, tr := serve(t, "loop")
	in := tg.Info()
	if in.Set.Arch != arch.AMD64 || in.OS != "linux" || in.Path != probe(t) || in.Process == 0 || in.Stub != "gdbserver" {
		t.Errorf("info %+v", in)
	}
	t.Log("connect:", wire.RoundTrips(tr.messages(t)), "round trips")
	at := symbol(t, "step")
	trap := targets.Trap{Addr: at}
	if err := tg.Resume(soon(t), goOn(trap)); err != nil {
		t.Fatal(err)
	}
	stop := expect[targets.Stop](t, tg)
	if stop.Reason != targets.Breakpoint || stop.Addr != at {
		t.Errorf("stop %+v", stop)
	}
	regs, err := tg.Registers(soon(t), stop.Thread)
	if err != nil || regs.PC() != at {
		t.Errorf("registers %v, pc %x", err, regs.PC())
	}
	p := make([]byte, 8192)
	if n, err := tg.ReadMemory(soon(t), targets.Space{}, symbol(t, "window"), p); err != nil || n != len(p) || p[1] != 10 {
		t.Errorf("memory %d %v", n, err)
	}
	var fault *targets.FaultError
	if n, err := tg.ReadMemory(soon(t), targets.Space{}, 0x10, p); n != 0 || !errors.As(err, &fault) || fault.Addr != 0x10 {
		t.Errorf("memory at 0x10: %d %v", n, err)
	}
	if err := tg.Close(soon(t), targets.Kill); err != nil {
		t.Fatal(err)
	}
	if g := expect[targets.Gone](t, tg); g.Err != nil {
		t.Errorf("gone %+v", g)
	}
}

var _ io.Writer = (*tracing)(nil)

func tail(s string, n int) string { return s[max(0, len(s)-n):] }
