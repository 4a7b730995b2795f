package elf

import (
	"bytes"
	"encoding/binary"
	"iter"
	"sync"
)

// Symbol is an entry of a symbol table. Its name is read by SymbolTable.Name.
type Symbol struct {
	Index      int
	NameOffset uint32
	Info       uint8
	Other      uint8
	Section    uint16 // index of its section, or one of the Sec… values below
	Value      uint64 // an address; in a relocatable file that was not placed, from its section's start
	Size       uint64
}

// Special section indexes.
const (
	SecUndef  = 0
	SecAbs    = 0xfff1
	SecCommon = 0xfff2
)

// Symbol types and bindings.
const (
	TypeNone    = 0
	TypeObject  = 1
	TypeFunc    = 2
	TypeSection = 3
	TypeFile    = 4
	TypeCommon  = 5
	TypeTLS     = 6
	TypeIfunc   = 10

	BindLocal  = 0
	BindGlobal = 1
	BindWeak   = 2
	BindUnique = 10
)

// Type of the symbol (TypeFunc ...).
func (s Symbol) Type() int { return int(s.Info & 15) }

// Bind is the symbol's binding (BindGlobal ...).
func (s Symbol) Bind() int { return int(s.Info >> 4) }

// SymbolTable is .symtab or .dynsym with its strings.
type SymbolTable struct {
	Strings []byte
	file    *File
	entries []byte
	size    int // of an entry
	dynamic bool

	versionsOnce sync.Once
	versions     versions
}

// SymbolTable returns the table of the given section type, SecSymtab or SecDynsym.
func (f *File) SymbolTable(kind uint32) (*SymbolTable, bool) {
	for i := range f.Sections {
		if f.Sections[i].Type != kind {
			continue
		}
		if t, ok := f.symbols(&f.Sections[i]); ok && len(t.entries) >= t.size {
			return t, true
		}
	}
	return nil, false
}

func (f *File) symbols(s *Section) (*SymbolTable, bool) {
	if uint64(s.Link) >= uint64(len(f.Sections)) {
		return nil, false
	}
	t := &SymbolTable{file: f, size: 16, dynamic: s.Type == SecDynsym}
	if f.Is64 {
		t.size = 24
	}
	var err1, err2 error
	t.entries, err1 = f.Data(s)
	t.Strings, err2 = f.Data(&f.Sections[s.Link])
	return t, err1 == nil && err2 == nil
}

// Len is the number of entries, the null entry included.
func (t *SymbolTable) Len() int { return len(t.entries) / t.size }

// Symbol returns entry i.
func (t *SymbolTable) Symbol(i int) (Symbol, bool) {
	if i < 0 || i >= t.Len() {
		return Symbol{}, false
	}
	d, o := t.entries[i*t.size:], t.file.Order
	s := Symbol{Index: i, NameOffset: o.Uint32(d)}
	if t.file.Is64 {
		s.Info, s.Other, s.Section = d[4], d[5], o.Uint16(d[6:])
		s.Value, s.Size = o.Uint64(d[8:]), o.Uint64(d[16:])
	} else {
		s.Value, s.Size = uint64(o.Uint32(d[4:])), uint64(o.Uint32(d[8:]))
		s.Info, s.Other, s.Section = d[12], d[13], o.Uint16(d[14:])
	}
	if t.file.placed && s.Section != SecUndef && int(s.Section) < len(t.file.Sections) && s.Type() != TypeTLS {
		s.Value += t.file.Sections[s.Section].Addr
	}
	return s, true
}

// Under yields, in their order, the entries that an address may lie in or behind, and
// their values: those at or below it whose size reaches it, or that no entry before them
// is nearer than.
func (t *SymbolTable) Under(addr uint64) iter.Seq2[int, uint64] {
	return func(yield func(int, uint64) bool) {
		near := uint64(0)
		take := func(i int, value, size uint64) bool {
			if value < near && addr-value >= size {
				return true
			}
			near = max(near, value)
			return yield(i, value)
		}
		if !t.file.Is64 || t.file.placed || t.file.Order != binary.LittleEndian {
			for i := range t.Len() {
				if s, _ := t.Symbol(i); s.Value <= addr && !take(i, s.Value, s.Size) {
					return
				}
			}
			return
		}
		le := binary.LittleEndian // most tables, which may be long
		for i, d := 0, t.entries; len(d) >= 24; i, d = i+1, d[24:] {
			value := le.Uint64(d[8:])
			if value <= addr && (value >= near || addr-value < le.Uint64(d[16:])) && !take(i, value, le.Uint64(d[16:])) {
				return
			}
		}
	}
}

// NameOffset is the place in Strings of entry i's name, without the rest of the
// entry; 0 when there is no such entry.
func (t *SymbolTable) NameOffset(i int) uint32 {
	if i < 0 || i >= t.Len() {
		return 0
	}
	return t.file.Order.Uint32(t.entries[i*t.size:])
}

// All yields the entries but the null one.
func (t *SymbolTable) All() iter.Seq[Symbol] {
	return func(yield func(Symbol) bool) {
		for i := 1; i < t.Len(); i++ {
			s, _ := t.Symbol(i)
			if !yield(s) {
				return
			}
		}
	}
}

// Name returns the name at offset off of the string table; it aliases the file.
func (t *SymbolTable) Name(off uint32) []byte {
	if uint64(off) >= uint64(len(t.Strings)) {
		return nil
	}
	s := t.Strings[off:]
	n := bytes.IndexByte(s, 0)
	if n < 0 {
		return nil
	}
	return s[:n]
}

// Relocation is an entry of a relocation section.
type Relocation struct {
	Offset uint64
	Type   uint32
	Symbol uint32 // index in the linked symbol table
	Addend int64
}

// Relocations yields the entries of s (SecRel or SecRela).
func (f *File) Relocations(s *Section) iter.Seq[Relocation] {
	return func(yield func(Relocation) bool) {
		d, err := f.Data(s)
		if err != nil || s.Type != SecRel && s.Type != SecRela {
			return
		}
		w := 4
		if f.Is64 {
			w = 8
		}
		size := 2 * w
		if s.Type == SecRela {
			size = 3 * w
		}
		for ; len(d) >= size; d = d[size:] {
			r := Relocation{Offset: f.word(d)}
			info := f.word(d[w:])
			if f.Is64 {
				r.Symbol, r.Type = uint32(info>>32), uint32(info)
			} else {
				r.Symbol, r.Type = uint32(info>>8), uint32(info&0xff)
			}
			if s.Type == SecRela {
				if r.Addend = int64(f.word(d[2*w:])); !f.Is64 {
					r.Addend = int64(int32(r.Addend))
				}
			}
			if !yield(r) {
				return
			}
		}
	}
}
