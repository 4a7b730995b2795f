package elf

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"dap-windbg/symbols"
)

// FuzzOpen opens arbitrary bytes as an image and asks it.
func FuzzOpen(f *testing.F) {
	dir := f.TempDir()
	src := filepath.Join(dir, "a.cc")
	if err := os.WriteFile(src, []byte("namespace n { int v = 3; template <class T> T f(T t) { return t + v; } } int g(int); int h(int x) { return n::f(x) + g(x); }"), 0o600); err != nil {
		f.Fatal(err)
	}
	for _, args := range [][]string{{"-g", "-shared", "-fPIC"}, {"-g", "-gz", "-shared", "-fPIC"}} {
		out := filepath.Join(dir, "a.so")
		if b, err := exec.Command("g++", append(args, "-nostdlib", "-Wl,-z,max-page-size=4096,-z,noseparate-code", "-o", out, src)...).CombinedOutput(); err != nil {
			f.Fatalf("%v\n%s", err, b)
		}
		data, err := os.ReadFile(out)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, "h")
		f.Add(data, "n::*")
	}
	f.Fuzz(func(t *testing.T, data []byte, pattern string) {
		img, err := OpenBytes("fuzz", data, Options{})
		if err != nil {
			return
		}
		n := 0
		for s := range img.Lookup(pattern) {
			img.At(s.Offset)
			img.Next(s.Offset)
			img.Body(s.Offset)
			img.Scopes(s.Offset)
			img.ReadStatic(s.Offset, make([]byte, 4))
			if n++; n > 50 {
				break
			}
		}
		img.At(symbols.Offset(img.Size() / 2))
		img.Type(pattern)
		img.Global(pattern)
		img.Places("a.cc", 1)
		img.Lines(0, symbols.Offset(min(img.Size(), 1<<20)))
		img.Section(".debug_info")
		img.Debug()
		img.Entry()
	})
}
