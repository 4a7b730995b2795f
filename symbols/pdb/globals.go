package pdb

import (
	"cmp"
	"encoding/binary"
	"slices"
	"sort"
	"strings"

	"dap-windbg/symbols"
)

// dataPlace is where a variable with a type lies.
type dataPlace struct {
	addr   uint32
	record uint32
}

// dataPlaces are the variables outside functions in the order of addresses, by one
// walk over the records.
func (f *File) dataPlaces() []dataPlace {
	f.dataOnce.Do(func() {
		for at, r := range f.records.records(0, f.records.size) {
			if r.kind != symGData && r.kind != symLData {
				continue
			}
			d := r.fields()
			d.u32()
			p := place{offset: d.u32()}
			p.section = d.u16()
			if a, ok := f.dbi.addr(p); ok {
				f.data = append(f.data, dataPlace{a, at})
			}
		}
		slices.SortStableFunc(f.data, func(a, b dataPlace) int { return cmp.Compare(a.addr, b.addr) })
	})
	return f.data
}

// dataAt is the variable that covers an address.
func (f *File) dataAt(addr uint32) (symbols.Symbol, bool) {
	at, ok := f.dbi.place(addr)
	if c, known := f.dbi.covering(at); !ok || known && c.characteristics&characteristicCode != 0 {
		return symbols.Symbol{}, false
	}
	data := f.dataPlaces()
	i := sort.Search(len(data), func(i int) bool { return data[i].addr > addr })
	if i == 0 {
		return symbols.Symbol{}, false
	}
	s, ok := f.symbolOf(data[i-1].record)
	return s, ok && uint64(addr)-uint64(s.Offset) < max(s.Size, 1)
}

// Global finds a variable outside functions by its name.
func (f *File) Global(name string) (symbols.Variable, bool) {
	name = strings.TrimPrefix(name, "::")
	for at := range f.globals().find(name) {
		if v, ok := f.variable(at); ok && v.Name == name {
			return v, true
		}
	}
	return symbols.Variable{}, false
}

// GlobalAt finds the variable outside functions that covers off.
func (f *File) GlobalAt(off symbols.Offset) (symbols.Variable, bool) {
	data := f.dataPlaces()
	i := sort.Search(len(data), func(i int) bool { return symbols.Offset(data[i].addr) > off })
	if i == 0 {
		return symbols.Variable{}, false
	}
	v, ok := f.variable(data[i-1].record)
	if n := v.Type.ByteSize(); !ok || off-symbols.Offset(data[i-1].addr) >= symbols.Offset(max(n, 1)) {
		return symbols.Variable{}, false
	}
	return v, true
}

// variable makes the variable of a record of the globals.
func (f *File) variable(at uint32) (symbols.Variable, bool) {
	r, _, ok := f.records.recordAt(at)
	if !ok {
		return symbols.Variable{}, false
	}
	return f.staticOf(r)
}

// staticOf makes a variable with a place in the image; constants are values.
func (f *File) staticOf(r record) (symbols.Variable, bool) {
	d := r.fields()
	switch r.kind {
	case symGData, symLData, symGThread, symLThread:
		v := symbols.Variable{Type: f.types.at(d.u32()), Static: true}
		p := place{offset: d.u32()}
		p.section = d.u16()
		v.Name = d.name()
		if r.kind == symGThread || r.kind == symLThread {
			v.Location = threadLocal(p.offset)
			return v, true
		}
		off, ok := f.offset(p)
		v.Location = fixed(off)
		return v, ok
	case symConstant:
		v := symbols.Variable{Type: f.types.at(d.u32()), Static: true}
		n := d.numeric()
		v.Name = d.name()
		b := make([]byte, 8)
		binary.LittleEndian.PutUint64(b, uint64(n))
		if size := v.Type.ByteSize(); size > 0 && size < 8 {
			b = b[:size]
		}
		v.Location = literal(b)
		return v, true
	}
	return symbols.Variable{}, false
}
