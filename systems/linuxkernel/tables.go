package linuxkernel

import (
	"errors"
	"fmt"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

// This file walks page tables for people to see (Intel SDM volume 3, chapter 4).

var memoryRows = []row{
	{"!pte", "!pte VA [Root]", "page tables' entries of an address, level by level", showEntries},
	{"!vtop", "!vtop [DirBase] VA", "the physical address of a virtual one; DirBase 0: of what is looked at", translate},
	{"!ptov", "!ptov [DirBase [Start [End]]]", "what a page table root maps, physical and virtual, in pieces", mapped},
	{"!pfn", "!pfn Number|VA", "struct page of a page frame", pageFrame},
	{"!slab", "!slab [-v] [Name]", "caches of the slab allocator, with sizes and how many objects there are", slabs},
	{"!kmem", "!kmem [-v] [Name]", "as !slab", slabs},
	{"!vm", "!vm", "memory of the machine, as the kernel counts it", memoryCounts},
	{"!vmstat", "!vmstat [Pattern]", "the kernel's counters of memory and its events", memoryEvents},
	{"!percpu", "!percpu Name [CPU]", "a per-CPU variable on each processor", perCPUVariable},
	{"!per_cpu", "!per_cpu Name [CPU]", "as !percpu", perCPUVariable},
	{"!kaslr", "!kaslr [-p]", "where the kernel lies, and how far from where it was linked, with what its vmcoreinfo says; -p looks for that in physical memory", showSlide},
}

// levels names the tables of a walk, from the root down.
func levels(p *arch.Paging) []string {
	if len(p.Levels) == 5 {
		return []string{"PGD", "P4D", "PUD", "PMD", "PTE"}
	}
	return []string{"PGD", "PUD", "PMD", "PTE"}
}

// flagLetters are the bits of an entry that !pte shows, from the left.
var flagLetters = []struct {
	bit       uint
	set, none byte
}{
	{9, 'C', '-'}, {8, 'G', '-'}, {7, 'L', '-'}, {6, 'D', '-'}, {5, 'A', '-'}, {4, 'N', '-'}, {3, 'T', '-'},
	{2, 'U', 'K'}, {1, 'W', 'R'}, {63, '-', 'E'}, {0, 'V', '-'},
}

func entryFlags(e uint64) string {
	out := make([]byte, len(flagLetters))
	for i, f := range flagLetters {
		if out[i] = f.none; e>>f.bit&1 == 1 {
			out[i] = f.set
		}
	}
	return string(out)
}

const frameBits = 0x000ffffffffff000

// entry is one level of a walk.
type entry struct {
	at, value uint64 // physical; what lies there
}

// physicalMemory reads physical addresses: as such, else through the kernel's map of all memory.
func (c *command) physicalMemory(at uint64, p []byte) error {
	_, err := c.d.Memory(targets.Space{Physical: true}).ReadMemory(c.ctx, arch.Addr(at), p)
	if errors.Is(err, errors.ErrUnsupported) {
		_, err = c.d.ReadMemory(c.ctx, c.directMap()+arch.Addr(at), p)
	}
	return err
}

// directMap is where the kernel maps all physical memory.
func (r *reader) directMap() arch.Addr {
	if at, ok := r.lookup("page_offset_base"); ok { // CONFIG_RANDOMIZE_MEMORY, or five levels
		return r.pointer(at)
	}
	return 0xffff888000000000 // __PAGE_OFFSET_BASE_L4
}

// paging is how the selected processor translates: by CR4.LA57, else by what the
// kernel says of itself.
func (c *command) paging() *arch.Paging {
	if regs, err := c.registers(c.d.Processor()); err == nil {
		if cr4, ok := regs.Get("cr4"); ok {
			if cr4>>12&1 == 1 {
				return arch.FiveLevel
			}
			return arch.FourLevel
		}
	}
	if at, ok := c.lookup("__pgtable_l5_enabled"); ok && c.uint(at, 4) != 0 {
		return arch.FiveLevel
	}
	return arch.FourLevel
}

// root is the page table root of what is looked at.
func (c *command) root() (uint64, error) {
	if root := c.d.Context().Root; root != 0 {
		return root, nil
	}
	regs, err := c.registers(c.d.Processor())
	if err != nil {
		return 0, err
	}
	if cr3, ok := regs.Get("cr3"); ok {
		if root, err := c.s.Root(regs, c.physicalMemory); err == nil && root != 0 {
			return root, nil
		}
		return cr3 & frameBits, nil
	}
	root := c.kernelRoot()
	return root, c.end()
}

// kernelRoot is the root of the kernel's own address space.
func (r *reader) kernelRoot() uint64 {
	if at, ok := r.lookup("init_top_pgt"); ok {
		return r.physical(at)
	}
	return r.physical(arch.Addr(r.get(r.symbol("init_mm"), "mm_struct", "pgd")))
}

// walk translates an address and tells each entry on the way.
func (c *command) walk(a arch.Addr, root uint64) (arch.Page, []entry, error) {
	var way []entry
	page, err := c.paging().Walk(a, root, func(physical uint64, p []byte) error {
		err := c.physicalMemory(physical, p)
		if err == nil {
			way = append(way, entry{physical, littleEndian(p)})
		}
		return err
	})
	return page, way, err
}

// rootGiven is the root of the tables that the second argument names, else the current one.
func (c *command) rootGiven() (uint64, error) {
	root, err := c.root()
	if err == nil && len(c.args) > 1 {
		return c.value(1, 0)
	}
	return root, err
}

func showEntries(c *command) error {
	if len(c.args) < 1 || len(c.args) > 2 {
		return c.usage(2)
	}
	a, err := c.value(0, 0)
	if err != nil {
		return err
	}
	root, err := c.rootGiven()
	if err != nil {
		return err
	}
	_, way, err := c.walk(arch.Addr(a), root)
	if none := (*arch.TranslateError)(nil); err != nil && !errors.As(err, &none) || len(way) == 0 {
		return err
	}
	names := levels(c.paging())
	top := len(names) - 1
	c.printf("%*sVA %016x\n", 43, "", a)
	var heads, contents, frames string
	for i, e := range way {
		heads += fmt.Sprintf("%s at %016X    ", names[i], e.at)
		contents += fmt.Sprintf("contains %016X  ", e.value)
		switch {
		case e.value&1 == 0:
			frames += fmt.Sprintf("%-27s", "not valid")
		case i < top && e.value>>7&1 == 1 && top-i < 3:
			frames += fmt.Sprintf("%-27s", fmt.Sprintf("LARGE PAGE pfn %x %s", e.value&frameBits&^(1<<c.paging().Levels[i].Shift-1)>>12, entryFlags(e.value)))
		default:
			frames += fmt.Sprintf("%-27s", fmt.Sprintf("pfn %-9x %s", e.value&frameBits>>12, entryFlags(e.value)))
		}
	}
	for _, l := range []string{heads, contents, frames} {
		c.printf("%s\n", strings.TrimRight(l, " "))
	}
	return nil
}

func translate(c *command) error {
	if len(c.args) < 1 || len(c.args) > 2 {
		return c.usage(2)
	}
	root, err := c.root()
	if err != nil {
		return err
	}
	if len(c.args) == 2 {
		n, err := c.value(0, 0)
		if err != nil {
			return err
		}
		if n != 0 {
			root = n &^ 0xfff
		}
	}
	a, err := c.value(len(c.args)-1, 0)
	if err != nil {
		return err
	}
	c.printf("Amd64VtoP: Virt %016x, pagedir %016x\n", a, root)
	page, way, err := c.walk(arch.Addr(a), root)
	names := levels(c.paging())
	for i, e := range way {
		c.printf("Amd64VtoP: %-4s %016x - %016x\n", names[i], e.at, e.value)
	}
	if none := (*arch.TranslateError)(nil); errors.As(err, &none) {
		c.printf("Virtual address %x translation fails: %v\n", a, none)
		return nil
	}
	if err != nil {
		return err
	}
	c.printf("Amd64VtoP: Mapped phys %016x, page of %s\n", page.Physical, sizeText(page.Size))
	c.printf("Virtual address %x translates to physical address %x.\n", a, page.Physical)
	return nil
}

func sizeText(n uint64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%d GB", n>>30)
	case n >= 1<<20:
		return fmt.Sprintf("%d MB", n>>20)
	}
	return fmt.Sprintf("%d KB", n>>10)
}

// piece is memory that is mapped without a gap, and by one set of rights.
type piece struct {
	virtual, physical, size uint64
	flags                   uint64
}

// mapped is !ptov: it walks all tables below a root, and joins what lies side by side.
func mapped(c *command) error {
	if err := c.most(3); err != nil {
		return err
	}
	root, err := c.root()
	if n, err2 := c.value(0, 0); err2 != nil {
		return err2
	} else if n != 0 {
		root, err = n&^0xfff, nil
	}
	if err != nil {
		return err
	}
	lo, err := c.value(1, 0)
	if err != nil {
		return err
	}
	hi, err := c.value(2, ^uint64(0))
	if err != nil {
		return err
	}
	c.printf("Amd64PtoV: pagedir %016x\n", root)
	var last piece
	show := func() {
		if last.size > 0 {
			c.printf("%016x  %016x  %10x  %s\n", last.physical, last.virtual, last.size, entryFlags(last.flags))
		}
	}
	c.printf("Physical          Virtual                 Size  Flags\n")
	err = c.leaves(root, 0, 0, lo, hi, func(p piece) {
		if p.virtual == last.virtual+last.size && p.physical == last.physical+last.size && p.flags == last.flags {
			last.size += p.size
			return
		}
		show()
		last = p
	})
	show()
	return err
}

// shownFlags are the bits by which pieces are told apart: rights, not whether they were used.
const shownFlags = 1<<63 | 1<<8 | 7

// leaves calls f with each page that the table at a level maps, in order.
func (c *command) leaves(table uint64, level int, base, lo, hi uint64, f func(piece)) error {
	tables := c.paging().Levels
	l := tables[level]
	p := make([]byte, 8<<l.Bits)
	if err := c.physicalMemory(table, p); err != nil {
		return fmt.Errorf("reading the table at 0x%x: %w", table, err)
	}
	for i := range uint64(1) << l.Bits {
		if c.ctx.Err() != nil {
			return c.ctx.Err()
		}
		e, at := littleEndian(p[8*i:8*i+8]), c.covers(level, base, i)
		if e&1 == 0 || at > hi || at+1<<l.Shift-1 < lo {
			continue
		}
		if level == len(tables)-1 || l.Large && e>>7&1 == 1 {
			f(piece{at, e & frameBits &^ (1<<l.Shift - 1), 1 << l.Shift, e & shownFlags})
			continue
		}
		if err := c.leaves(e&frameBits, level+1, at, lo, hi, f); err != nil {
			return err
		}
	}
	return nil
}

// covers is the first address that entry i of a table at a level translates.
func (c *command) covers(level int, base, i uint64) uint64 {
	l := c.paging().Levels[level]
	at := base | i<<l.Shift
	if level == 0 && i>>(l.Bits-1) == 1 {
		at |= ^uint64(0) << (l.Shift + l.Bits)
	}
	return at
}

func littleEndian(p []byte) (v uint64) {
	for i := range p {
		v |= uint64(p[i]) << (8 * i)
	}
	return v
}

func showSlide(c *command) error {
	set, err := c.options("-", "p")
	if err != nil {
		return err
	}
	if err := c.most(0); err != nil {
		return err
	}
	k := c.s.Kernel()
	if k == nil {
		return ErrNoKernel
	}
	c.printf("%s\nKernel base = %s, found by %s\n", k.Banner, tick(k.Base), k.How)
	if k.Path != "" {
		c.printf("KASLR slide = 0x%x\n", k.Slide)
	} else {
		c.printf("KASLR slide is not known without a vmlinux of build-id %x\n", k.BuildID)
	}
	return showCoreInfo(c, k, set["p"])
}
