package winkernel

import (
	"encoding/binary"
	"fmt"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

var memoryRows = []row{
	{"!pte", "!pte Address", "the page table entries of an address", (*call).pte},
	{"!vtop", "!vtop [DirBase] Address", "the physical address of a virtual one; DirBase 0 is the current", (*call).vtop},
	{"!vm", "!vm", "memory in use", (*call).vm},
	{"!poolused", "!poolused [Flags [Tag]]", "pool by tag; flags 2 sorts by nonpaged, 4 by paged use", (*call).poolUsed},
	{"!dbgprint", "!dbgprint", "the kernel's buffer of DbgPrint texts", (*call).printed},
	{"!locks", "!locks", "resources that are held", (*call).locks},
}

// Where x64's own page tables lie when the kernel does not say (before 1607).
const (
	fixedPteBase  = 0xfffff68000000000
	narrowPteBase = 0xc0000000 // of x86
)

// pteBase is where the entries of the lowest level begin.
func (c *call) pteBase() uint64 {
	if a := c.s.kernel.block.address(kdPteBase); a != 0 {
		return uint64(a)
	}
	return fixedPteBase
}

// levelNames are WinDbg's, from the top of four.
var levelNames = []string{"PXE", "PPE", "PDE", "PTE"}

// tableEntry is an entry that leads to an address: where it lies in virtual memory,
// and what it holds.
type tableEntry struct {
	name  string
	at    uint64 // virtual, in the self-map
	value uint64
}

// entries walks the tables of the space that is looked at.
func (c *call) entries(root uint64, a arch.Addr) ([]tableEntry, error) {
	tables, names, self := c.tables(uint64(a))
	phys := c.Memory(targets.Space{Physical: true})
	table := root & 0x000ffffffffff000
	if tables == arch.PAE {
		table = root & 0xffffffe0
	}
	var out []tableEntry
	for i, l := range tables.Levels {
		var b [8]byte
		at := arch.Addr(table + uint64(a)>>l.Shift&(1<<l.Bits-1)*uint64(tables.Entry))
		if _, err := phys.ReadMemory(c.ctx, at, b[:tables.Entry]); err != nil {
			return out, fmt.Errorf("reading the %s of %s: %w", names[i], hex(c.s, a), err)
		}
		v := binary.LittleEndian.Uint64(b[:])
		out = append(out, tableEntry{names[i], self[i], v})
		if v&1 == 0 || v&0x80 != 0 && l.Large {
			break
		}
		table = v & 0x000ffffffffff000
	}
	return out, nil
}

// tables is how the machine translates, the names of its levels, and where the entries
// of an address lie in virtual memory; those of PAE's root do not.
func (c *call) tables(a uint64) (*arch.Paging, []string, []uint64) {
	switch p := c.s.Paging(); p {
	case arch.PAE:
		return p, levelNames[1:], []uint64{0, narrowPteBase + 0x600000 + a>>21*8, narrowPteBase + a>>12*8}
	case arch.TwoLevel:
		return p, levelNames[2:], []uint64{narrowPteBase + 0x300000 + a>>22*4, narrowPteBase + a>>12*4}
	default:
		self := selfMap(c.pteBase(), a)
		return p, levelNames, self[:]
	}
}

// Paging is how the kernel's machine translates addresses, by what its data block says.
func (s *System) Paging() *arch.Paging {
	switch {
	case s.width() == 8:
		return arch.FourLevel
	case s.kernel.block.u16(kdPae)&1 != 0:
		return arch.PAE
	}
	return arch.TwoLevel
}

// selfMap is where the entries of an address lie, from the top level down.
func selfMap(base, a uint64) [4]uint64 {
	const mask = 0x7ffffffff8
	pte := base + a>>9&mask
	pde := base + pte>>9&mask
	ppe := base + pde>>9&mask
	return [4]uint64{base + ppe>>9&mask, ppe, pde, pte}
}

// root is the page table root that is looked through.
func (c *call) root() (uint64, error) {
	if r := c.Context().Root; r != 0 {
		return r, nil
	}
	regs, err := c.Target().Registers(c.ctx, c.Processor())
	if err != nil {
		return 0, err
	}
	if v, ok := regs.Get("cr3"); ok && v != 0 {
		return v &^ 0xfff, nil
	}
	at, err := c.currentProcess()
	if err != nil {
		return 0, err
	}
	v := c.get(at, "_EPROCESS", "Pcb.DirectoryTableBase")
	return v &^ 0xfff, c.end()
}

func (c *call) pte() error {
	if len(c.words) == 0 {
		return c.usage("")
	}
	v, err := c.number(0, 0)
	if err != nil {
		return err
	}
	root, err := c.root()
	if err != nil {
		return err
	}
	all, err := c.entries(root, c.s.address(v))
	if err != nil {
		return err
	}
	c.printf("%*sVA %s\n", 43, "", hex(c.s, c.s.address(v)))
	var at, holds, flags strings.Builder
	for _, e := range all {
		fmt.Fprintf(&at, "%s at %0*X    ", e.name, 2*c.s.width(), e.at)
		fmt.Fprintf(&holds, "contains %0*X  ", 2*c.s.Paging().Entry, e.value)
		fmt.Fprintf(&flags, "%-26s", c.pageText(e))
	}
	for _, b := range []*strings.Builder{&at, &holds, &flags} {
		c.printf("%s\n", strings.TrimRight(b.String(), " "))
	}
	return nil
}

// pageText is an entry's page frame and flags, or why it has none.
func (c *call) pageText(e tableEntry) string {
	v := e.value
	if v&1 == 0 {
		return invalidText(v, c.s.Paging().Entry == 4)
	}
	flag := func(bit uint, on, off byte) byte {
		if v>>bit&1 != 0 {
			return on
		}
		return off
	}
	text := []byte{flag(9, 'C', '-'), flag(8, 'G', '-'), flag(7, 'L', '-'), flag(6, 'D', '-'), flag(5, 'A', '-'), flag(4, 'N', '-'), flag(3, 'T', '-'),
		flag(2, 'U', 'K'), flag(1, 'W', 'R'), flag(63, '-', 'E'), 'V'}
	return fmt.Sprintf("pfn %-9x %s", v&0x000ffffffffff000>>12, text)
}

// invalidText says what an entry that is not valid stands for (MMPTE's forms).
func invalidText(v uint64, two bool) string {
	if two {
		switch {
		case v == 0:
		case v>>10&1 != 0:
			return fmt.Sprintf("not valid, Proto: %x", v>>11)
		case v>>11&1 != 0:
			return fmt.Sprintf("not valid, Transition: %x, Protect: %d", v>>12, v>>5&0x1f)
		default:
			return fmt.Sprintf("not valid, PageFile: %d, Offset: %x, Protect: %d", v>>1&0xf, v>>12, v>>5&0x1f)
		}
	}
	switch {
	case v == 0:
		return "not valid"
	case v>>10&1 != 0:
		return fmt.Sprintf("not valid, Proto: %016x", v>>16)
	case v>>11&1 != 0:
		return fmt.Sprintf("not valid, Transition: %x, Protect: %d", v&0x0000fffffffff000>>12, v>>5&0x1f)
	}
	return fmt.Sprintf("not valid, PageFile: %d, Offset: %x, Protect: %d", v>>1&0xf, v>>32, v>>5&0x1f)
}

func (c *call) vtop() error {
	if len(c.words) == 0 {
		return c.usage("")
	}
	first, err := c.number(0, 0)
	if err != nil {
		return err
	}
	root, a := first, first
	if len(c.words) > 1 {
		if a, err = c.number(1, 0); err != nil {
			return err
		}
	} else {
		root = 0
	}
	if root == 0 {
		if root, err = c.root(); err != nil {
			return err
		}
	} else if root < 1<<20 { // a page frame
		root <<= 12
	}
	a = uint64(c.s.address(a))
	all, err := c.entries(root, arch.Addr(a))
	label := map[int]string{8: "Amd64VtoP", 4: "X86VtoP"}[c.s.width()]
	c.printf("%s: Virt %s, pagedir %s\n", label, hex(c.s, a), hex(c.s, root))
	for _, e := range all {
		c.printf("%s: %s %s\n", label, e.name, hex(c.s, e.value))
	}
	if err != nil {
		return err
	}
	last := all[len(all)-1]
	shift := uint(c.s.Paging().Levels[len(all)-1].Shift)
	switch {
	case last.value&1 != 0:
		size := uint64(1) << shift
		page := last.value&0x000ffffffffff000&^(size-1) | a&(size-1)
		kind := map[uint]string{30: "Huge page mapped phys", 22: "Large page mapped phys", 21: "Large page mapped phys", 12: "Mapped phys"}[shift]
		c.printf("%s: %s %s\nVirtual address %x translates to physical address %x.\n", label, kind, hex(c.s, page), a, page)
	case len(all) == len(c.s.Paging().Levels) && last.value>>10&1 == 0 && last.value>>11&1 != 0:
		page := last.value&0x0000fffffffff000 | a&0xfff
		c.printf("%s: Transition phys %s\nVirtual address %x translates to physical address %x.\n", label, hex(c.s, page), a, page)
	default:
		c.printf("%s: %s\nVirtual address %x translation fails, error 0xD0000147.\n", label, invalidText(last.value, c.s.Paging().Entry == 4), a)
	}
	return nil
}

// pages of memory are counted in variables of the kernel.
var counts = []struct{ label, symbol string }{
	{"Physical Memory", "MmNumberOfPhysicalPages"}, {"Available Pages", "MmAvailablePages"}, {"Commit Limit", "MmTotalCommitLimit"}, {"Committed", "MmTotalCommittedPages"},
	{"ResAvail Pages", "MmResidentAvailablePages"}, {"Modified Pages", "MmModifiedPageCount"},
}

func (c *call) vm() error {
	found := false
	for _, f := range counts {
		at, ok := c.symbol(f.symbol)
		if !ok {
			continue
		}
		n := c.uint(at, c.s.width())
		if err := c.settle(); err != nil {
			continue
		}
		if !found {
			c.printf("\n*** Virtual Memory Usage ***\n")
			found = true
		}
		c.printf("\t%-22s %10d ( %10d Kb)\n", f.label+":", n, n*4)
	}
	if !found {
		return &FieldError{"memory management", "MmAvailablePages"}
	}
	return nil
}

func (c *call) poolUsed() error {
	flags, err := c.number(0, 0)
	if err != nil {
		return err
	}
	tag := ""
	if len(c.words) > 1 {
		tag = c.words[1]
	}
	rows, err := c.pools()
	if err != nil {
		return err
	}
	sortPools(rows, flags)
	c.printf("\n %-8s %10s %10s %10s %10s\n %-8s %10s %10s %10s %10s\n", "", "NonPaged", "", "Paged", "", "Tag", "Allocs", "Used", "Allocs", "Used")
	var total pool
	for _, p := range rows {
		if tag != "" && !matchTag(tag, p.tag) {
			continue
		}
		c.printf(" %-8s %10d %10d %10d %10d\n", p.tag, p.allocs, p.bytes, p.pagedAllocs, p.pagedBytes)
		total.allocs, total.bytes, total.pagedAllocs, total.pagedBytes = total.allocs+p.allocs, total.bytes+p.bytes, total.pagedAllocs+p.pagedAllocs, total.pagedBytes+p.pagedBytes
	}
	c.printf(" %-8s %10d %10d %10d %10d\n", "TOTAL", total.allocs, total.bytes, total.pagedAllocs, total.pagedBytes)
	return nil
}

// pool is a tag's row, allocations less frees.
type pool struct {
	tag                                    string
	allocs, bytes, pagedAllocs, pagedBytes uint64
}

const maxPools = 16384 // rows of the tracker's table

func (c *call) pools() ([]pool, error) {
	table, ok := c.symbol("PoolTrackTable")
	size, ok2 := c.symbol("PoolTrackTableSize")
	row := c.size("_POOL_TRACKER_TABLE")
	if !ok || !ok2 || row == 0 {
		return nil, &FieldError{"the pool", "PoolTrackTable"}
	}
	if first := c.pointer(table); c.s.kernelSpace(uint64(first)) { // a pointer to the table, as in Windows
		table = first
	}
	n := min(c.uint(size, 4), maxPools)
	c.touchAll(table, int(n)*row)
	var out []pool
	for i := range n {
		at := table + arch.Addr(int(i)*row)
		key := c.uint(at, 4)
		if key == 0 {
			continue
		}
		p := pool{tag: tagText(uint32(key))}
		p.allocs = c.either(at, "NonPagedAllocs") - c.either(at, "NonPagedFrees")
		p.pagedAllocs = c.either(at, "PagedAllocs") - c.either(at, "PagedFrees")
		p.bytes, p.pagedBytes = c.either(at, "NonPagedBytes"), c.either(at, "PagedBytes")
		out = append(out, p)
		if c.stuck() {
			break
		}
	}
	return out, c.end()
}

func (c *call) either(at arch.Addr, path string) uint64 {
	v, _ := c.try(at, "_POOL_TRACKER_TABLE", path)
	return v
}

func tagText(v uint32) string {
	b := binary.LittleEndian.AppendUint32(nil, v)
	for i := range b {
		if b[i] < 0x20 || b[i] > 0x7e {
			b[i] = '.'
		}
	}
	return string(b)
}

func sortPools(rows []pool, flags uint64) {
	less := func(a, b pool) bool { return a.tag < b.tag }
	switch {
	case flags&2 != 0:
		less = func(a, b pool) bool { return a.bytes > b.bytes }
	case flags&4 != 0:
		less = func(a, b pool) bool { return a.pagedBytes > b.pagedBytes }
	}
	for i := 1; i < len(rows); i++ {
		for k := i; k > 0 && less(rows[k], rows[k-1]); k-- {
			rows[k], rows[k-1] = rows[k-1], rows[k]
		}
	}
}

// matchTag compares with a pattern of * and ?.
func matchTag(pattern, s string) bool {
	switch {
	case pattern == "":
		return s == ""
	case pattern[0] == '*':
		return matchTag(pattern[1:], s) || s != "" && matchTag(pattern, s[1:])
	}
	return s != "" && (pattern[0] == '?' || pattern[0] == s[0]) && matchTag(pattern[1:], s[1:])
}

const maxPrint = 4 << 20

// printed writes the ring of DbgPrint texts, the oldest first.
func (c *call) printed() error {
	b := c.s.kernel.block
	start, end, write := b.address(kdPrintStart), b.address(kdPrintEnd), b.address(kdPrintWrite)
	if start == 0 || end <= start || end-start > maxPrint || write == 0 {
		return &FieldError{"the debugger data block", "the print buffer"}
	}
	at := c.pointer(write)
	rolled := c.uint(b.address(kdPrintRollover), 4) != 0
	if at < start || at > end || c.stuck() {
		return c.end()
	}
	var text []byte
	part := func(lo, hi arch.Addr) {
		p := make([]byte, hi-lo)
		if c.reader.read(lo, p) {
			text = append(text, p...)
		}
	}
	if rolled {
		part(at, end)
	}
	part(start, at)
	c.printf("%s\n", strings.Trim(strings.ReplaceAll(string(text), "\x00", ""), "\n"))
	return c.end()
}

// Bits of an ERESOURCE's Flag.
const ownedExclusive = 0x80

func (c *call) locks() error {
	head, ok := c.variable(kdSystemResources, "ExpSystemResourcesList")
	links, known := c.find("_ERESOURCE", "SystemResourcesList")
	if !ok || !known {
		return &FieldError{"_ERESOURCE", "SystemResourcesList"}
	}
	c.printf("**** DUMP OF ALL RESOURCE OBJECTS ****\n")
	n, held := 0, 0
	for at := range c.list(head, links.off) {
		n++
		active := c.get(at, "_ERESOURCE", "ActiveCount")
		if active == 0 {
			continue
		}
		held++
		how := fmt.Sprintf("Shared %d owning threads", active)
		if c.get(at, "_ERESOURCE", "Flag")&ownedExclusive != 0 {
			how = "Exclusively owned"
		}
		c.printf("\nResource @ %s (0x%s)    %s\n", c.locate(at), hex(c.s, at), how)
		if v, _ := c.try(at, "_ERESOURCE", "ContentionCount"); v != 0 {
			c.printf("    Contention Count = %d\n", v)
		}
		if owner, _ := c.try(at, "_ERESOURCE", "OwnerEntry.OwnerThread"); owner != 0 {
			count, _ := c.try(at, "_ERESOURCE", "OwnerEntry.OwnerCount")
			c.printf("     Threads: %s-%02d<*>\n", hex(c.s, owner), count)
		}
	}
	c.printf("%d total locks, %d locks currently held\n", n, held)
	return c.end()
}
