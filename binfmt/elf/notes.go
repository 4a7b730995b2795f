package elf

import (
	"bytes"
	"iter"
)

// Note is one entry of a note segment or section.
type Note struct {
	Name string
	Type uint32
	Desc []byte // aliases the file
}

// Types of notes named "GNU".
const NoteBuildID = 3

// maxNotes bounds what is read of a note segment in memory, where nothing
// else bounds it. Core files are parsed in place and have no such bound.
const maxNotes = 1 << 20

// Notes yields the notes of the file: of its segments, or of its sections when
// it has no note segment (relocatable files, some debug files).
func (f *File) Notes() iter.Seq[Note] {
	return func(yield func(Note) bool) {
		found := false
		left := 2*uint64(len(f.data)) + maxNotes // segments that overlap are not read for ever
		for i := range f.Segments {
			s := &f.Segments[i]
			if s.Type != SegNote || s.Filesz == 0 || s.Filesz > left {
				continue
			}
			left -= s.Filesz
			d, ok := f.segmentBytes(s)
			if !ok {
				continue
			}
			found = true
			if !f.notes(d, s.Align, yield) {
				return
			}
		}
		for i := range f.Sections {
			s := &f.Sections[i]
			if found || s.Type != SecNote || s.Size > left {
				continue
			}
			left -= s.Size
			if d, ok := f.Raw(s); ok && !f.notes(d, s.Align, yield) {
				return
			}
		}
	}
}

func (f *File) segmentBytes(s *Segment) ([]byte, bool) {
	if f.readAt == nil {
		return slice(f.data, s.Offset, s.Filesz)
	}
	if s.Filesz > maxNotes {
		return nil, false
	}
	d := make([]byte, s.Filesz)
	return d, f.readAt(s.Vaddr, d) == nil
}

// notes yields the entries in d; false when yield wants no more.
func (f *File) notes(d []byte, align uint64, yield func(Note) bool) bool {
	if align != 8 {
		align = 4
	}
	pad := func(n uint64) uint64 { return (n + align - 1) &^ (align - 1) }
	for len(d) >= 12 {
		namesz, descsz := uint64(f.Order.Uint32(d)), uint64(f.Order.Uint32(d[4:]))
		n := Note{Type: f.Order.Uint32(d[8:])}
		descoff := pad(12 + namesz)
		name, ok1 := slice(d, 12, namesz)
		desc, ok2 := slice(d, descoff, descsz)
		if !ok1 || !ok2 {
			return true
		}
		n.Name, n.Desc = string(bytes.TrimRight(name, "\x00")), desc
		if !yield(n) {
			return false
		}
		next := pad(descoff + descsz)
		if next >= uint64(len(d)) {
			return true
		}
		d = d[next:]
	}
	return true
}

// BuildID returns the GNU build-id, nil when the file has none.
func (f *File) BuildID() []byte {
	for n := range f.Notes() {
		if n.Name == "GNU" && n.Type == NoteBuildID {
			return bytes.Clone(n.Desc)
		}
	}
	return nil
}

// DebugLink returns .gnu_debuglink: the base name of the separate debug file
// and the CRC-32 (IEEE) of its bytes.
func (f *File) DebugLink() (name string, crc uint32, ok bool) {
	d := f.named(".gnu_debuglink")
	n := bytes.IndexByte(d, 0)
	if n <= 0 {
		return "", 0, false
	}
	at := (n + 4) &^ 3
	if at+4 > len(d) {
		return "", 0, false
	}
	return string(d[:n]), f.Order.Uint32(d[at:]), true
}

// AltLink returns .gnu_debugaltlink: the path of the file shared by several
// debug files (made by dwz), and its build-id.
func (f *File) AltLink() (path string, buildID []byte, ok bool) {
	d := f.named(".gnu_debugaltlink")
	n := bytes.IndexByte(d, 0)
	if n <= 0 {
		return "", nil, false
	}
	return string(d[:n]), bytes.Clone(d[n+1:]), true
}

func (f *File) named(name string) []byte {
	s, ok := f.Section(name)
	if !ok {
		return nil
	}
	d, err := f.Data(s)
	if err != nil {
		return nil
	}
	return d
}
