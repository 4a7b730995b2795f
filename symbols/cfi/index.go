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
		u.sortedOnce.Do(u.checkHeader)
	}
	if !usable || !u.hdr.sorted {
		if f, err := u.search(true, pc); err == nil {
			return f, nil
		}
	}
	return u.search(false, pc)
}

// header is .eh_frame_hdr's search table (LSB Core 5.0, 10.6.2): count rows of
// two columns, an address and its entry's, width bytes each, relative to the section.
type header struct {
	table, width, count int // table is where it lies in the section; count 0: there is none
	sorted              bool
}

// at returns a cell's address.
func (u *Unwinder) at(row, column int) uint64 {
	c := cursor{data: u.s.EHFrameHdr.Data, pos: u.hdr.table + (2*row+column)*u.hdr.width, order: u.s.Order}
	return (uint64(c.int(u.hdr.width)) + u.s.EHFrameHdr.Addr) & u.mask
}

// openHeader finds the search table.
func (u *Unwinder) openHeader() {
	hdr := u.s.EHFrameHdr
	c := cursor{data: hdr.Data, order: u.s.Order}
	version, ptrEnc, countEnc, tableEnc := c.u8(), c.u8(), c.u8(), c.u8()
	width := map[byte]int{peDataRel | peS4: 4, peDataRel | peS8: 8}[tableEnc]
	if c.bad || version != 1 || width == 0 || len(u.s.EHFrame.Data) == 0 {
		return
	}
	sized := &cie{addrSize: u.s.PtrSize}
	if _, ok := u.pointer(&c, sized, ptrEnc, hdr.Addr, 0); !ok {
		return
	}
	count, ok := u.pointer(&c, sized, countEnc, hdr.Addr, 0)
	if !ok || count > uint64(c.left()/(2*width)) {
		return
	}
	u.hdr = header{table: c.pos, width: width, count: int(count)}
}

// checkHeader finds out whether a miss of the search table can be believed: only
// when its addresses rise.
func (u *Unwinder) checkHeader() {
	for i := 1; i < u.hdr.count; i++ {
		if u.at(i, 0) < u.at(i-1, 0) {
			return
		}
	}
	u.hdr.sorted = true
}

// searchHeader looks pc up in .eh_frame_hdr. usable is false when the image has
// no such section or its table cannot be searched.
func (u *Unwinder) searchHeader(pc uint64) (offset uint64, usable bool) {
	u.hdrOnce.Do(u.openHeader)
	if u.hdr.count == 0 {
		return 0, false
	}
	i := sort.Search(u.hdr.count, func(i int) bool { return u.at(i, 0) > pc })
	if i == 0 {
		return ^uint64(0), true
	}
	return u.at(i-1, 1) - u.s.EHFrame.Addr, true
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
	var common *cie // of the entry before, which most often is the next one's too
	refs := make([]entryRef, 0, len(sec.Data)/48)
	for c.left() >= 4 {
		offset := uint64(c.pos)
		if c.order.Uint32(c.data[c.pos:]) == 0 {
			c.pos += 4 // linkers leave one at the end of each joined piece
			continue
		}
		r, ok := next(&c, eh)
		if !ok {
			break
		}
		if r.cie {
			continue
		}
		if common == nil || common.offset != r.common {
			var err error
			if common, err = u.cieAt(eh, r.common); err != nil {
				common = nil
				continue
			}
		}
		if start, end, ok := common.span(&r.body, sec.Addr); ok && start < end {
			refs = append(refs, entryRef{start, end, offset})
		}
	}
	slices.SortFunc(refs, func(a, b entryRef) int {
		if a.start != b.start {
			return cmp.Compare(a.start, b.start)
		}
		return cmp.Compare(b.end, a.end)
	})
	return refs
}
