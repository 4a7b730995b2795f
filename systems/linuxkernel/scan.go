package linuxkernel

import (
	"bytes"
	"strings"

	"dap-windbg/arch"
)

// This file finds what only a look at all that is mapped finds.

var scanRows = []row{
	{"!pte2va", "!pte2va Addr [Root]", "the virtual address that a page table's entry translates; Addr as !pte shows it, or where the kernel maps it", owner},
	{".imgscan", ".imgscan [/r Start [End|LBytes]]", "headers of ELF and PE images in memory, at the beginning of pages; without /r below the kernel", imageScan},
}

// owner is !pte2va: Linux maps no page tables into themselves, so all below a root are
// looked through for the one that the entry is in.
func owner(c *command) error {
	if len(c.args) < 1 || len(c.args) > 2 {
		return c.usage(2)
	}
	n, err := c.value(0, 0)
	if err != nil {
		return err
	}
	root, err := c.rootGiven()
	if err != nil {
		return err
	}
	if base := uint64(c.directMap()); n >= base {
		n -= base
	}
	if at, ok := c.holder(root&frameBits, 0, 0, n); ok {
		c.printf("%x: %016x\n", n, at)
		return nil
	}
	if c.ctx.Err() != nil {
		return c.ctx.Err()
	}
	return failed("no page table below 0x%x has an entry at the physical address 0x%x", root&frameBits, n)
}

// holder looks for the entry at a physical address in a table and all below it, and tells
// what the entry translates. A table that cannot be read has none.
func (c *command) holder(table uint64, level int, base, entry uint64) (uint64, bool) {
	tables := c.paging().Levels
	l := tables[level]
	size := uint64(8) << l.Bits
	if entry >= table && entry < table+size {
		return c.covers(level, base, (entry-table)/8), true
	}
	if level == len(tables)-1 {
		return 0, false
	}
	p := make([]byte, size)
	if c.ctx.Err() != nil || c.physicalMemory(table, p) != nil {
		return 0, false
	}
	for i := range uint64(1) << l.Bits {
		e := littleEndian(p[8*i : 8*i+8])
		if e&1 == 0 || l.Large && e>>7&1 == 1 {
			continue
		}
		if at, ok := c.holder(e&frameBits, level+1, c.covers(level, base, i), entry); ok {
			return at, true
		}
	}
	return 0, false
}

// imageMarks are how images begin.
var imageMarks = []struct{ mark, name string }{{"\x7fELF", "ELF"}, {"MZ", "PE"}}

// imageScan is .imgscan: it looks at the beginning of each page that is mapped.
func imageScan(c *command) error {
	set, err := c.options("/", "r", "l", "v")
	if err != nil {
		return err
	}
	lo, hi := uint64(0), uint64(1)<<47-1
	if set["r"] {
		if len(c.args) < 1 || len(c.args) > 2 {
			return c.usage(2)
		}
		if lo, err = c.value(0, 0); err != nil {
			return err
		}
		hi = lo + 0xfff
		if length, ok := strings.CutPrefix(strings.ToUpper(append(c.args, "")[1]), "L"); ok {
			n, err := c.d.Evaluate(c.ctx, length)
			if err != nil {
				return err
			}
			hi = lo + n - 1
		} else if hi, err = c.value(1, hi); err != nil {
			return err
		}
	} else if err := c.most(0); err != nil {
		return err
	}
	root, err := c.root()
	if err != nil {
		return err
	}
	found := 0
	err = c.leaves(root, 0, 0, lo, hi, func(p piece) {
		for at := max(p.virtual, lo&^0xfff); at-p.virtual < p.size && at <= hi && c.ctx.Err() == nil; at += 0x1000 {
			head := make([]byte, 4)
			if c.physicalMemory(p.physical+at-p.virtual, head) != nil {
				continue
			}
			for _, m := range imageMarks {
				if bytes.HasPrefix(head, []byte(m.mark)) {
					found++
					c.printf("%s at %s  %s\n", m.name, address(arch.Addr(at)), c.d.Locate(arch.Addr(at)))
				}
			}
		}
	})
	if err == nil && found == 0 {
		c.printf("No image begins there\n")
	}
	return err
}
