package arch

import (
	"encoding/binary"
	"fmt"
)

// Paging is a way in which a CPU translates addresses: a chain of tables, each
// indexed by some bits of the address. Source: Intel SDM volume 3, chapter 4.
type Paging struct {
	Name   string
	Entry  int     // bytes of a table entry
	Levels []Level // from the root down
}

// Level is one table of the chain.
type Level struct {
	Shift, Bits int
	Large       bool // bit 7 of an entry maps a page of 1<<Shift bytes
}

// The ways x86 translates. FiveLevel is chosen by CR4 bit 12, PAE by CR4 bit 5.
var (
	FourLevel = &Paging{"4-level", 8, []Level{{39, 9, false}, {30, 9, true}, {21, 9, true}, {12, 9, false}}}
	FiveLevel = &Paging{"5-level", 8, []Level{{48, 9, false}, {39, 9, false}, {30, 9, true}, {21, 9, true}, {12, 9, false}}}
	PAE       = &Paging{"PAE", 8, []Level{{30, 2, false}, {21, 9, true}, {12, 9, false}}}
	TwoLevel  = &Paging{"2-level", 4, []Level{{22, 10, true}, {12, 10, false}}}
)

// Page is where an address lies.
type Page struct {
	Physical uint64 // of the address itself
	Size     uint64 // of the page around it, bytes
	Writable bool   // at every level
	User     bool   // at every level
	Entry    uint64 // the last one
}

// TranslateError: the tables do not map an address.
type TranslateError struct {
	Addr  Addr
	Level int    // 1 is the last table, 0: the address is not one the tables cover
	Entry uint64 // the entry that is not valid
}

func (e *TranslateError) Error() string {
	if e.Level == 0 {
		return fmt.Sprintf("0x%x is not a canonical address", uint64(e.Addr))
	}
	return fmt.Sprintf("0x%x is not mapped: the level %d entry is 0x%x", uint64(e.Addr), e.Level, e.Entry)
}

// physicalMask keeps the address bits of an 8-byte entry.
const physicalMask = 0x000ffffffffff000

// Walk translates addr by the tables whose root (CR3, its low bits ignored) is
// given. read fills p from physical memory; its errors are returned as they are.
func (p *Paging) Walk(addr Addr, root uint64, read func(physical uint64, p []byte) error) (Page, error) {
	top := p.Levels[0].Shift + p.Levels[0].Bits
	if p.Entry == 8 && top > 32 {
		if high := int64(addr) >> (top - 1); high != 0 && high != -1 {
			return Page{}, &TranslateError{Addr: addr}
		}
	} else {
		addr &= 0xffffffff
	}
	table := root & physicalMask
	if p == PAE {
		table = root & 0xffffffe0
	}
	page := Page{Writable: true, User: true}
	for i, l := range p.Levels {
		var raw [8]byte
		index := uint64(addr) >> l.Shift & (1<<l.Bits - 1)
		if err := read(table+index*uint64(p.Entry), raw[:p.Entry]); err != nil {
			return Page{}, err
		}
		entry := binary.LittleEndian.Uint64(raw[:])
		if entry&1 == 0 {
			return Page{}, &TranslateError{Addr: addr, Level: len(p.Levels) - i, Entry: entry}
		}
		if p != PAE || i > 0 { // the entries of PAE's root have no rights
			page.Writable = page.Writable && entry&2 != 0
			page.User = page.User && entry&4 != 0
		}
		page.Entry = entry
		table = entry & physicalMask
		if i == len(p.Levels)-1 || l.Large && entry&0x80 != 0 {
			page.Size = 1 << l.Shift
			if p.Entry == 4 && i == 0 { // PSE-36: bits 39 to 32 lie in bits 20 to 13
				table = entry&0xffc00000 | entry>>13&0xff<<32
			}
			page.Physical = table&^(page.Size-1) | uint64(addr)&(page.Size-1)
			return page, nil
		}
	}
	return Page{}, &TranslateError{Addr: addr} // not reached: the last level returns
}
