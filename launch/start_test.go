package launch

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"dap-windbg/engine"
	"dap-windbg/eval"
	"dap-windbg/targets"
)

// recorder keeps a session's events.
type recorder struct {
	mu     sync.Mutex
	events []engine.Event
}

func (r *recorder) emit(e engine.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

// output is the debuggee's text so far.
func (r *recorder) output() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	for _, e := range r.events {
		if o, ok := e.(engine.Output); ok && o.Category == engine.FromDebuggee {
			b.WriteString(o.Text)
		}
	}
	return b.String()
}

// ended is the end of the debuggee, nil before.
func (r *recorder) ended() *engine.Ended {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if e, ok := e.(engine.Ended); ok {
			return &e
		}
	}
	return nil
}

func compile(t *testing.T, source string, flags ...string) string {
	t.Helper()
	dir := t.TempDir()
	src, out := filepath.Join(dir, "prog.c"), filepath.Join(dir, "prog")
	if err := os.WriteFile(src, []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	if text, err := exec.Command("gcc", append([]string{"-g", "-O0", "-pthread", src, "-o", out}, flags...)...).CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, text)
	}
	return out
}

const counting = `#include <stdio.h>
struct point { int x, y; };
static int add(struct point p) { return p.x + p.y; }
int main(int argc, char **argv)
{
	char line[80] = "";
	struct point p = { 3, argc };
	int sum = add(p);
	printf("sum %d\n", sum);
	if (fgets(line, sizeof line, stdin))
		printf("read %s", line);
	return 7;
}
`

// TestStart: a program is started under a gdbserver of our own, stopped in,
// looked at, fed, and run to its end; nothing is left behind.
func TestStart(t *testing.T) {
	defer goleak.VerifyNone(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	p := NewPlan()
	p.Program.Path = compile(t, counting)
	var rec recorder
	d, err := Start(ctx, p, Hooks{Emit: rec.emit})
	if err != nil {
		t.Fatal(err)
	}
	s := d.Session()
	if _, err := s.SetBreakpoints(ctx, "test", []engine.Breakpoint{{ID: -1, Function: "add"}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Resume(ctx, engine.How{}); err != nil {
		t.Fatal(err)
	}
	stop, err := s.Wait(ctx)
	if err != nil || stop.Reason != targets.Breakpoint {
		t.Fatalf("stopped by %v, %v", stop.Reason, err)
	}
	err = s.Do(ctx, func(ctx context.Context, v *engine.View) error {
		stack, err := v.Stack(ctx, stop.Thread, 0)
		if err != nil {
			return err
		}
		if len(stack.Frames) < 3 || stack.Frames[0].Symbol.Name != "add" || stack.Frames[1].Symbol.Name != "main" {
			t.Errorf("stack: %+v", stack)
		}
		val, err := v.Eval(ctx, nil, "p.x + 40", eval.Options{})
		if err != nil {
			return err
		}
		if n, err := eval.Int(ctx, v.Env(nil), val); err != nil || n != 43 {
			t.Errorf("p.x + 40 = %d, %v", n, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Input("hello\n"); err != nil {
		t.Fatal(err)
	}
	if err := s.Resume(ctx, engine.How{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Wait(ctx); err == nil {
		t.Error("the program should have ended")
	}
	d.Settle(ctx)
	if out := rec.output(); !strings.Contains(out, "sum 4\n") || !strings.Contains(out, "read hello\n") {
		t.Errorf("output %q", out)
	}
	if e := rec.ended(); e == nil || !e.Gone.Exited || e.Gone.Code != 7 {
		t.Errorf("ended %+v", e)
	}
	if err := d.Close(ctx, targets.Kill); err != nil {
		t.Error(err)
	}
}
