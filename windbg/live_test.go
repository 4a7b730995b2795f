package windbg_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"dap-windbg/engine"
	"dap-windbg/launch"
	"dap-windbg/targets"
	"dap-windbg/windbg"
)

// patience bounds the life of one live test.
const patience = 60 * time.Second

// window is an interpreter over a real gdbserver, with everything it shows.
type window struct {
	t   *testing.T
	ctx context.Context
	i   *windbg.Interpreter
	d   *launch.Debugger

	mu   sync.Mutex
	text bytes.Buffer
	quit bool
}

func (w *window) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

// take returns what was shown since the last call.
func (w *window) take() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.text.String()
	w.text.Reset()
	return s
}

// compile builds testdata/NAME once a test.
func compile(t *testing.T, name string) string {
	t.Helper()
	src, err := filepath.Abs(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(t.TempDir(), strings.TrimSuffix(name, filepath.Ext(name)))
	cc := map[string]string{".c": "gcc", ".cpp": "g++"}[filepath.Ext(name)]
	if out, err := exec.Command(cc, "-g", "-O0", "-pthread", "-o", bin, src).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return bin
}

// open starts testdata/NAME under gdbserver.
func open(t *testing.T, name string) *window {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	w := &window{t: t, ctx: ctx}
	p := launch.NewPlan()
	p.Program = targets.Program{Path: compile(t, name)}
	var show func(engine.Event) string
	var mu sync.Mutex
	d, err := launch.Start(ctx, p, launch.Hooks{Emit: func(e engine.Event) {
		mu.Lock()
		defer mu.Unlock()
		if _, stop := e.(engine.Stopped); show != nil && !stop {
			fmt.Fprint(w, show(e))
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close(context.Background(), targets.Kill) })
	w.d = d
	w.i = windbg.New(windbg.Options{Host: d, SourceMode: true, Version: "test", Quit: func(targets.Parting) { w.quit = true }})
	mu.Lock()
	show = w.i.FormatEvent
	mu.Unlock()
	return w
}

// run executes a line and returns what it shows.
func (w *window) run(line string) string {
	w.t.Helper()
	w.take()
	err := w.i.Exec(w.ctx, line, w)
	text := w.take()
	if err != nil {
		w.t.Errorf("%s: %v", line, err)
	}
	w.t.Logf("%s%s\n%s", w.i.Prompt(w.ctx), line, text)
	return text
}

func TestMain(m *testing.M) {
	os.Setenv("DEBUGINFOD_URLS", "")
	os.Exit(m.Run())
}

func TestTry(t *testing.T) {
	lines := os.Getenv("TRY")
	if lines == "" {
		t.SkipNow()
	}
	prog := os.Getenv("PROG")
	if prog == "" {
		prog = "DisplayGreeting.cpp"
	}
	w := open(t, prog)
	for _, l := range strings.Split(lines, "\n") {
		var b bytes.Buffer
		p := w.i.Prompt(w.ctx)
		w.take()
		w.i.Exec(w.ctx, l, w)
		b.WriteString(w.take())
		fmt.Printf("%s%s\n%s", p, l, b.String())
	}
}
