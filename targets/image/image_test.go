package image

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	stdelf "debug/elf"
	stdpe "debug/pe"

	"dap-windbg/arch"
	"dap-windbg/binfmt/elf"
	"dap-windbg/targets"
)

// The program has pointers of every kind that needs nothing but the image.
const source = `
const char *words[] = {"one", "two", "three"};
int number = 7, blank[40];
int *to_number = &number;
extern int end_of_blank __attribute__((alias("number")));
static int add(int x) { return x + number; }
int (*call)(int) = add;
int (*volatile elsewhere)(const char *);
int _start(void) { return call(*words[0]) + *to_number + blank[3]; }
`

// build compiles the program for a machine and returns its path.
func build(tb testing.TB, cc string, args ...string) string {
	tb.Helper()
	dir := tb.TempDir()
	src, out := filepath.Join(dir, "a.c"), filepath.Join(dir, "a.out")
	if err := os.WriteFile(src, []byte(source), 0o600); err != nil {
		tb.Fatal(err)
	}
	args = append([]string{"-nostdlib", "-nostartfiles", "-fno-stack-protector", "-Wl,--build-id", "-o", out, src}, args...)
	if b, err := exec.Command(cc, args...).CombinedOutput(); err != nil {
		tb.Fatalf("%s %v: %v\n%s", cc, args, err, b)
	}
	return out
}

// loaded is an opened program with the symbols of another reader.
type loaded struct {
	*Target
	tb      testing.TB
	symbols map[string]uint64
}

func load(tb testing.TB, path string) loaded {
	tb.Helper()
	t, err := Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	f, err := stdelf.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	list, err := f.Symbols()
	if err != nil {
		tb.Fatal(err)
	}
	l := loaded{t, tb, map[string]uint64{}}
	for _, s := range list {
		l.symbols[s.Name] = s.Value + t.main.Bias
	}
	return l
}

func (l loaded) bytes(addr uint64, n int) []byte {
	l.tb.Helper()
	p := make([]byte, n)
	if _, err := l.ReadMemory(context.Background(), targets.Space{}, arch.Addr(addr), p); err != nil {
		l.tb.Fatal(err)
	}
	return p
}

func (l loaded) pointer(addr uint64) uint64 {
	l.tb.Helper()
	b := l.bytes(addr, l.info.Set.Arch.PtrSize)
	if len(b) == 4 {
		return uint64(binary.LittleEndian.Uint32(b))
	}
	return binary.LittleEndian.Uint64(b)
}

// TestPointers: pointers in static data are what a loader makes of them.
func TestPointers(t *testing.T) {
	for _, c := range []struct {
		cc   string
		args []string
	}{
		{"gcc", []string{"-fpie", "-pie"}},
		{"gcc", []string{"-fno-pie", "-no-pie"}},
		{"gcc", []string{"-fpic", "-shared"}},
		{"gcc", []string{"-fpic", "-shared", "-Wl,-Bsymbolic"}},
		{"gcc", []string{"-fpie", "-pie", "-Wl,-z,pack-relative-relocs"}},
		{"clang", []string{"-fpie", "-pie", "-fuse-ld=lld", "-Wl,--pack-dyn-relocs=relr"}},
		{"gcc", []string{"-m32", "-fpie", "-pie"}},
		{"gcc", []string{"-m32", "-fpic", "-shared"}},
		{"clang", []string{"--target=aarch64-linux-gnu", "-fuse-ld=lld", "-fpie", "-pie"}},
		{"clang", []string{"--target=aarch64-linux-gnu", "-fuse-ld=lld", "-fpic", "-shared"}},
		{"clang", []string{"--target=riscv64-linux-gnu", "-mno-relax", "-fuse-ld=lld", "-fpie", "-pie"}},
		{"clang", []string{"--target=riscv64-linux-gnu", "-mno-relax", "-fuse-ld=lld", "-fpic", "-shared"}},
	} {
		t.Run(c.cc+" "+strings.Join(c.args, " "), func(t *testing.T) {
			l := load(t, build(t, c.cc, c.args...))
			ptr := uint64(l.info.Set.Arch.PtrSize)
			for i, want := range []string{"one", "two", "three"} {
				at := l.pointer(l.symbols["words"] + uint64(i)*ptr)
				if got := string(l.bytes(at, len(want)+1)); got != want+"\x00" {
					t.Errorf("words[%d] is %q", i, got)
				}
			}
			if got := l.pointer(l.symbols["to_number"]); got != l.symbols["number"] {
				t.Errorf("to_number is %x, number lies at %x", got, l.symbols["number"])
			}
			if got := l.pointer(l.symbols["call"]); got != l.symbols["add"] {
				t.Errorf("call is %x, add lies at %x", got, l.symbols["add"])
			}
			if got := l.bytes(l.symbols["number"], 4); got[0] != 7 {
				t.Errorf("number is %x", got)
			}
			if got := l.pointer(l.symbols["elsewhere"]); got != 0 {
				t.Errorf("a null pointer is %x", got)
			}
			// A read may begin and end within a pointer.
			whole := l.bytes(l.symbols["words"], int(3*ptr))
			for from := range whole {
				if got := l.bytes(l.symbols["words"]+uint64(from), len(whole)-from); string(got) != string(whole[from:]) {
					t.Fatalf("from byte %d: %x, in whole %x", from, got, whole)
				}
			}
			for n := range whole {
				if got := l.bytes(l.symbols["words"], n); string(got) != string(whole[:n]) {
					t.Fatalf("%d bytes: %x, in whole %x", n, got, whole)
				}
			}
		})
	}
}

// TestObject: an object's sections are laid out, and its relocations applied.
func TestObject(t *testing.T) {
	dir := t.TempDir()
	src, out := filepath.Join(dir, "a.c"), filepath.Join(dir, "a.o")
	if err := os.WriteFile(src, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	if b, err := exec.Command("gcc", "-c", "-O1", "-o", out, src).CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, b)
	}
	img, err := Open(out)
	if err != nil {
		t.Fatal(err)
	}
	e, err := elf.Parse(img.file.Data)
	if err != nil {
		t.Fatal(err)
	}
	e.Place(nil)
	l := loaded{img, t, map[string]uint64{}}
	table, _ := e.SymbolTable(elf.SecSymtab)
	for s := range table.All() {
		l.symbols[string(table.Name(s.NameOffset))] = s.Value
	}
	for i, want := range []string{"one", "two", "three"} {
		if got := string(l.bytes(l.pointer(l.symbols["words"]+uint64(8*i)), len(want)+1)); got != want+"\x00" {
			t.Errorf("words[%d] is %q", i, got)
		}
	}
	if got := l.pointer(l.symbols["to_number"]); got != l.symbols["number"] || got == 0 {
		t.Errorf("to_number is %x, number lies at %x", got, l.symbols["number"])
	}
	// Memory comes in pages: what lies between sections is there.
	l.bytes(uint64(img.main.Base), int(img.main.Size))
}

// TestPE: a PE image lies where it prefers to, and its pointers are right there.
func TestPE(t *testing.T) {
	path := build(t, "x86_64-w64-mingw32-gcc", "-Wl,-e,_start")
	img, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := stdpe.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	l := loaded{img, t, map[string]uint64{}}
	for _, s := range f.Symbols {
		if s.SectionNumber > 0 {
			l.symbols[s.Name] = uint64(img.main.Base) + uint64(f.Sections[s.SectionNumber-1].VirtualAddress) + uint64(s.Value)
		}
	}
	for i, want := range []string{"one", "two", "three"} {
		if got := string(l.bytes(l.pointer(l.symbols["words"]+uint64(8*i)), len(want)+1)); got != want+"\x00" {
			t.Errorf("words[%d] is %q", i, got)
		}
	}
	if got := l.pointer(l.symbols["call"]); got != l.symbols["add"] || got == 0 {
		t.Errorf("call is %x, add lies at %x", got, l.symbols["add"])
	}
	if got := l.bytes(uint64(img.main.Base), 2); string(got) != "MZ" {
		t.Errorf("the image begins with %q", got)
	}
	for _, b := range l.bytes(l.symbols["blank"], 160) {
		if b != 0 {
			t.Fatal("uninitialised data is not zero")
		}
	}
	if img.info.OS != "windows" || img.main.Stamp == 0 || img.main.Size == 0 {
		t.Errorf("info %+v, module %+v", img.info, img.main)
	}
	var fault *targets.FaultError
	if n, err := img.ReadMemory(context.Background(), targets.Space{}, img.main.Base+arch.Addr(img.main.Size)-4, make([]byte, 8)); n != 4 || !errors.As(err, &fault) {
		t.Errorf("over the end: %d bytes, %v", n, err)
	}
}

// TestEdges: reads end where the image does, and what the file does not hold is zero.
func TestEdges(t *testing.T) {
	l := load(t, build(t, "gcc", "-fpie", "-pie"))
	end := (uint64(l.main.Base) + l.main.Size + pageSize - 1) &^ (pageSize - 1)
	p := make([]byte, 64)
	n, err := l.ReadMemory(context.Background(), targets.Space{}, arch.Addr(end-16), p)
	var fault *targets.FaultError
	if n != 16 || !errors.As(err, &fault) || uint64(fault.Addr) != end {
		t.Errorf("over the end: %d bytes, %v", n, err)
	}
	for _, addr := range []uint64{0, uint64(l.main.Base) - 1, end, ^uint64(0), ^uint64(0) - 8} {
		if n, err := l.ReadMemory(context.Background(), targets.Space{}, arch.Addr(addr), p); n != 0 || !errors.As(err, &fault) {
			t.Errorf("at %x: %d bytes, %v", addr, n, err)
		}
	}
	for _, b := range l.bytes(l.symbols["blank"], 160) {
		if b != 0 {
			t.Fatal("uninitialised data is not zero")
		}
	}
	if _, err := l.ReadMemory(context.Background(), targets.Space{Physical: true}, 0, p); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("physical memory: %v", err)
	}
}

// TestCut: what a file that was cut short has not is not read as zeros.
func TestCut(t *testing.T) {
	for _, cc := range []string{"gcc", "x86_64-w64-mingw32-gcc"} {
		path := build(t, cc)
		whole, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		last := whole.regions[len(whole.regions)-1]
		for _, r := range whole.regions {
			if len(r.data) > 8 {
				last = r
			}
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		at := bytes.Index(data, last.data) // of several that are the same, any will do
		if err := os.WriteFile(path, data[:at+8], 0o600); err != nil {
			t.Fatal(err)
		}
		cut, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		var fault *targets.FaultError
		p := make([]byte, 16)
		if n, err := cut.ReadMemory(t.Context(), targets.Space{}, arch.Addr(last.addr), p); n != 8 || !errors.As(err, &fault) || uint64(fault.Addr) != last.addr+8 {
			t.Errorf("%s: over the cut: %d bytes, %v", cc, n, err)
		}
		if n, _ := cut.ReadMemory(t.Context(), targets.Space{}, arch.Addr(last.addr+9), p); n != 0 {
			t.Errorf("%s: behind the cut: %d bytes", cc, n)
		}
	}
}

// TestLifeless: there are no threads and no registers, and one module.
func TestLifeless(t *testing.T) {
	l := load(t, build(t, "gcc", "-fpie", "-pie"))
	ctx := context.Background()
	if list, err := l.Threads(ctx); len(list) != 0 || err != nil {
		t.Errorf("threads %v, %v", list, err)
	}
	if _, err := l.Registers(ctx, targets.ThreadID{}); !errors.Is(err, targets.ErrNoThreads) {
		t.Errorf("registers: %v", err)
	}
	ms, err := l.Modules(ctx)
	if err != nil || len(ms) != 1 || !ms[0].Main || len(ms[0].BuildID) == 0 || ms[0].Base != base64 || !filepath.IsAbs(ms[0].Path) {
		t.Errorf("modules %+v, %v", ms, err)
	}
}

// TestRefused: what is no image of a machine we know says so.
func TestRefused(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	whole, err := os.ReadFile(build(t, "gcc", "-fpie", "-pie"))
	if err != nil {
		t.Fatal(err)
	}
	patched := func(at int, b byte) []byte {
		out := append([]byte(nil), whole...)
		out[at] = b
		return out
	}
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"text", []byte("#!/bin/sh\n"), "neither an ELF nor a PE image"},
		{"empty", nil, "neither an ELF nor a PE image"},
		{"short", whole[:40], "header"},
		{"core", patched(16, 4), "a core file, not an image"},
		{"machine", patched(18, 8), "not known (ELF machine 8)"},
		{"class", patched(4, 1), ""},
		{"order", patched(5, 2), "not usable as ELF"},
	} {
		_, err := Open(write(c.name, c.data))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := Open(filepath.Join(dir, "nowhere")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// TestDebugFile: a separate debug file has no bytes of its own.
func TestDebugFile(t *testing.T) {
	path := build(t, "gcc", "-g", "-fpie", "-pie")
	debug := path + ".debug"
	if b, err := exec.Command("objcopy", "--only-keep-debug", path, debug).CombinedOutput(); err != nil {
		t.Fatalf("objcopy: %v\n%s", err, b)
	}
	d, err := Open(debug)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := d.ReadMemory(context.Background(), targets.Space{}, d.main.Base+0x1000, make([]byte, 8)); n != 0 || err == nil {
		t.Errorf("%d bytes were read", n)
	}
}

// FuzzOpen: whatever the file says, opening and reading end in bytes or an error.
func FuzzOpen(f *testing.F) {
	for _, args := range [][]string{{"-fpie", "-pie"}, {"-m32", "-fpic", "-shared"}, {"-fpie", "-pie", "-Wl,--pack-dyn-relocs=relr"}} {
		// Small ones: the fuzzer shrinks what it finds.
		data, err := os.ReadFile(build(f, "clang", append(args, "-s", "-fuse-ld=lld", "-Wl,-z,noseparate-code,-z,max-page-size=16,-z,norelro")...))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	data, err := os.ReadFile(build(f, "clang", "--target=x86_64-w64-mingw32", "-s", "-fuse-ld=lld", "-Wl,-e,_start"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	path := filepath.Join(f.TempDir(), "image")
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		img, err := Open(path)
		if err != nil {
			return
		}
		p := make([]byte, 256)
		for _, r := range img.regions {
			for _, at := range []uint64{r.addr, r.addr - 100, r.addr + r.size - 100, r.addr + uint64(len(r.data)) - 3} {
				if n, err := img.ReadMemory(context.Background(), targets.Space{}, arch.Addr(at), p); n < len(p) && err == nil {
					t.Fatalf("%d bytes at %x and no error", n, at)
				}
			}
		}
	})
}
