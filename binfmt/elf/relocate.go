package elf

import "fmt"

// Relocatable files (objects, kernel modules) have every section at address 0
// and bytes that a linker is to complete. Place gives the sections addresses,
// Relocated completes a section's bytes; both do nothing to linked files, which
// may carry relocations that are applied already (a kernel's vmlinux does).
// Facts: the psABI supplements of each machine.

// Place gives the loaded sections of a relocatable file addresses: those in at,
// by name; the rest lie one behind the other, above those, from PageSize on. Segments then
// tells them, one a section, and symbols' values are addresses. It is to be called
// before anything else is asked of the file.
func (f *File) Place(at map[string]uint64) {
	if f.Type != Rel || len(f.Segments) > 0 {
		return
	}
	next := f.above(at)
	before := map[string]*Section{}
	for i := range f.Sections {
		s := &f.Sections[i]
		if s.Flags&FlagAlloc == 0 {
			f.join(s, before)
			continue
		}
		if s.Size == 0 || s.Size > 1<<40 {
			continue
		}
		if a, ok := at[s.Name]; ok {
			s.Addr = a
		} else {
			align := min(max(s.Align, 1), 1<<20)
			s.Addr = (next + align - 1) / align * align
			next = s.Addr + s.Size
		}
		f.placed = true
		f.Segments = append(f.Segments, s.segment())
	}
}

// join gives a section that is not loaded the place that it has behind the one
// before it with its name: each type unit, and the macros of each header, are a
// section in objects, to be linked together.
func (f *File) join(s *Section, before map[string]*Section) {
	if s.Type != SecProgbits {
		return
	}
	if b := before[s.Name]; b != nil {
		s.Addr = b.Addr + f.inflatedSize(b)
		f.placed = true
	}
	before[s.Name] = s
}

// Joined returns what Relocated does of all sections of a relocatable file that
// have s's name and are not loaded, one behind the other.
func (f *File) Joined(s *Section) ([]byte, error) {
	var all []*Section
	for i := range f.Sections {
		if t := &f.Sections[i]; f.Type == Rel && t.Name == s.Name && t.Type == SecProgbits && t.Flags&FlagAlloc == 0 {
			all = append(all, t)
		}
	}
	if len(all) < 2 {
		return f.Relocated(s)
	}
	return f.once(&f.joined, s.Index, func() ([]byte, error) {
		var out []byte
		left := uint64(len(f.data))
		for _, t := range all {
			if t.Size > left {
				return nil, &FormatError{t.Offset, fmt.Sprintf("sections %s overlap", t.Name)}
			}
			left -= t.Size
			b, err := f.Relocated(t)
			if err != nil {
				return nil, err
			}
			out = append(out, b...)
		}
		return out, nil
	})
}

// above is the first page behind the sections with addresses in at.
func (f *File) above(at map[string]uint64) uint64 {
	end := uint64(PageSize)
	for i := range f.Sections {
		if a, ok := at[f.Sections[i].Name]; ok {
			end = max(end, a+f.Sections[i].Size)
		}
	}
	return (end + PageSize - 1) &^ (PageSize - 1)
}

func (s *Section) segment() Segment {
	g := Segment{Type: SegLoad, Flags: SegR, Offset: s.Offset, Vaddr: s.Addr, Filesz: s.Size, Memsz: s.Size, Align: s.Align}
	if s.Flags&FlagWrite != 0 {
		g.Flags |= SegW
	}
	if s.Flags&FlagExec != 0 {
		g.Flags |= SegX
	}
	if s.Type == SecNobits {
		g.Filesz = 0
	}
	return g
}

// RelocationError says that a section cannot be completed.
type RelocationError struct {
	Section string
	Machine uint16
	Type    uint32
	Offset  uint64 // in the section
}

func (e *RelocationError) Error() string {
	return fmt.Sprintf("section %s, offset 0x%x: relocation %d of machine %d is unknown or does not fit", e.Section, e.Offset, e.Type, e.Machine)
}

// Relocated is Data with the relocations of a relocatable file applied, to a
// private copy, once. Symbols that other files define count as 0.
func (f *File) Relocated(s *Section) ([]byte, error) {
	rels := f.relocationsOf(s)
	if len(rels) == 0 {
		return f.Data(s)
	}
	return f.once(&f.relocated, s.Index, func() ([]byte, error) {
		raw, err := f.Data(s)
		if err != nil || raw == nil {
			return nil, err
		}
		out := append([]byte(nil), raw...)
		for _, r := range rels {
			if err := f.relocate(out, s, r); err != nil {
				return nil, err
			}
		}
		return out, nil
	})
}

// relocationsOf finds the sections that complete s.
func (f *File) relocationsOf(s *Section) []*Section {
	if f.Type != Rel {
		return nil
	}
	f.completingOnce.Do(func() {
		f.completing = map[uint32][]*Section{}
		left := uint64(len(f.data)) // they do not overlap in a sound file
		for i := range f.Sections {
			if r := &f.Sections[i]; (r.Type == SecRel || r.Type == SecRela) && r.Size <= left {
				left -= r.Size
				f.completing[r.Info] = append(f.completing[r.Info], r)
			}
		}
	})
	return f.completing[uint32(s.Index)]
}

// fix is what a relocation does with the bytes at its place.
type fix struct {
	kind fixKind
	size int // bytes
}

type fixKind uint8

const (
	fixNone fixKind = iota
	fixSet          // symbol + addend
	fixPC           // the same less the place
	fixTLS          // the same, from the start of the module's thread-local storage
	fixAdd          // to what is there
	fixSub
	fixSet6 // of the low 6 bits
	fixSub6
	fixSetLEB // of a ULEB128, whose length stays
	fixSubLEB
)

// fixes are the relocations that compilers put into sections without code.
var fixes = map[uint16]map[uint32]fix{
	MachineX8664: {
		0: {}, 1: {fixSet, 8}, 2: {fixPC, 4}, 4: {fixPC, 4}, 10: {fixSet, 4}, 11: {fixSet, 4}, 12: {fixSet, 2}, 13: {fixPC, 2},
		14: {fixSet, 1}, 15: {fixPC, 1}, 17: {fixTLS, 8}, 21: {fixTLS, 4}, 24: {fixPC, 8},
	},
	Machine386: {0: {}, 1: {fixSet, 4}, 2: {fixPC, 4}, 4: {fixPC, 4}, 20: {fixSet, 2}, 21: {fixPC, 2}, 22: {fixSet, 1}, 23: {fixPC, 1}, 32: {fixTLS, 4}},
	MachineAArch64: {
		0: {}, 256: {}, 257: {fixSet, 8}, 258: {fixSet, 4}, 259: {fixSet, 2}, 260: {fixPC, 8}, 261: {fixPC, 4}, 262: {fixPC, 2}, 314: {fixPC, 4},
		1028: {fixTLS, 8}, 1029: {fixTLS, 8},
	},
	MachineRISCV: {
		0: {}, 1: {fixSet, 4}, 2: {fixSet, 8}, 8: {fixTLS, 4}, 9: {fixTLS, 8}, 33: {fixAdd, 1}, 34: {fixAdd, 2}, 35: {fixAdd, 4}, 36: {fixAdd, 8},
		37: {fixSub, 1}, 38: {fixSub, 2}, 39: {fixSub, 4}, 40: {fixSub, 8}, 43: {}, 51: {}, 52: {fixSub6, 1}, 53: {fixSet6, 1},
		54: {fixSet, 1}, 55: {fixSet, 2}, 56: {fixSet, 4}, 57: {fixPC, 4}, 60: {fixSetLEB, 0}, 61: {fixSubLEB, 0},
	},
	MachineARM:   {0: {}, 2: {fixSet, 4}, 3: {fixPC, 4}, 5: {fixSet, 2}, 8: {fixSet, 1}, 38: {fixSet, 4}, 42: {fixPC, 4}, 106: {fixTLS, 4}},
	MachinePPC64: {0: {}, 1: {fixSet, 4}, 26: {fixPC, 4}, 38: {fixSet, 8}, 44: {fixPC, 8}, 78: {fixTLS, 8}},
	MachinePPC:   {0: {}, 1: {fixSet, 4}, 26: {fixPC, 4}, 78: {fixTLS, 4}},
	MachineS390:  {0: {}, 1: {fixSet, 1}, 3: {fixSet, 2}, 4: {fixSet, 4}, 5: {fixPC, 4}, 16: {fixPC, 2}, 22: {fixSet, 8}, 23: {fixPC, 8}, 52: {fixTLS, 4}, 53: {fixTLS, 8}},
}

// relocate applies the relocations in r to d, the bytes of s.
func (f *File) relocate(d []byte, s, r *Section) error {
	if uint64(r.Link) >= uint64(len(f.Sections)) {
		return &RelocationError{Section: s.Name, Machine: f.Machine}
	}
	syms, ok := f.symbols(&f.Sections[r.Link])
	if !ok {
		return &RelocationError{Section: s.Name, Machine: f.Machine}
	}
	table := fixes[f.Machine]
	for rel := range f.Relocations(r) {
		x, ok := table[rel.Type]
		bad := &RelocationError{s.Name, f.Machine, rel.Type, rel.Offset}
		if !ok || rel.Offset > uint64(len(d)) || x.size > len(d[rel.Offset:]) {
			return bad
		}
		if x.kind == fixNone {
			continue
		}
		p := d[rel.Offset:]
		if r.Type == SecRel {
			rel.Addend = f.signed(p[:x.size])
		}
		sym, _ := syms.Symbol(int(rel.Symbol))
		v := sym.Value + uint64(rel.Addend)
		switch x.kind {
		case fixPC:
			v -= s.Addr + rel.Offset
		case fixTLS:
			if sym.Type() == TypeSection && int(sym.Section) < len(f.Sections) {
				v -= f.Sections[sym.Section].Addr
			}
		}
		if !f.apply(p, x, v) {
			return bad
		}
	}
	return nil
}

// apply does one fix with the value v.
func (f *File) apply(p []byte, x fix, v uint64) bool {
	switch x.kind {
	case fixAdd:
		v = f.uint(p[:x.size]) + v
	case fixSub:
		v = f.uint(p[:x.size]) - v
	case fixSet6:
		v = uint64(p[0])&0xc0 | v&0x3f
	case fixSub6:
		v = uint64(p[0])&0xc0 | (uint64(p[0])-v)&0x3f
	case fixSetLEB, fixSubLEB:
		return fixLEB(p, v, x.kind == fixSubLEB)
	}
	f.put(p[:x.size], v)
	return true
}

// fixLEB writes v, or what is there less v, over a ULEB128 in as many bytes.
func fixLEB(p []byte, v uint64, sub bool) bool {
	n, was := 0, uint64(0)
	for {
		if n >= len(p) || n >= 10 {
			return false
		}
		was |= uint64(p[n]&0x7f) << (7 * n)
		n++
		if p[n-1]&0x80 == 0 {
			break
		}
	}
	if sub {
		v = was - v
	}
	for i := range n {
		p[i] = p[i]&0x80 | byte(v&0x7f)
		v >>= 7
	}
	return true
}

// uint reads an integer of any of the sizes relocations have.
func (f *File) uint(p []byte) uint64 {
	switch len(p) {
	case 1:
		return uint64(p[0])
	case 2:
		return uint64(f.Order.Uint16(p))
	case 4:
		return uint64(f.Order.Uint32(p))
	case 8:
		return f.Order.Uint64(p)
	}
	return 0
}

func (f *File) signed(p []byte) int64 {
	shift := 64 - 8*len(p)
	return int64(f.uint(p)<<shift) >> shift
}

func (f *File) put(p []byte, v uint64) {
	switch len(p) {
	case 1:
		p[0] = byte(v)
	case 2:
		f.Order.PutUint16(p, uint16(v))
	case 4:
		f.Order.PutUint32(p, uint32(v))
	case 8:
		f.Order.PutUint64(p, v)
	}
}
