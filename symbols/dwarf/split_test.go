package dwarf

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"testing"

	"dap-windbg/symbols"
)

// splitSample compiles a small program with split units, type units and macros:
// the sections of the image, of the .dwo file or package, and of the .dwo file.
func splitSample(f testing.TB, pack bool, args ...string) (image, other, loose map[string][]byte) {
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
	return read("a.so"), read(companion), read("a.dwo")
}

// TestIndexOfOtherSplitUnits: an index that was kept is taken again only while the
// split units are where they were.
func TestIndexOfOtherSplitUnits(t *testing.T) {
	for _, flags := range [][]string{{"g++", "-O1", "-gdwarf-4", "-fdebug-types-section"}, {"g++", "-O1", "-gdwarf-4"}} {
		image, packed, loose := splitSample(t, true, flags...)
		open := func(files map[symbols.CompanionKind]map[string][]byte) *Data {
			return New(Options{
				Section: func(n string) []byte { return image[n] },
				Open: func(c symbols.Companion, accept func(func(string) []byte) error) (func(string) []byte, error) {
					b, ok := files[c.Kind]
					if !ok {
						return nil, os.ErrNotExist
					}
					section := func(n string) []byte { return b[strings.TrimSuffix(n, ".dwo")] }
					return section, accept(section)
				},
			})
		}
		ways := []map[symbols.CompanionKind]map[string][]byte{{symbols.Package: packed}, {symbols.SplitUnit: loose}}
		for i := range ways {
			d := open(ways[i])
			if err := d.Index(t.Context()); err != nil {
				t.Fatal(err)
			}
			if _, ok := d.Type("S"); !ok || len(d.Missing()) > 0 {
				t.Fatalf("%v, way %d: no S; missing: %v", flags, i, d.Missing())
			}
			for k := range ways {
				if got := open(ways[k]).agrees(d.index.ready.Load()); got != (i == k) {
					t.Errorf("%v: index of way %d with the files of way %d: agrees is %v", flags, i, k, got)
				}
			}
		}
	}
}

// TestDamagedFilesAreNotKept: what could not be read to its end is no index to keep.
func TestDamagedFilesAreNotKept(t *testing.T) {
	image, _, _ := splitSample(t, false, "g++", "-O1", "-gdwarf-5")
	var calls atomic.Int32
	d := New(Options{Section: func(n string) []byte { return image[n] }, Guard: func(f func()) bool { calls.Add(1); return false }})
	if x, whole := d.buildIndex(t.Context(), nil); x == nil || whole || calls.Load() == 0 {
		t.Errorf("index %v, whole: %v, after %d reads that failed", x, whole, calls.Load())
	}
}

// TestCollectOften: indexes made at the same time leave the collector as it was.
func TestCollectOften(t *testing.T) {
	was := debug.SetGCPercent(77)
	defer debug.SetGCPercent(was)
	one, two := collectOften(), collectOften()
	one()
	two()
	if got := debug.SetGCPercent(77); got != 77 {
		t.Errorf("%d percent, not 77", got)
	}
}

// FuzzSplit asks everything of images whose units are in arbitrary other files.
func FuzzSplit(f *testing.F) {
	for _, args := range [][]string{
		{"g++", "-O1", "-gdwarf-5"}, {"g++", "-O1", "-gdwarf-4"}, {"g++", "-O1", "-gdwarf-5", "-g3", "-undef", "-fdebug-types-section"},
		{"g++", "-O1", "-gdwarf-4", "-fdebug-types-section"}, {"clang++", "-O1", "-gdwarf-5"},
	} {
		image, other, _ := splitSample(f, false, args...)
		f.Add(pack(image), pack(other), uint64(0x1000))
	}
	image, other, _ := splitSample(f, true, "g++", "-O1", "-gdwarf-4", "-fdebug-types-section")
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
