package locals

import (
	"context"
	"os/exec"
	"strings"
	"testing"

	"dap-windbg/engine"
)

// TestCorners: in a function's part that lies apart from it (.cold): its frame's
// variables, bit fields of signed char, members of anonymous unions, pointers to
// members, addresses in a program that can be moved, and virtual bases.
func TestCorners(t *testing.T) {
	for _, b := range []build{{"g++", []string{"-O2", "-pie", "-fPIE"}}, {"g++", []string{"-O0"}}, {"clang++", []string{"-O1", "-pie", "-fPIE"}}} {
		t.Run(strings.ReplaceAll(b.String(), " ", ""), func(t *testing.T) {
			program := compile(t, b, "testdata/corners.cpp")
			out, _ := exec.Command(program).Output() // it aborts after it has told
			d := connect(t, gdbserver(t, program))
			d.breakAt("probe")
			if !d.run(engine.How{}) {
				t.Fatal("ended")
			}
			d.do(func(ctx context.Context, v *engine.View) error {
				_, err := v.SelectFrame(ctx, 1)
				return err
			})
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			if len(lines) != 7 {
				t.Fatalf("the program says %q", out)
			}
			for _, line := range lines {
				expr, want, _ := strings.Cut(line, " ")
				d.want(expr, want)
			}
		})
	}
}
