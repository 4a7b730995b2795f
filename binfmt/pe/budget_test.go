package pe

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// Where the body of overlapping lies, in the file and in the image.
const bodyOffset, bodyAddr = 0x400, 0x1000

// overlapping is an image whose one section holds body, with a data directory that
// is all of it.
func overlapping(directory int, body []byte) []byte {
	le := binary.LittleEndian
	d := make([]byte, bodyOffset, bodyOffset+len(body))
	copy(d, "MZ")
	le.PutUint32(d[0x3c:], 0x40)
	h := d[0x40:]
	copy(h, "PE\x00\x00")
	le.PutUint16(h[4:], MachineAMD64)
	le.PutUint16(h[6:], 1)
	le.PutUint16(h[20:], 112+16*8)
	o := h[24:]
	le.PutUint16(o, 0x20b)
	le.PutUint32(o[60:], bodyOffset)
	le.PutUint32(o[108:], 16)
	le.PutUint32(o[112+8*directory:], bodyAddr)
	le.PutUint32(o[116+8*directory:], uint32(len(body)))
	s := o[112+16*8:]
	for i, v := range []uint32{uint32(len(body)), bodyAddr, uint32(len(body)), bodyOffset} {
		le.PutUint32(s[8+4*i:], v)
	}
	return append(d, body...)
}

// TestOverlapping: tables whose rows and names lie upon each other are not followed
// to the end, which would take gigabytes or hours.
func TestOverlapping(t *testing.T) {
	const rows, text = 1 << 14, maxText - 1
	le := binary.LittleEndian
	long := append(bytes.Repeat([]byte("a"), text), 0)
	body := make([]byte, 40+4*rows, 40+4*rows+len(long))
	le.PutUint32(body[20:], rows)
	le.PutUint32(body[28:], bodyAddr+40)
	for i := range rows {
		le.PutUint32(body[40+4*i:], bodyAddr+40+4*rows)
	}
	f, err := Parse(overlapping(DirExport, append(body, long...)))
	if err != nil {
		t.Fatal(err)
	}
	all := 0
	_, exports := f.Exports()
	for _, e := range exports {
		all += len(e.Forward)
	}
	if all == 0 || all > 2*len(f.data)+maxText {
		t.Errorf("%d exports with %d bytes of forwarders", len(exports), all)
	}

	body = make([]byte, 20*rows)
	for i := range rows { // each a descriptor, and a lookup table of all that follow
		for k := 0; k < 20; k += 4 {
			le.PutUint32(body[20*i+k:], bodyAddr+8)
		}
	}
	if f, err = Parse(overlapping(DirImport, body)); err != nil {
		t.Fatal(err)
	}
	n := 0
	for range f.Imports() {
		if n++; n > len(f.data) {
			t.Fatal("more imports than the file has bytes")
		}
	}
	if n == 0 {
		t.Error("no imports at all")
	}
}
