package sim

import (
	"encoding/binary"
	"fmt"
)

// image is a PE32 or PE32+ file laid out as in memory, at its preferred base.
type image struct {
	name    string // file name
	mem     []byte
	word    int    // bytes of an address
	base    uint64 // that it was linked for
	entry   uint32
	stamp   uint32
	check   uint32
	exports map[string]uint32
	imports []slot
	relocs  []uint32 // RVAs of addresses
	ranges  []section
}

type slot struct {
	rva  uint32
	name string
}

type section struct {
	rva, size uint32
	writable  bool
	code      bool
}

// loadImage reads a linked file (Microsoft PE format specification).
func loadImage(name string, file []byte) (*image, error) {
	le := binary.LittleEndian
	if len(file) < 0x40 || string(file[:2]) != "MZ" {
		return nil, fmt.Errorf("%s is no PE file", name)
	}
	nt := int(le.Uint32(file[0x3c:]))
	opt := nt + 24
	magic := uint16(0)
	if nt+0x108 <= len(file) {
		magic = le.Uint16(file[opt:])
	}
	word, directories := 8, opt+112
	switch magic {
	case 0x20b:
	case 0x10b:
		word, directories = 4, opt+96
	default:
		return nil, fmt.Errorf("%s is neither a PE32 nor a PE32+ file", name)
	}
	im := &image{name: name, word: word, base: number(file[opt+32-word:], word), entry: le.Uint32(file[opt+16:]), stamp: le.Uint32(file[nt+8:]), check: le.Uint32(file[opt+64:]), exports: map[string]uint32{}}
	im.mem = make([]byte, le.Uint32(file[opt+56:]))
	headers := le.Uint32(file[opt+60:])
	copy(im.mem, file[:headers])
	im.ranges = append(im.ranges, section{rva: 0, size: headers})
	table := opt + int(le.Uint16(file[nt+20:]))
	for i := range int(le.Uint16(file[nt+6:])) {
		s := file[table+40*i:]
		size, rva, raw, at, traits := le.Uint32(s[8:]), le.Uint32(s[12:]), le.Uint32(s[16:]), le.Uint32(s[20:]), le.Uint32(s[36:])
		copy(im.mem[rva:], file[at:min(uint32(len(file)), at+min(raw, size))])
		im.ranges = append(im.ranges, section{rva: rva, size: size, writable: traits>>31 != 0, code: traits&0x20 != 0})
	}
	dir := func(n int) (uint32, uint32) {
		d := file[directories+8*n:]
		return le.Uint32(d), le.Uint32(d[4:])
	}
	im.readExports(dir(0))
	im.readImports(dir(1))
	im.readRelocs(dir(5))
	return im, nil
}

func (im *image) text(rva uint32) string {
	end := rva
	for im.mem[end] != 0 {
		end++
	}
	return string(im.mem[rva:end])
}

func (im *image) u32(rva uint32) uint32 { return binary.LittleEndian.Uint32(im.mem[rva:]) }

func (im *image) readExports(rva, size uint32) {
	if size == 0 {
		return
	}
	funcs, names, ordinals := im.u32(rva+28), im.u32(rva+32), im.u32(rva+36)
	for i := range im.u32(rva + 24) {
		ord := uint32(binary.LittleEndian.Uint16(im.mem[ordinals+2*i:]))
		im.exports[im.text(im.u32(names+4*i))] = im.u32(funcs + 4*ord)
	}
}

func (im *image) readImports(rva, size uint32) {
	if size == 0 {
		return
	}
	for ; im.u32(rva+12) != 0; rva += 20 {
		names, slots := im.u32(rva), im.u32(rva+16)
		for i := uint32(0); im.u32(names+i) != 0; i += uint32(im.word) {
			im.imports = append(im.imports, slot{rva: slots + i, name: im.text(im.u32(names+i) + 2)})
		}
	}
}

func (im *image) readRelocs(rva, size uint32) {
	for end := rva + size; rva < end; {
		at, n := im.u32(rva), im.u32(rva+4)
		for i := uint32(8); i+1 < n; i += 2 {
			if w := binary.LittleEndian.Uint16(im.mem[rva+i:]); w>>12 == 10 || w>>12 == 3 {
				im.relocs = append(im.relocs, at+uint32(w&0xfff))
			}
		}
		rva += n
	}
}

// number reads one of size bytes.
func number(b []byte, size int) uint64 {
	var v [8]byte
	copy(v[:size], b)
	return binary.LittleEndian.Uint64(v[:])
}

// placed is an image in memory.
type placed struct {
	*image
	at   uint64
	path string
}

// place maps an image at va, relocated and linked against others.
func place(mem *physical, root uint64, im *image, va uint64, path string, bits uint64, with ...*placed) (*placed, error) {
	data := append([]byte{}, im.mem...)
	for _, r := range im.relocs {
		put(data[r:], im.word, number(data[r:], im.word)-im.base+va)
	}
	put(data[int(binary.LittleEndian.Uint32(data[0x3c:]))+24+32-im.word:], im.word, va) // the header tells where it is
	for _, s := range im.imports {
		found := false
		for _, w := range with {
			if rva, ok := w.exports[s.name]; ok {
				put(data[s.rva:], im.word, w.at+uint64(rva))
				found = true
			}
		}
		if !found {
			return nil, fmt.Errorf("%s imports %s, which nobody exports", im.name, s.name)
		}
	}
	for _, s := range im.ranges {
		b := bits | pteNX
		if s.code {
			b = bits
		}
		if s.writable {
			b |= pteWrite
		}
		mem.provide(root, va+uint64(s.rva), uint64(max(s.size, 1)), b)
		mem.writeAt(root, va+uint64(s.rva), data[s.rva:s.rva+s.size])
	}
	return &placed{image: im, at: va, path: path}, nil
}

// unplace unmaps an image.
func unplace(mem *physical, root uint64, p *placed) {
	for at := p.at; at < p.at+uint64(len(p.mem)); at += page {
		if _, _, _, ok := mem.walk(root, at); ok {
			mem.enter(root, at, 0, page)
		}
	}
}
