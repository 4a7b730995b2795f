package pe

import (
	"cmp"
	"encoding/binary"
	"slices"
	"sort"
)

// Part is a piece of an image as it lies in memory, Addr bytes from the base.
type Part struct {
	Addr uint32
	Data []byte
}

// Sizes of what is read of an image in memory, bytes.
const (
	firstRead  = 0x400
	maxHeaders = 64 << 10
	maxDebug   = 4 << 10
	maxRecord  = 4 << 10
)

// ReadParts reads what tells an image's build from memory: its headers, the debug
// directory and the record that names its PDB. read fills p with the bytes at addr
// from the base; when it fails, what the image can do without is left out.
func ReadParts(read func(addr uint32, p []byte) error) ([]Part, error) {
	head := make([]byte, firstRead)
	if err := read(0, head); err != nil {
		return nil, err
	}
	n := headersSize(head)
	if n > maxHeaders {
		return nil, &FormatError{0, "headers of more than 64 KiB"}
	}
	if n > uint64(len(head)) {
		head = make([]byte, n)
		if err := read(0, head); err != nil {
			return nil, err
		}
	}
	parts := []Part{{0, head}}
	f, err := ParseLoaded(parts)
	if err != nil {
		return nil, err
	}
	if DirDebug >= len(f.Directories) || f.Directories[DirDebug].Addr == 0 {
		return parts, nil
	}
	d := f.Directories[DirDebug]
	table := make([]byte, min(d.Size, maxDebug))
	if err := read(d.Addr, table); err != nil {
		return parts, err
	}
	parts = append(parts, Part{d.Addr, table})
	for ; len(table) >= 28; table = table[28:] {
		size, addr := binary.LittleEndian.Uint32(table[16:]), binary.LittleEndian.Uint32(table[20:])
		if binary.LittleEndian.Uint32(table[12:]) != debugCodeView || addr == 0 {
			continue
		}
		record := make([]byte, min(size, maxRecord))
		if err := read(addr, record); err != nil {
			return parts, err
		}
		parts = append(parts, Part{addr, record})
	}
	return parts, nil
}

// headersSize is how far the headers reach, the section table included.
func headersSize(head []byte) uint64 {
	if len(head) < 64 {
		return 0
	}
	at := uint64(binary.LittleEndian.Uint32(head[0x3c:]))
	if b, ok := slice(head, at, 24); ok {
		return at + 24 + uint64(binary.LittleEndian.Uint16(b[20:])) + 40*uint64(binary.LittleEndian.Uint16(b[6:]))
	}
	return at + 24 + firstRead
}

// ParseLoaded reads the headers of an image of which parts are known as they lie in
// memory; the first is of the headers. What is in no part is not there. Parts must
// not change afterwards.
func ParseLoaded(parts []Part) (*File, error) {
	if len(parts) == 0 || parts[0].Addr != 0 {
		return nil, &FormatError{0, "no headers"}
	}
	f, err := Parse(parts[0].Data)
	if err != nil {
		return nil, err
	}
	f.symbols, f.strings, f.SymbolCount = nil, nil, 0 // of the file alone
	f.parts = slices.SortedFunc(slices.Values(parts), func(a, b Part) int { return cmp.Compare(a.Addr, b.Addr) })
	return f, nil
}

// Loaded reports whether the image is known as it lies in memory.
func (f *File) Loaded() bool { return f.parts != nil }

// loadedAt is At of an image in memory.
func (f *File) loadedAt(addr uint32) ([]byte, *Section, bool) {
	i := sort.Search(len(f.parts), func(i int) bool { return f.parts[i].Addr > addr })
	for i--; i >= 0; i-- {
		if p := f.parts[i]; uint64(addr-p.Addr) < uint64(len(p.Data)) {
			return p.Data[addr-p.Addr:], f.sectionOf(addr), true
		}
	}
	return nil, nil, false
}

func (f *File) sectionOf(addr uint32) *Section {
	for i := range f.Sections {
		if s := &f.Sections[i]; addr >= s.Addr && addr-s.Addr < s.Size() {
			return s
		}
	}
	return nil
}
