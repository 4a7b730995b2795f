package cfi

import (
	"cmp"
	"slices"
	"sort"

	"dap-windbg/symbols"
)

// entryRef is one row of an FDE index, free of pointers.
type entryRef struct{ start, end, offset uint64 }

// find returns the entry that covers pc, a link-time address.
func (u *Unwinder) find(pc uint64) (*fde, error) {
	pc &= u.mask
	offset, usable := u.searchHeader(pc)
	if usable {
		if f, err := u.entryAt(true, offset); err == nil && f.start <= pc && pc < f.end {
			return f, nil
		}
	} else if f, err := u.search(true, pc); err == nil {
		return f, nil
	}
	return u.search(false, pc)
}

// searchHeader looks pc up in .eh_frame_hdr (LSB Core 5.0, 10.6.2). usable is
// false when the image has no such section or its table cannot be searched.
func (u *Unwinder) searchHeader(pc uint64) (offset uint64, usable bool) {
	hdr := u.s.EHFrameHdr
	c := cursor{data: hdr.Data, order: u.s.Order}
	version, ptrEnc, countEnc, tableEnc := c.u8(), c.u8(), c.u8(), c.u8()
	width := map[byte]int{peDataRel | peS4: 4, peDataRel | peS8: 8}[tableEnc]
	if c.bad || version != 1 || width == 0 || len(u.s.EHFrame.Data) == 0 {
		return 0, false
	}
	sized := &cie{addrSize: u.s.PtrSize}
	if _, ok := u.pointer(&c, sized, ptrEnc, hdr.Addr); !ok {
		return 0, false
	}
	count, ok := u.pointer(&c, sized, countEnc, hdr.Addr)
	if !ok || count > uint64(c.left()/(2*width)) {
		return 0, false
	}
	table := c.pos
	at := func(i, column int) uint64 {
		c := cursor{data: hdr.Data, pos: table + (2*i+column)*width, order: u.s.Order}
		return (uint64(c.int(width)) + hdr.Addr) & u.mask
	}
	i := sort.Search(int(count), func(i int) bool { return at(i, 0) > pc })
	if i == 0 {
		return ^uint64(0), true
	}
	return at(i-1, 1) - u.s.EHFrame.Addr, true
}

// search looks pc up in the index of a section, made on first use.
func (u *Unwinder) search(eh bool, pc uint64) (*fde, error) {
	once, index := &u.debugOnce, &u.debugIndex
	if eh {
		once, index = &u.ehOnce, &u.ehIndex
	}
	once.Do(func() { *index = u.index(eh) })
	refs := *index
	i := sort.Search(len(refs), func(i int) bool { return refs[i].start > pc })
	// Entries hardly ever overlap; a look at a few below finds the outer one.
	for j := i - 1; j >= 0 && j >= i-8; j-- {
		if pc < refs[j].end {
			return u.entryAt(eh, refs[j].offset)
		}
	}
	return nil, symbols.ErrNoUnwind
}

// index lists the entries of a section by address. What cannot be read is left out.
func (u *Unwinder) index(eh bool) []entryRef {
	sec, _ := u.frames(eh)
	c := cursor{data: sec.Data, order: u.s.Order}
	var refs []entryRef
	for c.left() >= 4 {
		offset := uint64(c.pos)
		if terminator := (&cursor{data: c.data, pos: c.pos, order: c.order}).uint(4); terminator == 0 {
			c.take(4) // linkers leave one at the end of each joined piece
			continue
		}
		r, ok := next(&c, eh)
		if !ok {
			break
		}
		if r.cie {
			continue
		}
		if f, err := u.entryAt(eh, offset); err == nil && f.start < f.end {
			refs = append(refs, entryRef{f.start, f.end, offset})
		}
	}
	slices.SortFunc(refs, func(a, b entryRef) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(b.end, a.end))
	})
	return refs
}
