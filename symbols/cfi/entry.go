package cfi

import (
	"fmt"
	"strings"
)

// cieKey names a CIE: .eh_frame or .debug_frame, and the offset there.
type cieKey struct {
	eh     bool
	offset uint64
}

// cie is a common information entry: what the entries of many functions share.
type cie struct {
	u       *Unwinder
	section string
	offset  uint64
	eh      bool

	addrSize  int // bytes of an address in its FDEs
	codeAlign uint64
	dataAlign int64
	ra        uint64 // column of the return address
	z         bool   // FDEs carry augmentation data with its length
	encoding  byte   // of the addresses in its FDEs, DW_EH_PE_*
	signal    bool   // frames that the kernel made: 'S'
	program   code
}

// code is the bytes of a program and the link-time address of the first.
type code struct {
	bytes []byte
	addr  uint64
}

// fde is a frame description entry: the program of [start, end), link-time addresses.
type fde struct {
	cie        *cie
	offset     uint64
	start, end uint64
	program    code
}

// DW_EH_PE_*: pointer encodings (LSB Core 5.0, 10.5.1).
const (
	peAbs, peULEB, peU2, peU4, peU8 = 0x00, 0x01, 0x02, 0x03, 0x04
	peSigned, peSLEB, peS2, peS4    = 0x08, 0x09, 0x0a, 0x0b
	peS8                            = 0x0c
	pePCRel, peTextRel, peDataRel   = 0x10, 0x20, 0x30
	peFuncRel, peAligned            = 0x40, 0x50
	peIndirect, peOmit              = 0x80, 0xff
)

// frames returns the section an entry lies in, and its name.
func (u *Unwinder) frames(eh bool) (Section, string) {
	if eh {
		return u.s.EHFrame, ".eh_frame"
	}
	return u.s.DebugFrame, ".debug_frame"
}

// record is an entry before anything is known about its kind.
type record struct {
	body   cursor // after the id, cut at the entry's end
	cie    bool
	common uint64 // of an FDE: offset of its CIE
}

// next reads the head of the entry at c and moves c behind it. ok is false at a
// terminator, at the section's end, and when the entry does not fit.
func next(c *cursor, eh bool) (r record, ok bool) {
	size, none := 4, uint64(0xffffffff)
	n := c.uint(4)
	if n == 0xffffffff {
		n = c.uint(8)
		if !eh { // .eh_frame keeps ids of four bytes
			size, none = 8, ^uint64(0)
		}
	}
	if c.bad || n < uint64(size) || n > uint64(c.left()) {
		return record{}, false
	}
	at := c.pos
	id := c.uint(size)
	r.body = *c
	r.body.data = c.data[:at+int(n)]
	c.pos = at + int(n)
	r.cie, r.common = id == none, id
	if eh {
		r.cie, r.common = id == 0, uint64(at)-id
	}
	return r, true
}

// entryAt parses the FDE at offset of a section.
func (u *Unwinder) entryAt(eh bool, offset uint64) (*fde, error) {
	sec, name := u.frames(eh)
	bad := func(why string) error { return &FormatError{name, offset, why} }
	if offset >= uint64(len(sec.Data)) {
		return nil, bad("beyond the section's end")
	}
	c := cursor{data: sec.Data, pos: int(offset), order: u.s.Order}
	r, ok := next(&c, eh)
	if !ok || r.cie {
		return nil, bad("not a frame description entry")
	}
	common, err := u.cieAt(eh, r.common)
	if err != nil {
		return nil, err
	}
	f := &fde{cie: common, offset: offset}
	if f.start, f.end, ok = common.span(&r.body, sec.Addr); !ok {
		return nil, bad("addresses cannot be read")
	}
	f.program = code{r.body.data[r.body.pos:], sec.Addr + uint64(r.body.pos)}
	return f, nil
}

// span reads an FDE's range, and its augmentation data, which nobody needs.
func (e *cie) span(c *cursor, secAddr uint64) (start, end uint64, ok bool) {
	var okStart, okSize bool
	var length uint64
	if e.encoding == peAbs && e.addrSize == 8 {
		start, length, okStart, okSize = c.uint(8)&e.u.mask, c.uint(8), true, true
	} else {
		start, okStart = e.u.pointer(c, e, e.encoding, secAddr, 0)
		length, okSize = e.u.pointer(c, e, e.encoding&0x0f, 0, 0)
	}
	if e.z {
		c.take(c.uleb())
	}
	return start, (start + length) & e.u.mask, okStart && okSize && !c.bad
}

// cieAt parses the CIE at offset, or returns it as parsed before.
func (u *Unwinder) cieAt(eh bool, offset uint64) (*cie, error) {
	key := cieKey{eh, offset}
	u.mu.Lock()
	known := u.cies[key]
	u.mu.Unlock()
	if known != nil {
		return known, nil
	}
	sec, name := u.frames(eh)
	bad := func(why string) error { return &FormatError{name, offset, why} }
	if offset >= uint64(len(sec.Data)) {
		return nil, bad("refers to a common entry beyond the section's end")
	}
	c := cursor{data: sec.Data, pos: int(offset), order: u.s.Order}
	r, ok := next(&c, eh)
	if !ok || !r.cie {
		return nil, bad("not a common information entry")
	}
	common := &cie{u: u, section: name, offset: offset, eh: eh, addrSize: u.s.PtrSize}
	if err := common.parse(&r.body, sec.Addr); err != nil {
		return nil, bad(err.Error())
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.cies[key] = common
	return common, nil
}

// parse reads a CIE's fields (DWARF 5, 6.4.1; LSB Core 5.0, 10.6.1.1.1).
func (e *cie) parse(c *cursor, addr uint64) error {
	version := c.u8()
	augmentation := c.cstring()
	switch version {
	case 1, 3:
	case 4, 5:
		e.addrSize = int(c.u8())
		if segment := c.u8(); segment != 0 {
			return fmt.Errorf("segmented addresses")
		}
		if e.addrSize != 4 && e.addrSize != 8 {
			return fmt.Errorf("addresses of %d bytes", e.addrSize)
		}
	default:
		return fmt.Errorf("version %d", version)
	}
	if strings.HasPrefix(augmentation, "eh") { // GCC 2: a pointer nobody needs
		c.take(uint64(e.addrSize))
		augmentation = augmentation[2:]
	}
	e.codeAlign = c.uleb()
	e.dataAlign = c.sleb()
	if version == 1 {
		e.ra = uint64(c.u8())
	} else {
		e.ra = c.uleb()
	}
	if err := e.augment(c, augmentation, addr); err != nil {
		return err
	}
	if c.bad {
		return fmt.Errorf("ends early")
	}
	e.program = code{c.data[c.pos:], addr + uint64(c.pos)}
	return nil
}

// augment reads augmentation data. With 'z' the data's length is told, so that
// letters nobody here knows are skipped; without it they are fatal.
func (e *cie) augment(c *cursor, letters string, addr uint64) error {
	if letters == "" {
		return nil
	}
	if letters[0] != 'z' {
		if strings.Trim(letters, "SB") == "" {
			e.signal = strings.Contains(letters, "S")
			return nil
		}
		return fmt.Errorf("unknown augmentation %q", letters)
	}
	e.z = true
	n := c.uleb()
	end := *c
	if end.take(n); end.bad {
		return fmt.Errorf("augmentation data ends early")
	}
	data := *c
	data.data = c.data[:end.pos]
	c.pos = end.pos
	for _, letter := range letters[1:] {
		switch letter {
		case 'R':
			e.encoding = data.u8()
		case 'P':
			if _, ok := e.u.pointer(&data, e, data.u8()&^peIndirect, addr, 0); !ok {
				return nil
			}
		case 'L':
			data.u8()
		case 'S':
			e.signal = true
		case 'B', 'G': // arm64: keys and tags, no data
		default:
			return nil // its data's length is unknown, and so are the letters after it
		}
	}
	return nil
}

// pointer reads an encoded address. secAddr is the address of c's first byte, fn
// that of the function it is about. An indirect one is read where it points to,
// which must be in the image's file.
func (u *Unwinder) pointer(c *cursor, e *cie, enc byte, secAddr, fn uint64) (uint64, bool) {
	if enc == peOmit {
		return 0, false
	}
	here := secAddr + uint64(c.pos)
	var v uint64
	if enc&^peIndirect == peAligned {
		n := uint64(e.addrSize)
		c.take((n - here%n) % n)
		v = c.uint(e.addrSize)
	} else {
		base, ok := u.relative(enc, here, fn)
		if !ok {
			return 0, false
		}
		v = (e.number(c, enc) + base) & u.mask
	}
	if enc&peIndirect != 0 && !c.bad {
		p := make([]byte, e.addrSize)
		if u.s.Read == nil || !u.s.Read(v, p) {
			return 0, false
		}
		v = (&cursor{data: p, order: c.order}).uint(len(p))
	}
	return v & u.mask, !c.bad
}

// number reads an encoded address's value, before anything is added to it.
func (e *cie) number(c *cursor, enc byte) uint64 {
	switch enc & 0x0f {
	case peAbs:
		return c.uint(e.addrSize)
	case peSigned:
		return uint64(c.int(e.addrSize))
	case peULEB:
		return c.uleb()
	case peSLEB:
		return uint64(c.sleb())
	case peU2:
		return c.uint(2)
	case peU4:
		return c.uint(4)
	case peU8, peS8:
		return c.uint(8)
	case peS2:
		return uint64(c.int(2))
	case peS4:
		return uint64(c.int(4))
	}
	c.bad = true
	return 0
}

// relative is what an encoded address counts from.
func (u *Unwinder) relative(enc byte, here, fn uint64) (uint64, bool) {
	switch enc & 0x70 {
	case 0:
		return 0, true
	case pePCRel:
		return here, true
	case peTextRel:
		return u.s.Text, true
	case peDataRel:
		return u.s.GOT, true
	case peFuncRel:
		return fn, true
	}
	return 0, false
}
