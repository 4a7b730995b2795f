package btf

import (
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"dap-windbg/symbols"
	image "dap-windbg/symbols/elf"
)

// section reads a section of an ELF file.
func section(t testing.TB, path, name string) []byte {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := f.Section(name)
	if s == nil {
		t.Fatalf("%s has no %s", path, name)
	}
	data, err := s.Data()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func build(t testing.TB, out string, flags ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), out)
	args := append(flags, "-O0", "-c", "testdata/types.c", "-o", path)
	if text, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, text)
	}
	return path
}

// describe spells a type so that BTF and DWARF of the same source agree.
func describe(t *symbols.Type, depth int) string {
	if t == nil {
		return "void"
	}
	switch t.Kind {
	case symbols.Base:
		return fmt.Sprintf("%s/%d/%d", symbols.Spell(t.Name), t.Size, t.Encoding)
	case symbols.Pointer:
		return "*" + describe(t.Elem, depth+1)
	case symbols.Array:
		n, e := max(t.Count, 0), t.Elem // those who write BTF make one dimension of several
		for e != nil && e.Kind == symbols.Array {
			n, e = n*max(e.Count, 0), e.Elem
		}
		return fmt.Sprintf("[%d]%s", n, describe(e, depth))
	case symbols.Const, symbols.Volatile, symbols.Restrict:
		return fmt.Sprintf("q%d %s", t.Kind, describe(t.Elem, depth))
	case symbols.Func:
		var args []string
		for _, p := range t.Members().Params {
			args = append(args, describe(p.Type, depth+1))
		}
		return fmt.Sprintf("func(%s,%v)%s", strings.Join(args, ","), t.Members().Variadic, describe(t.Elem, depth+1))
	}
	if t.Name != "" && depth > 0 {
		return fmt.Sprintf("%d %s", t.Kind, t.Name)
	}
	if t.Kind == symbols.Typedef {
		return "typedef " + describe(t.Elem, depth+1)
	}
	if t.Declaration {
		return fmt.Sprintf("%d %s;", t.Kind, t.Name)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s/%d{", t.Kind, t.Name, t.Size)
	for _, f := range t.Members().Fields {
		fmt.Fprintf(&b, "%s@%d", f.Name, 8*f.Offset+int64(f.BitOffset))
		if f.BitSize > 0 {
			fmt.Fprintf(&b, ":%d", f.BitSize)
		}
		fmt.Fprintf(&b, " %s;", describe(f.Type, depth+1))
	}
	for _, e := range t.Members().Enumerators {
		fmt.Fprintf(&b, "%s=%d;", e.Name, e.Value)
	}
	return b.String() + "}"
}

// unsignedOnes have the largest unsigned number among their values, which before Linux
// 6.2 is written as -1 is.
var unsignedOnes = []string{"blk_default_limits", "rt_class_t"}

// compareTypes compares every structure, union and enum that both know, and returns how many agree.
func compareTypes(t *testing.T, info *Info, dwarf symbols.Typer) (equal int) {
	t.Helper()
	names := slices.Sorted(info.Types("*"))
	for _, name := range names {
		ours, ok := info.Type(name)
		if !ok || ours.Kind == symbols.Base || ours.Kind == symbols.Typedef || ours.Declaration {
			continue
		}
		if len(info.names[name]) > 1 { // several structures of a name: DWARF may take another
			continue
		}
		theirs, ok := dwarf.Type(name)
		if !ok || theirs.Kind == symbols.Typedef {
			continue
		}
		a, b := describe(ours, 0), describe(theirs, 0)
		if slices.Contains(unsignedOnes, name) {
			b = strings.ReplaceAll(b, "=4294967295;", "=-1;")
		}
		if a == b {
			equal++
		} else {
			t.Errorf("%s:\n  BTF   %s\n  DWARF %s", name, a, b)
		}
	}
	return equal
}

func openTyper(t *testing.T, path string) symbols.Typer {
	t.Helper()
	img, err := image.Open(path, image.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { img.Close() })
	var any symbols.Image = img
	ty, ok := any.(symbols.Typer)
	if !ok {
		t.Fatal("no types in " + path)
	}
	return ty
}

// TestAgainstDWARF: gcc writes the same source's types in both forms.
func TestAgainstDWARF(t *testing.T) {
	info, err := Parse(section(t, build(t, "b.o", "-gbtf"), ".BTF"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := compareTypes(t, info, openTyper(t, build(t, "d.o", "-g"))); n != 7 {
		t.Errorf("%d types agree", n)
	}
	if f, ok := info.Function("call"); !ok || f.Kind != symbols.Func || len(f.Members().Params) != 2 || f.Members().Params[1].Type.Name != "long" {
		t.Errorf("the function is %+v", f)
	}
	if v, ok := info.Variable("everything"); !ok || v.Name != "all" {
		t.Errorf("the variable is %+v", v)
	}
}

// TestKernel compares all types of Debian's kernel, which only heavy runs have.
func TestKernel(t *testing.T) {
	if os.Getenv("HEAVY") == "" {
		t.Skip("HEAVY=1 runs it")
	}
	all, _ := filepath.Glob("/usr/lib/debug/boot/vmlinux-*")
	if len(all) == 0 {
		t.Fatal("no /usr/lib/debug/boot/vmlinux-*: install linux-image-amd64-dbg")
	}
	info, err := Parse(section(t, all[0], ".BTF"), nil)
	if err != nil {
		t.Fatal(err)
	}
	n := compareTypes(t, info, openTyper(t, all[0]))
	t.Logf("%d types agree", n)
	if n < 5000 {
		t.Errorf("only %d types agree", n)
	}
}

// TestSplit: types of a module go on behind the kernel's.
func TestSplit(t *testing.T) {
	base := text(
		[]string{"int", "base"}, []uint32{
			1, 1 << 24, 4, 1<<24 | 32,
			5, 4<<24 | 1, 4, 0, 1, 0,
		})
	b, err := Parse(base, nil)
	if err != nil {
		t.Fatal(err)
	}
	// Strings go on behind the base's 10 bytes: "\0int\0base\0".
	m, err := Parse(text([]string{"mod"}, []uint32{11, 4<<24 | 1, 4, 5, 2, 0}), b)
	if err != nil {
		t.Fatal(err)
	}
	mod, ok := m.Type("mod")
	if !ok || describe(mod, 0) != "5 mod/4{base@0 5 base;}" {
		t.Errorf("%v: %s", ok, describe(mod, 0))
	}
	if _, ok := m.Type("base"); !ok {
		t.Error("the module does not know the kernel's")
	}
}

// text makes BTF of strings and type words.
func text(names []string, words []uint32) []byte {
	s := "\x00" + strings.Join(names, "\x00") + "\x00"
	var b []byte
	put := func(v uint32) { b = append(b, byte(v), byte(v>>8), byte(v>>16), byte(v>>24)) }
	put(magic | 1<<16)
	for _, v := range []uint32{24, 0, uint32(4 * len(words)), uint32(4 * len(words)), uint32(len(s))} {
		put(v)
	}
	for _, v := range words {
		put(v)
	}
	return append(b, s...)
}

// TestRefused: what is no BTF is an error, and a circle has an end.
func TestRefused(t *testing.T) {
	good := text([]string{"int"}, []uint32{1, 1 << 24, 4, 1<<24 | 32})
	for n := range good {
		if i, err := Parse(good[:n], nil); err == nil && len(i.strings) == 5 {
			t.Errorf("%d bytes of %d are accepted", n, len(good))
		}
	}
	if _, err := Parse(text([]string{"x"}, []uint32{1, 31 << 24, 4}), nil); err == nil {
		t.Error("an unknown kind is accepted")
	}
	circle, err := Parse(text([]string{"c"}, []uint32{1, 8 << 24, 2, 0, 3 << 24, 0, 1, 1, 2, 0, 10 << 24, 1}), nil)
	if err != nil {
		t.Fatal(err)
	}
	if c, _ := circle.Type("c"); c == nil || c.Strip().Kind != symbols.Array || c.Strip().Elem.Strip() != nil {
		t.Errorf("a circle is %+v", c)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(text([]string{"int"}, []uint32{1, 1 << 24, 4, 1<<24 | 32}))
	f.Add(text([]string{"c"}, []uint32{1, 8 << 24, 2, 0, 3 << 24, 0, 1, 1, 2, 0, 10 << 24, 1}))
	f.Add(text([]string{"s", "m"}, []uint32{1, 4<<24 | 1<<31 | 1, 8, 3, 1, 3 << 24}))
	f.Add(section(f, build(f, "b.o", "-gbtf"), ".BTF"))
	f.Fuzz(func(t *testing.T, data []byte) {
		i, err := Parse(data, nil)
		if err != nil {
			return
		}
		seen := map[*symbols.Type]bool{}
		for id := range min(len(i.at), 1000) {
			visit(i.typ(uint32(id+1)), seen)
		}
	})
}

// visit reads all that t is made of, once: a broken text has structures in themselves.
func visit(t *symbols.Type, seen map[*symbols.Type]bool) {
	if t == nil || seen[t] {
		return
	}
	seen[t] = true
	visit(t.Elem, seen)
	for _, f := range t.Members().Fields {
		visit(f.Type, seen)
	}
	for _, p := range t.Members().Params {
		visit(p.Type, seen)
	}
}
