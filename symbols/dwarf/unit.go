package dwarf

import (
	"sort"
	"sync"

	"dap-windbg/symbols"
)

// unit is a compile, partial, skeleton or type unit. Its header is read with
// the list of units, its root DIE on first use, its scan when asked for.
type unit struct {
	data *Data
	*space
	layout
	kind      uint8
	off, end  uint64 // of the whole unit in its section
	first     uint64 // offset of the root DIE
	abbrevOff uint64
	sig       uint64 // type units
	typeOff   uint64 // of the type, from off

	once    sync.Once
	abbrevs *abbrevTable

	rootOnce sync.Once
	root     rootAttrs

	filesOnce sync.Once
	files     []lineFile

	scanOnce sync.Once
	scanned  *unitScan
}

// rootAttrs is what the rest needs of a unit's root DIE.
type rootAttrs struct {
	name, dir, producer string
	lang                symbols.Language
	line                uint64 // offset in .debug_line
	hasLine             bool
	low                 uint64
	strBase, addrBase   uint64
	rngBase, locBase    uint64
	ranges              []addrRange
}

// addrRange is [low, high) of link-time addresses.
type addrRange struct{ low, high uint64 }

func (d *Data) allUnits() []*unit {
	d.unitsOnce.Do(func() {
		d.bySig = map[uint64]ref{}
		next := d.readUnits(&space{file: d.main, id: secInfo})
		d.infoUnits = len(d.units)
		d.readUnits(&space{file: d.main, id: secTypes, base: next})
	})
	return d.units
}

// readUnits reads the heads of a space's units and returns where the next space
// may begin.
func (d *Data) readUnits(s *space) ref {
	b := s.file.buf(s.id, 0)
	end := s.base + ref(len(b.d))
	for b.left() > 0 {
		u := &unit{data: d, space: s, off: uint64(b.off)}
		n, is64, ok := b.initialLength()
		if !ok {
			break
		}
		u.is64, u.end = is64, uint64(b.off)+n
		h := b
		h.d = b.d[:u.end]
		if u.header(&h) {
			d.units = append(d.units, u)
			if u.kind == utType && u.typeOff < u.end-u.off {
				d.bySig[u.sig] = u.ref(u.off + u.typeOff)
			}
		}
		b.off = int(u.end)
	}
	return end
}

func (u *unit) header(b *buf) bool {
	u.version = b.u16()
	switch {
	case u.version >= 2 && u.version <= 4:
		u.kind = utCompile
		u.abbrevOff = b.offset(u.is64)
		u.addrSize = b.u8()
		if u.id == secTypes {
			u.kind = utType
		}
	case u.version == 5:
		u.kind = b.u8()
		u.addrSize = b.u8()
		u.abbrevOff = b.offset(u.is64)
	default:
		return false
	}
	switch u.kind {
	case utType, utSplitType:
		u.sig = b.u64()
		u.typeOff = b.offset(u.is64)
	case utSkeleton, utSplitCompile:
		u.sig = b.u64()
	}
	u.first = uint64(b.off)
	return !b.bad && (u.addrSize == 4 || u.addrSize == 8 || u.addrSize == 2)
}

// ref names the DIE at section offset off of u's space.
func (u *unit) ref(off uint64) ref { return u.base + ref(off) }

// offset is where a DIE of u's space lies in its section.
func (u *unit) offset(r ref) uint64 { return uint64(r - u.base) }

// unitOf returns the unit that holds the DIE.
func (d *Data) unitOf(r ref) *unit {
	units := d.allUnits()
	i := sort.Search(len(units), func(i int) bool { return units[i].ref(units[i].end) > r })
	if i == len(units) || r < units[i].ref(units[i].first) {
		return nil
	}
	return units[i]
}

// unitFrom returns the .debug_info unit that begins at off.
func (d *Data) unitFrom(off uint64) *unit {
	units := d.allUnits()[:d.infoUnits]
	i := sort.Search(len(units), func(i int) bool { return units[i].off >= off })
	if i == len(units) || units[i].off != off {
		return nil
	}
	return units[i]
}

// buf returns a cursor at section offset off that ends with the unit.
func (u *unit) buf(off uint64) buf {
	b := buf{d: u.file.section(u.id)[:u.end], be: u.data.opt.BigEndian}
	if off < u.first || off >= u.end {
		b.fail()
		return b
	}
	b.off = int(off)
	return b
}

// load makes the unit ready for readDIE.
func (u *unit) load() {
	u.once.Do(func() {
		u.rootAttrs()
		u.abbrevs = u.data.abbrevTable(abbrevKey{u.file, u.abbrevOff, u.layout})
	})
}

// rootAttrs reads the root DIE, once. It needs one abbreviation only.
func (u *unit) rootAttrs() *rootAttrs {
	u.rootOnce.Do(func() {
		r := &u.root
		hdr := uint64(8)
		if u.is64 {
			hdr = 16
		}
		if u.version >= 5 { // defaults for units without the attribute: after the section's header
			r.strBase, r.addrBase, r.rngBase, r.locBase = hdr, hdr, hdr+4, hdr+4
		}
		b := u.buf(u.first)
		ab := u.file.abbrev(u.abbrevOff, b.uleb())
		if ab == nil || b.bad {
			return
		}
		if d, ok := u.decode(u.first, &b, ab); ok {
			u.readRoot(&d)
		}
	})
	return &u.root
}

func (u *unit) readRoot(d *die) {
	r := &u.root
	base := func(p *uint64, names ...attrName) {
		for _, n := range names {
			if v, ok := d.attr(n); ok {
				*p = v.u
			}
		}
	}
	base(&r.strBase, atStrOffsetsBase)
	base(&r.addrBase, atAddrBase, atGNUAddrBase)
	base(&r.rngBase, atRnglistsBase)
	base(&r.locBase, atLoclistsBase)
	if v, ok := d.attr(atStmtList); ok {
		r.line, r.hasLine = v.u, true
	}
	if v, ok := d.attr(atLanguage); ok {
		r.lang = language(v.u)
	}
	r.low, _ = d.address(atLowPC)
	r.name, r.dir, r.producer = d.string(atName), d.string(atCompDir), d.string(atProducer)
	r.ranges = d.ranges()
}

// language reduces DW_LANG codes (DWARF 5 table 7.17 and later registrations).
func language(code uint64) symbols.Language {
	switch code {
	case 0x01, 0x02, 0x0c, 0x1d, 0x2c, 0x3e:
		return symbols.C
	case 0x04, 0x1a, 0x21, 0x2b, 0x3a, 0x11:
		return symbols.CPlusPlus
	case 0x1c:
		return symbols.Rust
	case 0x16:
		return symbols.Go
	case 0x07, 0x08, 0x0e, 0x22, 0x23, 0x2d, 0x2e:
		return symbols.Fortran
	case 0x8001, 0x31:
		return symbols.Assembler
	}
	return symbols.OtherLanguage
}
