package dwarf

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"dap-windbg/symbols"
)

// splitSample compiles a small program with split units, type units and macros:
// the sections of the image, and of the .dwo file or package.
func splitSample(f *testing.F, pack bool, args ...string) (image, other map[string][]byte) {
	f.Helper()
	dir := f.TempDir()
	src := filepath.Join(dir, "a.cc")
	text := "#define TEN 10\nstruct S { int a; S *b; }; int f(S *s) { int x = s->a + TEN; return x * x; }\n"
	if err := os.WriteFile(src, []byte(text), 0o600); err != nil {
		f.Fatal(err)
	}
	steps := [][]string{append(args, "-gsplit-dwarf", "-fPIC", "-c", "-o", "a.o", "a.cc"), {"g++", "-shared", "-nostdlib", "-o", "a.so", "a.o"}}
	companion := "a.dwo"
	if pack {
		steps, companion = append(steps, []string{"dwp", "-e", "a.so", "-o", "a.dwp"}), "a.dwp"
	}
	for _, s := range steps {
		cmd := exec.Command(s[0], s[1:]...)
		cmd.Dir = dir
		if b, err := cmd.CombinedOutput(); err != nil {
			f.Fatalf("%v: %v\n%s", s, err, b)
		}
	}
	read := func(name string) map[string][]byte {
		e, err := elf.Open(filepath.Join(dir, name))
		if err != nil {
			f.Fatal(err)
		}
		defer e.Close()
		m := map[string][]byte{}
		for _, s := range e.Sections {
			if strings.HasPrefix(s.Name, ".debug") {
				b, _ := s.Data()
				m[strings.TrimSuffix(s.Name, ".dwo")] = append(m[strings.TrimSuffix(s.Name, ".dwo")], b...)
			}
		}
		return m
	}
	return read("a.so"), read(companion)
}

// FuzzSplit asks everything of images whose units are in arbitrary other files.
func FuzzSplit(f *testing.F) {
	for _, args := range [][]string{
		{"g++", "-O1", "-gdwarf-5"}, {"g++", "-O1", "-gdwarf-4"}, {"g++", "-O1", "-gdwarf-5", "-g3", "-undef", "-fdebug-types-section"},
		{"g++", "-O1", "-gdwarf-4", "-fdebug-types-section"}, {"clang++", "-O1", "-gdwarf-5"},
	} {
		image, other := splitSample(f, false, args...)
		f.Add(pack(image), pack(other), uint64(0x1000))
	}
	image, other := splitSample(f, true, "g++", "-O1", "-gdwarf-4", "-fdebug-types-section")
	f.Add(pack(image), pack(other), uint64(0x1000))
	f.Fuzz(func(t *testing.T, image, other []byte, pc uint64) {
		a, b := unpack(image), unpack(other)
		o := Options{
			Section:   func(n string) []byte { return a[n] },
			BigEndian: pc&(1<<40) != 0,
		}
		o.Open = func(c symbols.Companion, accept func(func(string) []byte) error) (func(string) []byte, error) {
			section := func(n string) []byte { return b[strings.TrimSuffix(n, ".dwo")] }
			return section, accept(section)
		}
		d := New(o)
		askEverything(t, d, pc&0xffffff)
		for _, off := range []symbols.Offset{symbols.Offset(pc & 0xffffff), 0x1000} {
			d.Macro(off, "TEN")
			for range d.MacrosAt(off) {
			}
		}
		for _, r := range []ref{baseSup + 12, basePack + 12, basePackTypes + 20, baseDwo + 30, baseDwo + dwoSlot/2 + 30, lostRef} {
			d.die(r + ref(pc>>48))
		}
		d.Missing()
	})
}
