package elf

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
)

func (f *File) parseSections(h header) error {
	if h.shoff == 0 || h.shentsize == 0 {
		return nil
	}
	d := f.data
	first, ok := slice(d, h.shoff, h.shentsize)
	if !ok {
		return nil // a file cut after its segments still loads; a core may be so
	}
	zero := f.parseSection(first, 0)
	if h.shnum == 0 {
		h.shnum = zero.Size
	}
	if h.shstrndx == 0xffff {
		h.shstrndx = uint64(zero.Link)
	}
	if h.shnum > maxHeaders {
		return &FormatError{h.shoff, fmt.Sprintf("%d section headers", h.shnum)}
	}
	d, ok = slice(d, h.shoff, h.shnum*h.shentsize)
	if !ok {
		return nil
	}
	f.Sections = make([]Section, h.shnum)
	names := make([]uint32, h.shnum)
	for i := range f.Sections {
		e := d[uint64(i)*h.shentsize:]
		names[i] = f.Order.Uint32(e)
		f.Sections[i] = f.parseSection(e, i)
	}
	if h.shstrndx < h.shnum {
		if tab, ok := f.Raw(&f.Sections[h.shstrndx]); ok {
			f.name(tab, names)
		}
	}
	return nil
}

// maxName bounds the name of a section or a version, bytes: sections of functions
// have those of templates.
const maxName = 1 << 16

// name gives the sections the names at offsets of the string table. Names may share
// the end of another; overlapping ones of a damaged file are cut off when they come
// to more than four times the file.
func (f *File) name(tab []byte, offsets []uint32) {
	left := 4*len(f.data) + maxName
	for i := range f.Sections {
		name := stringAt(tab, uint64(offsets[i]))
		if left -= len(name); left < 0 {
			return
		}
		f.Sections[i].Name = name
	}
}

func (f *File) parseSection(d []byte, index int) Section {
	s := Section{Index: index, Type: f.Order.Uint32(d[4:])}
	if f.Is64 {
		u := func(i int) uint64 { return f.Order.Uint64(d[i:]) }
		s.Flags, s.Addr, s.Offset, s.Size = u(8), u(16), u(24), u(32)
		s.Link, s.Info = f.Order.Uint32(d[40:]), f.Order.Uint32(d[44:])
		s.Align, s.EntrySize = u(48), u(56)
		return s
	}
	u := func(i int) uint64 { return uint64(f.Order.Uint32(d[i:])) }
	s.Flags, s.Addr, s.Offset, s.Size = u(8), u(12), u(16), u(20)
	s.Link, s.Info = f.Order.Uint32(d[24:]), f.Order.Uint32(d[28:])
	s.Align, s.EntrySize = u(32), u(36)
	return s
}

// stringAt returns the NUL-terminated string at off, "" when there is none in
// maxName bytes.
func stringAt(tab []byte, off uint64) string {
	if off >= uint64(len(tab)) {
		return ""
	}
	tab = tab[off:min(uint64(len(tab)), off+maxName)]
	n := bytes.IndexByte(tab, 0)
	if n < 0 {
		return ""
	}
	return string(tab[:n])
}

// Section returns the first section called name that has bytes in the file.
func (f *File) Section(name string) (*Section, bool) {
	for i := range f.Sections {
		if s := &f.Sections[i]; s.Name == name && s.Type != SecNobits {
			return s, true
		}
	}
	return nil, false
}

// Raw returns the section's bytes as they are in the file, compressed or not.
func (f *File) Raw(s *Section) ([]byte, bool) {
	if s.Type == SecNobits || s.Type == 0 {
		return nil, false
	}
	return slice(f.data, s.Offset, s.Size)
}

// maxInflate bounds a decompressed section, and maxRatio how much bigger than
// its compressed form it may claim to be, from maxSmall on. Deflate cannot exceed
// 1032:1; zstd can, but nothing that compilers write does.
const (
	maxInflate = 16 << 30
	maxRatio   = 1100
	maxSmall   = 16 << 20
)

// Data returns the section's bytes, decompressed when need be (once). A section
// without bytes in the file gives nil.
func (f *File) Data(s *Section) ([]byte, error) {
	raw, ok := f.Raw(s)
	if !ok {
		if s.Type == SecNobits || s.Type == 0 {
			return nil, nil
		}
		return nil, &FormatError{s.Offset, fmt.Sprintf("section %s of %d bytes lies outside the file", s.Name, s.Size)}
	}
	old := s.compressedOld()
	if s.Flags&FlagCompressed == 0 && !old {
		return raw, nil
	}
	return f.once(&f.inflated, s.Index, func() ([]byte, error) {
		b, err := f.inflate(s, raw, old)
		if err != nil {
			return nil, fmt.Errorf("decompressing section %s: %w", s.Name, err)
		}
		return b, nil
	})
}

// made is a section's bytes that were computed.
type made struct {
	once sync.Once
	data []byte
	err  error
}

// once computes a section's bytes the first time they are asked for; those of
// several sections are computed at once.
func (f *File) once(all *map[int]*made, index int, compute func() ([]byte, error)) ([]byte, error) {
	f.mu.Lock()
	if *all == nil {
		*all = map[int]*made{}
	}
	m := (*all)[index]
	if m == nil {
		m = &made{}
		(*all)[index] = m
	}
	f.mu.Unlock()
	m.once.Do(func() { m.data, m.err = compute() })
	return m.data, m.err
}

// inflate decompresses a section with an Elf_Chdr, or with GNU's older "ZLIB" header.
func (f *File) inflate(s *Section, raw []byte, old bool) ([]byte, error) {
	kind, size, raw := f.compression(raw, old)
	if kind == 0 {
		return raw, nil
	}
	if err := f.tooLarge(size, raw); err != nil {
		return nil, err
	}
	switch kind {
	case zlibKind:
		return f.growingOf(s, raw, size).upTo(int(size))
	case zstdKind:
		return inflateZstd(raw, size)
	}
	return nil, fmt.Errorf("compression %d is unknown", kind)
}

// Compressions, as ch_type of an Elf_Chdr says them (gABI, ELFCOMPRESS_*).
const (
	zlibKind = 1
	zstdKind = 2
)

// tooLarge says why what a compressed section claims to become cannot be.
func (f *File) tooLarge(size uint64, raw []byte) error {
	switch {
	case raw == nil:
		return io.ErrUnexpectedEOF
	case size > maxInflate:
		return fmt.Errorf("claims %d bytes", size)
	case size > maxSmall && size > uint64(len(raw))*maxRatio:
		return fmt.Errorf("%d bytes do not become %d", len(raw), size)
	}
	return nil
}

// compression reads the header of a compressed section: how, to which size, and
// what follows; kind 0 when it is not compressed after all.
func (f *File) compression(raw []byte, old bool) (kind, size uint64, rest []byte) {
	switch {
	case old:
		if len(raw) < 12 || string(raw[:4]) != "ZLIB" {
			return 0, uint64(len(raw)), raw
		}
		return zlibKind, binary.BigEndian.Uint64(raw[4:]), raw[12:]
	case f.Is64 && len(raw) >= 24:
		return uint64(f.Order.Uint32(raw)), f.Order.Uint64(raw[8:]), raw[24:]
	case !f.Is64 && len(raw) >= 12:
		return uint64(f.Order.Uint32(raw)), uint64(f.Order.Uint32(raw[4:])), raw[12:]
	}
	return zlibKind, 0, nil
}

// inflatedSize is the size that Data's answer has, without making it.
func (f *File) inflatedSize(s *Section) uint64 {
	raw, ok := f.Raw(s)
	old := s.compressedOld()
	if !ok || s.Flags&FlagCompressed == 0 && !old {
		return uint64(len(raw))
	}
	_, size, _ := f.compression(raw, old)
	return min(size, maxInflate)
}

// compressedOld knows GNU's sections from before the flag.
func (s *Section) compressedOld() bool { return len(s.Name) > 8 && s.Name[:8] == ".zdebug_" }

// inflateZstd grows its output with what really comes out, since zstd has no
// bound on its ratio.
func inflateZstd(raw []byte, size uint64) ([]byte, error) {
	z, err := zstd.NewReader(bytes.NewReader(raw), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxInflate))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	var out bytes.Buffer
	out.Grow(int(min(size, uint64(len(raw))*16)) + bytes.MinRead)
	if _, err := io.Copy(&out, io.LimitReader(z, int64(size))); err != nil {
		return nil, err
	}
	if uint64(out.Len()) != size {
		return nil, fmt.Errorf("%d bytes came of %d promised", out.Len(), size)
	}
	return out.Bytes(), nil
}
