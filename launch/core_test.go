package launch

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"dap-windbg/engine"
	"dap-windbg/targets"
	"dap-windbg/targets/core"
)

const large = `
static char blank[16 << 20];
char *volatile some = blank;
int add(int x) { return x + some[7]; }
int main(void) { for (int i = 0; i < sizeof blank; i += 4096) some[i] = 1; return add(3); }
`

// TestWriteCore: a core is written whole or not at all; a file in the way is kept
// until the new one is whole; a debuggee that runs is not touched.
func TestWriteCore(t *testing.T) {
	defer goleak.VerifyNone(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	p := NewPlan()
	p.Program.Path = compile(t, large)
	var during func(done float64)
	d, err := Start(ctx, p, Hooks{Progress: func(_ string, done float64) {
		if during != nil {
			during(done)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close(ctx, targets.Kill)
	s := d.Session()
	if _, err := s.SetBreakpoints(ctx, "test", []engine.Breakpoint{{ID: -1, Function: "add"}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Resume(ctx, engine.How{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "core")
	if err := os.WriteFile(file, []byte("older"), 0o600); err != nil {
		t.Fatal(err)
	}
	var exists *FileExistsError
	if _, err := d.WriteCore(ctx, file, "full", false); !errors.As(err, &exists) {
		t.Errorf("a file in the way: %v", err)
	}
	if _, err := d.WriteCore(ctx, file, "huge", true); err == nil {
		t.Error("a kind that is none")
	}
	broken, stop := context.WithCancel(ctx)
	last := 0.0
	for ctx, end := range map[context.Context]func(){broken: stop, ctx: d.GiveUpTransfers} {
		during = func(done float64) {
			if last = done; done > 0.1 && done < 1 {
				end()
			}
		}
		if _, err := d.WriteCore(ctx, file, "full", true); !errors.Is(err, context.Canceled) || last != 1 {
			t.Errorf("broken off: %v, the progress ends at %v", err, last)
		}
		left, _ := os.ReadDir(dir)
		if text, _ := os.ReadFile(file); string(text) != "older" || len(left) != 1 {
			t.Errorf("after breaking off: %q, %d files", text, len(left))
		}
	}
	during = func(done float64) { last = done }
	if _, err := d.WriteCore(ctx, file, "full", true); err != nil || last != 1 {
		t.Fatalf("%v, progress %v", err, last)
	}
	c, err := core.Open(file, core.Options{})
	if err != nil || c.Missing() > 0 {
		t.Fatalf("%v, %d bytes missing", err, c.Missing())
	}
	if n, err := c.ReadMemory(ctx, targets.Space{}, 0x10, make([]byte, 4)); n != 0 || err == nil {
		t.Errorf("%d bytes where nothing is, %v", n, err)
	}
	if err := d.OpenCore(ctx, file); err == nil {
		t.Error("a core was opened in place of a living debuggee")
	}
	if err := d.Kill(ctx); err != nil {
		t.Fatal(err)
	}
	if err := d.OpenCore(ctx, file); err != nil {
		t.Fatal(err)
	}
	if err := d.Session().Resume(ctx, engine.How{}); !errors.Is(err, targets.ErrPostmortem) || !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("running a core: %v", err)
	}
	var small string
	if small, err = d.WriteCore(ctx, filepath.Join(dir, "mini"), "mini", false); err != nil {
		t.Errorf("a mini core of a core: %v %s", err, small)
	}
}
