package dwarf

import (
	"context"
	"debug/elf"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// kinds are programs whose types are dynamic or have variants, and how they are built.
var kinds = []struct{ file, text, command string }{
	{"a.c", "int f(int n) { int v[n], w[n][n + 1]; v[0] = w[0][1] = n; return v[n - 1] + w[0][0]; }\n", "gcc -g -O0 -shared -fPIC -nostdlib -o $OUT a.c"},
	{"a.c", "int f(int n) { int v[n], w[n][n + 1]; v[0] = w[0][1] = n; return v[n - 1] + w[0][0]; }\n", "clang -g -O1 -shared -fPIC -nostdlib -o $OUT a.c"},
	{"a.f90", "subroutine f(a, s, m)\n real(8) :: a(:,:)\n character(len=*) :: s\n integer :: m, l(m, 0:m)\n integer, allocatable :: t(:)\n allocate(t(m))\n l = m\n a(1,1) = l(1,0) + len(s) + t(1)\nend subroutine\n",
		"gfortran -g -shared -fPIC -nostdlib -o $OUT a.f90"},
	{"a.rs", "#![no_std]\npub enum N { X(bool), Y, Z }\n#[repr(i8)] pub enum E { A(u8) = -1, B(u16) = 2, C }\n#[no_mangle] pub fn f(n: &N, e: &E) -> u8 { match (n, e) { (N::X(b), E::A(a)) => *a + *b as u8, _ => 1 } }\n#[panic_handler] fn p(_: &core::panic::PanicInfo) -> ! { loop {} }\n",
		"rustc -g -C panic=abort -C link-arg=-nostdlib --crate-type=cdylib -o $OUT a.rs"},
}

// sections builds a program and returns its debug sections.
func sections(tb testing.TB, file, text, command string) map[string][]byte {
	tb.Helper()
	dir := tb.TempDir()
	if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", command)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "OUT="+filepath.Join(dir, "out"))
	if b, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("%s: %v\n%s", command, err, b)
	}
	e, err := elf.Open(filepath.Join(dir, "out"))
	if err != nil {
		tb.Fatal(err)
	}
	defer e.Close()
	m := map[string][]byte{}
	for _, s := range e.Sections {
		if strings.HasPrefix(s.Name, ".debug") {
			if m[s.Name], err = s.Data(); err != nil {
				tb.Fatal(err)
			}
		}
	}
	return m
}

// TestKinds: the programs have what the fuzzer is after.
func TestKinds(t *testing.T) {
	for _, k := range kinds {
		m := sections(t, k.file, k.text, k.command)
		d := New(Options{Section: func(n string) []byte { return m[n] }})
		var seen seenTypes
		for _, u := range d.allUnits() {
			u.load()
			for off := symbols.Offset(0); off < 0x4000; off += 4 {
				scopes, err := d.Scopes(off)
				if err != nil {
					t.Fatal(err)
				}
				for _, s := range scopes {
					for _, v := range s.Variables {
						seen.walk(v.Type, off, 0)
					}
				}
			}
		}
		if want := k.file == "a.rs"; seen.dynamic == want || seen.parts != want {
			t.Errorf("%s: %+v", k.command, seen)
		}
	}
}

// seenTypes asks all of types, as walkType, and what is dynamic or has variants.
type seenTypes struct{ dynamic, parts bool }

func (s *seenTypes) walk(t *symbols.Type, pc symbols.Offset, depth int) error {
	if t == nil || depth > 4 {
		return nil
	}
	frame := &fakeFrame{regs: arch.NewRegisters(arch.AMD64.DefaultSet())}
	if t.Dynamic != nil {
		s.dynamic = true
		to, _, err := t.Dynamic.Resolve(context.Background(), frame, pc, 0x2000)
		var u *symbols.UnavailableError
		if err != nil && !errors.As(err, &u) {
			return err
		}
		if err == nil {
			to.ByteSize()
		}
	}
	m := t.Members()
	for _, p := range m.Parts {
		s.parts = true
		p.Live(uint64(pc))
	}
	for _, f := range m.Fields {
		if err := s.walk(f.Type, pc, depth+1); err != nil {
			return err
		}
	}
	return s.walk(t.Elem, pc, depth+1)
}

// FuzzTypes makes dynamic types concrete and takes variants apart, from arbitrary
// sections.
func FuzzTypes(f *testing.F) {
	for _, k := range kinds {
		f.Add(pack(sections(f, k.file, k.text, k.command)), uint64(0x1010))
	}
	f.Fuzz(func(t *testing.T, p []byte, pc uint64) {
		m := unpack(p)
		d := New(Options{Section: func(n string) []byte { return m[n] }})
		var seen seenTypes
		for _, off := range []symbols.Offset{symbols.Offset(pc & 0xffffff), 0x1000, 0x1010, 0x1100} {
			scopes, _ := d.Scopes(off)
			for _, s := range scopes {
				for _, v := range s.Variables {
					if err := seen.walk(v.Type, off, 0); err != nil {
						t.Error(err)
					}
				}
			}
		}
	})
}
