package elf

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dap-windbg/symbols"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestTypes describes the sample's types and globals in every build: DWARF
// versions, units of 64 bits, type units and compilers must not differ.
func TestTypes(t *testing.T) {
	const golden = "testdata/types.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(describeAll(open(t, builds[0], "shapes.cc"))), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	for _, options := range builds {
		t.Run(options, func(t *testing.T) {
			if diff := cmp.Diff(string(want), describeAll(open(t, options, "shapes.cc"))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func describeAll(img *Image) string {
	var b strings.Builder
	for _, n := range []string{"Bits", "geo::Point", "geo::Left", "geo::Both", "geo::Box<long, 4>", "Color", "Level", "Callback", "Both2", "unsigned long"} {
		t, ok := img.Type(n)
		if !ok {
			fmt.Fprintf(&b, "%s is missing\n", n)
			continue
		}
		describe(&b, t)
	}
	for _, n := range []string{"table", "either", "member", "method", "perThread", "geo::Point::made", "calls", "Green", "Level::High"} {
		v, ok := img.Global(n)
		fmt.Fprintf(&b, "global %s %v: %s %s\n", n, ok, v.Name, spell(v.Type))
	}
	return b.String()
}

func describe(b *strings.Builder, t *symbols.Type) {
	fmt.Fprintf(b, "%s = kind %d, %d bytes", t.Name, t.Kind, t.Size)
	if t.Elem != nil {
		fmt.Fprintf(b, " of %s", spell(t.Elem))
	}
	b.WriteString("\n")
	m := t.Members()
	for _, a := range m.Template {
		fmt.Fprintf(b, "  template %s %s %d\n", a.Name, spell(a.Type), a.Value)
	}
	for _, f := range m.Fields {
		fmt.Fprintf(b, "  +%d %s %s", f.Offset, strings.ReplaceAll(f.Name, "$", "."), spell(f.Type))
		if f.BitSize > 0 {
			fmt.Fprintf(b, " bits %d..%d", f.Offset*8+int64(f.BitOffset), f.Offset*8+int64(f.BitOffset+f.BitSize))
		}
		for _, w := range []struct {
			on   bool
			word string
		}{{f.Base, "base"}, {f.Virtual, "virtual"}, {f.Static, "static"}, {f.VOffset != nil, "by vtable"}} {
			if w.on {
				b.WriteString(" " + w.word)
			}
		}
		if f.Const != nil {
			fmt.Fprintf(b, " = %x", f.Const)
		}
		b.WriteString("\n")
	}
	for _, e := range m.Enumerators {
		fmt.Fprintf(b, "  %s = %d\n", e.Name, e.Value)
	}
	for _, f := range m.AllMethods() {
		if f.Name == "area" || f.Name == "sum" || f.Name == "put" {
			fmt.Fprintf(b, "  method %s %s virtual %v static %v\n", f.Name, spell(f.Type), f.Virtual, f.Static)
		}
	}
}

// spell writes a type, derived ones with words.
func spell(t *symbols.Type) string {
	if t == nil {
		return "void"
	}
	if t.Name != "" {
		return t.Name
	}
	switch t.Kind {
	case symbols.Array:
		return fmt.Sprintf("[%d]%s", t.Count, spell(t.Elem))
	case symbols.Func:
		var args []string
		for _, p := range t.Members().Params {
			args = append(args, spell(p.Type))
		}
		return fmt.Sprintf("func(%s) %s", strings.Join(args, ", "), spell(t.Elem))
	case symbols.MemberPointer:
		return fmt.Sprintf("member %s of %s, %d bytes", spell(t.Elem), spell(t.Owner), t.Size)
	}
	word := map[symbols.TypeKind]string{symbols.Pointer: "pointer to", symbols.Reference: "reference to", symbols.RvalueReference: "rvalue reference to", symbols.Const: "const"}[t.Kind]
	return word + " " + spell(t.Elem)
}

// TestVirtualBase evaluates the place of a virtual base in a real object.
func TestVirtualBase(t *testing.T) {
	for _, options := range []string{"g++ -O0 -gdwarf-5", "clang++ -O0 -gdwarf-5"} {
		path := build(t, options, "shapes.cc")
		core := t.TempDir() + "/core"
		out := tool(t, "gdb", "-batch", "-nx", "-ex", "break callback", "-ex", "run", "-ex", "up", "-ex", "print (long)(geo::Point*)&both - (long)&both", "-ex", "generate-core-file "+core, "-ex", "kill", path)
		c := openCore(t, path, core)
		frames := c.frames(t)
		f := frames[len(frames)-1]
		scopes, err := c.img.Scopes(f.pc())
		if err != nil || len(scopes) == 0 {
			t.Fatal(err)
		}
		checked := false
		for _, v := range scopes[0].Variables {
			if v.Name != "both" {
				continue
			}
			checked = true
			at, err := v.Location.Pieces(t.Context(), f, f.pc())
			if err != nil {
				t.Fatal(err)
			}
			base := v.Type.Members().Fields[0].Type.Members().Fields[0] // Both → Left → virtual Point
			if !base.Virtual || base.VOffset == nil {
				t.Fatalf("%+v", base)
			}
			got, err := base.VOffset.Pieces(context.Background(), &coreFrame{coreDump: c, regs: f.regs, cfa: at[0].Addr}, 0)
			if err != nil || len(got) != 1 {
				t.Fatal(got, err)
			}
			if want := fmt.Sprintf("$1 = %d\n", got[0].Addr-at[0].Addr); !strings.Contains(out, want) {
				t.Errorf("%s: virtual base at +%d, gdb says %q", options, got[0].Addr-at[0].Addr, out)
			}
		}
		if !checked {
			t.Errorf("%s: no variable both", options)
		}
	}
}

// TestGlobalsByAddress finds each data symbol of the sample again by its address,
// and by its last byte.
func TestGlobalsByAddress(t *testing.T) {
	for _, options := range []string{"g++ -O0 -gdwarf-5", "g++ -O0 -gdwarf-4", "clang++ -O0 -gdwarf-5"} {
		img := open(t, options, "shapes.cc")
		n := 0
		for s := range img.Lookup("*") {
			if s.Kind != symbols.Data || s.Public {
				continue
			}
			for _, off := range []symbols.Offset{s.Offset, s.Offset + symbols.Offset(s.Size) - 1} {
				v, ok := img.GlobalAt(off)
				if !ok || !strings.HasSuffix(s.Name, v.Name) || v.Type.ByteSize() != int64(s.Size) {
					t.Errorf("%s: 0x%x of %s is %q", options, uint64(off), s.Name, v.Name)
				}
			}
			n++
		}
		if n < 5 {
			t.Errorf("%s: only %d globals", options, n)
		}
		if v, ok := img.GlobalAt(img.Entry()); ok {
			t.Errorf("%s: code is the global %s", options, v.Name)
		}
	}
}

// TestFunctionTypes compares the parameters with those that demangling tells.
func TestFunctionTypes(t *testing.T) {
	img := open(t, "g++ -O0 -gdwarf-5", "shapes.cc")
	for name, want := range map[string]string{
		"compute":                "func(int, double, rvalue reference to std::string, reference to const geo::Point) int",
		"geo::Point::sum":        "func(const pointer to const geo::Point) int",
		"main":                   "func(int, pointer to pointer to char) int",
		"geo::Box<long, 4>::put": "func(const pointer to geo::Box<long, 4>, reference to const long) void",
	} {
		for s := range img.Lookup(name) {
			if ft, ok := img.Function(s.Offset); !ok || ft.Kind != symbols.Func || spell(ft) != want {
				t.Errorf("%s is %s, want %s", name, spell(ft), want)
			}
		}
	}
	if _, ok := img.Function(3); ok {
		t.Error("offset 3 is a function")
	}
}
