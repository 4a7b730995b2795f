package dwarf

import (
	"strings"
	"sync"

	"dap-windbg/symbols/index"
)

// The linker or gdb may have left an index in the file: .debug_names (DWARF 5,
// section 6.1.1) or .gdb_index (gdb's manual, "Index Section Format", versions 7
// to 9). One that covers all units tells in which a name is defined, before our
// own index is there: those units alone are read. A name that it does not have is
// left to ours, for neither has all that ours has.

// linkedIndex is such an index.
type linkedIndex struct {
	once  sync.Once
	names []nameIndex // from .debug_names
	gdb   *gdbIndex
}

// maxQuickUnits is how many units of a name are read at a time.
const maxQuickUnits = 16

// quick finds entries by the index that the linker left; none when there is no
// such index, or it does not have the name.
func (d *Data) quick(kind index.Kind, name string) []index.Entry {
	l := &d.linked
	l.once.Do(func() { l.open(d) })
	var units []uint64
	for i := range l.names {
		units = l.names[i].units(units, lastName(name))
	}
	if l.gdb != nil && len(units) == 0 {
		units = l.gdb.units(units, name)
	}
	var out []index.Entry
	for seen := map[uint64]bool{}; len(units) > 0; {
		var some []*unit
		for ; len(units) > 0 && len(some) < maxQuickUnits; units = units[1:] {
			if u := d.main.spaces[0].from(units[0]); u != nil && !seen[units[0]] {
				some = append(some, u.full())
			}
			seen[units[0]] = true
		}
		out = append(out, d.skimSome(some, kind, name)...)
		for _, e := range out {
			if kind == index.Type && e.Flags&(index.Declared|index.Alias) == 0 {
				return out // the other copies are the same
			}
		}
	}
	return out
}

// skimSome finds a name in a few units.
func (d *Data) skimSome(units []*unit, kind index.Kind, name string) []index.Entry {
	b := &index.Builder{}
	s := skimmer{out: b, pause: func() bool { return true }}
	starts := make([]uint64, len(units))
	for i, u := range units {
		s.run(u, uint32(i))
		starts[i] = uint64(u.ref(u.off))
	}
	str := d.section(secStr)
	x, err := index.Build([]*index.Builder{b}, nil, starts, func(n uint32) []byte { return stringAt(str, uint64(n)) })
	if err != nil {
		return nil
	}
	return finder{x, kind}.find(name)
}

// open reads the headers, and takes nothing that leaves units out.
func (l *linkedIndex) open(d *Data) {
	want := map[uint64]bool{}
	if len(d.section(secNames)) == 0 && len(d.section(secGDBIndex)) == 0 {
		return
	}
	for _, u := range d.allUnits()[:d.infoUnits] {
		if !u.isType() && u.kind != utPartial {
			want[u.off] = true
		}
	}
	if g, ok := openGDBIndex(d); ok && g.covers(want) {
		l.gdb = g
	}
	names, ok := openNames(d)
	covered := map[uint64]bool{}
	for i := range names {
		for k := range names[i].unitCount {
			covered[names[i].unit(uint64(k))] = true
		}
	}
	for off := range want {
		ok = ok && covered[off]
	}
	if ok {
		l.names = names
	}
}

// nameIndex is one table of .debug_names.
type nameIndex struct {
	d                                                           *Data
	data                                                        []byte // of the table alone
	is64                                                        bool
	unitCount, buckets, count                                   uint32
	cus, bucketsAt, hashesAt, stringsAt, entriesAt, abbrevs, at int
	abbrevSize                                                  uint32
}

func openNames(d *Data) ([]nameIndex, bool) {
	var out []nameIndex
	for b := d.main.buf(secNames, 0); b.left() > 0; {
		n, is64, ok := b.initialLength()
		if !ok {
			return nil, false
		}
		x := nameIndex{d: d, data: b.d[b.off : b.off+int(n)], is64: is64}
		if !x.header() {
			return nil, false
		}
		out = append(out, x)
		b.off += int(n)
	}
	return out, true
}

func (x *nameIndex) buf(off int) buf {
	b := buf{d: x.data, be: x.d.opt.BigEndian}
	if off < 0 || off > len(x.data) {
		b.fail()
		return b
	}
	b.off = off
	return b
}

func (x *nameIndex) header() bool {
	b := x.buf(0)
	if b.u16() != 5 {
		return false
	}
	b.skip(2)
	x.unitCount = b.u32AsCount()
	local, foreign := b.u32AsCount(), b.u32AsCount()
	x.buckets, x.count, x.abbrevSize = b.u32AsCount(), b.u32AsCount(), b.u32AsCount()
	b.skip(uint64(b.u32AsCount()+3) &^ 3)
	size := 4
	if x.is64 {
		size = 8
	}
	at := b.off
	place := func(n uint32, size int) int {
		was := at
		at += int(n) * size
		return was
	}
	x.cus = place(x.unitCount, size)
	place(local, size)
	place(foreign, 8)
	x.bucketsAt = place(x.buckets, 4)
	if x.buckets > 0 {
		x.hashesAt = place(x.count, 4)
	}
	x.stringsAt, x.entriesAt = place(x.count, size), place(x.count, size)
	x.abbrevs = place(x.abbrevSize, 1)
	x.at = at
	return !b.bad && at <= len(x.data) && x.buckets > 0
}

// u32AsCount reads a number of things that the table must have room for; too
// many is a failure.
func (b *buf) u32AsCount() uint32 {
	n := b.u32()
	if uint64(n) > uint64(len(b.d)) {
		b.fail()
		return 0
	}
	return n
}

// number reads entry i of an array of section offsets.
func (x *nameIndex) number(at int, i uint64) uint64 {
	size := 4
	if x.is64 {
		size = 8
	}
	b := x.buf(at + int(i)*size)
	return b.offset(x.is64)
}

func (x *nameIndex) unit(i uint64) uint64 { return x.number(x.cus, i) }

// foldedHash is the hash of DWARF 5, 7.33, over the name with its case folded.
func foldedHash(s string) uint32 {
	h := uint32(5381)
	for _, c := range []byte(strings.ToLower(s)) {
		h = h*33 + uint32(c)
	}
	return h
}

// units appends the units that define name.
func (x *nameIndex) units(out []uint64, name string) []uint64 {
	h := foldedHash(name)
	b := x.buf(x.bucketsAt + int(h%x.buckets)*4)
	first := b.u32()
	if first == 0 || b.bad {
		return out
	}
	left := maxIndexSteps
	for i := uint64(first) - 1; i < uint64(x.count); i++ {
		b = x.buf(x.hashesAt + int(i)*4)
		got := b.u32()
		if got%x.buckets != h%x.buckets || b.bad {
			break
		}
		if got == h && string(stringAt(x.d.section(secStr), x.number(x.stringsAt, i))) == name {
			out = x.entries(out, x.number(x.entriesAt, i), &left)
		}
	}
	return out
}

// Attributes of index entries, DWARF 5 table 7.23.
const (
	idxCompileUnit = 1
	idxTypeUnit    = 2
)

// maxIndexSteps bounds the entries and abbreviations that are read for one name.
const maxIndexSteps = 1 << 22

// entries appends the units of the entries that begin at off of the pool; left is
// what may still be read.
func (x *nameIndex) entries(out []uint64, off uint64, left *int) []uint64 {
	if off > uint64(len(x.data)) {
		return out
	}
	l := layout{version: 5, is64: x.is64, addrSize: 8}
	for b := x.buf(x.at + int(off)); !b.bad; {
		code := b.uleb()
		if code == 0 {
			break
		}
		ab, ok := x.abbrev(code, left)
		if !ok {
			break
		}
		cu, isType := uint64(0), false
		for {
			attr, f := ab.uleb(), form(ab.uleb())
			if attr == 0 && f == 0 || ab.bad {
				break
			}
			isType = isType || attr == idxTypeUnit
			if st, ok := stepOf(f, l); ok && st.kind == skipFixed && st.n > 0 && st.n <= 8 {
				v := b.uint(int(st.n))
				if attr == idxCompileUnit {
					cu = v
				}
			} else if ok && st.kind == skipULEB {
				v := b.uleb()
				if attr == idxCompileUnit {
					cu = v
				}
			} else if !ok || !b.step(st, l) {
				return out
			}
		}
		if !isType && cu < uint64(x.unitCount) && !b.bad {
			out = append(out, x.unit(cu))
		}
	}
	return out
}

// abbrev returns a cursor at the attributes of an abbreviation.
func (x *nameIndex) abbrev(code uint64, left *int) (buf, bool) {
	b := x.buf(x.abbrevs)
	b.d = b.d[:min(x.abbrevs+int(x.abbrevSize), len(b.d))]
	for !b.bad {
		c := b.uleb()
		if *left--; c == 0 || *left < 0 {
			break
		}
		b.uleb() // tag
		if c == code {
			return b, true
		}
		for {
			if a, f := b.uleb(), b.uleb(); a == 0 && f == 0 || b.bad {
				break
			}
			*left--
		}
	}
	return b, false
}

// gdbIndex is .gdb_index. Its numbers are little-endian whatever the target.
type gdbIndex struct {
	data                           []byte
	cus, cusEnd, table, end, pools uint64
}

func openGDBIndex(d *Data) (*gdbIndex, bool) {
	g := &gdbIndex{data: d.section(secGDBIndex)}
	version := g.u32(0)
	if version < 7 || version > 9 {
		return nil, false
	}
	// Offsets of: units, type units, addresses, symbols, (9: shortcuts,) constants.
	g.cus, g.cusEnd, g.table, g.end = g.u32(4), g.u32(8), g.u32(16), g.u32(20)
	g.pools = g.end
	if version == 9 {
		g.pools = g.u32(24)
	}
	size := uint64(len(g.data))
	slots := (g.end - g.table) / 8
	return g, g.cus <= g.cusEnd && g.cusEnd <= size && g.table <= g.end && g.end <= g.pools && g.pools <= size && slots > 0 && slots&(slots-1) == 0
}

func (g *gdbIndex) u32(off uint64) uint64 {
	b := buf{d: g.data, off: int(min(off, uint64(len(g.data))))}
	return uint64(b.u32())
}

func (g *gdbIndex) unit(i uint64) uint64 {
	off := g.cus + 16*i
	if off+16 > g.cusEnd {
		return ^uint64(0)
	}
	return g.u32(off) | g.u32(off+4)<<32
}

// covers reports whether the index is of exactly these units.
func (g *gdbIndex) covers(want map[uint64]bool) bool {
	n := (g.cusEnd - g.cus) / 16
	for i := range n {
		if !want[g.unit(i)] {
			return false
		}
	}
	return n == uint64(len(want))
}

// units appends the units that have a symbol, by its qualified name.
func (g *gdbIndex) units(out []uint64, name string) []uint64 {
	slots := (g.end - g.table) / 8
	h := uint32(0)
	for _, c := range []byte(name) {
		if c-'A' < 26 {
			c |= 0x20
		}
		h = h*67 + uint32(c) - 113
	}
	step := uint64(h*17)&(slots-1) | 1
	for i, n := uint64(h)&(slots-1), uint64(0); n < slots; i, n = (i+step)&(slots-1), n+1 {
		text, vector := g.u32(g.table+8*i), g.u32(g.table+8*i+4)
		if text == 0 && vector == 0 {
			break
		}
		if string(stringAt(g.data, g.pools+text)) != name {
			continue
		}
		count := g.u32(g.pools + vector)
		for k := uint64(1); k <= count && g.pools+vector+4*k < uint64(len(g.data)); k++ {
			if off := g.unit(g.u32(g.pools+vector+4*k) & 0xffffff); off != ^uint64(0) {
				out = append(out, off)
			}
		}
		break
	}
	return out
}
