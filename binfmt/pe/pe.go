package pe

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// File is a parsed image. It is immutable and safe for many goroutines.
type File struct {
	FileHeader
	OptionalHeader
	Directories []Directory
	Sections    []Section

	data    []byte
	parts   []Part // of an image in memory, in their order; nil: data is a file
	strings []byte // COFF string table, its length field included
	symbols []byte // COFF symbol table
}

// FileHeader is the COFF file header.
type FileHeader struct {
	Machine         uint16
	Stamp           uint32 // TimeDateStamp
	SymbolsOffset   uint32
	SymbolCount     uint32
	OptionalSize    uint16
	Characteristics uint16
}

// OptionalHeader is that of PE32 and PE32+; BaseOfData is PE32's alone.
type OptionalHeader struct {
	Is64                                      bool
	Linker                                    [2]uint8
	SizeOfCode                                uint32
	SizeOfInitialized, SizeOfUninitialized    uint32
	Entry, BaseOfCode, BaseOfData             uint32
	ImageBase                                 uint64
	SectionAlignment, FileAlignment           uint32
	OSVersion, ImageVersion, SubsystemVersion [2]uint16
	ImageSize, HeadersSize, Checksum          uint32
	Subsystem, DLLCharacteristics             uint16
	StackReserve, StackCommit                 uint64
	HeapReserve, HeapCommit                   uint64
}

// Directory is a data directory: where a table lies in the image.
type Directory struct{ Addr, Size uint32 }

// Indexes of Directories that readers ask for.
const (
	DirExport, DirImport, DirResource, DirException, DirSecurity, DirRelocation, DirDebug = 0, 1, 2, 3, 4, 5, 6
)

// Section is a section header. Addr is relative to the image's base.
type Section struct {
	Name                           string // in full, from the string table where it is long
	VirtualSize, Addr              uint32
	RawSize, RawOffset             uint32
	RelocationsOffset, LinesOffset uint32
	RelocationCount, LineCount     uint16
	Characteristics                uint32
}

// Machines and flags that readers ask for.
const (
	MachineI386  = 0x14c
	MachineAMD64 = 0x8664
	MachineARM64 = 0xaa64

	SectionCode          = 0x20
	SectionUninitialized = 0x80
	SectionExecute       = 0x20000000
	SectionWrite         = 0x80000000

	CharacteristicDLL = 0x2000
)

// FormatError says where a file is not PE as we know it.
type FormatError struct {
	Offset uint64
	Reason string
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("not usable as PE at 0x%x: %s", e.Offset, e.Reason)
}

// Parse reads the headers of an image. data must not change afterwards.
func Parse(data []byte) (*File, error) {
	if len(data) < 64 || string(data[:2]) != "MZ" {
		return nil, &FormatError{0, "no MZ magic"}
	}
	at := uint64(binary.LittleEndian.Uint32(data[0x3c:]))
	head, ok := slice(data, at, 24)
	if !ok || string(head[:4]) != "PE\x00\x00" {
		return nil, &FormatError{at, "no PE signature"}
	}
	f := &File{data: data}
	le := binary.LittleEndian
	f.Machine, f.Stamp = le.Uint16(head[4:]), le.Uint32(head[8:])
	f.SymbolsOffset, f.SymbolCount = le.Uint32(head[12:]), le.Uint32(head[16:])
	f.OptionalSize, f.Characteristics = le.Uint16(head[20:]), le.Uint16(head[22:])
	optional, ok := slice(data, at+24, uint64(f.OptionalSize))
	if !ok {
		return nil, &FormatError{at + 24, "optional header cut short"}
	}
	if err := f.parseOptional(optional, at+24); err != nil {
		return nil, err
	}
	f.parseSymbols()
	count := uint64(le.Uint16(head[6:]))
	table, ok := slice(data, at+24+uint64(f.OptionalSize), count*40)
	if !ok {
		return nil, &FormatError{at + 24 + uint64(f.OptionalSize), fmt.Sprintf("%d section headers do not fit the file", count)}
	}
	for ; len(table) > 0; table = table[40:] {
		f.Sections = append(f.Sections, f.parseSection(table))
	}
	return f, nil
}

func (f *File) parseOptional(d []byte, at uint64) error {
	le := binary.LittleEndian
	size := 96
	switch {
	case len(d) < 2:
		return &FormatError{at, "no optional header: an object file, not an image"}
	case le.Uint16(d) == 0x10b:
	case le.Uint16(d) == 0x20b:
		f.Is64, size = true, 112
	default:
		return &FormatError{at, fmt.Sprintf("optional header of kind 0x%x", le.Uint16(d))}
	}
	if len(d) < size {
		return &FormatError{at, "optional header cut short"}
	}
	u16 := func(o int) uint16 { return le.Uint16(d[o:]) }
	u32 := func(o int) uint32 { return le.Uint32(d[o:]) }
	f.Linker = [2]uint8{d[2], d[3]}
	f.SizeOfCode, f.SizeOfInitialized, f.SizeOfUninitialized = u32(4), u32(8), u32(12)
	f.Entry, f.BaseOfCode = u32(16), u32(20)
	f.SectionAlignment, f.FileAlignment = u32(32), u32(36)
	f.OSVersion, f.ImageVersion, f.SubsystemVersion = [2]uint16{u16(40), u16(42)}, [2]uint16{u16(44), u16(46)}, [2]uint16{u16(48), u16(50)}
	f.ImageSize, f.HeadersSize, f.Checksum = u32(56), u32(60), u32(64)
	f.Subsystem, f.DLLCharacteristics = u16(68), u16(70)
	sizes := []*uint64{&f.StackReserve, &f.StackCommit, &f.HeapReserve, &f.HeapCommit}
	if f.Is64 {
		f.ImageBase = le.Uint64(d[24:])
		for i, p := range sizes {
			*p = le.Uint64(d[72+8*i:])
		}
	} else {
		f.BaseOfData, f.ImageBase = u32(24), uint64(u32(28))
		for i, p := range sizes {
			*p = uint64(u32(72 + 4*i))
		}
	}
	count := u32(size - 4)
	for d = d[size:]; count > 0 && len(d) >= 8; count-- {
		f.Directories = append(f.Directories, Directory{le.Uint32(d), le.Uint32(d[4:])})
		d = d[8:]
	}
	return nil
}

func (f *File) parseSection(d []byte) Section {
	u := func(o int) uint32 { return binary.LittleEndian.Uint32(d[o:]) }
	return Section{
		Name: f.longName(string(bytes.TrimRight(d[:8], "\x00"))), VirtualSize: u(8), Addr: u(12), RawSize: u(16), RawOffset: u(20),
		RelocationsOffset: u(24), LinesOffset: u(28), RelocationCount: binary.LittleEndian.Uint16(d[32:]), LineCount: binary.LittleEndian.Uint16(d[34:]),
		Characteristics: u(36),
	}
}

// maxSectionName is the longest section name taken, bytes; a linked image's are short.
const maxSectionName = 256

// longName resolves "/123": the name at that offset of the string table.
func (f *File) longName(name string) string {
	digits, long := strings.CutPrefix(name, "/")
	off, err := strconv.ParseUint(digits, 10, 32)
	if !long || err != nil {
		return name
	}
	if s := f.stringAt(off); s != "" && len(s) <= maxSectionName {
		return s
	}
	return name
}

// stringAt is a string of the COFF string table.
func (f *File) stringAt(off uint64) string {
	if off < 4 || off >= uint64(len(f.strings)) {
		return ""
	}
	return cstring(f.strings[off:])
}

// maxText is the longest name taken, bytes.
const maxText = 1 << 14

// cstring is the text up to the first zero byte, "" when there is none in maxText bytes.
func cstring(b []byte) string {
	b = b[:min(len(b), maxText)]
	if n := bytes.IndexByte(b, 0); n >= 0 {
		return string(b[:n])
	}
	return ""
}

// budget bounds what a table's names and rows come to: those of a sound file do not
// overlap, so they are no more than the file.
type budget int

func (f *File) budget() budget { return budget(len(f.data) + maxText) }

// take reports whether n bytes more are within the budget.
func (b *budget) take(n int) bool {
	*b -= budget(n)
	return *b >= 0
}

// slice returns d[off:off+n] when it is there.
func slice(d []byte, off, n uint64) ([]byte, bool) {
	if off > uint64(len(d)) || n > uint64(len(d))-off {
		return nil, false
	}
	return d[off : off+n : off+n], true
}

// Section finds a section by name.
func (f *File) Section(name string) (*Section, bool) {
	for i := range f.Sections {
		if f.Sections[i].Name == name {
			return &f.Sections[i], true
		}
	}
	return nil, false
}

// Raw returns the bytes the file has of a section, or what is known of it in memory: without the padding to the
// file's alignment, where the section's size is told.
func (f *File) Raw(s *Section) []byte {
	if f.Loaded() {
		b, _, _ := f.loadedAt(s.Addr)
		return b[:min(uint64(s.Size()), uint64(len(b)))]
	}
	n := s.RawSize
	if s.VirtualSize != 0 {
		n = min(n, s.VirtualSize)
	}
	if s.RawOffset == 0 || uint64(s.RawOffset) >= uint64(len(f.data)) {
		return nil
	}
	b := f.data[s.RawOffset:]
	return b[:min(uint64(n), uint64(len(b)))]
}

// Size is how much of the image a section takes.
func (s *Section) Size() uint32 {
	if s.VirtualSize == 0 {
		return s.RawSize
	}
	return s.VirtualSize
}

// Headers returns the headers as they lie at the image's base.
func (f *File) Headers() []byte { return f.data[:min(uint64(f.HeadersSize), uint64(len(f.data)))] }

// At returns the file's bytes from addr, relative to the base, to the end of the
// section's raw data; Section is nil in the headers.
func (f *File) At(addr uint32) ([]byte, *Section, bool) {
	if f.Loaded() {
		return f.loadedAt(addr)
	}
	if h := f.Headers(); uint64(addr) < uint64(len(h)) {
		return h[addr:], nil, true
	}
	for i := range f.Sections {
		s := &f.Sections[i]
		if b := f.Raw(s); addr >= s.Addr && uint64(addr-s.Addr) < uint64(len(b)) {
			return b[addr-s.Addr:], s, true
		}
	}
	return nil, nil, false
}

// directory returns the bytes of a data directory, as far as the file has them.
func (f *File) directory(i int) ([]byte, Directory) {
	if i >= len(f.Directories) || f.Directories[i].Addr == 0 {
		return nil, Directory{}
	}
	d := f.Directories[i]
	b, _, ok := f.At(d.Addr)
	if !ok {
		return nil, d
	}
	return b[:min(uint64(d.Size), uint64(len(b)))], d
}

// text is the string at addr, "" when there is none.
func (f *File) text(addr uint32) string {
	b, _, ok := f.At(addr)
	if !ok {
		return ""
	}
	return cstring(b)
}
