package elf

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// mini strips a program as distributions do: what its dynamic symbols lack goes
// packed into .gnu_debugdata (GDB manual, "MiniDebugInfo").
func mini(t *testing.T, full string) string {
	t.Helper()
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	var keep []string
	dynamic := tool(t, "nm", "-D", "--format=posix", "--defined-only", full)
	for l := range strings.Lines(tool(t, "nm", "--format=posix", "--defined-only", full)) {
		f := strings.Fields(l)
		if len(f) > 1 && strings.ContainsAny(f[1], "tTwW") && !strings.Contains(dynamic, f[0]+" ") {
			keep = append(keep, f[0])
		}
	}
	if err := os.WriteFile(path("keep"), []byte(strings.Join(keep, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"objcopy", "--only-keep-debug", full, path("debug")},
		{"objcopy", "-S", "--remove-section", ".gdb_index", "--remove-section", ".comment", "--keep-symbols=" + path("keep"), path("debug"), path("mini")},
		{"xz", path("mini")},
		{"objcopy", "--strip-all", "--add-section", ".gnu_debugdata=" + path("mini.xz"), full, path("prog")},
	} {
		if b, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, b)
		}
	}
	return path("prog")
}

// TestMiniDebug: a stripped image finds every function by name and address.
func TestMiniDebug(t *testing.T) {
	full := build(t, "g++ -O0 -gdwarf-5 -rdynamic", "shapes.cc")
	want, err := Open(full, Options{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := Open(mini(t, full), Options{})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for s := range want.Lookup("*") {
		if s.Public || s.Kind != 0 {
			continue
		}
		n++
		if at, ok := got.At(s.Offset); !ok || at.Name != s.Name || at.Offset != s.Offset {
			t.Errorf("at %s: %+v", s.Name, at)
		}
		found := false
		for f := range got.Lookup(s.Name) {
			found = found || f.Offset == s.Offset
		}
		if !found {
			t.Errorf("%s is not found by name", s.Name)
		}
	}
	if n < 10 {
		t.Errorf("only %d functions", n)
	}
	if f := names(got, "callback"); len(f) != 1 {
		t.Errorf("a local function: %v", f)
	}
}
