package pdb

import (
	"encoding/binary"
	"sort"
)

// dbi is the stream of modules and where their code lies.
type dbi struct {
	age                       uint32
	machine                   uint16
	globals, publics, records uint16 // stream numbers
	fpo, newFPO               uint16
	modules                   []moduleInfo
	byAddr                    []byte // section contributions
	stride                    int
	sources                   []byte // which files modules were compiled from
	sections                  []section
	original                  []section // where OMAP applies: the sections of before
	toNew, toOld              []byte    // OMAP: pairs of addresses, sorted
	stripped                  bool
}

// moduleInfo is an object file that was linked.
type moduleInfo struct {
	name, object string
	stream       uint16
	symbols      uint32 // bytes of symbol records in stream, the signature included
	c11, c13     uint32
	first        int // index of its first file in the source file table
	files        int
}

// section is a section of the image.
type section struct{ addr, size uint32 }

// Machines of DBI headers.
const (
	machineI386  = 0x014c
	machineAMD64 = 0x8664
	machineARM64 = 0xaa64
)

func readDBI(c *container) (*dbi, error) {
	s, err := c.stream(streamDBI)
	if err != nil {
		return nil, err
	}
	if s.size == 0 {
		return &dbi{globals: noStream, publics: noStream, records: noStream, fpo: noStream, newFPO: noStream}, nil
	}
	h, ok := s.view(0, 64)
	if !ok || binary.LittleEndian.Uint32(h) != 0xffffffff {
		return nil, &FormatError{Part: "DBI stream", Reason: "of a version that is not known", hint: "link with a linker of Visual Studio 6 or later"}
	}
	u16 := func(o int) uint16 { return binary.LittleEndian.Uint16(h[o:]) }
	u32 := func(o int) uint32 { return binary.LittleEndian.Uint32(h[o:]) }
	d := &dbi{age: u32(8), globals: u16(12), publics: u16(16), records: u16(20), machine: u16(58), fpo: noStream, newFPO: noStream, stripped: u16(56)&2 != 0}
	at := uint32(64)
	// The parts lie in this order, which is not that of their sizes.
	var parts [7][]byte
	for i, o := range []int{24, 28, 32, 36, 40, 52, 48} {
		b, ok := s.view(at, u32(o))
		if !ok {
			return nil, &FormatError{Part: "DBI stream", Reason: "cut short"}
		}
		parts[i], at = b, at+u32(o)
	}
	d.readModules(parts[0])
	d.readContributions(parts[1])
	d.sources = parts[3]
	d.countFiles()
	return d, d.readHeaders(c, parts[6])
}

func (d *dbi) readModules(b []byte) {
	for f := (&fields{b: b}); len(f.b) >= 64; {
		size := len(f.b)
		f.take(34)
		m := moduleInfo{stream: f.u16(), symbols: f.u32(), c11: f.u32(), c13: f.u32(), files: int(f.u16())}
		f.take(14)
		m.name, m.object = f.name(), f.name()
		f.take(min((size-len(f.b)+3)&^3-(size-len(f.b)), len(f.b)))
		d.modules = append(d.modules, m)
	}
}

// Versions of the section contributions.
const (
	contributions1 = 0xf12eba2d
	contributions2 = 0xf13151e4
)

func (d *dbi) readContributions(b []byte) {
	if len(b) < 4 {
		return
	}
	switch binary.LittleEndian.Uint32(b) {
	case contributions1:
		d.byAddr, d.stride = b[4:], 28
	case contributions2:
		d.byAddr, d.stride = b[4:], 32
	}
}

// contribution is a piece of a section that came from one module.
type contribution struct {
	section         uint16
	offset, size    uint32
	characteristics uint32
	module          int
}

// characteristicCode marks contributions with code.
const characteristicCode = 0x20

func (d *dbi) contribution(i int) contribution {
	b := d.byAddr[i*d.stride:]
	return contribution{binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b[8:]),
		binary.LittleEndian.Uint32(b[12:]), int(binary.LittleEndian.Uint16(b[16:]))}
}

func (d *dbi) contributions() int {
	if d.stride == 0 {
		return 0
	}
	return len(d.byAddr) / d.stride
}

// after is the index of the first contribution that begins behind a place.
func (d *dbi) after(at place) int {
	return sort.Search(d.contributions(), func(i int) bool {
		c := d.contribution(i)
		return c.section > at.section || c.section == at.section && c.offset > at.offset
	})
}

// covering returns the contribution that holds a place.
func (d *dbi) covering(at place) (contribution, bool) {
	i := d.after(at)
	if i == 0 {
		return contribution{}, false
	}
	c := d.contribution(i - 1)
	return c, c.section == at.section && at.offset-c.offset < c.size
}

// countFiles finds where each module's files begin in the source file table,
// whose own counts are the ones that hold.
func (d *dbi) countFiles() {
	n := len(d.modules)
	if len(d.sources) < 4+4*n {
		for i := range d.modules {
			d.modules[i].files = 0
		}
		return
	}
	total := 0
	for i := range d.modules {
		m := &d.modules[i]
		m.first, m.files = total, int(binary.LittleEndian.Uint16(d.sources[4+2*n+2*i:]))
		total += m.files
	}
}

// fileOffsets returns where the names of a module's files lie, and the table of names.
func (d *dbi) fileOffsets(m *moduleInfo) (offsets, names []byte) {
	n := len(d.modules)
	table := d.sources[min(len(d.sources), 4+4*n):]
	total := 0
	if n > 0 {
		total = d.modules[n-1].first + d.modules[n-1].files
	}
	if len(table) < 4*total || m.files == 0 {
		return nil, nil
	}
	return table[4*m.first : 4*(m.first+m.files)], table[4*total:]
}

// Streams of the debug header.
const (
	headerFPO       = 0
	headerOMAPToOld = 3
	headerOMAPToNew = 4
	headerSections  = 5
	headerNewFPO    = 9
	headerOriginal  = 10
	headers         = 11
)

func (d *dbi) readHeaders(c *container, b []byte) error {
	var numbers [headers]uint16
	for i := range numbers {
		numbers[i] = noStream
		if len(b) >= 2*i+2 {
			numbers[i] = binary.LittleEndian.Uint16(b[2*i:])
		}
	}
	d.fpo, d.newFPO = numbers[headerFPO], numbers[headerNewFPO]
	bytesOf := func(i int) []byte {
		s, err := c.stream(numbers[i])
		if err != nil {
			return nil
		}
		return s.all()
	}
	d.sections = readSections(bytesOf(headerSections))
	if numbers[headerOriginal] != noStream {
		d.original, d.toNew, d.toOld = readSections(bytesOf(headerOriginal)), bytesOf(headerOMAPToNew), bytesOf(headerOMAPToOld)
	}
	return nil
}

func readSections(b []byte) (out []section) {
	for ; len(b) >= 40; b = b[40:] {
		size := binary.LittleEndian.Uint32(b[8:])
		if size == 0 {
			size = binary.LittleEndian.Uint32(b[16:])
		}
		out = append(out, section{binary.LittleEndian.Uint32(b[12:]), size})
	}
	return out
}

// place is an address as records give it.
type place struct {
	section uint16 // from 1
	offset  uint32
}

func (p place) before(q place) bool {
	return p.section < q.section || p.section == q.section && p.offset < q.offset
}

// addr is where a place lies from the image's base; false when it is not in the
// image any more.
func (d *dbi) addr(p place) (uint32, bool) {
	sections := d.sections
	if len(d.original) > 0 {
		sections = d.original
	}
	if p.section == 0 || int(p.section) > len(sections) {
		return 0, false
	}
	a := sections[p.section-1].addr + p.offset
	if len(d.original) > 0 {
		return mapped(d.toNew, a)
	}
	return a, true
}

// place is the inverse of addr.
func (d *dbi) place(a uint32) (place, bool) {
	sections := d.sections
	if len(d.original) > 0 {
		var ok bool
		if a, ok = mapped(d.toOld, a); !ok {
			return place{}, false
		}
		sections = d.original
	}
	for i, s := range sections {
		if a >= s.addr && a-s.addr < s.size {
			return place{uint16(i + 1), a - s.addr}, true
		}
	}
	return place{}, false
}

// mapped translates an address by an OMAP table, 8 bytes a row.
func mapped(table []byte, a uint32) (uint32, bool) {
	n := len(table) / 8
	i := sort.Search(n, func(i int) bool { return binary.LittleEndian.Uint32(table[8*i:]) > a })
	if i == 0 {
		return 0, n == 0
	}
	row := table[8*(i-1):]
	to := binary.LittleEndian.Uint32(row[4:])
	return to + a - binary.LittleEndian.Uint32(row), to != 0
}
