package linuxkernel

import (
	"bytes"
	"cmp"
	"errors"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/targets"
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
	found, left, s := 0, maxScanned, scan{command: c}
	var lost error
	err = c.leaves(root, 0, 0, lo, hi, func(p piece) {
		from, to := max(p.virtual, lo&^0xfff), min(p.virtual+p.size-1, hi)
		for todo := int((to-from)>>12) + 1; todo > 0 && left > 0 && lost == nil && c.ctx.Err() == nil; {
			n := min(todo, left, scanBatch)
			var some int
			some, lost = s.images(from, p.physical+from-p.virtual, n)
			found, from, todo, left = found+some, from+uint64(n)<<12, todo-n, left-n
		}
	})
	if err = cmp.Or(err, lost, c.ctx.Err()); err != nil {
		return err
	}
	if left == 0 {
		c.printf("%s were looked at; /r Start End names others\n", sizeText(maxScanned<<12))
	}
	if found == 0 {
		c.printf("No image begins there\n")
	}
	return nil
}

const (
	scanBatch  = 256           // pages whose beginnings are read in one flight
	maxScanned = 4 << 30 >> 12 // pages of one scan
)

// scan is a search for images.
type scan struct {
	*command
	mapped bool // by the kernel's map of all memory: physical addresses cannot be read as such
}

// images tells of the images that begin in pages at a virtual address, which lie
// together in physical memory, and returns how many there are.
func (c *scan) images(at, physical uint64, pages int) (found int, err error) {
	heads := make([]targets.MemoryRead, pages)
	ops := make([]targets.Op, pages)
	for i := range heads {
		heads[i] = targets.MemoryRead{Space: targets.Space{Physical: true}, Addr: arch.Addr(physical + uint64(i)<<12), Data: make([]byte, 4)}
		if c.mapped {
			heads[i].Space, heads[i].Addr = targets.Space{}, c.directMap()+heads[i].Addr
		}
		ops[i] = &heads[i]
	}
	if err := targets.Do(c.ctx, c.d.Target(), ops...); err != nil {
		return 0, err
	}
	if errors.Is(heads[0].Err, errors.ErrUnsupported) && !c.mapped { // by the kernel's map of all memory
		c.mapped = true
		return c.images(at, physical, pages)
	}
	for i := range heads {
		for _, m := range imageMarks {
			if heads[i].Err == nil && bytes.HasPrefix(heads[i].Data, []byte(m.mark)) {
				found++
				here := arch.Addr(at + uint64(i)<<12)
				c.printf("%s at %s  %s\n", m.name, address(here), c.d.Locate(here))
			}
		}
	}
	return found, nil
}
