package pe

import (
	stdpe "debug/pe"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const source = `
extern "C" int printf(const char *, ...);
extern "C" __declspec(dllexport) int answer = 42;
extern "C" __declspec(dllexport) int twice(int x) { return 2 * x; }
struct Shape { virtual ~Shape() {} virtual int sides() { return 0; } };
struct Square : Shape { int sides() override { return 4; } };
int *where = &answer;
int main() { Square s; Shape *p = &s; return printf("%d\n", twice(*where + p->sides())); }
`

// compile builds the program with MinGW and returns its bytes and path.
func compile(tb testing.TB, args ...string) ([]byte, string) {
	tb.Helper()
	dir := tb.TempDir()
	src, out := filepath.Join(dir, "a.cpp"), filepath.Join(dir, "a.exe")
	if err := os.WriteFile(src, []byte(source), 0o600); err != nil {
		tb.Fatal(err)
	}
	args = append([]string{"-g", "-o", out, src}, args...)
	if b, err := exec.Command("x86_64-w64-mingw32-g++", args...).CombinedOutput(); err != nil {
		tb.Fatalf("x86_64-w64-mingw32-g++ (package g++-mingw-w64-x86-64): %v\n%s", err, b)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		tb.Fatal(err)
	}
	return data, out
}

// compile32 builds a 32-bit library without a C library.
func compile32(tb testing.TB) ([]byte, string) { return small(tb, "i686", "-g") }

// small builds a library of two functions.
func small(tb testing.TB, cpu string, args ...string) ([]byte, string) {
	tb.Helper()
	dir := tb.TempDir()
	src, out := filepath.Join(dir, "b.c"), filepath.Join(dir, "b.dll")
	text := "__declspec(dllexport) int counter = 7; int *where = &counter;\n__declspec(dllexport) int __stdcall half(int x) { return x / 2 + *where; }\nint __stdcall entry(void *a, int b, void *c) { return 1; }\n"
	if err := os.WriteFile(src, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	entry := map[string]string{"i686": "_entry@12", "x86_64": "entry"}[cpu]
	cmd := exec.Command("clang", append(args, "--target="+cpu+"-w64-mingw32", "-O1", "-nostdlib", "-shared", "-fuse-ld=lld", "-Wl,-e,"+entry, "-o", out, src)...)
	if b, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("clang and lld (packages clang, lld): %v\n%s", err, b)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		tb.Fatal(err)
	}
	return data, out
}

// TestAsStdlib compares headers, sections and symbols with Go's reader.
func TestAsStdlib(t *testing.T) {
	for name, build := range map[string]func() ([]byte, string){
		"amd64": func() ([]byte, string) { return compile(t) }, "i386": func() ([]byte, string) { return compile32(t) },
		"stripped": func() ([]byte, string) { return compile(t, "-s") },
	} {
		data, path := build()
		f, err := Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		std, err := stdpe.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer std.Close()
		switch o := std.OptionalHeader.(type) {
		case *stdpe.OptionalHeader64:
			if !f.Is64 || f.ImageBase != o.ImageBase || f.Entry != o.AddressOfEntryPoint || f.ImageSize != o.SizeOfImage || f.Checksum != o.CheckSum ||
				f.StackReserve != o.SizeOfStackReserve || f.HeapCommit != o.SizeOfHeapCommit || f.Subsystem != o.Subsystem || f.DLLCharacteristics != o.DllCharacteristics {
				t.Errorf("%s: %+v, stdlib %+v", name, f.OptionalHeader, o)
			}
		case *stdpe.OptionalHeader32:
			if f.Is64 || f.ImageBase != uint64(o.ImageBase) || f.Entry != o.AddressOfEntryPoint || f.BaseOfData != o.BaseOfData || f.StackCommit != uint64(o.SizeOfStackCommit) {
				t.Errorf("%s: %+v, stdlib %+v", name, f.OptionalHeader, o)
			}
		}
		if f.Machine != std.Machine || f.Stamp != std.TimeDateStamp || f.Characteristics != std.Characteristics || len(f.Sections) != len(std.Sections) {
			t.Fatalf("%s: %+v, stdlib %+v", name, f.FileHeader, std.FileHeader)
		}
		for i, w := range std.Sections {
			s := &f.Sections[i]
			if s.Name != w.Name || s.Addr != w.VirtualAddress || s.VirtualSize != w.VirtualSize || s.RawSize != w.Size || s.RawOffset != w.Offset || s.Characteristics != w.Characteristics {
				t.Errorf("%s: %+v, stdlib %+v", name, s, w.SectionHeader)
			}
		}
		if name == "amd64" {
			if _, ok := f.Section(".debug_info"); !ok {
				t.Error("long section names are not resolved")
			}
		}
		compareSymbols(t, name, f, std)
	}
}

func compareSymbols(t *testing.T, name string, f *File, std *stdpe.File) {
	t.Helper()
	n := 0
	for s := range f.Symbols() {
		if n >= len(std.Symbols) {
			t.Fatalf("%s: more than stdlib's %d symbols", name, n)
		}
		w := std.Symbols[n]
		if s.Name != w.Name || s.Value != w.Value || s.Section != w.SectionNumber || s.Type != w.Type || s.Class != w.StorageClass {
			t.Errorf("%s: %+v, stdlib %+v", name, s, w)
		}
		n++
	}
	if n != len(std.Symbols) {
		t.Errorf("%s: %d symbols, stdlib %d", name, n, len(std.Symbols))
	}
}

func readobj(t *testing.T, path string, args ...string) string {
	t.Helper()
	out, err := exec.Command("llvm-readobj", append(args, path)...).CombinedOutput()
	if err != nil {
		t.Fatalf("llvm-readobj (package llvm) %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// all returns the first groups of all matches.
func all(text, pattern string) []string {
	var out []string
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		out = append(out, strings.Join(m[1:], " "))
	}
	return out
}

// TestAsReadobj compares imports, exports, relocations, debug directory and
// function table with llvm-readobj.
func TestAsReadobj(t *testing.T) {
	for name, build := range map[string]func() ([]byte, string){
		"amd64":   func() ([]byte, string) { return compile(t, "-Wl,--build-id") },
		"library": func() ([]byte, string) { return compile(t, "-shared", "-Wl,--build-id", "-O2") },
		"i386":    func() ([]byte, string) { return compile32(t) },
	} {
		data, path := build()
		f, err := Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		check := func(what string, ours, theirs []string, need int) {
			t.Helper()
			if !slices.Equal(ours, theirs) {
				t.Errorf("%s: %s: %d, llvm-readobj %d\n%.20q\n%.20q", name, what, len(ours), len(theirs), ours, theirs)
			}
			if len(ours) < need {
				t.Errorf("%s: only %d %s were compared", name, len(ours), what)
			}
		}
		var imports, relocations, functions, exports []string
		for i := range f.Imports() {
			imports = append(imports, i.Name)
		}
		check("imports", imports, all(readobj(t, path, "--coff-imports"), `Symbol: (\S*) \(`), map[string]int{"amd64": 20, "library": 10}[name])
		_, list := f.Exports()
		for _, e := range list {
			exports = append(exports, fmt.Sprintf("%d %s 0x%X", e.Ordinal, e.Name, e.Addr))
		}
		check("exports", exports, slices.DeleteFunc(all(readobj(t, path, "--coff-exports"), `Ordinal: (\d+)\s+Name: (.*)\s+RVA: (\S+)`),
			func(s string) bool { return strings.HasSuffix(s, " 0x0") }), 2)
		for r := range f.Relocations() {
			relocations = append(relocations, fmt.Sprintf("0x%X", r.Addr))
		}
		theirs := slices.DeleteFunc(all(readobj(t, path, "--coff-basereloc"), `Type: (\S+)\s+Address: (\S+)`), func(s string) bool { return strings.HasPrefix(s, "ABSOLUTE") })
		for i := range theirs {
			_, theirs[i], _ = strings.Cut(theirs[i], " ")
		}
		check("relocations", relocations, theirs, 1)
		for i := range f.Functions().Len() {
			e := f.Functions().Entry(i)
			functions = append(functions, fmt.Sprintf("%X %X %X", e.Begin, e.End, e.Unwind))
			if got, ok := f.Functions().Find(e.End - 1); !ok || got != e {
				t.Errorf("%s: function at %x is not found: %+v", name, e.End-1, got)
			}
		}
		want := []string{}
		for _, s := range all(readobj(t, path, "--unwind"), `StartAddress: (?:\S+ )?\(?0x([0-9A-F]+)\)?\s+EndAddress: (?:\S+ )?(?:\+0x[0-9A-F]+ )?\(?0x([0-9A-F]+)\)?\s+UnwindInfoAddress: (?:\S+ )?(?:\+0x[0-9A-F]+ )?\(?0x([0-9A-F]+)\)?`) {
			want = append(want, rebase(s, f.ImageBase))
		}
		check("functions", functions, want, map[string]int{"amd64": 40, "library": 20}[name])
		if name == "i386" {
			continue
		}
		cv, ok := f.CodeView()
		guid := all(readobj(t, path, "--coff-debug-directory"), `PDBGUID: \((.*)\)`)
		if ours := fmt.Sprintf("% X", cv.GUID); !ok || len(guid) != 1 || guid[0] != ours || cv.Age != 1 {
			t.Errorf("%s: CodeView %s, age %d, llvm-readobj %s", name, ours, cv.Age, guid)
		}
	}
}

// rebase subtracts an image's base from addresses that have it.
func rebase(s string, base uint64) string {
	var out []string
	for _, x := range strings.Fields(s) {
		var v uint64
		fmt.Sscanf(x, "%X", &v)
		if v >= base {
			v -= base
		}
		out = append(out, fmt.Sprintf("%X", v))
	}
	return strings.Join(out, " ")
}

func TestGUID(t *testing.T) {
	cv := CodeView{GUID: [16]byte{0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}}
	if got := cv.String(); got != "00112233-4455-6677-8899-AABBCCDDEEFF" {
		t.Error(got)
	}
}

func TestRefused(t *testing.T) {
	data, _ := compile(t, "-s")
	for n := 0; n < 1024; n += 7 {
		if f, err := Parse(data[:n]); err == nil {
			visit(f)
		}
	}
	if _, err := Parse([]byte("MZ")); err == nil {
		t.Error("two bytes were taken for an image")
	}
	bad := slices.Clone(data)
	at := binary.LittleEndian.Uint32(bad[0x3c:])
	bad[at+24] = 7
	if _, err := Parse(bad); err == nil || !strings.Contains(err.Error(), "kind 0x207") {
		t.Errorf("an unknown optional header: %v", err)
	}
}

// visit asks everything of a file.
func visit(f *File) {
	for i := range f.Sections {
		f.Raw(&f.Sections[i])
		f.At(f.Sections[i].Addr)
	}
	for range f.Symbols() {
	}
	f.Exports()
	n := 0
	for range f.Imports() {
		if n++; n > 100_000 {
			break
		}
	}
	for range f.Relocations() {
	}
	f.Debug()
	f.CodeView()
	if t := f.Functions(); t.Len() > 0 {
		t.Find(t.Entry(t.Len() / 2).Begin)
	}
}

func FuzzParse(f *testing.F) {
	for _, cpu := range []string{"i686", "x86_64"} { // small ones: the fuzzer shrinks what it finds
		data, _ := small(f, cpu, "-s")
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if file, err := Parse(data); err == nil {
			visit(file)
		}
	})
}
