package dwarf

import (
	"bytes"
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"dap-windbg/symbols/index"
)

const linkedC = `
struct point { int x, y; };
struct node { struct node *next; struct point at; };
typedef struct node node_t;
int shared = 4; static int counter;
int use(node_t *n) { counter++; return n->at.x + counter; }
`

const linkedMain = `
struct point { int x, y; };
struct only { char c[12]; } one;
extern int shared;
namespace space { struct inside { long l; }; int there = 3; }
int main() { point p = {shared, 1}; space::inside in = {p.y}; return (int)in.l + one.c[0] + space::there; }
`

// linkedProgram builds two units with an index of the linker's making.
func linkedProgram(t *testing.T, words, compileC string, after ...string) string {
	t.Helper()
	dir := filepath.Dir(buildProgram(t, compileC+" -c", map[string]string{"use.c": linkedC}))
	path := buildProgram(t, words+" "+filepath.Join(dir, "program"), map[string]string{"main.cc": linkedMain})
	if len(after) > 0 {
		cmd := exec.Command(after[0], append(after[1:], path)...)
		cmd.Dir = filepath.Dir(path)
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", after, err, text)
		}
	}
	return path
}

// TestLinkedIndexes: a name that the linker's index has is found by it, at the
// very DIEs that our index finds.
func TestLinkedIndexes(t *testing.T) {
	for _, c := range []struct {
		name, words, compileC string
		after                 []string
		have                  string // the kind of index that covers all; "" none
	}{
		{"debug_names", "clang++ -gdwarf-5 -gpubnames -fuse-ld=lld", "clang -gdwarf-5 -gpubnames", nil, "names"},
		{"debug_names, half", "clang++ -gdwarf-5 -gpubnames", "gcc -g", nil, ""},
		{"lld", "clang++ -gdwarf-4 -ggnu-pubnames -fuse-ld=lld -Wl,--gdb-index", "clang -gdwarf-4 -ggnu-pubnames", nil, "gdb"},
		{"gold", "g++ -gdwarf-4 -ggnu-pubnames -fuse-ld=gold -Wl,--gdb-index", "gcc -gdwarf-4 -ggnu-pubnames", nil, "gdb"},
		{"gdb-add-index", "g++ -g", "gcc -g", []string{"gdb-add-index"}, "gdb"},
		{"gdb-add-index -dwarf-5", "g++ -g", "gcc -g", []string{"gdb-add-index", "-dwarf-5"}, "names"},
		{"none", "g++ -g", "gcc -g", nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := linkedProgram(t, c.words, c.compileC, c.after...)
			d, full := openSections(t, path), openSections(t, path)
			if err := full.Index(context.Background()); err != nil {
				t.Fatal(err)
			}
			found := 0
			for _, q := range []struct {
				kind index.Kind
				name string
			}{
				{index.Type, "point"}, {index.Type, "only"}, {index.Type, "node"}, {index.Type, "node_t"}, {index.Type, "space::inside"},
				{index.Variable, "shared"}, {index.Variable, "counter"}, {index.Variable, "space::there"},
				{index.Function, "use"}, {index.Function, "main"}, {index.Type, "nothing"},
			} {
				got, want := d.quick(q.kind, q.name), full.find(q.kind, q.name)
				if len(got) == 0 {
					continue
				}
				found++
				dies, same := map[uint64]bool{}, false
				for _, e := range want {
					dies[e.DIE] = true
					if q.kind == index.Type { // of several copies each counts
						a, b := d.typeOf(ref(got[0].DIE)), full.typeOf(ref(e.DIE))
						same = same || a.Name == b.Name && a.Size == b.Size && a.Kind == b.Kind
					}
				}
				if !dies[got[0].DIE] && !same {
					t.Errorf("%s: DIE 0x%x, our index has %v", q.name, got[0].DIE, dies)
				}
			}
			if have := d.linked.names != nil; have != (c.have == "names") {
				t.Errorf(".debug_names is used: %v", have)
			}
			if have := d.linked.gdb != nil; have != (c.have == "gdb") {
				t.Errorf(".gdb_index is used: %v", have)
			}
			if c.have != "" && found < 8 || c.have == "" && found > 0 {
				t.Errorf("%d names found", found)
			}
		})
	}
}

// FuzzLinkedIndex reads damaged indexes of the linker.
func FuzzLinkedIndex(f *testing.F) {
	names := []byte("\x5c\x00\x00\x00\x05\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\x00" +
		"\x00\x00\x00\x00\x01\x00\x00\x00\x95\xb2\xa5\x0b\x00\x00\x00\x00\x00\x00\x00\x00\x01\x34\x03\x13\x00\x00\x00\x00\x01\x20\x00\x00\x00\x00")
	f.Add(names, []byte("\x08\x00\x00\x00\x18\x00\x00\x00\x28\x00\x00\x00\x28\x00\x00\x00\x28\x00\x00\x00\x30\x00\x00\x00"+strings.Repeat("\x00", 64)), "main")
	f.Fuzz(func(t *testing.T, names, gdb []byte, name string) {
		d := New(Options{Section: func(s string) []byte {
			switch s {
			case ".debug_names":
				return names
			case ".gdb_index":
				return bytes.Clone(gdb)
			case ".debug_str":
				return []byte("main\x00x\x00")
			}
			return nil
		}})
		d.quick(index.Type, name)
		if tables, ok := openNames(d); ok {
			for i := range tables {
				tables[i].units(nil, name)
				tables[i].units(nil, "main")
			}
		}
		if g, ok := openGDBIndex(d); ok {
			g.units(nil, name)
		}
	})
}
