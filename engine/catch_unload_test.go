package engine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWayUnloaded: the trap where a library catches exceptions goes with the library,
// though no step runs any more.
func TestWayUnloaded(t *testing.T) {
	data, err := os.ReadFile(build(t, "plugin.c", "-shared", "-fPIC", "-Dbegin="+beginCatch))
	if err != nil {
		t.Fatal(err)
	}
	lib := filepath.Join(t.TempDir(), "libstdc.so")
	if err := os.WriteFile(lib, data, 0o700); err != nil {
		t.Fatal(err)
	}
	s := launch(t, Options{}, build(t, "loads.c"), lib, "1")
	s.stop()
	s.set("t", Breakpoint{File: "plugin.c", Line: 11})
	s.run(How{})
	s.run(How{Kind: StepOut})
	s.set("t", Breakpoint{Function: "ended"})
	lift := ""
	s.view(func(_ context.Context, v *View) error {
		at := v.l.modules.catch
		if _, in := v.l.traps.at(at); !in || !v.l.mayGo(at) {
			t.Errorf("no trap in the library: at %x", at)
		}
		lift = fmt.Sprintf("z0,%x,", at)
		return nil
	})
	s.trace.trips(t)
	s.run(How{})
	_, text := s.trace.trips(t)
	if i := strings.Index(text, lift); i < 0 || !strings.Contains(text[i:], "vCont;c") {
		t.Errorf("nothing lifts the trap before the debuggee goes on without the library:\n%s", text)
	}
}
