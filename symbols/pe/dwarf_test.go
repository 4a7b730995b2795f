package pe

import (
	"context"
	"slices"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/symbols"
	"dap-windbg/symbols/cfi"
)

// TestUnwindDWARF: without a function table, the frames are DWARF's.
func TestUnwindDWARF(t *testing.T) {
	path := compile(t, compilers[1].cc, "-O0")
	i, err := Open(path, Options{Unwinder: func(i *Image) symbols.Unwinder {
		section := func(name string) cfi.Section {
			data, addr, _ := i.Section(name)
			return cfi.Section{Data: data, Addr: addr}
		}
		return cfi.New(cfi.Sections{EHFrame: section(".eh_frame"), DebugFrame: section(".debug_frame"), Arch: i.Arch(), LinkBase: i.LinkBase()})
	}})
	if err != nil {
		t.Fatal(err)
	}
	const esp, ret, ebp = 0x61ff00, 0x401234, 0x61ffc8
	f := slices.Collect(i.Lookup("fact"))[0]
	base := arch.Addr(0x10000000) // not where it prefers to lie
	for _, c := range []struct {
		off    symbols.Offset
		pushed arch.Addr // what lies below the return address
	}{{0, 0}, {1, 4}, {3, 4}} { // push ebp; mov ebp,esp
		m := &machine{memory: map[arch.Addr]uint64{esp + c.pushed: ret, esp: ebp}}
		if c.pushed == 0 {
			m.memory[esp] = ret
		}
		r := arch.NewRegisters(arch.I386.DefaultSet())
		r.SetSP(esp)
		r.PutName("ebp", map[bool]uint64{false: ebp, true: esp}[c.off == 3])
		r.SetPC(base + arch.Addr(f.Offset+c.off))
		r.Interrupted = true
		caller, cfa, err := i.Unwind(context.Background(), base, r, m)
		if err != nil {
			t.Fatalf("fact+%x: %v", c.off, err)
		}
		fp, _ := caller.Get("ebp")
		if cfa != esp+c.pushed+4 || caller.PC() != ret || fp != ebp {
			t.Errorf("fact+%x: cfa %x, pc %x, ebp %x", c.off, uint64(cfa), uint64(caller.PC()), fp)
		}
	}
}
