// Package dap drives the adapter through whole debug sessions over real
// gdbservers: in this process, and as the program an editor starts.
package dap

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dap-windbg/adapter"
	"dap-windbg/console"
	"dap-windbg/launch"
	"dap-windbg/targets"
	"dap-windbg/tests/built"
	"dap-windbg/tests/dapclient"
	"dap-windbg/windbg"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	built.Main(m, func() error { return goleak.Find() })
}

// program is the compiled testdata/tour.c.
func program(t *testing.T) string { return built.Program(t, source(), "-pthread") }

func source() string {
	p, err := filepath.Abs(filepath.Join("testdata", "tour.c"))
	if err != nil {
		panic(err)
	}
	return p
}

// line finds the line of tour.c whose comment is word.
func line(t *testing.T, word string) int {
	t.Helper()
	text, err := os.ReadFile(source())
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range strings.Split(string(text), "\n") {
		if strings.Contains(l, "/* "+word+" */") {
			return i + 1
		}
	}
	t.Fatalf("tour.c has no line %q", word)
	return 0
}

// wiring is how the program puts adapter, launch and windbg together.
func wiring() adapter.Options {
	return adapter.Options{
		Plan:      launch.FromDAP,
		Processes: console.Processes,
		Open: func(ctx context.Context, p launch.Plan, h launch.Hooks, quit func(targets.Parting)) (adapter.Debugger, adapter.Console, error) {
			h.Life = ctx
			d, err := launch.Start(ctx, p, h)
			if err != nil {
				return nil, nil, err
			}
			return d, repl{windbg.New(windbg.Options{Host: d, Quit: quit, SourceMode: true})}, nil
		},
	}
}

type repl struct{ *windbg.Interpreter }

func (c repl) Complete(ctx context.Context, line string) []adapter.Completion {
	var out []adapter.Completion
	for _, x := range c.Interpreter.Complete(ctx, line) {
		out = append(out, adapter.Completion(x))
	}
	return out
}

// inProcess serves a session in this process.
func inProcess(t *testing.T) *dapclient.Client {
	t.Helper()
	here, there := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := adapter.Serve(context.Background(), there, wiring()); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { <-done })
	return dapclient.New(t, here)
}

// config is a launch of the tour.
func config(t *testing.T, more ...any) map[string]any {
	t.Helper()
	c := map[string]any{"program": program(t)}
	for i := 0; i+1 < len(more); i += 2 {
		c[more[i].(string)] = more[i+1]
	}
	return c
}

func decode[T any](t *testing.T, m *dapclient.Message) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(m.Body, &v); err != nil {
		t.Fatal(err)
	}
	return v
}
