package elf

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// TestRelativeCompilationDirectory: directory 0 is the compilation directory
// itself, the others lie in it (DWARF 5, 6.2.4).
func TestRelativeCompilationDirectory(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "inc"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"main.c":      "#include \"inc/twice.h\"\nint main(void) { return twice(0); }\n",
		"inc/twice.h": "static int twice(int n) { return 2 * n; }\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, version := range []string{"-gdwarf-5", "-gdwarf-4"} {
		cmd := exec.Command("gcc", version, "-ffile-prefix-map="+dir+"=elf", "-o", "main", "main.c")
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		i, err := Open(filepath.Join(dir, "main"), Options{})
		if err != nil {
			t.Fatal(err)
		}
		files := slices.Collect(i.Files())
		for _, want := range []string{"elf/main.c", "elf/inc/twice.h"} {
			if !slices.Contains(files, want) {
				t.Errorf("%s: the files are %q, want %s", version, files, want)
			}
		}
	}
}
