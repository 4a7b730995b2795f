package pe

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"dap-windbg/symbols"
)

const source = `
#include <stdio.h>
namespace zoo {
struct Shape { virtual ~Shape() {} virtual int sides() const { return 0; } char tag = 's'; };
template <class T> struct Box : Shape { T value{}; unsigned low : 3, high : 5; T get(int n) const { return value + n; } int sides() const override { return 4; } };
}
extern "C" __declspec(dllexport) int twice(int x) { return 2 * x; }
zoo::Box<double> box;
static int calls;
int counter = 42;
int *where = &counter;
static int fact(int n) { calls++; return n < 2 ? 1 : n * fact(n - 1); }
int main(int argc, char **) {
	char text[64];
	snprintf(text, sizeof text, "%d", fact(argc + 3));
	puts(text);
	zoo::Shape *s = &box;
	return twice(s->sides() + *where) + (int)box.get(3);
}
`

// compile builds the program with MinGW for amd64, or with another compiler.
func compile(tb testing.TB, cc string, args ...string) string {
	tb.Helper()
	dir := tb.TempDir()
	src, out := filepath.Join(dir, "a.cpp"), filepath.Join(dir, "a.exe")
	if err := os.WriteFile(src, []byte(source), 0o600); err != nil {
		tb.Fatal(err)
	}
	args = append([]string{"-g", "-o", out, src}, args...)
	if b, err := exec.Command(cc, args...).CombinedOutput(); err != nil {
		tb.Fatalf("%s (packages g++-mingw-w64-x86-64 and g++-mingw-w64-i686): %v\n%s", cc, err, b)
	}
	return out
}

func open(tb testing.TB, path string) *Image {
	tb.Helper()
	i, err := Open(path, Options{})
	if err != nil {
		tb.Fatal(err)
	}
	return i
}

func lines(t *testing.T, name string, args ...string) []string {
	t.Helper()
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		t.Fatalf("%s %v: %v", name, args, err)
	}
	var all []string
	for sc := bufio.NewScanner(strings.NewReader(string(out))); sc.Scan(); {
		all = append(all, strings.TrimSpace(sc.Text()))
	}
	return all
}

var compilers = []struct{ name, cc, prefix string }{
	{"amd64", "x86_64-w64-mingw32-g++", ""},
	{"i386", "i686-w64-mingw32-g++", "_"},
}

// TestAsNM: every symbol that nm lists is found by its own name and lies there.
func TestAsNM(t *testing.T) {
	for _, c := range compilers {
		t.Run(c.name, func(t *testing.T) {
			path := compile(t, c.cc)
			i := open(t, path)
			compared := 0
			for _, l := range lines(t, "objdump", "-t", path) {
				// [  3](sec  1)(fl 0x00)(ty   20)(scl   2) (nx 1) 0x0000000000000000 name
				_, rest, ok := strings.Cut(l, "(sec ")
				if !ok {
					continue
				}
				var sec, fl, ty, scl, nx int
				var value uint64
				var name string
				if n, _ := fmt.Sscanf(rest, "%d)(fl 0x%x)(ty %x)(scl %d) (nx %d) 0x%x %s", &sec, &fl, &ty, &scl, &nx, &value, &name); n != 7 || sec < 1 || scl != 2 && scl != 3 {
					continue
				}
				if name[0] == '.' || strings.HasPrefix(i.file.Sections[sec-1].Name, ".debug") {
					continue
				}
				want := symbols.Offset(i.file.Sections[sec-1].Addr) + symbols.Offset(value)
				found := false
				for s := range i.Lookup(name) {
					found = found || s.Offset == want
				}
				if compared++; !found {
					t.Errorf("%s at %x is not found", name, want)
				}
			}
			t.Logf("%d symbols", compared)
			if compared < 300 {
				t.Error("too few were compared")
			}
		})
	}
}

// TestAsDecodedLine compares the rows that begin statements, as binutils reads them.
func TestAsDecodedLine(t *testing.T) {
	for _, c := range compilers {
		t.Run(c.name, func(t *testing.T) {
			path := compile(t, c.cc, "-O1")
			i := open(t, path)
			rows := map[uint64]string{} // the last row of an address counts
			for _, l := range lines(t, "objdump", "--dwarf=decodedline", path) {
				// a.cpp    12    0x140001550    1    x
				f := strings.Fields(l)
				if len(f) < 3 || !strings.HasPrefix(f[2], "0x") {
					continue
				}
				a, err := strconv.ParseUint(f[2], 0, 64)
				if err != nil {
					continue
				}
				if rows[a] = ""; f[len(f)-1] == "x" && f[1] != "-" {
					rows[a] = f[0] + ":" + f[1]
				}
			}
			compared, differ := 0, 0
			for a, theirs := range rows {
				l, ok := i.Line(symbols.Offset(a - i.LinkBase()))
				if theirs == "" || !ok {
					continue
				}
				compared++
				if ours := fmt.Sprintf("%s:%d", filepath.Base(l.File), l.Line); ours != theirs {
					if differ++; differ < 8 {
						t.Logf("%x: %s, objdump %s", a, ours, theirs)
					}
				}
			}
			t.Logf("%d lines compared, %d differ", compared, differ)
			if compared < 300 || differ > 0 {
				t.Errorf("%d of %d lines differ", differ, compared)
			}
		})
	}
}

// TestNames: what people write is found, and places have the names people know.
func TestNames(t *testing.T) {
	for _, c := range compilers {
		t.Run(c.name, func(t *testing.T) {
			i := open(t, compile(t, c.cc))
			first := func(pattern string) symbols.Symbol {
				for s := range i.Lookup(pattern) {
					return s
				}
				t.Errorf("%s is not found", pattern)
				return symbols.Symbol{}
			}
			for pattern, want := range map[string]string{
				"main": "main", "twice": "twice", "fact": "fact", "FACT": "fact", "zoo::Box<double>::get": "zoo::Box<double>::get",
				"zoo::Box<double>::sides": "zoo::Box<double>::sides", "zoo::Shape::~Shape": "zoo::Shape::~Shape", "zoo::Box::get": "zoo::Box<double>::get", "zoo::Shape::s*": "zoo::Shape::sides", "count?r": "counter",
			} {
				if s := first(pattern); s.Name != want {
					t.Errorf("%s is %+v", pattern, s)
				}
			}
			f := first("fact")
			if c.name == "amd64" && (f.Size == 0 || f.Kind != symbols.Function || f.Global || f.Public) {
				t.Errorf("fact is %+v", f)
			}
			if s, ok := i.At(f.Offset + 5); !ok || s.Name != "fact" {
				t.Errorf("in fact: %+v", s)
			}
			if n, ok := i.Next(f.Offset); !ok || n.Offset <= f.Offset {
				t.Errorf("behind fact: %+v", n)
			}
			slot := first("__imp_puts")
			if slot.Kind != symbols.Data {
				t.Errorf("an import is %+v", slot)
			}
			if g, ok := i.Global("counter"); !ok || g.Type.Name != "int" {
				t.Errorf("counter is %+v", g)
			}
			ty, ok := i.Type("zoo::Box<double>")
			if !ok {
				t.Fatal("no type zoo::Box<double>")
			}
			size := map[string]int64{"amd64": 32, "i386": 24}[c.name]
			names := []string{}
			for _, m := range ty.Members().Fields {
				names = append(names, m.Name)
			}
			if ty.Size != size || !slices.Contains(names, "high") {
				t.Errorf("zoo::Box<double> has %d bytes and %v", ty.Size, names)
			}
			scopes, err := i.Scopes(first("main").Offset + 30)
			if err != nil || len(scopes) != 1 || scopes[0].Name != "main" || len(scopes[0].Variables) < 3 {
				t.Errorf("scopes of main: %+v, %v", scopes, err)
			}
			if ps := i.Places("a.cpp", 12); len(ps) == 0 || ps[0].Function != "fact" {
				t.Errorf("places of line 12: %+v", ps)
			}
		})
	}
}

// TestStripped: exports and imports name what they can.
func TestStripped(t *testing.T) {
	for _, c := range compilers {
		i := open(t, compile(t, c.cc, "-s", "-shared"))
		if i.Debug() != symbols.Exports {
			t.Errorf("%s: names come from %v", c.name, i.Debug())
		}
		for _, name := range []string{"twice", "__imp_puts"} {
			found := false
			for s := range i.Lookup(name) {
				found = found || s.Name == name && s.Offset > 0
			}
			if !found {
				t.Errorf("%s: %s is not found", c.name, name)
			}
		}
	}
}

// TestStatic: the file's own bytes are read where nothing changes them.
func TestStatic(t *testing.T) {
	i := open(t, compile(t, compilers[0].cc))
	s := slices.Collect(i.Lookup("twice"))[0]
	p := make([]byte, 4)
	if !i.ReadStatic(s.Offset, p) || p[0] != 0x55 {
		t.Errorf("code of twice: % x", p)
	}
	for _, name := range []string{"where", "counter"} {
		s := slices.Collect(i.Lookup(name))[0]
		if i.ReadStatic(s.Offset, p) {
			t.Errorf("%s can be written to, and was read from the file", name)
		}
	}
	for r := range i.file.Relocations() {
		if i.ReadStatic(symbols.Offset(r.Addr), p) || i.ReadStatic(symbols.Offset(r.Addr+3), p) {
			t.Fatalf("the place at %x depends on the base", r.Addr)
		}
	}
	if i.ReadStatic(symbols.Offset(i.Size()), p) || i.ReadStatic(1<<40, p) {
		t.Error("bytes beyond the image were read")
	}
}
