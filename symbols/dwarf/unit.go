package dwarf

import (
	"slices"
	"sort"
	"sync"
	"sync/atomic"

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

	abbrevs atomic.Pointer[abbrevTable] // nil until used, and again when many units were
	scanned atomic.Pointer[unitScan]    // as abbrevs

	rootOnce sync.Once
	root     rootAttrs

	filesOnce sync.Once
	files     []lineFile

	splitOnce sync.Once
	split     *unit // of a skeleton; nil when its file is missing

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
	oldRanges           uint64 // what offsets in a version 4 split unit's .debug_ranges are from
	dwoName             string
	dwoID               uint64
	ranges              []addrRange
}

// addrRange is [low, high) of link-time addresses.
type addrRange struct{ low, high uint64 }

// allUnits returns the units of the image's own sections: first those of its
// .debug_info, then those of its .debug_types. Units of other files are not among
// them: see everyUnit.
func (d *Data) allUnits() []*unit {
	d.unitsOnce.Do(func() {
		info, types := d.main.spaces[0], d.main.spaces[1]
		d.units = info.units()
		d.infoUnits = len(d.units)
		types.base = info.base + ref(d.main.size(secInfo))
		d.units = append(d.units[:d.infoUnits:d.infoUnits], types.units()...)
	})
	return d.units
}

// units reads the heads of the space's units, once.
func (s *space) units() []*unit {
	s.once.Do(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for b := s.file.buf(s.id, 0); b.left() > 0; {
			u, ok := s.unit(b)
			if u == nil {
				break
			}
			if ok {
				s.list = append(s.list, u)
			}
			b.off = int(u.end)
		}
		s.all.Store(true)
		s.file.data.release(s.file.section(s.id)) // one page of each unit, and what the system reads around it
	})
	return s.list
}

// unit returns the unit that begins at b: the one of those made early, or a new
// one; nil when it is not all there, false when its header says nothing to us. mu
// is held.
func (s *space) unit(b buf) (*unit, bool) {
	for _, u := range s.early {
		if u.off == uint64(b.off) {
			return u, true
		}
	}
	u := &unit{data: s.file.data, space: s, off: uint64(b.off)}
	n, is64, ok := b.initialLength()
	if !ok {
		return nil, false
	}
	u.is64, u.end = is64, uint64(b.off)+n
	b.d = b.d[:u.end]
	return u, u.header(&b)
}

// maxHeader bounds a unit's header, bytes.
const maxHeader = 64

// maxEarly is how many units are made one by one before the list of all is.
const maxEarly = 64

// from returns the unit that begins at off, which the caller knows; nil when
// there is none. The first few need no list of all units.
func (s *space) from(off uint64) *unit {
	if !s.all.Load() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.early) < maxEarly && off < s.file.size(s.id) {
			u, ok := s.unit(buf{d: s.file.upTo(s.id, off+maxHeader), be: s.file.data.opt.BigEndian, off: int(off)})
			if ok && !slices.Contains(s.early, u) {
				s.early = append(s.early, u)
			}
			if ok {
				return u
			}
			return nil
		}
		s.mu.Unlock()
		s.units()
		s.mu.Lock()
	}
	units := s.list
	i := sort.Search(len(units), func(i int) bool { return units[i].off >= off })
	if i == len(units) || units[i].off != off {
		return nil
	}
	return units[i]
}

// at returns the unit of the space that holds the DIE.
func (s *space) at(r ref) *unit {
	if !s.all.Load() {
		s.mu.Lock()
		for _, u := range s.early {
			if r >= u.ref(u.first) && r < u.ref(u.end) {
				s.mu.Unlock()
				return u
			}
		}
		s.mu.Unlock()
		if s.base == 0 && s.id == secInfo {
			if off, ok := s.file.data.startOf(r); ok {
				if u := s.from(off); u != nil && r >= u.ref(u.first) && r < u.ref(u.end) {
					return u
				}
			}
		}
	}
	units := s.units()
	i := sort.Search(len(units), func(i int) bool { return units[i].ref(units[i].end) > r })
	if i == len(units) || r < units[i].ref(units[i].first) {
		return nil
	}
	return units[i]
}

// signature finds the type unit with a signature among the file's.
func (f *file) signature(sig uint64) (ref, bool) {
	f.sigOnce.Do(func() {
		f.sigs = map[uint64]ref{}
		for _, s := range f.spaces {
			for _, u := range s.units() {
				if u.isType() && f.sigs[u.sig] == 0 {
					f.sigs[u.sig] = u.typeRef()
				}
			}
		}
	})
	r, ok := f.sigs[sig]
	return r, ok
}

func (u *unit) isType() bool { return u.kind == utType || u.kind == utSplitType }

// typeRef is the type that a type unit is for.
func (u *unit) typeRef() ref {
	if u.typeOff >= u.end-u.off {
		return lostRef
	}
	return u.ref(u.off + u.typeOff)
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
		u.sig = b.u64() // the id that both have
	}
	u.first = uint64(b.off)
	return !b.bad && (u.addrSize == 4 || u.addrSize == 8 || u.addrSize == 2)
}

// ref names the DIE at section offset off of u's space.
func (u *unit) ref(off uint64) ref { return u.base + ref(off) }

// offset is where a DIE of u's space lies in its section.
func (u *unit) offset(r ref) uint64 { return uint64(r - u.base) }

// unitOf returns the unit that holds the DIE; it opens the file that has it.
func (d *Data) unitOf(r ref) *unit {
	switch {
	case r < baseSup:
		if r < ref(d.main.size(secInfo)) {
			return d.main.spaces[0].at(r)
		}
		d.allUnits()
		if types := d.main.spaces[1]; r >= types.base {
			return types.at(r)
		}
		return d.main.spaces[0].at(r)
	case r < basePack:
		if f := d.supplement(); f != nil {
			return f.spaces[0].at(r)
		}
	case r < baseDwo:
		return d.pack().at(r)
	default:
		return d.inSlot(r)
	}
	return nil
}

// buf returns a cursor at section offset off that ends with the unit.
func (u *unit) buf(off uint64) buf {
	d := u.file.upTo(u.id, u.end)
	b := buf{d: d[:min(u.end, uint64(len(d)))], be: u.data.opt.BigEndian}
	if off < u.first || off >= uint64(len(b.d)) {
		b.fail()
		return b
	}
	b.off = int(off)
	return b
}

// load makes the unit ready for readDIE.
func (u *unit) load() { u.rootAttrs(); u.table() }

// table returns the unit's abbreviations.
func (u *unit) table() *abbrevTable {
	if t := u.abbrevs.Load(); t != nil {
		return t
	}
	t := u.data.abbrevTable(abbrevKey{u.file, u.abbrevOff, u.layout})
	u.abbrevs.Store(t)
	u.data.loaded.add(u)
	return t
}

// maxLoaded is how many units keep their abbreviations and scans.
const maxLoaded = 256

// loadedUnits are the units that keep something that can be made again, in the
// order they were loaded.
type loadedUnits struct {
	mu   sync.Mutex
	list []*unit
}

func (l *loadedUnits) add(u *unit) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, u)
	if len(l.list) <= maxLoaded {
		return
	}
	old := l.list[0]
	l.list[0] = nil
	l.list = l.list[1:]
	old.abbrevs.Store(nil)
	old.scanned.Store(nil)
	old.data.dropAbbrevs(abbrevKey{old.file, old.abbrevOff, old.layout})
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
		if sk := u.skeleton(); sk != nil {
			u.root.inherit(sk.rootAttrs())
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
	base(&r.dwoID, atGNUDwoID)
	if v, ok := d.attr(atStmtList); ok {
		r.line, r.hasLine = v.u, true
	}
	switch v, ok := d.attr(atLanguage); {
	case ok:
		r.lang = language(v.u)
	case d.ab.tag == tagPartialUnit:
		r.lang = u.data.commonLanguage()
	case u.skeleton() == nil:
		r.lang = symbols.OtherLanguage
	}
	set := func(p *string, names ...attrName) {
		for _, n := range names {
			if s := d.string(n); s != "" {
				*p = s
			}
		}
	}
	set(&r.name, atName)
	set(&r.dir, atCompDir)
	set(&r.producer, atProducer)
	set(&r.dwoName, atGNUDwoName, atDwoName)
	if u.skeleton() != nil {
		return // the skeleton has the addresses
	}
	r.low, _ = d.address(atLowPC)
	r.ranges = d.ranges()
	base(&r.oldRanges, atGNURangesBase)
}

// commonLanguage is the language of partial units that do not say theirs, as dwz
// writes them: that of all the image's units when they have one in common.
func (d *Data) commonLanguage() symbols.Language {
	d.langOnce.Do(func() {
		d.lang = symbols.OtherLanguage
		first := true
		for _, u := range d.allUnits()[:d.infoUnits] {
			switch l, ok := u.ownLanguage(); {
			case !ok || l == symbols.Assembler || !first && l == d.lang:
			case first:
				d.lang, first = l, false
			default:
				d.lang = symbols.OtherLanguage
				return
			}
		}
	})
	return d.lang
}

// ownLanguage reads the language of the unit's root DIE and nothing else.
func (u *unit) ownLanguage() (symbols.Language, bool) {
	b := u.buf(u.first)
	ab := u.file.abbrev(u.abbrevOff, b.uleb())
	if ab == nil || b.bad {
		return 0, false
	}
	if d, ok := u.decode(u.first, &b, ab); ok {
		if v, ok := d.attr(atLanguage); ok {
			return language(v.u), true
		}
	}
	return 0, false
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
