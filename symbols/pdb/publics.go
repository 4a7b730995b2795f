package pdb

import (
	"encoding/binary"
	"sort"

	"dap-windbg/symbols"
)

// Flags of S_PUB32.
const (
	publicCode     = 1
	publicFunction = 2
)

func publicPlace(r record) (flags uint32, p place) {
	d := r.fields()
	flags, p.offset = d.u32(), d.u32()
	p.section = d.u16()
	return flags, p
}

// publicName is where in the record of a public its name lies.
const publicName = 10

func (f *File) publicSymbol(r record) (symbols.Symbol, bool) {
	flags, p := publicPlace(r)
	off, ok := f.offset(p)
	link := textAt(r.data, publicName)
	s := symbols.Symbol{Name: f.undecorated(link), Kind: symbols.Data, Offset: off, Global: true, Public: true}
	if s.Name != link {
		s.Linkage = link
	}
	if flags&(publicCode|publicFunction) != 0 {
		s.Kind = symbols.Function
	}
	return s, ok && link != ""
}

// publicIndex finds the number of the first public behind a place, in the order of addresses.
func (f *File) publicIndex(at place) int {
	g := f.publics()
	return sort.Search(len(g.byAddr)/4, func(i int) bool {
		r, ok := f.publicRecord(i)
		if !ok {
			return true
		}
		_, p := publicPlace(r)
		return at.before(p)
	})
}

func (f *File) publicRecord(i int) (record, bool) {
	r, _, ok := f.records.recordAt(binary.LittleEndian.Uint32(f.publics().byAddr[4*i:]))
	return r, ok && r.kind == symPublic
}

// publicExactly is the name of the public at a place.
func (f *File) publicExactly(at place) (string, bool) {
	i := f.publicIndex(at)
	if i == 0 {
		return "", false
	}
	r, ok := f.publicRecord(i - 1)
	if !ok {
		return "", false
	}
	if _, p := publicPlace(r); p != at {
		return "", false
	}
	return textAt(r.data, publicName), true
}

// publicAt is the nearest public at or below an address, in its section and, where
// those are told, in the same contribution or behind a public of no module's.
func (f *File) publicAt(addr uint32) (symbols.Symbol, bool) {
	at, ok := f.dbi.place(addr)
	if !ok {
		return symbols.Symbol{}, false
	}
	for i := f.publicIndex(at) - 1; i >= 0; i-- {
		r, ok := f.publicRecord(i)
		if !ok {
			continue
		}
		_, p := publicPlace(r)
		if p.section != at.section {
			break
		}
		if c, ok := f.dbi.covering(at); ok && p.offset < c.offset {
			if before, ok := f.dbi.covering(p); ok && before.module != c.module {
				break
			}
		}
		return f.publicSymbol(r)
	}
	return symbols.Symbol{}, false
}

// publicFrom is the nearest public above an address.
func (f *File) publicFrom(addr uint32) (symbols.Symbol, bool) {
	at, ok := f.dbi.place(addr)
	if !ok {
		return symbols.Symbol{}, false
	}
	for i := f.publicIndex(at); i < len(f.publics().byAddr)/4; i++ {
		if r, ok := f.publicRecord(i); ok {
			return f.publicSymbol(r)
		}
	}
	return symbols.Symbol{}, false
}
