package pe

import (
	"context"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/binfmt/pe"
	"dap-windbg/symbols"
)

// inPlace is an image in memory, and the stack of a machine.
type inPlace struct {
	image *Image
	base  arch.Addr
	*machine
	reads int
}

func (m *inPlace) ReadMemory(ctx context.Context, a arch.Addr, p []byte) (int, error) {
	if a < m.base || uint64(a-m.base) >= m.image.Size() {
		return m.machine.ReadMemory(ctx, a, p)
	}
	m.reads++
	clear(p)
	b, _, _ := m.image.file.At(uint32(a - m.base))
	copy(p, b)
	return len(p), nil
}

// TestLoaded: an image that is known by parts of its memory alone has the headers of
// the file, and unwinds by the tables in memory as the file does by its own.
func TestLoaded(t *testing.T) {
	file := open(t, compile(t, compilers[0].cc, "-O2"))
	mem := &inPlace{image: file, base: arch.Addr(file.LinkBase()), machine: entered()}
	parts, err := pe.ReadParts(func(addr uint32, p []byte) error {
		_, err := mem.ReadMemory(t.Context(), mem.base+arch.Addr(addr), p)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := OpenLoaded(parts, Options{Key: symbols.Key{Path: `C:\a.exe`}})
	if err != nil {
		t.Fatal(err)
	}
	if a, b := file.Key(), loaded.Key(); a.Stamp != b.Stamp || a.Size != b.Size || loaded.Size() != file.Size() || loaded.Entry() != file.Entry() || loaded.Arch() != file.Arch() {
		t.Errorf("%+v, the file has %+v", b, a)
	}
	compared := 0
	functions := file.file.Functions()
	for k := 0; k < functions.Len(); k++ {
		f := functions.Entry(k)
		for _, off := range []uint32{0, 1, (f.End - f.Begin) / 2} {
			regs := mem.registers(mem.base + arch.Addr(f.Begin+off))
			want, wantCFA, wantErr := file.Unwind(t.Context(), mem.base, regs, mem)
			got, cfa, err := loaded.Unwind(t.Context(), mem.base, regs, mem)
			if (err == nil) != (wantErr == nil) || cfa != wantCFA || err == nil && got.PC() != want.PC() {
				t.Errorf("%x+%x: %v %v, by the file %v %v", f.Begin, off, cfa, err, wantCFA, wantErr)
			}
			compared++
		}
	}
	if t.Logf("%d places, %d reads", compared, mem.reads); compared < 100 || mem.reads == 0 {
		t.Error("too few")
	}
}

// TestLoadedNeeds: what is not read yet is asked for.
func TestLoadedNeeds(t *testing.T) {
	file := open(t, compile(t, compilers[0].cc))
	parts, err := pe.ReadParts(func(addr uint32, p []byte) error {
		b, _, _ := file.file.At(addr)
		copy(p, b)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := OpenLoaded(parts, Options{})
	if err != nil {
		t.Fatal(err)
	}
	f := file.file.Functions().Entry(5)
	regs := entered().registers(arch.Addr(file.LinkBase()) + arch.Addr(f.Begin))
	_, _, err = loaded.Unwind(t.Context(), arch.Addr(file.LinkBase()), regs, absent{})
	if _, ok := err.(*symbols.NeedError); !ok {
		t.Errorf("%v", err)
	}
}

// absent is memory of which nothing was read yet.
type absent struct{}

func (absent) ReadMemory(_ context.Context, a arch.Addr, p []byte) (int, error) {
	return 0, &symbols.NeedError{Addr: a, Size: len(p)}
}
