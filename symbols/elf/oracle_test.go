package elf

import (
	stddwarf "debug/dwarf"
	stdelf "debug/elf"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"dap-windbg/symbols"
)

// oracle opens the same file with the standard library.
func oracle(t *testing.T, path string) (*stdelf.File, *stddwarf.Data) {
	t.Helper()
	f, err := stdelf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	d, err := f.DWARF()
	if err != nil {
		t.Fatal(err)
	}
	return f, d
}

// TestFunctionsAsStdlib finds every concrete function the standard library sees
// at its entry and at its last byte, with its name.
func TestFunctionsAsStdlib(t *testing.T) {
	for _, options := range builds {
		t.Run(options, func(t *testing.T) {
			img := open(t, options, "shapes.cc")
			_, d := oracle(t, img.Path())
			names := map[stddwarf.Offset]string{}
			n := 0
			for _, pass := range []string{"names", "check"} {
				r := d.Reader()
				for {
					e, err := r.Next()
					if err != nil {
						t.Fatal(err)
					}
					if e == nil {
						break
					}
					if e.Tag != stddwarf.TagSubprogram {
						continue
					}
					if name, ok := e.Val(stddwarf.AttrName).(string); ok && pass == "names" {
						names[e.Offset] = name
						continue
					}
					if pass == "check" && checkFunction(t, img, d, e, names) {
						n++
					}
				}
			}
			if n < 5 {
				t.Errorf("only %d functions compared", n)
			}
		})
	}
}

func checkFunction(t *testing.T, img *Image, d *stddwarf.Data, e *stddwarf.Entry, names map[stddwarf.Offset]string) bool {
	t.Helper()
	ranges, err := d.Ranges(e)
	if err != nil || len(ranges) == 0 {
		return false
	}
	name := names[e.Offset]
	for _, a := range []stddwarf.Attr{stddwarf.AttrAbstractOrigin, stddwarf.AttrSpecification} {
		if o, ok := e.Val(a).(stddwarf.Offset); ok && name == "" {
			name = names[o]
		}
	}
	for _, r := range ranges {
		for _, pc := range []uint64{r[0], r[1] - 1} {
			scopes, err := img.Scopes(symbols.Offset(pc - img.LinkBase()))
			if err != nil || len(scopes) == 0 {
				t.Errorf("%s at 0x%x: no scope (%v)", name, pc, err)
				continue
			}
			s := scopes[len(scopes)-1]
			if len(s.Ranges) != len(ranges) || uint64(s.Ranges[0].Low)+img.LinkBase() != ranges[0][0] {
				t.Errorf("%s at 0x%x: ranges %v, stdlib has %x", name, pc, s.Ranges, ranges)
			}
			if name != "" && !endsInName(s.Name, name) {
				t.Errorf("0x%x: in %q, stdlib has %q", pc, s.Name, name)
			}
		}
	}
	return true
}

func endsInName(qualified, name string) bool {
	name = symbols.Spell(name)
	return len(qualified) >= len(name) && qualified[len(qualified)-len(name):] == name
}

// TestRowsAsStdlib compares every row of every line program.
func TestRowsAsStdlib(t *testing.T) {
	for _, options := range builds {
		t.Run(options, func(t *testing.T) {
			img := open(t, options, "shapes.cc")
			_, d := oracle(t, img.Path())
			r, n := d.Reader(), 0
			for {
				e, err := r.Next()
				if err != nil {
					t.Fatal(err)
				}
				if e == nil {
					break
				}
				if e.Tag != stddwarf.TagCompileUnit {
					continue
				}
				r.SkipChildren()
				n += compareRows(t, img, d, e)
			}
			if n < 50 {
				t.Errorf("only %d rows compared", n)
			}
		})
	}
}

func compareRows(t *testing.T, img *Image, d *stddwarf.Data, unit *stddwarf.Entry) int {
	t.Helper()
	lr, err := d.LineReader(unit)
	if err != nil || lr == nil {
		return 0
	}
	var rows []stddwarf.LineEntry
	n := 0
	for {
		var e stddwarf.LineEntry
		if err := lr.Next(&e); err == io.EOF {
			return n
		} else if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, e)
		if !e.EndSequence {
			continue
		}
		want := map[string]bool{}
		for k, r := range rows[:len(rows)-1] {
			if rows[k+1].Address != r.Address {
				want[fmt.Sprintf("%x %d", r.Address, rows[k+1].Address-r.Address)] = true
			}
		}
		low, high := rows[0].Address, e.Address
		if low != 0 {
			got := img.Lines(symbols.Offset(low-img.LinkBase()), symbols.Offset(high-img.LinkBase()))
			for _, g := range got {
				key := fmt.Sprintf("%x %d", uint64(g.Start)+img.LinkBase(), g.End-g.Start)
				if !want[key] || !rowIn(rows, uint64(g.Start)+img.LinkBase(), g) {
					t.Errorf("row %+v is not stdlib's", g)
				}
				delete(want, key)
				n++
			}
			for k := range want {
				t.Errorf("row %s of stdlib's is missing", k)
			}
		}
		rows = nil
	}
}

func rowIn(rows []stddwarf.LineEntry, addr uint64, g symbols.Line) bool {
	for _, r := range rows {
		if r.Address == addr && r.Line == g.Line && r.Column == g.Column && r.IsStmt == g.Stmt && strings.HasSuffix(g.File, filepath.Clean(r.File.Name)) {
			return true
		}
	}
	return false
}

// TestLayoutsAsStdlib compares size and fields of every struct the standard
// library can read.
func TestLayoutsAsStdlib(t *testing.T) {
	for _, options := range []string{"g++ -O0 -gdwarf-5", "g++ -O2 -gdwarf-4", "clang++ -O0 -gdwarf-5", "gcc -O0 -gdwarf-5", "gcc -O0 -gdwarf-2 -gstrict-dwarf", "gcc -O0 -gdwarf-3 -gstrict-dwarf"} {
		source := "shapes.cc"
		if options[:3] == "gcc" {
			source = "plain.c"
		}
		t.Run(options, func(t *testing.T) {
			img := open(t, options, source)
			_, d := oracle(t, img.Path())
			r, n := d.Reader(), 0
			for {
				e, err := r.Next()
				if err != nil {
					t.Fatal(err)
				}
				if e == nil {
					break
				}
				name, _ := e.Val(stddwarf.AttrName).(string)
				if e.Tag != stddwarf.TagStructType && e.Tag != stddwarf.TagUnionType || name == "" || e.Val(stddwarf.AttrDeclaration) != nil {
					continue
				}
				ty, err := d.Type(e.Offset)
				if err != nil {
					continue // references are more than it knows
				}
				n += compareLayout(t, img, name, ty.(*stddwarf.StructType))
			}
			if n < 2 {
				t.Errorf("only %d types compared", n)
			}
		})
	}
}

func compareLayout(t *testing.T, img *Image, name string, want *stddwarf.StructType) int {
	t.Helper()
	got, ok := img.Type(name)
	if !ok || got.Size != want.ByteSize {
		return 0 // in a namespace, or another of the same simple name
	}
	var fields []symbols.Field
	for _, f := range got.Members().Fields {
		if !f.Static && !f.Base {
			fields = append(fields, f)
		}
	}
	var std []*stddwarf.StructField
	for _, f := range want.Field {
		if f.ByteOffset != 0 || f.Type.Size() > 0 {
			std = append(std, f)
		}
	}
	for k, f := range fields {
		if k >= len(std) || std[k].Name != f.Name {
			return 0
		}
		if f.BitSize != int(std[k].BitSize) || f.BitSize == 0 && f.Offset != std[k].ByteOffset {
			t.Errorf("%s.%s: offset %d bits %d, stdlib has %d, %d", name, f.Name, f.Offset, f.BitSize, std[k].ByteOffset, std[k].BitSize)
		}
		if size := f.Type.ByteSize(); f.BitSize == 0 && size >= 0 && size != std[k].Type.Size() {
			t.Errorf("%s.%s: size %d, stdlib has %d", name, f.Name, f.Type.ByteSize(), std[k].Type.Size())
		}
	}
	return 1
}
