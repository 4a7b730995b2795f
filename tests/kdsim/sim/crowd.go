package sim

import (
	"encoding/binary"
	"fmt"
)

// Drivers that only the list of modules knows, as a kernel's boot loader enters them:
// entry behind entry in pool pages, each with its name behind it.
const (
	crowdBase   = 0xfffff88010000000 // where their images are said to be
	crowdImage  = 0x20000
	crowdList   = 0xffffe00000a00000 // their entries
	crowdEntry  = 0xa0               // KLDR_DATA_TABLE_ENTRY
	crowdStride = 0xd0               // with the name, and the header of the pool's block
)

// crowd enters modules at the end of the list until there are c.crowded.
func (c *computer) crowd() {
	head := c.symbol("PsLoadedModuleList")
	if head == 0 {
		c.bad = fmt.Errorf("the kernel does not export its list of modules")
		return
	}
	have := 0
	for at := c.u64At(head); at != head; at = c.u64At(at) {
		have++
	}
	if have >= c.crowded {
		return
	}
	c.mem.provide(c.root, crowdList, uint64(c.crowded-have)*crowdStride, pteWrite|pteNX)
	last := c.u64At(head + 8)
	le := binary.LittleEndian
	for i := range c.crowded - have {
		at := crowdList + uint64(i)*crowdStride
		name := wide(fmt.Sprintf("crowd%03d.sys", i))
		b := make([]byte, crowdEntry, crowdStride)
		le.PutUint64(b, head)
		le.PutUint64(b[8:], last)
		le.PutUint64(b[0x30:], crowdBase+uint64(i)*crowdImage)
		le.PutUint32(b[0x40:], crowdImage)
		for _, off := range []int{0x48, 0x58} {
			le.PutUint16(b[off:], uint16(len(name)-2))
			le.PutUint16(b[off+2:], uint16(len(name)))
			le.PutUint64(b[off+8:], at+crowdEntry)
		}
		c.mem.writeAt(c.root, at, append(b, name...))
		c.mem.writeAt(c.root, last, le.AppendUint64(nil, at))
		c.mem.writeAt(c.root, head+8, le.AppendUint64(nil, at))
		last = at
	}
}

func (c *computer) u64At(at uint64) uint64 {
	var b [8]byte
	c.mem.readAt(c.root, at, b[:])
	return binary.LittleEndian.Uint64(b[:])
}
