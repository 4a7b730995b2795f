package core

import (
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"dap-windbg/targets"
)

// vectors is a program that fills the registers of all kinds and waits for its end.
const vectors = `
static char bytes[64] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32};
void _start(void) {
	__asm__ volatile("movups %0, %%xmm0\n movups %1, %%xmm7\n fldpi\n fldl2e\n fldz\n"
		: : "m"(bytes[0]), "m"(bytes[16]) : "memory");
	if (__builtin_cpu_supports("avx"))
		__asm__ volatile("vmovups %0, %%ymm3" : : "m"(bytes[0]));
	__builtin_trap();
}
`

// TestRegistersOfGDB: the registers of a core that gdb wrote are those that gdb
// reads in it, with vectors and floating point, and so are those of our own core of it.
func TestRegistersOfGDB(t *testing.T) {
	for _, flags := range [][]string{{"-m64"}, {"-m32", "-msse2"}} {
		t.Run(flags[0], func(t *testing.T) {
			dir := t.TempDir()
			source, program, name := filepath.Join(dir, "a.c"), filepath.Join(dir, "a"), filepath.Join(dir, "core")
			if err := os.WriteFile(source, []byte(strings.Replace(vectors, "void _start(void)", "int main(void)", 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			run(t, "gcc", append(flags, "-O0", "-o", program, source)...)
			run(t, "gdb", "-batch", "-nx", "-iex", "set debuginfod enabled off", "-ex", "run", "-ex", "generate-core-file "+name, program)
			sameAsGDB(t, program, name)

			c := open(t, name, Options{})
			th, _ := c.Threads(t.Context())
			r, err := c.Registers(t.Context(), th[0].ID)
			if err != nil {
				t.Fatal(err)
			}
			p := &Process{ID: th[0].ID.Process, Threads: []Thread{{ID: th[0].ID.Thread, Registers: r, Signal: 4}}}
			ours := filepath.Join(dir, "ours")
			f, err := os.Create(ours)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := Write(t.Context(), f, p, memory{}.read, nil); err != nil {
				t.Fatal(err)
			}
			sameAsGDB(t, program, ours)
		})
	}
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// raw is a row of `maint print raw-registers`: name, numbers, type, value.
var raw = regexp.MustCompile(`(?m)^ *(\w+) +\d+ +\d+ +\d+ +\d+ +\S+ +0x([0-9a-f]+)\s*$`)

func sameAsGDB(t *testing.T, program, name string) {
	t.Helper()
	c := open(t, name, Options{})
	th, err := c.Threads(t.Context())
	if err != nil || len(th) != 1 {
		t.Fatal(err, th)
	}
	r, err := c.Registers(t.Context(), targets.ThreadID{Thread: th[0].ID.Thread})
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, m := range raw.FindAllStringSubmatch(run(t, "gdb", "-batch", "-nx", "-iex", "set debuginfod enabled off", "-ex", "maint print raw-registers", program, name), -1) {
		i, ok := r.Set.Index(m[1])
		if !ok {
			continue
		}
		want, err := hex.DecodeString(m[2])
		if err != nil {
			t.Fatal(err)
		}
		slices.Reverse(want)
		got, known := r.Bytes(i)
		if !known || string(got) != string(want[:len(got)]) {
			t.Errorf("%s is % x for gdb and % x for us (known: %v)", m[1], want, got, known)
		}
		seen++
	}
	if seen < 40 {
		t.Errorf("%d registers", seen)
	}
	t.Logf("%d registers", seen)
}
