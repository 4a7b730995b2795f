package image

import (
	"fmt"

	"dap-windbg/arch"
	"dap-windbg/binfmt/pe"
	"dap-windbg/targets"
)

// peMachines maps COFF machine numbers to architectures.
var peMachines = map[uint16]*arch.Arch{pe.MachineI386: arch.I386, pe.MachineAMD64: arch.AMD64, pe.MachineARM64: arch.ARM64}

// openPE lays a PE image out where it prefers to lie: there its pointers are right
// as they stand in the file.
func (t *Target) openPE() error {
	f, err := pe.Parse(t.file.Data)
	if err != nil {
		return fmt.Errorf("%s: %w", t.file.Path, err)
	}
	a := peMachines[f.Machine]
	if a == nil || f.Is64 != (a.PtrSize == 8) {
		return &NoImageError{t.file.Path, fmt.Sprintf("is for a machine that is not known (COFF machine 0x%x)", f.Machine)}
	}
	t.info = targets.Info{Set: a.DefaultSet(), OS: "windows", Path: t.file.Path, Stub: "an image file"}
	t.main = targets.Module{Path: t.file.Path, Base: arch.Addr(f.ImageBase), Size: uint64(f.ImageSize), Stamp: f.Stamp, Main: true}
	limit := f.ImageBase + uint64(f.ImageSize)
	add := func(addr uint32, size, offset, n uint64) {
		at := f.ImageBase + uint64(addr)
		if at < f.ImageBase || at >= limit || size == 0 {
			return
		}
		t.regions = append(t.regions, t.region(at, min(size, limit-at), offset, n))
	}
	add(0, uint64(f.HeadersSize), 0, uint64(f.HeadersSize))
	for i := range f.Sections {
		s := &f.Sections[i]
		n := uint64(s.RawSize)
		if s.RawOffset == 0 {
			n = 0
		}
		add(s.Addr, uint64(s.Size()), uint64(s.RawOffset), n)
	}
	return nil
}
