package pdb_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/symbols"
	"dap-windbg/symbols/pdb"
	"dap-windbg/symbols/pdb/pdbtest"
)

func open(tb testing.TB, d *pdbtest.Database) *pdb.File {
	tb.Helper()
	f, err := pdb.Open(d.Write(), pdb.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

// asked is what a large database answers to the questions of a debugger.
func asked(f *pdb.File, m, k int) string {
	var b strings.Builder
	name := fmt.Sprintf("NtRoutine%d_%d", m, k)
	for s := range f.Lookup(name) {
		body, _ := f.Body(s.Offset)
		scopes, err := f.Scopes(body.Offset)
		fmt.Fprintln(&b, s, body, len(scopes), err)
		for _, v := range scopes[0].Variables {
			fmt.Fprintln(&b, v.Name, v.Type.Name, v.Param)
		}
		near, _ := f.At(s.Offset + 5)
		next, _ := f.Next(s.Offset)
		fmt.Fprintln(&b, near.Name, next.Name, len(f.Lines(s.Offset, s.Offset+64)))
	}
	t, ok := f.Type(fmt.Sprintf("_RECORD_%d_%d", m, k))
	fmt.Fprintln(&b, ok, t.Size, len(t.Members().Fields), f.Places(fmt.Sprintf("module%d.c", m), 20*k+5))
	return b.String()
}

// TestContainers: blocks of any size, together or apart, and directories of many
// blocks give the same answers.
func TestContainers(t *testing.T) {
	want := asked(open(t, pdbtest.Large(9, 40)), 7, 13)
	if strings.Count(want, "\n") < 8 || !strings.Contains(want, "NtRoutine7_13") || !strings.Contains(want, "Context int true") || !strings.Contains(want, "true 40 10 [{") {
		t.Fatal(want)
	}
	for _, size := range []int{512, 1024, 2048, 4096, 8192, 16384, 32768} {
		for _, scattered := range []bool{false, true} {
			d := pdbtest.Large(9, 40)
			d.BlockSize, d.Scattered = size, scattered
			if got := asked(open(t, d), 7, 13); got != want {
				t.Errorf("blocks of %d, scattered %v: %s, want %s", size, scattered, got, want)
			}
		}
	}
	d := pdbtest.Large(60, 200) // a directory of more than 512/4 blocks
	d.BlockSize = 512
	if got := asked(open(t, d), 59, 199); !strings.Contains(got, "NtRoutine59_199") {
		t.Error(got)
	}
}

// TestRefused: what cannot be read says why, and what to do.
func TestRefused(t *testing.T) {
	d := pdbtest.Large(1, 1)
	d.Minimal = true
	_, err := pdb.Open(d.Write(), pdb.Options{})
	var bad *pdb.FormatError
	if !errors.As(err, &bad) || !strings.Contains(err.Error(), "FASTLINK") || !strings.Contains(bad.Hint(), "mspdbcmf") {
		t.Error(err)
	}
	for _, b := range [][]byte{nil, []byte("Microsoft C/C++ program database 2.00\r\n\x1aJG"), bytes.Repeat([]byte{0}, 4096)} {
		if _, err := pdb.Open(b, pdb.Options{}); !errors.As(err, &bad) {
			t.Errorf("%.20q: %v", b, err)
		}
	}
}

// TestIdentity: the GUID and the age as symbol servers spell them.
func TestIdentity(t *testing.T) {
	d := pdbtest.Large(1, 1)
	d.Age = 0x1f
	if got := open(t, d).Identity().String(); got != "04030201060508070"+"90A0B0C0D0E0F10"+"1F" {
		t.Error(got)
	}
}

// le puts 32-bit numbers one after another.
func le(v ...uint32) (out []byte) {
	for _, x := range v {
		out = binary.LittleEndian.AppendUint32(out, x)
	}
	return out
}

// TestOMAP: a function of before lies where the optimiser has moved it.
func TestOMAP(t *testing.T) {
	d := pdbtest.Large(1, 4)
	d.Original = []pdbtest.Section{{Addr: 0x5000, Size: 256}}
	// The second function went before the first; the third is gone.
	d.ToNew = le(0x5000, 0x1040, 0x5040, 0x1000, 0x5080, 0, 0x50c0, 0x1080)
	d.ToOld = le(0x1000, 0x5040, 0x1040, 0x5000, 0x1080, 0x50c0)
	f := open(t, d)
	for name, want := range map[string]symbols.Offset{"NtRoutine0_0": 0x1040, "NtRoutine0_1": 0x1000, "NtRoutine0_3": 0x1080} {
		for s := range f.Lookup(name) {
			if s.Offset != want {
				t.Errorf("%s at %x, want %x", name, s.Offset, want)
			}
		}
		if s, ok := f.At(want + 8); !ok || s.Name != name {
			t.Errorf("at %x: %+v", want+8, s)
		}
		if l, ok := f.Line(want + 8); !ok || l.Start != want+8 {
			t.Errorf("line at %x: %+v", want+8, l)
		}
	}
	if got := slices.Collect(f.Lookup("NtRoutine0_2")); len(got) != 0 {
		t.Errorf("a function that is gone: %v", got)
	}
}

// memory of 32-bit words, and the frame that reads it.
type memory map[arch.Addr]uint32

func (m memory) ReadMemory(_ context.Context, a arch.Addr, p []byte) (int, error) {
	for i := 0; i+4 <= len(p); i += 4 {
		binary.LittleEndian.PutUint32(p[i:], m[a+arch.Addr(i)])
	}
	return len(p), nil
}

type frame struct {
	regs *arch.Registers
	memory
}

func (f frame) Registers() *arch.Registers                     { return f.regs }
func (f frame) Memory() symbols.Memory                         { return f.memory }
func (f frame) Base() arch.Addr                                { return 0x400000 }
func (f frame) CFA(context.Context) (arch.Addr, error)         { return 0, nil }
func (f frame) TLS(context.Context, uint64) (arch.Addr, error) { return 0, errors.ErrUnsupported }
func (f frame) Caller(context.Context) (symbols.Frame, error)  { return nil, nil }

// TestFrameData: frames of i386 by programs, and by sizes.
func TestFrameData(t *testing.T) {
	d := pdbtest.Large(1, 4)
	d.Machine = 0x14c
	d.Strings = append(d.Strings, "$T0 $ebp 4 + = $eip $T0 ^ = $esp $T0 4 + = $ebp $T0 4 - ^ = $ebx $T0 8 - ^ =", "$T0 .raSearch = $eip $T0 ^ = $esp $T0 4 + =", "$T0 $esp 0 / =")
	row := func(low, size, locals uint32, program int, saved uint16) []byte {
		return pdbtest.Bytes(low, size, locals, uint32(0), uint32(0), d.StringAt(program), uint16(0), saved, uint32(0))
	}
	d.NewFPO = slices.Concat(row(0x1000, 64, 0, 1, 0), row(0x1040, 64, 16, 2, 8), row(0x1080, 64, 0, 3, 0))
	// cdwLocals 2, cbProlog 1, one register saved, EBP used
	d.OldFPO = pdbtest.Bytes(uint32(0x10c0), uint32(64), uint32(2), uint16(0), uint16(1|1<<8|1<<12))
	f := open(t, d)
	regs := func() *arch.Registers {
		r := arch.NewRegisters(arch.I386.DefaultSet())
		r.SetSP(0x8000)
		r.PutName("ebp", 0x8100)
		r.PutName("ebx", 5)
		r.PutName("eax", 1)
		return r
	}
	mem := memory{0x8104: 0x401234, 0x8100: 0x8200, 0x80fc: 77, 0x8018: 0x401235, 0x800c: 0x401236, 0x8008: 0x8300}
	for _, c := range []struct {
		at               uint32
		pc, sp, ebp, ebx uint64
	}{{0x1010, 0x401234, 0x8108, 0x8200, 77}, {0x1050, 0x401235, 0x801c, 0x8100, 5}, {0x10d0, 0x401236, 0x8010, 0x8300, 5}} {
		caller, cfa, err := f.Unwind(t.Context(), c.at, regs(), mem)
		if err != nil {
			t.Errorf("%x: %v", c.at, err)
			continue
		}
		ebp, _ := caller.Get("ebp")
		ebx, _ := caller.Get("ebx")
		_, known := caller.Get("eax")
		if uint64(caller.PC()) != c.pc || uint64(cfa) != c.sp || uint64(caller.SP()) != c.sp || ebp != c.ebp || ebx != c.ebx || known {
			t.Errorf("%x: pc %x, sp %x, ebp %x, ebx %x, eax known %v", c.at, uint64(caller.PC()), uint64(cfa), ebp, ebx, known)
		}
	}
	bare := arch.NewRegisters(arch.I386.DefaultSet()) // what may come with a stop
	bare.SetPC(0x1050)
	if _, cfa, err := f.Unwind(t.Context(), 0x1050, bare, memory{24: 0x401235}); !errors.Is(err, symbols.ErrNoUnwind) {
		t.Errorf("without a stack pointer the frame is at %x: %v", uint64(cfa), err)
	}
	for _, at := range []uint32{0x1090, 0x3000} {
		if _, _, err := f.Unwind(t.Context(), at, regs(), mem); !errors.Is(err, symbols.ErrNoUnwind) {
			t.Errorf("%x: %v", at, err)
		}
	}
}

// TestFixedVariables: variables as Microsoft's compiler tells them without
// optimisation, at one place in the whole function.
func TestFixedVariables(t *testing.T) {
	d := &pdbtest.Database{Machine: 0x8664, Sections: []pdbtest.Section{{Addr: 0x1000, Size: 0x100}}}
	d.Types = [][]byte{
		pdbtest.Record(0x1201, uint32(1), uint32(0x74)),
		pdbtest.Record(0x1008, uint32(0x74), uint8(0), uint8(0), uint16(1), uint32(0x1000)),
	}
	var body []byte
	body = append(body, pdbtest.Record(0x1111, int32(0x40), uint32(0x74), uint16(335), "argument")...)
	body = append(body, pdbtest.Record(0x1111, int32(-8), uint32(0x76), uint16(334), "local")...)
	body = append(body, pdbtest.Record(0x1106, uint32(0x22), uint16(17), "counter")...)
	body = append(body, pdbtest.Record(0x110c, uint32(0x74), uint32(0x80), uint16(1), "kept")...)
	head := pdbtest.Record(0x1110, uint32(0), uint32(0), uint32(0), uint32(0x40), uint32(5), uint32(60), uint32(0x1001), uint32(0), uint16(1), uint8(0), "f")
	binary.LittleEndian.PutUint32(head[8:], uint32(4+len(head)+len(body)))
	d.Modules = []pdbtest.Module{{Name: "f.obj", Section: 1, Size: 0x40, Symbols: slices.Concat(head, body, pdbtest.Record(6))}}
	scopes, err := open(t, d).Scopes(0x1010)
	if err != nil || len(scopes) != 1 || scopes[0].Name != "f" || scopes[0].Return == nil {
		t.Fatal(scopes, err)
	}
	r := arch.NewRegisters(arch.AMD64.DefaultSet())
	r.SetSP(0x1000)
	r.PutName("rbp", 0x2000)
	var got []string
	for _, v := range scopes[0].Variables {
		p, err := v.Location.Pieces(t.Context(), frame{r, nil}, 0x1010)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %s %v %v %x %s", v.Name, v.Type.Name, v.Param, v.Static, uint64(p[0].Addr), r.Set.Regs[p[0].Register].Name))
	}
	want := []string{"argument int true false 1040 rax", "local __int64 false false 1ff8 rax", "counter unsigned long false false 0 rax", "kept int false true 401080 rax"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// question asks everything of a database.
func question(f *pdb.File) {
	for s := range f.Lookup("*") {
		f.At(s.Offset)
		f.Next(s.Offset)
		f.Body(s.Offset)
		f.Lines(s.Offset, s.Offset+symbols.Offset(min(s.Size, 1<<12)))
		f.Function(s.Offset)
		f.GlobalAt(s.Offset)
		scopes, _ := f.Scopes(s.Offset + 8)
		for _, c := range scopes {
			for _, v := range c.Variables {
				r := arch.NewRegisters(arch.I386.DefaultSet())
				_, _ = v.Location.Pieces(context.Background(), frame{r, memory{}}, s.Offset+8)
			}
		}
	}
	for range f.Lookup("NtRoutine0_0") {
	}
	n := 0
	for name := range f.Types("*") {
		if t, ok := f.Type(name); ok {
			for _, m := range t.Members().Fields {
				m.Type.ByteSize()
			}
		}
		if n++; n > 50 {
			break
		}
	}
	for file := range f.Files() {
		f.Places(file, 5)
	}
	f.Global("anything")
	_ = f.Index(context.Background())
	f.Inlined("anything")
	_, _, _ = f.Unwind(context.Background(), 0x1010, arch.NewRegisters(arch.I386.DefaultSet()), memory{})
}

// small is a database with one of everything that the writer knows.
func small() *pdbtest.Database {
	d := pdbtest.Large(2, 2)
	d.Machine = 0x14c
	d.BlockSize = 512
	d.Strings = append(d.Strings, "$T0 .raSearch = $eip $T0 ^ = $esp $T0 4 + =")
	d.NewFPO = pdbtest.Bytes(uint32(0x1000), uint32(64), uint32(0), uint32(0), uint32(0), d.StringAt(2), uint16(0), uint16(0), uint32(0))
	d.OldFPO = pdbtest.Bytes(uint32(0x1040), uint32(64), uint32(2), uint16(0), uint16(1))
	d.IDs = [][]byte{pdbtest.Record(0x1601, uint32(0), uint32(0x1004), "Inlined")}
	m := &d.Modules[0]
	// an inlined call before the end of the first function
	m.C13 = append(m.C13, pdbtest.Bytes(uint32(0xf6), uint32(16), uint32(0), uint32(0x1000), uint32(0), uint32(3))...)
	d.Globals = append(d.Globals, pdbtest.Record(0x110d, uint32(0x74), uint32(16), uint16(1), "Global"), pdbtest.Record(0x1108, uint32(0x1001), "Alias"), pdbtest.Record(0x1107, uint32(0x74), uint16(5), "Constant"))
	return d
}

// TestCutShort: a file cut anywhere gives less or an error.
func TestCutShort(t *testing.T) {
	whole := small().Write()
	for n := 0; n < len(whole); n += 97 {
		if f, err := pdb.Open(whole[:n], pdb.Options{}); err == nil {
			question(f)
		}
	}
}

// TestDamaged: a file with any number in it wrong gives less or an error.
func TestDamaged(t *testing.T) {
	whole := small().Write()
	for at := 0; at+4 <= len(whole); at += 14 {
		for _, v := range []uint32{0xfffffff0, 0, 0x7fffffff} {
			data := slices.Clone(whole)
			binary.LittleEndian.PutUint32(data[at:], v)
			if f, err := pdb.Open(data, pdb.Options{}); err == nil {
				question(f)
			}
		}
	}
}

// FuzzOpen: no file makes the reader fail otherwise than with an error.
func FuzzOpen(f *testing.F) {
	whole := small().Write()
	f.Add(whole, uint32(0), uint32(0))
	for at := uint32(0); int(at) < len(whole); at += 509 {
		f.Add(whole, at, uint32(0xfffffff0))
	}
	f.Fuzz(func(t *testing.T, data []byte, at, value uint32) {
		data = slices.Clone(data)
		if uint64(at)+4 <= uint64(len(data)) {
			binary.LittleEndian.PutUint32(data[at:], value)
		}
		if p, err := pdb.Open(data, pdb.Options{}); err == nil {
			question(p)
		}
	})
}
