package image

import (
	"fmt"
	"sort"

	"dap-windbg/arch"
	"dap-windbg/binfmt/elf"
	"dap-windbg/targets"
)

// machine is what a loader has to know of an ELF machine: the numbers of its
// dynamic relocations (the processor supplements of the System V ABI).
type machine struct {
	arch                            *arch.Arch
	relative, global, jump, pointer uint32
}

var machines = map[uint16]machine{
	elf.MachineX8664:   {arch.AMD64, 8, 6, 7, 1},
	elf.Machine386:     {arch.I386, 8, 6, 7, 1},
	elf.MachineAArch64: {arch.ARM64, 1027, 1025, 1026, 257},
	elf.MachineRISCV:   {arch.RISCV64, 3, ^uint32(0), 5, 2},
}

// Where Linux puts a position independent program when addresses are not
// randomised: two thirds of the address space of an amd64 and an i386 process.
const (
	base64 = 0x555555554000
	base32 = 0x56555000
)

func (t *Target) openELF() error {
	f, err := elf.Parse(t.file.Data)
	if err != nil {
		return fmt.Errorf("%s: %w", t.file.Path, err)
	}
	if f.Type == elf.Core {
		return fmt.Errorf("%s: %w", t.file.Path, ErrCore)
	}
	m, ok := machines[f.Machine]
	if !ok || f.Is64 != (m.arch.PtrSize == 8) || f.Order.Uint16([]byte{1, 0}) != 1 {
		return &NoImageError{t.file.Path, fmt.Sprintf("is for a machine that is not known (ELF machine %d)", f.Machine)}
	}
	f.Place(nil)
	low, high := f.Loaded()
	bias := uint64(0)
	if f.Type == elf.Dyn && low == 0 {
		bias = base64
		if !f.Is64 {
			bias = base32
		}
	}
	t.info = targets.Info{Set: m.arch.DefaultSet(), OS: "linux", Path: t.file.Path, Stub: "an image file"}
	t.main = targets.Module{Path: t.file.Path, Base: arch.Addr(low + bias), Size: high - low, Bias: bias, BuildID: f.BuildID(), Main: true}
	if !hasCode(f) {
		return nil
	}
	for i := range f.Segments {
		s := &f.Segments[i]
		if s.Type != elf.SegLoad || s.Memsz == 0 || s.Vaddr+s.Memsz < s.Vaddr {
			continue
		}
		t.regions = append(t.regions, t.region(s.Vaddr+bias, s.Memsz, s.Offset, s.Filesz))
	}
	t.relocate = func(t *Target) { (&loader{t: t, f: f, m: m, bias: bias}).run() }
	if f.Type == elf.Rel {
		t.relocate = func(t *Target) { t.complete(f) }
	}
	return nil
}

// complete puts the relocated sections of an object in place; a section with
// relocations that are not known stays as it is.
func (t *Target) complete(f *elf.File) {
	for i := range f.Sections {
		s := &f.Sections[i]
		if s.Flags&elf.FlagAlloc == 0 || s.Type == elf.SecNobits || s.Size == 0 {
			continue
		}
		b, err := f.Relocated(s)
		if err != nil {
			continue
		}
		k := sort.Search(len(t.regions), func(k int) bool { return t.regions[k].addr >= s.Addr })
		if k < len(t.regions) && t.regions[k].addr == s.Addr && t.regions[k].size == uint64(len(b)) {
			t.regions[k].data = b
		}
	}
}

// hasCode tells an image from a separate debug file, whose segments name bytes
// that are not there.
func hasCode(f *elf.File) bool {
	for i := range f.Sections {
		if s := &f.Sections[i]; s.Flags&elf.FlagExec != 0 && s.Type == elf.SecNobits {
			return false
		}
	}
	return true
}

// loader applies relocations as the dynamic section names them.
type loader struct {
	t    *Target
	f    *elf.File
	m    machine
	bias uint64
	tags map[uint64]uint64
}

// Tags of the dynamic section (System V ABI, figure 5-10; RELR: generic ABI).
const (
	tagPltRelSize, tagSymtab, tagRela, tagRelaSize, tagRel, tagRelSize = 2, 6, 7, 8, 17, 18
	tagPltRel, tagJmpRel, tagRelrSize, tagRelr                         = 20, 23, 35, 36
)

func (l *loader) run() {
	w := l.width()
	l.tags = map[uint64]uint64{}
	for i := range l.f.Segments {
		s := &l.f.Segments[i]
		if s.Type != elf.SegDynamic {
			continue
		}
		d := l.bytes(s.Vaddr, s.Filesz)
		for ; uint64(len(d)) >= 2*w && l.word(d) != 0; d = d[2*w:] {
			l.tags[l.word(d)] = l.word(d[w:])
		}
	}
	l.table(l.tags[tagRela], l.tags[tagRelaSize], true)
	l.table(l.tags[tagRel], l.tags[tagRelSize], false)
	l.table(l.tags[tagJmpRel], l.tags[tagPltRelSize], l.tags[tagPltRel] == tagRela)
	l.packed(l.bytes(l.tags[tagRelr], l.tags[tagRelrSize]))
}

func (l *loader) width() uint64 { return uint64(l.m.arch.PtrSize) }

func (l *loader) word(b []byte) uint64 {
	if l.f.Is64 {
		return l.f.Order.Uint64(b)
	}
	return uint64(l.f.Order.Uint32(b))
}

// bytes is what the file has from link-time address addr on, at most n.
func (l *loader) bytes(addr, n uint64) []byte {
	b, _, ok := l.f.At(addr)
	if !ok || n == 0 {
		return nil
	}
	return b[:min(n, uint64(len(b)))]
}

// at is the pointer that the file has at a link-time address.
func (l *loader) at(addr uint64) uint64 {
	if b := l.bytes(addr, l.width()); uint64(len(b)) == l.width() {
		return l.word(b)
	}
	return 0
}

// maxFixups bounds what a damaged table can ask for; a browser has two million.
const maxFixups = 1 << 24

func (l *loader) add(addr, value uint64) {
	if len(l.t.fixups) == maxFixups {
		return
	}
	l.t.fixups = append(l.t.fixups, fixup{addr + l.bias, value})
}

// table applies a table of relocations, with addends of their own or in place.
func (l *loader) table(addr, size uint64, addends bool) {
	w := l.width()
	entry := 2 * w
	if addends {
		entry = 3 * w
	}
	for d := l.bytes(addr, size); uint64(len(d)) >= entry; d = d[entry:] {
		where, info := l.word(d), l.word(d[w:])
		kind, symbol := uint32(info), info>>32
		if !l.f.Is64 {
			kind, symbol = uint32(info&0xff), info>>8
		}
		addend := uint64(0)
		switch {
		case addends:
			addend = l.word(d[2*w:])
		case kind == l.m.relative || kind == l.m.pointer:
			addend = l.at(where)
		}
		switch kind {
		case l.m.relative:
			l.add(where, l.bias+addend)
		case l.m.global, l.m.jump, l.m.pointer:
			if v, ok := l.symbol(symbol); ok {
				l.add(where, v+addend)
			} else if kind == l.m.jump { // to be bound at the first call: its PLT entry
				l.add(where, l.at(where)+l.bias)
			}
		}
	}
}

// symbol is the run-time address of a dynamic symbol that the image defines
// itself. An indirect function has no address before it is asked.
func (l *loader) symbol(n uint64) (uint64, bool) {
	size, value, section, kind := uint64(24), 8, 6, 4
	if !l.f.Is64 {
		size, value, section, kind = 16, 4, 14, 12
	}
	if n == 0 || n >= 1<<32 {
		return 0, false
	}
	b := l.bytes(l.tags[tagSymtab]+n*size, size)
	if uint64(len(b)) < size || b[kind]&15 == elf.TypeIfunc || b[kind]&15 == elf.TypeTLS {
		return 0, false
	}
	switch index := l.f.Order.Uint16(b[section:]); index {
	case elf.SecUndef:
		return 0, false
	case indexAbsolute:
		return l.word(b[value:]), true
	}
	return l.word(b[value:]) + l.bias, true
}

// indexAbsolute is SHN_ABS: the value is no address of the image.
const indexAbsolute = 0xfff1

// packed applies relative relocations in the RELR form: an address, then bit maps
// of the words behind it.
func (l *loader) packed(d []byte) {
	w := l.width()
	where := uint64(0)
	relative := func(at uint64) { l.add(at, l.at(at)+l.bias) }
	for ; uint64(len(d)) >= w; d = d[w:] {
		v := l.word(d)
		if v&1 == 0 {
			relative(v)
			where = v + w
			continue
		}
		for k := uint64(0); k < 8*w-1; k++ {
			if v>>(k+1)&1 == 1 {
				relative(where + k*w)
			}
		}
		where += (8*w - 1) * w
	}
}
