package elf

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// sectioned is a relocatable file of n sections like s, whose headers lie behind body.
func sectioned(body []byte, n int, s Section) []byte {
	le := binary.LittleEndian
	d := make([]byte, 64, 64+len(body)+64*(n+1))
	copy(d, "\x7fELF\x02\x01\x01")
	le.PutUint16(d[16:], Rel)
	le.PutUint16(d[18:], MachineX8664)
	le.PutUint64(d[40:], uint64(64+len(body)))
	le.PutUint16(d[58:], 64)
	le.PutUint16(d[60:], uint16(n+1))
	le.PutUint16(d[62:], 1)
	d = append(d, body...)
	d = append(d, make([]byte, 64)...)
	for range n {
		h := make([]byte, 64)
		le.PutUint32(h[4:], s.Type)
		le.PutUint64(h[8:], s.Flags)
		le.PutUint64(h[24:], s.Offset)
		le.PutUint64(h[32:], s.Size)
		d = append(d, h...)
	}
	return d
}

// TestOverlapping: sections that lie upon each other come to no more than a few
// times the file.
func TestOverlapping(t *testing.T) {
	const n, text = 5000, 60_000
	body := append(bytes.Repeat([]byte("x"), text), 0)
	f, err := Parse(sectioned(body, n, Section{Type: SecProgbits, Offset: 64, Size: uint64(len(body))}))
	if err != nil {
		t.Fatal(err)
	}
	all := 0
	for i := range f.Sections {
		all += len(f.Sections[i].Name)
	}
	if all == 0 || all > 4*len(f.data)+maxName {
		t.Errorf("names of %d bytes in a file of %d", all, len(f.data))
	}
	f.Place(nil)
	if b, err := f.Joined(&f.Sections[1]); err == nil {
		t.Errorf("%d sections of the same bytes were joined to %d", n, len(b))
	}

	var note []byte
	for range 4000 {
		note = append(note, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0)
	}
	if f, err = Parse(sectioned(note, n, Section{Type: SecNote, Offset: 64, Size: uint64(len(note))})); err != nil {
		t.Fatal(err)
	}
	count := 0
	for range f.Notes() {
		count++
	}
	if count < 4000 || count > 1_000_000 {
		t.Errorf("%d notes in a file of %d bytes", count, len(f.data))
	}
}

// TestBomb: zstd expands without limit, sections do not.
func TestBomb(t *testing.T) {
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	raw := make([]byte, 24)
	binary.LittleEndian.PutUint32(raw, 2)
	binary.LittleEndian.PutUint64(raw[8:], 64<<20)
	raw = z.EncodeAll(make([]byte, 64<<20), raw)
	f, err := Parse(sectioned(raw, 1, Section{Type: SecProgbits, Flags: FlagCompressed, Offset: 64, Size: uint64(len(raw))}))
	if err != nil {
		t.Fatal(err)
	}
	if b, err := f.Data(&f.Sections[1]); err == nil {
		t.Errorf("%d bytes became %d", len(raw), len(b))
	}
}
