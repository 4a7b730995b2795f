package elf

import (
	"slices"

	"dap-windbg/binfmt/elf"
)

// linkageSections have the entries of the procedure linkage table.
var linkageSections = []string{".plt", ".plt.sec", ".plt.got"}

// linkage reports whether addr is in the procedure linkage table.
func (i *Image) linkage(addr uint64) bool {
	return slices.ContainsFunc(linkageSections, func(name string) bool {
		s, ok := i.main.Section(name)
		return ok && addr >= s.Addr && addr-s.Addr < s.Size
	})
}

// addPLT names the entries of the procedure linkage table "function@plt".
func (i *Image) addPLT(t *table) {
	f := i.main.File
	slots := i.gotNames()
	if len(slots) == 0 {
		return
	}
	for _, name := range linkageSections {
		s, ok := f.Section(name)
		if !ok {
			continue
		}
		code, err := f.Data(s)
		if err != nil {
			continue
		}
		size := uint64(16)
		if name == ".plt.got" && s.EntrySize == 8 {
			size = 8
		}
		for off := uint64(0); off+size <= uint64(len(code)); off += size {
			got, ok := i.pltTarget(code[off:off+size], s.Addr+off)
			if sym := slots[got]; ok && sym != "" {
				t.made = append(t.made, entry{addr: s.Addr + off, size: size, name: madeName + uint32(len(t.names))})
				t.names = append(t.names, sym+"@plt")
			}
		}
	}
}

// gotNames maps the addresses of GOT entries to the functions they will hold.
func (i *Image) gotNames() map[uint64]string {
	f := i.main.File
	dyn, ok := f.SymbolTable(elf.SecDynsym)
	if !ok {
		return nil
	}
	out := map[uint64]string{}
	for k := range f.Sections {
		s := &f.Sections[k]
		if s.Type != elf.SecRela && s.Type != elf.SecRel || s.Flags&elf.FlagAlloc == 0 {
			continue
		}
		for r := range f.Relocations(s) {
			if r.Symbol == 0 {
				continue
			}
			if sym, ok := dyn.Symbol(int(r.Symbol)); ok {
				if n := dyn.Name(sym.NameOffset); len(n) > 0 {
					out[r.Offset] = string(n)
				}
			}
		}
	}
	return out
}

// pltTarget decodes the GOT address that the PLT entry at addr jumps through.
func (i *Image) pltTarget(code []byte, addr uint64) (uint64, bool) {
	o := i.main.Order
	switch i.main.Machine {
	case elf.MachineX8664, elf.Machine386:
		for k := 0; k+6 <= len(code); k++ {
			if code[k] != 0xff {
				continue
			}
			v := o.Uint32(code[k+2:])
			switch {
			case code[k+1] == 0x25 && i.main.Machine == elf.MachineX8664: // jmp *v(%rip)
				return addr + uint64(k) + 6 + uint64(int64(int32(v))), true
			case code[k+1] == 0x25: // jmp *v
				return uint64(v), true
			case code[k+1] == 0xa3: // jmp *v(%ebx), which holds the GOT
				got, ok := i.main.Section(".got.plt")
				if !ok {
					got, ok = i.main.Section(".got")
				}
				if !ok {
					return 0, false
				}
				return (got.Addr + uint64(v)) & 0xffffffff, true
			}
		}
	case elf.MachineAArch64:
		for k := 0; k+8 <= len(code); k += 4 {
			a, l := o.Uint32(code[k:]), o.Uint32(code[k+4:])
			if a&0x9f00001f == 0x90000010 && l&0xffc003ff == 0xf9400211 { // adrp x16; ldr x17, [x16, #]
				page := int64(int32(a>>5&0x7ffff<<13|a>>29&3<<11)) >> 11 << 12
				return (addr+uint64(k))&^0xfff + uint64(page) + uint64(l>>10&0xfff)*8, true
			}
		}
	case elf.MachineRISCV:
		if len(code) >= 8 {
			a, l := o.Uint32(code), o.Uint32(code[4:])
			if a&0xfff == 0xe17 && l&0x707f == 0x3003 { // auipc t3; ld t3
				return addr + uint64(int64(int32(a&^0xfff))) + uint64(int64(int32(l))>>20), true
			}
		}
	}
	return 0, false
}
