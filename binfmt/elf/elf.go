package elf

import (
	"encoding/binary"
	"fmt"
	"sync"
)

// File is a parsed ELF file. It is safe for many goroutines.
type File struct {
	Is64    bool
	Order   binary.ByteOrder
	OSABI   uint8
	Type    uint16 // Exec, Dyn ...
	Machine uint16
	Flags   uint32
	Entry   uint64

	Segments []Segment
	Sections []Section // [0] is the null section; empty when the file has none

	// Keeper keeps what is decompressed; set before anything is. Nil keeps nothing.
	Keeper Keeper

	data   []byte // whole file; nil for a File read from memory
	readAt func(vaddr uint64, p []byte) error
	placed bool // sections of a relocatable file have addresses

	mu                          sync.Mutex
	inflated, relocated, joined map[int]*made // by section
	growing                     map[int]*growing
	keeping                     bool // the keeper is about to be told

	completingOnce sync.Once
	completing     map[uint32][]*Section // relocation sections by what they complete
}

// Segment is a program header.
type Segment struct {
	Type, Flags                                uint32
	Offset, Vaddr, Paddr, Filesz, Memsz, Align uint64
}

// Section is a section header.
type Section struct {
	Index                                       int
	Name                                        string
	Type, Link, Info                            uint32
	Flags, Addr, Offset, Size, Align, EntrySize uint64
}

// Object file types, segment and section types and flags that readers ask for.
const (
	Rel  = 1
	Exec = 2
	Dyn  = 3
	Core = 4

	SegLoad    = 1
	SegDynamic = 2
	SegNote    = 4
	SegTLS     = 7
	SegEHFrame = 0x6474e550

	SegX = 1
	SegW = 2
	SegR = 4

	SecProgbits = 1
	SecSymtab   = 2
	SecStrtab   = 3
	SecRela     = 4
	SecNote     = 7
	SecNobits   = 8
	SecRel      = 9
	SecDynsym   = 11

	FlagWrite      = 1
	FlagAlloc      = 2
	FlagExec       = 4
	FlagCompressed = 0x800

	Machine386     = 3
	MachinePPC     = 20
	MachinePPC64   = 21
	MachineS390    = 22
	MachineARM     = 40
	MachineX8664   = 62
	MachineAArch64 = 183
	MachineRISCV   = 243
)

// FormatError says where a file is not ELF as we know it.
type FormatError struct {
	Offset uint64 // in the file
	Msg    string
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("not usable as ELF at 0x%x: %s", e.Offset, e.Msg)
}

const maxHeaders = 1 << 20 // sections or segments; more is damage

// Parse reads the headers of the ELF file in data, which it keeps.
func Parse(data []byte) (*File, error) {
	f := &File{data: data}
	h, err := f.parseHeader(data)
	if err != nil {
		return nil, err
	}
	if err := f.parseSections(h); err != nil {
		return nil, err
	}
	if h.phnum == 0xffff && len(f.Sections) > 0 {
		h.phnum = uint64(f.Sections[0].Info)
	}
	ph, ok := slice(data, h.phoff, h.phnum*h.phentsize)
	if h.phnum > maxHeaders || !ok {
		return nil, &FormatError{h.phoff, fmt.Sprintf("%d program headers do not fit the file", h.phnum)}
	}
	f.Segments = f.parseSegments(ph, h)
	return f, nil
}

// header is the part of the ELF header that locates the rest.
type header struct {
	phoff, phnum, phentsize uint64
	shoff, shnum, shentsize uint64
	shstrndx                uint64
}

func (f *File) parseHeader(d []byte) (header, error) {
	var h header
	if len(d) < 16 || string(d[:4]) != "\x7fELF" {
		return h, &FormatError{0, "no ELF magic"}
	}
	switch d[4] {
	case 1:
	case 2:
		f.Is64 = true
	default:
		return h, &FormatError{4, fmt.Sprintf("class %d", d[4])}
	}
	switch d[5] {
	case 1:
		f.Order = binary.LittleEndian
	case 2:
		f.Order = binary.BigEndian
	default:
		return h, &FormatError{5, fmt.Sprintf("byte order %d", d[5])}
	}
	f.OSABI = d[7]
	size, phent, shent := 52, uint64(32), uint64(40)
	if f.Is64 {
		size, phent, shent = 64, 56, 64
	}
	if len(d) < size {
		return h, &FormatError{uint64(len(d)), "header cut short"}
	}
	f.Type, f.Machine = f.Order.Uint16(d[16:]), f.Order.Uint16(d[18:])
	f.Entry = f.word(d[24:])
	w := 4
	if f.Is64 {
		w = 8
	}
	h.phoff, h.shoff = f.word(d[24+w:]), f.word(d[24+2*w:])
	r := d[24+3*w:]
	f.Flags = f.Order.Uint32(r)
	u16 := func(i int) uint64 { return uint64(f.Order.Uint16(r[i:])) }
	h.phentsize, h.phnum, h.shentsize, h.shnum, h.shstrndx = u16(6), u16(8), u16(10), u16(12), u16(14)
	if h.phnum > 0 && h.phentsize < phent {
		return h, &FormatError{uint64(size), fmt.Sprintf("program header size %d", h.phentsize)}
	}
	if h.shoff > 0 && h.shentsize < shent {
		return h, &FormatError{uint64(size), fmt.Sprintf("section header size %d", h.shentsize)}
	}
	return h, nil
}

// word reads an address-sized integer.
func (f *File) word(b []byte) uint64 {
	if f.Is64 {
		return f.Order.Uint64(b)
	}
	return uint64(f.Order.Uint32(b))
}

func (f *File) parseSegments(d []byte, h header) []Segment {
	segs := make([]Segment, 0, h.phnum)
	for ; uint64(len(d)) >= h.phentsize && h.phentsize > 0; d = d[h.phentsize:] {
		s := Segment{Type: f.Order.Uint32(d)}
		if f.Is64 {
			u := func(i int) uint64 { return f.Order.Uint64(d[i:]) }
			s.Flags = f.Order.Uint32(d[4:])
			s.Offset, s.Vaddr, s.Paddr, s.Filesz, s.Memsz, s.Align = u(8), u(16), u(24), u(32), u(40), u(48)
		} else {
			u := func(i int) uint64 { return uint64(f.Order.Uint32(d[i:])) }
			s.Flags = f.Order.Uint32(d[24:])
			s.Offset, s.Vaddr, s.Paddr, s.Filesz, s.Memsz, s.Align = u(4), u(8), u(12), u(16), u(20), u(28)
		}
		segs = append(segs, s)
	}
	return segs
}

// slice returns d[off:off+n] when it is there.
func slice(d []byte, off, n uint64) ([]byte, bool) {
	if off > uint64(len(d)) || n > uint64(len(d))-off {
		return nil, false
	}
	return d[off : off+n : off+n], true
}

// PageSize is the alignment the image's base is cut to: the smallest page of
// any machine we know. Linkers align the first segment to at least this.
const PageSize = 0x1000

// Loaded returns the link-time addresses of the image: the lowest loaded
// address, cut to a page, and the end of the last loaded segment. Segments ascend
// (System V ABI, program header); one at address 0 behind others that lie higher,
// the template of a kernel's per-CPU data, is loaded elsewhere and does not count.
func (f *File) Loaded() (low, high uint64) {
	first := true
	for _, s := range f.Segments {
		if s.Type != SegLoad || s.Memsz == 0 || !first && s.Vaddr == 0 && low > 0 {
			continue
		}
		if first || s.Vaddr < low {
			low = s.Vaddr
		}
		first = false
		if end := s.Vaddr + s.Memsz; end >= s.Vaddr {
			high = max(high, end)
		}
	}
	if first {
		return 0, 0
	}
	return low &^ (PageSize - 1), high
}

// At returns the file's bytes from link-time address addr to the end of the
// segment's file part.
func (f *File) At(addr uint64) ([]byte, *Segment, bool) {
	for i := range f.Segments {
		s := &f.Segments[i]
		if s.Type != SegLoad || addr < s.Vaddr || addr-s.Vaddr >= s.Filesz {
			continue
		}
		b, ok := slice(f.data, s.Offset+(addr-s.Vaddr), s.Filesz-(addr-s.Vaddr))
		if !ok {
			return nil, nil, false
		}
		return b, s, true
	}
	return nil, nil, false
}
