package cfi

import "encoding/binary"

// cursor reads from a section's bytes. The first read beyond the end makes bad
// true, and every later one yields zero, so that callers check once.
type cursor struct {
	data  []byte
	pos   int
	order binary.ByteOrder
	bad   bool
}

func (c *cursor) left() int { return len(c.data) - c.pos }

// take returns the next n bytes, aliasing the section; nil when there are fewer.
func (c *cursor) take(n uint64) []byte {
	if c.bad || n > uint64(c.left()) {
		c.bad = true
		return nil
	}
	p := c.data[c.pos : c.pos+int(n)]
	c.pos += int(n)
	return p
}

func (c *cursor) u8() uint8 {
	if p := c.take(1); p != nil {
		return p[0]
	}
	return 0
}

// uint reads an unsigned integer of n bytes, n one of 1, 2, 4, 8.
func (c *cursor) uint(n int) uint64 {
	p := c.take(uint64(n))
	if p == nil {
		return 0
	}
	switch n {
	case 1:
		return uint64(p[0])
	case 2:
		return uint64(c.order.Uint16(p))
	case 4:
		return uint64(c.order.Uint32(p))
	case 8:
		return c.order.Uint64(p)
	}
	c.bad = true
	return 0
}

// int reads a signed integer of n bytes.
func (c *cursor) int(n int) int64 { return signExtend(c.uint(n), n) }

// uleb reads an unsigned LEB128 number; bits beyond 64 are dropped.
func (c *cursor) uleb() uint64 {
	var v uint64
	for shift := uint(0); ; shift += 7 {
		b := c.u8()
		if shift < 64 {
			v |= uint64(b&0x7f) << shift
		}
		if c.bad || b&0x80 == 0 {
			return v
		}
	}
}

// sleb reads a signed LEB128 number.
func (c *cursor) sleb() int64 {
	var v int64
	for shift := uint(0); ; {
		b := c.u8()
		if shift < 64 {
			v |= int64(b&0x7f) << shift
		}
		shift += 7
		if c.bad || b&0x80 == 0 {
			if shift < 64 && b&0x40 != 0 {
				v |= -1 << shift
			}
			return v
		}
	}
}

// cstring reads bytes up to a NUL, which it consumes.
func (c *cursor) cstring() string {
	start := c.pos
	for c.u8() != 0 {
	}
	if c.bad {
		return ""
	}
	return string(c.data[start : c.pos-1])
}

func signExtend(v uint64, n int) int64 {
	shift := uint(64 - 8*n)
	return int64(v<<shift) >> shift
}
