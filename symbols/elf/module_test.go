package elf

import (
	stddwarf "debug/dwarf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"dap-windbg/binfmt/elf"
	"dap-windbg/symbols"
)

// kernelModule returns a kernel module with debug information that `make
// test-heavy` installs.
func kernelModule(t *testing.T, name string) string {
	found, _ := filepath.Glob("/usr/lib/debug/lib/modules/*/kernel/" + name)
	if len(found) == 0 {
		if os.Getenv("HEAVY") != "" {
			t.Fatalf("no %s with debug information in /usr/lib/debug/lib/modules", name)
		}
		t.Skip("only with HEAVY=1")
	}
	return found[len(found)-1]
}

// TestKernelModules compares every function of modules with the symbol table and
// addr2line, and structs with the standard library, at the addresses they would
// be loaded at.
func TestKernelModules(t *testing.T) {
	if os.Getenv("HEAVY") == "" {
		t.Skip("only with HEAVY=1")
	}
	for _, name := range []string{"fs/ext4/ext4.ko", "arch/x86/kvm/kvm.ko", "sound/core/snd.ko"} {
		t.Run(filepath.Base(name), func(t *testing.T) {
			path := kernelModule(t, name)
			img, err := Open(path, Options{Sections: map[string]uint64{".text": 0xffffffffc0400000, ".data": 0xffffffffc0500000, ".init.text": 0xffffffffc0600000}})
			if err != nil {
				t.Fatal(err)
			}
			if img.LinkBase() != 0xffffffffc0400000 {
				t.Errorf("begins at 0x%x", img.LinkBase())
			}
			said := moduleOracle(t, path)
			lines := moduleFunctions(t, img, ".text", said) + moduleFunctions(t, img, ".init.text", said)
			types := moduleTypes(t, img)
			t.Logf("%d functions, %d structs", lines, types)
			if lines < 200 || types < 50 {
				t.Errorf("too few")
			}
		})
	}
}

// oracleCode is what the standard library reads of a module, whose sections all
// lie at 0 for it.
type oracleCode struct {
	functions map[uint64]bool
	rows      map[uint64]map[string]bool
}

func moduleOracle(t *testing.T, path string) oracleCode {
	_, d := oracle(t, path)
	said := oracleCode{map[uint64]bool{}, map[uint64]map[string]bool{}}
	r := d.Reader()
	for {
		e, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if e == nil {
			return said
		}
		switch e.Tag {
		case stddwarf.TagSubprogram:
			ranges, _ := d.Ranges(e)
			for _, r := range ranges {
				said.functions[r[0]] = true
			}
		case stddwarf.TagCompileUnit:
			lr, err := d.LineReader(e)
			if err != nil || lr == nil {
				continue
			}
			var l stddwarf.LineEntry
			for lr.Next(&l) == nil {
				if said.rows[l.Address] == nil {
					said.rows[l.Address] = map[string]bool{}
				}
				said.rows[l.Address][fmt.Sprintf("%s:%d", filepath.Base(l.File.Name), l.Line)] = true
			}
		}
	}
}

// moduleFunctions compares names, scopes and lines of the functions of a section.
func moduleFunctions(t *testing.T, img *Image, section string, said oracleCode) int {
	raw, err := elf.Parse(img.main.file.Data)
	if err != nil {
		t.Fatal(err)
	}
	placed, ok := img.File().Section(section)
	if !ok { // without bytes in a debug file
		for i := range img.File().Sections {
			if s := &img.File().Sections[i]; s.Name == section {
				placed, ok = s, true
			}
		}
	}
	if !ok {
		return 0
	}
	st, _ := raw.SymbolTable(elf.SecSymtab)
	var syms []elf.Symbol
	var ask strings.Builder
	for s := range st.All() {
		if s.Type() == elf.TypeFunc && int(s.Section) == placed.Index && s.Size > 0 {
			syms = append(syms, s)
			fmt.Fprintf(&ask, "%#x\n", s.Value)
		}
	}
	cmd := exec.Command("addr2line", "-e", img.Path(), "-j", section)
	cmd.Stdin = strings.NewReader(ask.String())
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	answers := strings.Split(string(out), "\n")
	n := 0
	for k, s := range syms {
		name := string(st.Name(s.NameOffset))
		if name == "init_module" || name == "cleanup_module" {
			continue // other names of functions
		}
		off := symbols.Offset(placed.Addr + s.Value - img.LinkBase())
		if at, ok := img.At(off); !ok || at.Offset != off {
			t.Errorf("%s at %s+0x%x: %+v", name, section, s.Value, at)
		}
		want := strings.Fields(answers[k])[0]
		if strings.HasPrefix(want, "??") || strings.HasSuffix(want, ":?") {
			continue // of assembly
		}
		l, ok := img.Line(off)
		if got := line(l); !ok || got != filepath.Base(want) && !said.rows[s.Value][got] {
			t.Errorf("%s: line %s, addr2line has %s, stdlib %v", name, got, want, said.rows[s.Value])
		}
		scopes, err := img.Scopes(off)
		if len(scopes) == 0 && !said.functions[s.Value] {
			continue // GCC folded it into an equal one
		}
		if err != nil || len(scopes) == 0 || !strings.HasPrefix(name, scopes[len(scopes)-1].Name) {
			t.Errorf("%s: scopes %v, %v", name, scopes, err)
		}
		n++
	}
	return n
}

// moduleTypes compares the layouts of every fiftieth struct.
func moduleTypes(t *testing.T, img *Image) int {
	_, d := oracle(t, img.Path())
	r, n, k := d.Reader(), 0, 0
	for {
		e, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if e == nil {
			return n
		}
		name, _ := e.Val(stddwarf.AttrName).(string)
		if e.Tag != stddwarf.TagStructType || name == "" || e.Val(stddwarf.AttrDeclaration) != nil {
			continue
		}
		if k++; k%50 != 0 {
			continue
		}
		if ty, err := d.Type(e.Offset); err == nil {
			n += compareLayout(t, img, name, ty.(*stddwarf.StructType))
		}
	}
}
