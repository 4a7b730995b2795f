package e2e

import (
	"os"
	"path/filepath"
	"testing"
)

// TestArguments: the program receives what was typed, blanks and all, also from a
// folder whose name has blanks.
func TestArguments(t *testing.T) {
	text, err := os.ReadFile(program(t, "args.c"))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "my dir")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(dir, "args")
	if err := os.WriteFile(bin, text, 0o755); err != nil {
		t.Fatal(err)
	}
	debugger(t, "", "run", "--", bin, "plain", "$HOME").Must(t, 0, `<plain>\n<\$HOME>\n`)
	debugger(t, "", "run", "--", bin, "a b", "", `q"o'te`, "$HOME;*", "last").Must(t, 0,
		`<a b>\n<>\n<q"o'te>\n<\$HOME;\*>\n<last>\n`)
}
