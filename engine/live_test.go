package engine

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"dap-windbg/eval"
	"dap-windbg/symbols"
	"dap-windbg/symbols/cfi"
	"dap-windbg/symbols/elf"
	"dap-windbg/symbols/store"
	"dap-windbg/systems/linux"
	"dap-windbg/targets"
	"dap-windbg/targets/rsp"
	"dap-windbg/targets/targettest"
	"dap-windbg/targets/wire"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"
)

// patience bounds every wait of these tests; reaching it is a failure.
var patience = time.Minute

func init() {
	if heavy() {
		patience = 10 * time.Minute
	}
}

// program is a debuggee built from testdata, once a process.
type program struct {
	once sync.Once
	path string
	err  error
}

var programs sync.Map // name -> *program

var scratch string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "engine")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	scratch = dir
	code := m.Run()
	os.RemoveAll(dir)
	if code == 0 {
		if err := goleak.Find(goleak.IgnoreTopFunction("os/signal.signal_recv")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// build compiles testdata/NAME with flags.
func build(t *testing.T, name string, flags ...string) string {
	t.Helper()
	key := name + strings.Join(flags, "")
	v, _ := programs.LoadOrStore(key, &program{})
	p := v.(*program)
	p.once.Do(func() {
		dir, err := os.MkdirTemp(scratch, "p")
		if err != nil {
			p.err = err
			return
		}
		p.path = filepath.Join(dir, strings.TrimSuffix(name, filepath.Ext(name)))
		cc := "gcc"
		if filepath.Ext(name) == ".cpp" {
			cc = "g++"
		}
		src, _ := filepath.Abs(filepath.Join("testdata", name))
		args := append([]string{"-g", "-O0", "-pthread", "-o", p.path, src}, flags...)
		args = append(args, "-lm")
		if filepath.Ext(name) == ".rs" {
			cc, args = "rustc", append([]string{"-g", "-o", p.path, src}, flags...)
		}
		if out, err := exec.Command(cc, args...).CombinedOutput(); err != nil {
			p.err = fmt.Errorf("%s: %w\n%s", cc, err, out)
		}
	})
	if p.err != nil {
		t.Fatal(p.err)
	}
	return p.path
}

// session is an engine session over a real gdbserver.
type session struct {
	*Session
	t      *testing.T
	ctx    context.Context
	events chan Event
	server *exec.Cmd
	trace  *tracing
	ran    chan error
	mu     sync.Mutex
	all    []Event
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

// trips counts the round trips since the last call.
func (b *tracing) trips(t *testing.T) (int, string) {
	t.Helper()
	b.mu.Lock()
	text := bytes.Clone(b.text.Bytes())
	b.text.Reset()
	b.mu.Unlock()
	ms, err := wire.Parse(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return wire.RoundTrips(ms), string(text)
}

// gdbserver starts a server and returns its address.
func gdbserver(t *testing.T, args ...string) (string, *exec.Cmd) {
	t.Helper()
	g := targettest.StartServer(t, exec.Command("gdbserver", append([]string{"--once", "127.0.0.1:0"}, args...)...))
	return g.Addr(), g.Cmd
}

// interrupter is how a process is interrupted here; nil: by the server.
var interrupter func(pid int64) error

// launch runs a program under gdbserver and connects to it; the session is
// stopped at the first instruction.
func launch(t *testing.T, o Options, path string, args ...string) *session {
	t.Helper()
	addr, cmd := gdbserver(t, append([]string{path}, args...)...)
	return connect(t, o, addr, cmd)
}

func connect(t *testing.T, o Options, addr string, cmd *exec.Cmd) *session {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	s := &session{t: t, ctx: ctx, events: make(chan Event, 4096), server: cmd, trace: &tracing{}, ran: make(chan error, 1)}
	c, err := rsp.Connect(ctx, conn, rsp.Options{Trace: s.tracer(), Peer: addr, Break: interrupter})
	if err != nil {
		t.Fatal(err)
	}
	s.over(c.Target(), o, func() { c.Close() })
	return s
}

// over runs the session over a target; closed is called when it has ended.
func (s *session) over(tg targets.Target, o Options, closed func()) {
	t := s.t
	st := localStore(t)
	o.System, o.Store, o.Emit, o.Timeout = linux.New(), st, s.emit, patience
	o.OpenMemory = func(key symbols.Key, data []byte) (symbols.Image, error) {
		return elf.OpenBytes(key.Name, data, elf.Options{Key: key, Unwinder: unwinder})
	}
	if testing.Verbose() {
		o.Log = zerolog.New(zerolog.TestWriter{T: t})
	}
	s.Session = New(tg, o)
	go func() { s.ran <- s.Run(context.Background()) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Close(ctx, targets.Kill); err != nil {
			t.Logf("close: %v", err)
		}
		select {
		case <-s.ran:
		case <-ctx.Done():
			t.Error("Run does not return")
		}
		closed()
		if f := os.Getenv("ENGINE_TRACE"); f != "" {
			os.WriteFile(f, s.trace.text.Bytes(), 0o644)
		}
	})
}

// untraced sessions have no trace, which takes time.
var untraced bool

func (s *session) tracer() *wire.Trace {
	if untraced {
		return nil
	}
	return wire.NewTrace(s.trace, time.Now)
}

func localStore(t *testing.T) symbols.Store {
	st, err := store.New(store.Options{Cache: t.TempDir(), Open: func(image, debug string) (symbols.Image, error) {
		return elf.Open(image, elf.Options{Debug: debug, Unwinder: unwinder})
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return st
}

// unwinder reads an image's call frame information.
func unwinder(i *elf.Image) symbols.Unwinder {
	section := func(name string) cfi.Section {
		data, addr, _ := i.Section(name)
		return cfi.Section{Data: data, Addr: addr}
	}
	return cfi.New(cfi.Sections{EHFrame: section(".eh_frame"), EHFrameHdr: section(".eh_frame_hdr"),
		DebugFrame: section(".debug_frame"), Arch: i.Arch(), LinkBase: i.LinkBase()})
}

func (s *session) emit(e Event) {
	s.mu.Lock()
	s.all = append(s.all, e)
	s.mu.Unlock()
	select {
	case s.events <- e:
	default:
		s.t.Error("event lost")
	}
}

// stop waits for the next Stopped event.
func (s *session) stop() Stop {
	s.t.Helper()
	for {
		select {
		case e := <-s.events:
			switch e := e.(type) {
			case Stopped:
				return e.Stop
			case Ended:
				s.t.Fatalf("ended: %+v", e)
			case Output:
				if e.Category >= FromDebugger {
					s.t.Logf("output: %s", e.Text)
				}
			}
		case <-s.ctx.Done():
			s.t.Fatal("no stop")
		}
	}
}

func (s *session) ended() Ended {
	s.t.Helper()
	for {
		select {
		case e := <-s.events:
			if e, ok := e.(Ended); ok {
				return e
			}
		case <-s.ctx.Done():
			s.t.Fatal("no end")
		}
	}
}

func (s *session) resume(how How) {
	s.t.Helper()
	if err := s.Resume(s.ctx, how); err != nil {
		s.t.Fatalf("resume: %v", err)
	}
}

// run resumes and waits for the stop.
func (s *session) run(how How) Stop {
	s.t.Helper()
	s.resume(how)
	return s.stop()
}

func (s *session) do(f func(ctx context.Context, v *View) error) {
	s.t.Helper()
	if err := s.Do(s.ctx, f); err != nil {
		s.t.Fatal(err)
	}
}

func (s *session) set(owner string, bs ...Breakpoint) []Status {
	s.t.Helper()
	for i := range bs {
		if bs[i].ID == 0 {
			bs[i].ID = -1
		}
	}
	out, err := s.SetBreakpoints(s.ctx, owner, bs)
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

// where is "function:line" of the innermost frame.
func (s *session) where() string {
	s.t.Helper()
	text := ""
	s.do(func(ctx context.Context, v *View) error {
		f, err := v.Frame(ctx)
		if err != nil {
			return err
		}
		text = fmt.Sprintf("%s:%d", f.Symbol.Name, f.Line.Line)
		return nil
	})
	return text
}

// look does what an editor does after a stop: threads, 20 frames, locals.
func (s *session) look() {
	s.t.Helper()
	s.do(func(ctx context.Context, v *View) error {
		if _, err := v.Threads(ctx); err != nil {
			return err
		}
		th, err := v.Thread(ctx)
		if err != nil {
			return err
		}
		if _, err := v.Stack(ctx, th.ID, 20); err != nil {
			return err
		}
		_, err = v.LocalObjects(ctx, nil)
		return err
	})
}

func (s *session) eval(src string) uint64 {
	s.t.Helper()
	var n uint64
	s.do(func(ctx context.Context, v *View) error {
		x, err := v.Eval(ctx, nil, src, eval.Options{})
		if err != nil {
			return err
		}
		n, err = eval.Int(ctx, v.Env(nil), x)
		return err
	})
	return n
}

func (s *session) stack() []string {
	s.t.Helper()
	var out []string
	s.do(func(ctx context.Context, v *View) error {
		th, err := v.Thread(ctx)
		if err != nil {
			return err
		}
		st, err := v.Stack(ctx, th.ID, 0)
		if err != nil {
			return err
		}
		for _, f := range st.Frames {
			mod := "?"
			if f.Module != nil {
				mod = f.Module.Name
			}
			out = append(out, mod+"!"+f.Symbol.Name)
		}
		if !st.Complete {
			out = append(out, "end: "+st.End)
		}
		return nil
	})
	return out
}

func TestWalk(t *testing.T) {
	s := launch(t, Options{StepFilter: []string{"libc_so!*"}}, build(t, "walk.c"))
	first := s.stop()
	if first.Reason != targets.Initial {
		t.Errorf("first stop: %v", first.Reason)
	}
	st := s.set("test", Breakpoint{Function: "main"})
	if !st[0].Verified || st[0].ID != 0 {
		t.Fatalf("breakpoint on main: %+v", st[0])
	}
	hit := s.run(How{})
	if hit.Text != "Breakpoint 0 hit" || len(hit.Breakpoints) != 1 {
		t.Errorf("stop: %q %v", hit.Text, hit.Breakpoints)
	}
	if w := s.where(); w != "main:56" {
		t.Errorf("at %s", w)
	}
	t.Log(s.stack())
	for _, step := range []struct {
		how  HowKind
		want string
	}{
		{StepOver, "main:57"}, {StepOver, "main:58"}, {StepOver, "main:59"},
		{StepInto, "middle:25"}, {StepOver, "middle:26"}, {StepInto, "leaf:18"}, {StepOut, "middle:26"},
		{StepOver, "middle:27"}, {StepOver, "middle:28"}, {StepOver, "main:59"}, {StepOver, "main:60"},
		{StepInto, "factorial:32"}, {StepOver, "factorial:34"}, {StepOver, "factorial:35"},
		{StepOut, "main:60"}, {StepOver, "main:61"}, {StepOver, "main:62"}, {StepInto, "main:63"},
	} {
		s.run(How{Kind: step.how})
		if w := s.where(); w != step.want {
			t.Fatalf("step %v: at %s, want %s", step.how, w, step.want)
		}
	}
	if n := s.eval("head.next->x"); n != 3 {
		t.Errorf("head.next->x = %d", n)
	}
	s.set("test")
	s.resume(How{})
	if e := s.ended(); e.Gone.Code != 0 || !e.Gone.Exited {
		t.Errorf("end: %+v", e)
	}
}
