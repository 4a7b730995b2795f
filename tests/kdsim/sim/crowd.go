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
	crowdList   = uint64(0xffffe00000a00000) // their entries
	crowdEntry  = 0xa0                       // KLDR_DATA_TABLE_ENTRY
	crowdStride = 0xd0                       // with the name, and the header of the pool's block
)

// crowd enters modules at the end of the list until there are c.crowded.
func (c *computer) crowd() {
	head := c.symbol("PsLoadedModuleList")
	if head == 0 {
		c.bad = fmt.Errorf("the kernel does not export its list of modules")
		return
	}
	have := 0
	for at := c.pointer(head); at != head; at = c.pointer(at) {
		have++
	}
	if have >= c.crowded {
		return
	}
	list, images := crowdList, uint64(crowdBase)
	if c.word == 4 {
		list, images = 0x82a00000, 0xf8000000
	}
	c.mem.provide(c.root, list, uint64(c.crowded-have)*crowdStride, pteWrite|pteNX)
	e, w := environment[c.word], uint64(c.word)
	last := c.pointer(head + w)
	le := binary.LittleEndian
	for i := range uint64(c.crowded - have) {
		at := list + i*crowdStride
		name := wide(fmt.Sprintf("crowd%03d.sys", i))
		b := make([]byte, crowdEntry, crowdStride)
		put(b, c.word, head)
		put(b[w:], c.word, last)
		put(b[e.base:], c.word, images+i*crowdImage)
		le.PutUint32(b[e.size:], crowdImage)
		for _, off := range []uint64{e.full, e.name} {
			le.PutUint16(b[off:], uint16(len(name)-2))
			le.PutUint16(b[off+2:], uint16(len(name)))
			put(b[off+w:], c.word, at+crowdEntry)
		}
		c.mem.writeAt(c.root, at, append(b, name...))
		c.write(c.root, last, at)
		c.write(c.root, head+w, at)
		last = at
	}
}

func (c *computer) pointer(at uint64) uint64 {
	var b [8]byte
	c.mem.readAt(c.root, at, b[:c.word])
	return binary.LittleEndian.Uint64(b[:])
}
