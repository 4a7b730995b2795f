package dwarf

import (
	"slices"
	"sort"
	"sync"

	"dap-windbg/symbols"
)

// dwp is a package of split units, .dwp (DWARF 5, 7.3.5; version 2 of its
// indexes: GCC's DebugFissionDWP). Each unit in it has its own part of each
// section, so each gets a file of its own.
type dwp struct {
	once  sync.Once
	file  *file // the package's whole sections; nil without a package
	units packIndex
	types packIndex
	rows  []*packRow // of both, by ref
}

// packIndex is .debug_cu_index or .debug_tu_index.
type packIndex map[uint64]*packRow

// packRow is a unit of the package.
type packRow struct {
	base  ref
	id    uint64 // or signature
	typ   bool
	parts [secCount]packPart

	once sync.Once
	unit *unit
}

type packPart struct{ off, size uint64 }

// packColumns are the sections by their numbers in indexes of version 2 and 5
// (DWARF 5 table 7.1).
var packColumns = map[uint16][9]sectionID{
	2: {0, secInfo, secTypes, secAbbrev, secLine, secLoc, secStrOffsets, secMacinfo, secMacro},
	5: {0, secInfo, secCount, secAbbrev, secLine, secLoclists, secStrOffsets, secMacro, secRnglists},
}

// pack opens the package, once.
func (d *Data) pack() *dwp {
	p := &d.pkg
	p.once.Do(func() {
		c := symbols.Companion{Kind: symbols.Package}
		section, err := d.open(c, func(section func(string) []byte) error { return nil })
		if err != nil {
			return // nothing says that there is one
		}
		p.file = d.newFile(func(id sectionID) []byte { return d.splitSection(section, id) }, basePack, basePackTypes)
		p.units = p.index(secCuIndex)
		p.types = p.index(secTuIndex)
		slices.SortFunc(p.rows, func(a, b *packRow) int { return int(int64(a.base) - int64(b.base)) })
	})
	return p
}

// index reads one of the two indexes.
func (p *dwp) index(id sectionID) packIndex {
	b := p.file.buf(id, 0)
	if b.left() < 16 {
		return nil
	}
	version := b.u16()
	if b.u16(); version == 0 { // 32 bits, big endian, in version 2
		b.off = 2
		version = b.u16()
	}
	columns, ok := packColumns[version]
	if !ok {
		return nil
	}
	cols, rows, slots := uint64(b.u32()), uint64(b.u32()), uint64(b.u32())
	table := uint64(b.off)
	if b.bad || slots*12+cols*4+2*rows*cols*4 > uint64(b.left()) || cols > 16 {
		return nil
	}
	at := func(off uint64) uint64 { c := p.file.buf(id, table+off); return uint64(c.u32()) }
	offsets := slots*12 + cols*4
	x := packIndex{}
	for s := range slots {
		row := at(slots*8 + s*4)
		if row == 0 || row > rows {
			continue
		}
		c := p.file.buf(id, table+s*8)
		r := &packRow{id: c.u64(), typ: id == secTuIndex}
		for k := range cols {
			n := at(slots*12 + k*4)
			if n == 0 || n >= uint64(len(columns)) || columns[n] == secCount {
				continue
			}
			cell := offsets + ((row-1)*cols+k)*4
			r.parts[columns[n]] = packPart{at(cell), at(cell + rows*cols*4)}
		}
		if r.base = basePack + ref(r.parts[secInfo].off); r.parts[secTypes].size > 0 {
			r.base = basePackTypes + ref(r.parts[secTypes].off)
		}
		x[r.id] = r
		p.rows = append(p.rows, r)
	}
	return x
}

// open returns the row's unit; sk is its skeleton, nil when not known yet.
func (r *packRow) open(p *dwp, sk *unit) *unit {
	r.once.Do(func() {
		d := p.file.data
		f := d.newFile(func(id sectionID) []byte { return r.section(p, id) }, r.base, r.base)
		if sk == nil && !r.typ {
			sk = d.skeletonOf(r.id)
		}
		f.skeleton = sk
		for _, s := range f.spaces {
			for _, u := range s.units() {
				if u.isType() != r.typ || r.typ && u.sig != r.id {
					continue
				}
				if r.typ || sk != nil && u.splitID() == r.id {
					r.unit = u
					return
				}
			}
		}
	})
	return r.unit
}

// section cuts out the row's part of a section.
func (r *packRow) section(p *dwp, id sectionID) []byte {
	sec := p.file.section(id)
	switch id {
	case secStr, secLineStr, secAddr, secRanges:
		return sec
	}
	part := r.parts[id]
	if part.off > uint64(len(sec)) || part.size > uint64(len(sec))-part.off {
		return nil
	}
	return sec[part.off : part.off+part.size : part.off+part.size]
}

// unit returns the split unit of a skeleton.
func (p *dwp) unit(id uint64, sk *unit) *unit {
	if r := p.units[id]; r != nil {
		return r.open(p, sk)
	}
	return nil
}

func (p *dwp) signature(sig uint64) (ref, bool) {
	if r := p.types[sig]; r != nil {
		if u := r.open(p, nil); u != nil {
			return u.typeRef(), true
		}
	}
	return 0, false
}

// at returns the unit that holds the DIE.
func (p *dwp) at(r ref) *unit {
	i := sort.Search(len(p.rows), func(i int) bool { return p.rows[i].base > r }) - 1
	if i < 0 {
		return nil
	}
	u := p.rows[i].open(p, nil)
	if u == nil || r < u.ref(u.first) || r >= u.ref(u.end) {
		return nil
	}
	return u
}

// typeUnits appends the package's type units that are not among seen.
func (p *dwp) typeUnits(out []*unit, seen map[uint64]bool) []*unit {
	for _, r := range p.rows {
		if !r.typ || seen[r.id] {
			continue
		}
		seen[r.id] = true
		if u := r.open(p, nil); u != nil {
			out = append(out, u)
		}
	}
	return out
}
