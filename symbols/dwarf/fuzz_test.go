package dwarf

import (
	"context"
	"debug/elf"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// sample compiles a small program and returns its debug sections.
func sample(f *testing.F, args ...string) map[string][]byte {
	f.Helper()
	dir := f.TempDir()
	src, out := filepath.Join(dir, "a.cc"), filepath.Join(dir, "a.o")
	err := os.WriteFile(src, []byte(`
namespace n { struct S { int a : 3; S *next; static int k; enum E { X, Y } e; template <class T> T get(T t) { return t; } }; int S::k = 4; }
static inline int twice(int v) { int w = v * 2; return w; }
int f(n::S *s, double d) { static int count; count += twice(s->a); { long q = count; s->get(q); } return count + (int)d; }
`), 0o600)
	if err != nil {
		f.Fatal(err)
	}
	cmd := exec.Command("g++", append(args, "-shared", "-fPIC", "-nostdlib", "-o", out, src)...)
	if b, err := cmd.CombinedOutput(); err != nil {
		f.Fatalf("%v\n%s", err, b)
	}
	e, err := elf.Open(out)
	if err != nil {
		f.Fatal(err)
	}
	defer e.Close()
	m := map[string][]byte{}
	for _, s := range e.Sections {
		if len(s.Name) > 6 && s.Name[:6] == ".debug" {
			if m[s.Name], err = s.Data(); err != nil {
				f.Fatal(err)
			}
		}
	}
	return m
}

// pack joins sections to one seed: a byte for the section, its length, its bytes.
func pack(m map[string][]byte) []byte {
	var out []byte
	for i, n := range sectionNames {
		out = append(out, byte(i))
		out = binary.LittleEndian.AppendUint16(out, uint16(len(m[n])))
		out = append(out, m[n]...)
	}
	return out
}

func unpack(p []byte) map[string][]byte {
	m := map[string][]byte{}
	for len(p) >= 3 {
		n := min(int(binary.LittleEndian.Uint16(p[1:])), len(p)-3)
		m[sectionNames[int(p[0])%len(sectionNames)]] = p[3 : 3+n]
		p = p[3+n:]
	}
	return m
}

// FuzzData asks everything of arbitrary sections: it must answer or decline.
func FuzzData(f *testing.F) {
	for _, args := range [][]string{
		{"-O0", "-gdwarf-5"}, {"-O2", "-gdwarf-5"}, {"-O2", "-gdwarf-4"}, {"-O1", "-gdwarf-3"}, {"-O1", "-gdwarf-5", "-gdwarf64"},
		{"-O1", "-gdwarf-4", "-fdebug-types-section"}, {"-O1", "-gdwarf-5", "-fdebug-types-section"},
	} {
		f.Add(pack(sample(f, args...)), uint64(0x1010))
	}
	f.Fuzz(func(t *testing.T, p []byte, pc uint64) {
		m := unpack(p)
		d := New(Options{Section: func(n string) []byte { return m[n] }, BigEndian: pc&(1<<40) != 0, Base: 0})
		askEverything(t, d, pc&0xffffff)
	})
}

func askEverything(t *testing.T, d *Data, pc uint64) {
	frame := &fakeFrame{regs: arch.NewRegisters(arch.AMD64.DefaultSet())}
	for _, off := range []symbols.Offset{symbols.Offset(pc), 0x1000, 0x1020} {
		d.Line(off)
		d.Lines(off, off+0x100)
		d.Body(off)
		d.Function(off)
		d.GlobalAt(off)
		d.CallAt(off)
		scopes, _ := d.Scopes(off)
		for _, s := range scopes {
			d.TailCalls(s.Low)
			walkType(s.Return, 0)
			for _, v := range s.Variables {
				walkType(v.Type, 0)
				if _, err := v.Location.Pieces(context.Background(), frame, off); err != nil {
					var u *symbols.UnavailableError
					if !errors.As(err, &u) {
						t.Errorf("%v", err)
					}
				}
			}
		}
	}
	n := 0
	for name := range d.Types("*") {
		if ty, ok := d.Type(name); ok {
			walkType(ty, 0)
		}
		if n++; n > 50 {
			break
		}
	}
	for name := range d.Globals("*") {
		if v, ok := d.Global(name); ok {
			v.Location.Pieces(context.Background(), frame, 0)
		}
		if n++; n > 100 {
			break
		}
	}
	for range d.Functions("*") {
	}
	for file := range d.Files() {
		d.Places(file, 3)
		if n++; n > 120 {
			break
		}
	}
}

func walkType(t *symbols.Type, depth int) {
	if t == nil || depth > 4 {
		return
	}
	t.ByteSize()
	m := t.Members()
	for _, f := range m.Fields {
		walkType(f.Type, depth+1)
	}
	for _, p := range m.Params {
		walkType(p.Type, depth+1)
	}
	walkType(t.Elem, depth+1)
}

// fakeFrame has registers and a memory full of a pattern.
type fakeFrame struct {
	regs   *arch.Registers
	caller symbols.Frame
	need   bool
}

func (f *fakeFrame) Registers() *arch.Registers { return f.regs }
func (f *fakeFrame) Memory() symbols.Memory     { return f }
func (f *fakeFrame) Base() arch.Addr            { return 0x10000 }
func (f *fakeFrame) CFA(context.Context) (arch.Addr, error) {
	return 0x7fff0000, nil
}
func (f *fakeFrame) TLS(_ context.Context, off uint64) (arch.Addr, error) {
	return arch.Addr(0x5000 + off), nil
}
func (f *fakeFrame) Caller(context.Context) (symbols.Frame, error) { return f.caller, nil }

func (f *fakeFrame) ReadMemory(_ context.Context, addr arch.Addr, p []byte) (int, error) {
	if f.need {
		return 0, &symbols.NeedError{Addr: addr, Size: len(p)}
	}
	for i := range p {
		p[i] = byte(addr) + byte(i)
	}
	return len(p), nil
}

// FuzzExpr runs arbitrary expressions.
func FuzzExpr(f *testing.F) {
	for _, e := range exprCases {
		f.Add(e.expr)
	}
	f.Add([]byte{opLit0, opDup, opSkip, 0xfc, 0xff})
	f.Add([]byte{opEntryValue, 1, opReg0, opStackValue})
	f.Fuzz(func(t *testing.T, expr []byte) {
		l := newLocation(exprUnit(), value{form: formExprloc, b: expr}, nil)
		frame := &fakeFrame{regs: arch.NewRegisters(arch.AMD64.DefaultSet())}
		frame.regs.PutName("rbx", 0x1234)
		frame.caller = frame
		l.Pieces(context.Background(), frame, 0)
	})
}

// exprUnit is a unit for expressions that need no sections.
func exprUnit() *unit {
	d := New(Options{Section: func(string) []byte { return nil }})
	u := &unit{data: d, space: &space{file: d.main}, layout: layout{version: 5, addrSize: 8}}
	u.load()
	return u
}
