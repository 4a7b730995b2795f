package elf

import (
	stddwarf "debug/dwarf"
	"maps"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"dap-windbg/symbols"
)

// TestMachines opens shared libraries of other machines, made by clang and lld,
// of both sizes and byte orders.
func TestMachines(t *testing.T) {
	for _, c := range []struct{ target, arch string }{
		{"x86_64-linux-gnu", "amd64"}, {"i686-linux-gnu", "i386"}, {"aarch64-linux-gnu", "arm64"}, {"riscv64-linux-gnu", "riscv64"},
		{"powerpc64-linux-gnu", ""}, {"powerpc-linux-gnu", ""},
	} {
		for _, dw := range []string{"-gdwarf-5", "-gdwarf-4"} {
			t.Run(c.target+dw, func(t *testing.T) {
				out := filepath.Join(t.TempDir(), "bare.so")
				args := []string{"--target=" + c.target, dw, "-O1", "-fPIC", "-shared", "-nostdlib", "-fuse-ld=lld", "-Wl,--build-id", "-o", out, "testdata/bare.c"}
				if b, err := exec.Command("clang", args...).CombinedOutput(); err != nil {
					t.Fatalf("%v\n%s", err, b)
				}
				img, err := Open(out, Options{})
				if err != nil {
					t.Fatal(err)
				}
				checkMachine(t, img, c.arch)
			})
		}
	}
}

func checkMachine(t *testing.T, img *Image, name string) {
	if a := img.Arch(); (a == nil) != (name == "") || a != nil && a.Name != name {
		t.Errorf("architecture %v", a)
	}
	_, d := oracle(t, img.Path())
	r, n := d.Reader(), 0
	for e, err := r.Next(); e != nil && err == nil; e, err = r.Next() {
		if e.Tag == stddwarf.TagCompileUnit {
			n += compareRows(t, img, d, e)
		}
		if s, _ := e.Val(stddwarf.AttrName).(string); e.Tag == stddwarf.TagSubprogram && s == "entry" {
			checkFunction(t, img, d, e, map[stddwarf.Offset]string{e.Offset: s})
		}
	}
	lines := img.Lines(0, symbols.Offset(img.Size()))
	for _, l := range lines {
		if !strings.HasSuffix(l.File, "testdata/bare.c") || l.Line > 25 || l.End <= l.Start {
			t.Errorf("row %+v", l)
		}
	}
	if n < 10 && img.Arch() != nil || len(lines) < 10 { // the oracle cannot read DWARF 5 of big-endian machines
		t.Errorf("only %d rows compared, %d in all", n, len(lines))
	}
	pair, ok := img.Type("pair")
	if !ok || len(pair.Members().Fields) != 4 {
		t.Fatalf("struct pair: %+v", pair)
	}
	if v, ok := img.Global("counter"); !ok || v.Type.Name != "int" {
		t.Error("no counter")
	}
	if name != "" {
		got, want := map[string]bool{}, map[string]bool{"outside@plt": true, "elsewhere@plt": true}
		for s := range img.Lookup("*@plt") {
			got[s.Name] = true
			if a, ok := img.At(s.Offset + symbols.Offset(s.Size) - 1); !ok || a.Name != s.Name {
				t.Errorf("in %s: %s", s.Name, a.Name)
			}
		}
		if !maps.Equal(got, want) {
			t.Errorf("PLT %v; objdump:\n%s", got, strings.Join(strings.Split(tool(t, "llvm-objdump", "-d", "-j", ".plt", img.Path()), "\n"), "\n"))
		}
	}
}
