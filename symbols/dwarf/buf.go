package dwarf

import (
	"bytes"
	"encoding/binary"
)

// buf is a cursor over section bytes. A read past the end gives zero and sets
// bad; reads after that stay at the end, so loops over a buf end.
type buf struct {
	d   []byte
	off int
	be  bool
	bad bool
}

func (b *buf) fail() { b.bad, b.off = true, len(b.d) }

// take returns the next n bytes, nil when they are not there.
func (b *buf) take(n uint64) []byte {
	if n > uint64(len(b.d)-b.off) {
		b.fail()
		return nil
	}
	p := b.d[b.off : b.off+int(n) : b.off+int(n)]
	b.off += int(n)
	return p
}

func (b *buf) skip(n uint64) { b.take(n) }

func (b *buf) left() int { return len(b.d) - b.off }

func (b *buf) u8() uint8 {
	if b.off >= len(b.d) {
		b.fail()
		return 0
	}
	v := b.d[b.off]
	b.off++
	return v
}

// uint reads an unsigned integer of n bytes, n from 1 to 8.
func (b *buf) uint(n int) uint64 {
	if n == 4 && !b.be && b.off+4 <= len(b.d) {
		v := binary.LittleEndian.Uint32(b.d[b.off:])
		b.off += 4
		return uint64(v)
	}
	p := b.take(uint64(n))
	var v uint64
	if b.be {
		for _, c := range p {
			v = v<<8 | uint64(c)
		}
		return v
	}
	for i := len(p) - 1; i >= 0; i-- {
		v = v<<8 | uint64(p[i])
	}
	return v
}

func (b *buf) u16() uint16 { return uint16(b.uint(2)) }
func (b *buf) u32() uint32 { return uint32(b.uint(4)) }
func (b *buf) u64() uint64 { return b.uint(8) }

// offset reads a section offset of a 32-bit or 64-bit unit.
func (b *buf) offset(is64 bool) uint64 {
	if is64 {
		return b.u64()
	}
	return uint64(b.u32())
}

func (b *buf) uleb() uint64 {
	if b.off < len(b.d) && b.d[b.off] < 0x80 { // most are one byte
		b.off++
		return uint64(b.d[b.off-1])
	}
	return b.longULEB()
}

//go:noinline
func (b *buf) longULEB() uint64 {
	var v uint64
	for shift := uint(0); ; shift += 7 {
		c := b.u8()
		if shift < 64 {
			v |= uint64(c&0x7f) << shift
		}
		if c&0x80 == 0 {
			return v
		}
	}
}

func (b *buf) sleb() int64 {
	var v int64
	for shift := uint(0); ; {
		c := b.u8()
		if shift < 64 {
			v |= int64(c&0x7f) << shift
			shift += 7
		}
		if c&0x80 == 0 {
			if shift < 64 && c&0x40 != 0 {
				v |= -1 << shift
			}
			return v
		}
	}
}

// cstr reads a NUL-terminated string; it aliases the section.
func (b *buf) cstr() []byte {
	n := bytes.IndexByte(b.d[b.off:], 0)
	if n < 0 {
		b.fail()
		return nil
	}
	s := b.d[b.off : b.off+n]
	b.off += n + 1
	return s
}

// initialLength reads a unit length; ok is false when the unit is not all there.
func (b *buf) initialLength() (n uint64, is64, ok bool) {
	n = uint64(b.u32())
	if n == 0xffffffff {
		is64 = true
		n = b.u64()
	} else if n >= 0xfffffff0 {
		return 0, false, false
	}
	return n, is64, !b.bad && n <= uint64(b.left())
}

// stringAt returns the NUL-terminated string at off in sec, nil when there is none.
func stringAt(sec []byte, off uint64) []byte {
	if off >= uint64(len(sec)) {
		return nil
	}
	n := bytes.IndexByte(sec[off:], 0)
	if n < 0 {
		return nil
	}
	return sec[off : off+uint64(n)]
}
