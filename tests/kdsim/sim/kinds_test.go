package sim

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestKinds: the machine boots, loads its driver and runs it, whatever it was compiled
// for and by whom.
func TestKinds(t *testing.T) {
	for _, k := range []Kind{{Narrow: true}, {DWARF: 4}, {DWARF: 5, Narrow: true}, {DWARF: 4, GCC: true}, {DWARF: 4, GCC: true, Narrow: true}} {
		t.Run(fmt.Sprintf("%+v", k), func(t *testing.T) {
			t.Parallel()
			g, err := BuildKind(t.TempDir(), k)
			if err != nil {
				t.Fatal(err)
			}
			var said []string
			m, err := New(g, Options{Script: []Command{{10, Commands["load"]}}, Log: func(s string) { said = append(said, s) }})
			if err != nil {
				t.Fatal(err)
			}
			m.present = true
			now := time.Unix(0, 0)
			for range 400 {
				now = now.Add(10 * time.Millisecond)
				if _, _, err := m.Run(now); err != nil {
					t.Fatal(err)
				}
				if m.phase == sending { // a debugger that takes all and lets it go on
					m.done(true)
				}
				if m.phase == commanded {
					m.leave()
				}
			}
			text := strings.Join(said, "\n")
			for _, want := range []string{"Kernel-mode miniature, 2 processors", `sample: hello from \Driver\sample`, "sample: greeted twice, result"} {
				if !strings.Contains(text, want) {
					t.Errorf("%q is not said:\n%s", want, text)
				}
			}
		})
	}
}
