package launch

import (
	"bytes"
	"context"
	"os/exec"
	"path/filepath"
	"testing"

	"dap-windbg/symbols"
	"dap-windbg/symbols/pe"
	"dap-windbg/symbols/store"
)

// TestPEImages: a PE image is found, its build wanted or not; one of another machine's
// path is not, nor is a pipe waited for.
func TestPEImages(t *testing.T) {
	dir := t.TempDir()
	exe := filepath.Join(dir, "a.exe")
	cmd := exec.Command("x86_64-w64-mingw32-gcc", "-xc", "-", "-o", exe)
	cmd.Stdin = bytes.NewBufferString("int main(void) { return 0; }")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	pipe := filepath.Join(dir, "pipe")
	if out, err := exec.Command("mkfifo", pipe).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	files, err := store.New(store.Options{Cache: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	for _, c := range []struct {
		path    string
		foreign bool
		found   bool
	}{{exe, false, true}, {exe, true, false}, {pipe, false, false}, {"a.exe", false, false}, {"", false, false}} {
		s := imageStore{files, c.foreign}
		for name, find := range map[string]func(context.Context, symbols.Key) (symbols.Image, error){"Find": s.Find, "FindAny": s.FindAny} {
			i, err := find(t.Context(), symbols.Key{Path: c.path})
			if _, ok := i.(*pe.Image); ok != c.found || ok == (err != nil) {
				t.Errorf("%s of %q, foreign %v: %v, %v", name, c.path, c.foreign, i, err)
			}
		}
	}
}
