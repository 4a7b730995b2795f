package dwarf

import (
	"cmp"
	"slices"
	"sort"
)

// unitRange says that the unit with index unit has the code [low, high).
type unitRange struct {
	addrRange
	off uint64 // of the unit in the image's .debug_info
}

// maxRanges bounds one DIE's list of ranges.
const maxRanges = 1 << 20

// ranges returns the code of d: low_pc and high_pc, or its range list.
func (d *die) ranges() []addrRange {
	if v, ok := d.attr(atRanges); ok {
		return d.u.rangeList(v)
	}
	low, ok := d.address(atLowPC)
	if !ok {
		return nil
	}
	v, ok := d.attr(atHighPC)
	if !ok {
		return nil
	}
	high, ok := d.u.address(v)
	if !ok {
		high = low + v.u
	}
	if !d.u.data.live(low, high) {
		return nil
	}
	return []addrRange{{low, high}}
}

func (u *unit) rangeList(v value) []addrRange {
	var out []addrRange
	add := func(low, high uint64) bool {
		if u.data.live(low, high) {
			out = append(out, addrRange{low, high})
		}
		return len(out) < maxRanges
	}
	if u.version < 5 {
		off := v.u
		if u.skeleton() != nil {
			off += u.root.oldRanges
		}
		u.oldRanges(off, add)
		return out
	}
	off := v.u
	if v.form == formRnglistx {
		size := uint64(u.offsetSize())
		if v.u > 1<<40 {
			return nil
		}
		b := u.file.buf(secRnglists, u.root.rngBase+v.u*size)
		off = u.root.rngBase + b.offset(u.is64)
		if b.bad {
			return nil
		}
	}
	b := u.file.buf(secRnglists, off)
	u.rnglist(&b, add)
	return out
}

func (u *unit) oldRanges(off uint64, add func(low, high uint64) bool) {
	b := u.file.buf(secRanges, off)
	base, top := u.root.low, ^uint64(0)>>(64-8*uint(u.addrSize))
	for !b.bad {
		low, high := b.uint(int(u.addrSize)), b.uint(int(u.addrSize))
		switch {
		case b.bad || low == 0 && high == 0:
			return
		case low == top:
			base = high
		case !add(base+low, base+high):
			return
		}
	}
}

// Range list entries, DWARF 5 table 7.30.
const (
	rleEnd = iota
	rleBaseAddrx
	rleStartxEndx
	rleStartxLength
	rleOffsetPair
	rleBaseAddress
	rleStartEnd
	rleStartLength
)

func (u *unit) rnglist(b *buf, add func(low, high uint64) bool) {
	base := u.root.low
	for !b.bad {
		kind := b.u8()
		if kind == rleEnd {
			return
		}
		low, high, bounds, ok := u.bounds(b, kind, &base)
		if !ok || bounds && !b.bad && !add(low, high) {
			return
		}
	}
}

// bounds reads what follows an entry's kind in a list of ranges: the addresses of
// a range, or another base, which is no range; false for a kind that is not known.
func (u *unit) bounds(b *buf, kind uint8, base *uint64) (low, high uint64, bounds, ok bool) {
	size := int(u.addrSize)
	switch kind {
	case rleBaseAddrx:
		*base, _ = u.addrx(b.uleb())
		return 0, 0, false, true
	case rleBaseAddress:
		*base = b.uint(size)
		return 0, 0, false, true
	case rleStartxEndx:
		low, _ = u.addrx(b.uleb())
		high, _ = u.addrx(b.uleb())
	case rleStartxLength:
		low, _ = u.addrx(b.uleb())
		high = low + b.uleb()
	case rleOffsetPair:
		low = *base + b.uleb()
		high = *base + b.uleb()
	case rleStartEnd:
		low, high = b.uint(size), b.uint(size)
	case rleStartLength:
		low = b.uint(size)
		high = low + b.uleb()
	default:
		return 0, 0, false, false
	}
	return low, high, true, true
}

// unitAt returns the unit that has the code at addr.
func (d *Data) unitAt(addr uint64) *unit {
	d.pcOnce.Do(d.readAranges)
	if u := d.findUnit(d.pcMap, addr); u != nil {
		return u
	}
	d.gapMu.Do(d.readGaps)
	return d.findUnit(d.gapMap, addr)
}

// nextCode returns the lowest start of a unit's range above addr, the greatest
// address when there is none.
func (d *Data) nextCode(addr uint64) uint64 {
	d.unitAt(^uint64(0)) // reads both maps
	next := ^uint64(0)
	for _, m := range [][]unitRange{d.pcMap, d.gapMap} {
		if i := sort.Search(len(m), func(i int) bool { return m[i].low > addr }); i < len(m) {
			next = min(next, m[i].low)
		}
	}
	return next
}

func (d *Data) findUnit(m []unitRange, addr uint64) *unit {
	i := sort.Search(len(m), func(i int) bool { return m[i].low > addr })
	for n := 0; i > 0 && n < 8; n++ { // ranges hardly ever overlap
		if i--; addr < m[i].high {
			return d.main.spaces[0].from(m[i].off)
		}
	}
	return nil
}

func sortRanges(m []unitRange) []unitRange {
	slices.SortFunc(m, func(a, b unitRange) int { return cmp.Compare(a.low, b.low) })
	return m
}

// arangeSize is how many bytes of .debug_aranges, or more, there are to a range: a
// header and the end of its set go with most.
const arangeSize = 32

// readAranges reads .debug_aranges.
func (d *Data) readAranges() {
	b := d.main.buf(secAranges, 0)
	m := make([]unitRange, 0, b.left()/arangeSize)
	for b.left() > 0 {
		start := b.off
		n, is64, ok := b.initialLength()
		if !ok {
			break
		}
		end := b.off + int(n)
		s := b
		s.d = b.d[:end]
		m = d.arangeSet(&s, start, is64, m)
		b.off = end
	}
	d.pcMap = sortRanges(m)
}

func (d *Data) arangeSet(s *buf, start int, is64 bool, m []unitRange) []unitRange {
	if s.u16() != 2 {
		return m
	}
	off := s.offset(is64)
	size, segs := int(s.u8()), s.u8()
	if segs != 0 || size < 2 || size > 8 {
		return m
	}
	if pad := (s.off - start) % (2 * size); pad != 0 {
		s.skip(uint64(2*size - pad))
	}
	for !s.bad {
		low, length := s.uint(size), s.uint(size)
		if s.bad || low == 0 && length == 0 {
			break
		}
		if d.live(low, low+length) {
			m = append(m, unitRange{addrRange{low, low + length}, off})
		}
	}
	return m
}

// readGaps reads the ranges of the units that .debug_aranges does not speak of.
func (d *Data) readGaps() {
	covered := map[uint64]bool{}
	for _, r := range d.pcMap {
		covered[r.off] = true
	}
	var m []unitRange
	for _, u := range d.allUnits()[:d.infoUnits] {
		if covered[u.off] || u.kind == utType || u.kind == utPartial {
			continue
		}
		for _, r := range u.rootAttrs().ranges {
			m = append(m, unitRange{r, u.off})
		}
	}
	d.gapMap = sortRanges(m)
}
