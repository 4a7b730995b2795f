package stepping

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"dap-windbg/tests/sidebyside"
)

// TestDefects: after a step over a line, we are where the program says that it goes
// on; the oracle is not.
func TestDefects(t *testing.T) {
	for _, c := range []struct {
		defect, source, at string
		build              sidebyside.Build
	}{
		{thrownPast, "thrown.cpp", "thrown.cpp:10", sidebyside.Build{Compiler: "g++"}},
		{jumpedPast, "jumped.c", "jumped.c:12", sidebyside.Build{Compiler: "gcc"}},
		{tailEntered, "tailed.c", "tailed.c:13", sidebyside.Build{Compiler: "gcc", Flags: []string{"-O2"}}},
	} {
		t.Run(c.defect, func(t *testing.T) {
			p := plan{Program: sidebyside.Compile(t, c.build, "testdata/"+c.source), Walks: []walk{{At: c.at, Commands: []string{"next"}}}}
			out, err := exec.Command(p.Program).Output()
			if err != nil {
				t.Fatal(err)
			}
			truth := fmt.Sprintf("main %s:%s", c.source, strings.TrimSpace(string(out)))
			place := func(ss []sight) string {
				if s := ss[1]; len(s.Frames) > 0 {
					return fmt.Sprintf("%s %s:%d", bare(s.Frames[0].Function), s.Frames[0].File, s.Frames[0].Line)
				}
				return ss[1].Kind
			}
			mine, theirs := place(ours(t, p, sidebyside.Store(t))), place(oracle(t, p))
			t.Logf("the program goes on at %s; we are at %s, the oracle: %s", truth, mine, theirs)
			if mine != truth {
				t.Errorf("we are at %s, the program goes on at %s", mine, truth)
			}
			if theirs == truth {
				t.Error("the oracle has it right: the defect explains nothing")
			}
		})
	}
}
