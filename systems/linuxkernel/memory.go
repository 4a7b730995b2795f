package linuxkernel

import (
	"fmt"
	"strings"

	"dap-windbg/arch"
)

// This file shows what memory is used for: caches of the slab allocator, page frames,
// counters, per-CPU variables.

// memmap is where struct pages lie (CONFIG_SPARSEMEM_VMEMMAP).
func (r *reader) memmap() arch.Addr {
	if at, ok := r.lookup("vmemmap_base"); ok {
		return r.pointer(at)
	}
	return 0xffffea0000000000 // __VMEMMAP_BASE_L4
}

// lowestKernel: addresses from here on are not page frame numbers.
const lowestKernel = 1 << 47

func pageFrame(c *command) error {
	if len(c.args) != 1 {
		return c.usage(1)
	}
	n, err := c.value(0, 0)
	if err != nil {
		return err
	}
	if n >= lowestKernel {
		root, err := c.root()
		if err != nil {
			return err
		}
		page, _, err := c.walk(arch.Addr(n), root)
		if err != nil {
			return err
		}
		n = page.Physical >> 12
	}
	at := c.memmap() + arch.Addr(n)*c.sizeOf("page")
	flags := c.get(at, "page", "flags")
	c.printf("    PFN %x at address %s\n", n, address(at))
	c.printf("    flags       %016x  %s\n", flags, strings.Join(c.bitNames("pageflags", flags, "PG_"), " "))
	c.printf("    references  %d  mapped %d times\n", int32(c.get(at, "page", "_refcount.counter")), int32(c.get(at, "page", "_mapcount.counter"))+1)
	c.printf("    mapping     %s  index %x\n", address(arch.Addr(c.get(at, "page", "mapping"))), c.get(at, "page", "index"))
	return nil
}

// bitNames names the bits that are set by an enum that numbers them.
func (r *reader) bitNames(enum string, value uint64, prefix string) []string {
	t, err := r.w.Type(enum)
	if err != nil {
		return nil
	}
	var out []string
	last := int64(64)
	for _, e := range t.Members().Enumerators {
		if e.Name == "__NR_PAGEFLAGS" {
			last = e.Value
		}
	}
	done := map[int64]bool{}
	for _, e := range t.Members().Enumerators {
		if e.Value >= 0 && e.Value < last && value>>e.Value&1 == 1 && !done[e.Value] {
			out = append(out, strings.TrimPrefix(e.Name, prefix))
			done[e.Value] = true
		}
	}
	return out
}

// slabs is !slab: kmem_caches by the list slab_caches (mm/slub.c).
func slabs(c *command) error {
	set, pattern, err := c.filtered("v")
	if err != nil {
		return err
	}
	c.printf("Cache             Object    Size  Objects   Slabs  Name\n")
	for at := range c.list(c.symbol("slab_caches"), "kmem_cache", "list") {
		name := c.text(arch.Addr(c.get(at, "kmem_cache", "name")), 128)
		if pattern != "" && !strings.Contains(name, pattern) {
			continue
		}
		objects, slabs, known := c.slabCounts(at)
		counts := "      ?       ?"
		if known {
			counts = fmt.Sprintf("%7d %7d", objects, slabs)
		}
		if c.stuck() {
			return nil
		}
		c.printf("%s  %6d  %6d  %s  %s\n", address(at), c.get(at, "kmem_cache", "object_size"), c.get(at, "kmem_cache", "size"), counts, name)
		if set["v"] {
			if ctor := arch.Addr(c.get(at, "kmem_cache", "ctor")); ctor != 0 {
				c.printf("    constructor %s\n", c.located(ctor))
			}
			c.printf("    aliases %d  alignment %d  offset of the free pointer %x\n", c.get(at, "kmem_cache", "refcount"), c.get(at, "kmem_cache", "align"), c.get(at, "kmem_cache", "offset"))
		}
	}
	return nil
}

// slabCounts adds up the nodes of a cache, where the kernel counts (CONFIG_SLUB_DEBUG).
func (r *reader) slabCounts(cache arch.Addr) (objects, slabs uint64, known bool) {
	total, ok := r.member("kmem_cache_node", "total_objects.counter")
	nodes, ok2 := r.member("kmem_cache", "node")
	if !ok || !ok2 {
		return 0, 0, false
	}
	for n := range arch.Addr(min(nodes.count(), 1024)) {
		node := r.pointer(cache + nodes.offset + 8*n)
		if node == 0 || r.stuck() {
			break
		}
		objects += r.uint(node+total.offset, 8)
		slabs += r.get(node, "kmem_cache_node", "nr_slabs.counter")
	}
	return objects, slabs, true
}

// counters reads an array of atomic_long_t by the enumerators that number it, up to last.
func (r *reader) counters(array, enum, last string) (names []string, values map[string]int64) {
	values = map[string]int64{}
	t, err := r.w.Type(enum)
	if err != nil {
		r.note(&FieldError{Type: enum})
		return nil, values
	}
	at := r.symbol(array)
	for _, e := range t.Members().Enumerators {
		if e.Name == last {
			break
		}
		if _, twice := values[e.Name]; twice || e.Value < 0 || e.Value > 1024 {
			continue
		}
		names = append(names, e.Name)
		values[e.Name] = int64(r.uint(at+arch.Addr(8*e.Value), 8))
	}
	return names, values
}

// memoryCounts is !vm: what /proc/meminfo begins with.
func memoryCounts(c *command) error {
	if err := c.most(0); err != nil {
		return err
	}
	_, zone := c.counters("vm_zone_stat", "zone_stat_item", "NR_VM_ZONE_STAT_ITEMS")
	_, node := c.counters("vm_node_stat", "node_stat_item", "NR_VM_NODE_STAT_ITEMS")
	total := c.uint(c.symbol("_totalram_pages"), 8)
	if c.stuck() {
		return nil
	}
	for _, l := range []struct {
		name  string
		pages int64
	}{
		{"Total", int64(total)}, {"Free", zone["NR_FREE_PAGES"]}, {"File cache", node["NR_FILE_PAGES"]}, {"Shared", node["NR_SHMEM"]},
		{"Anonymous", node["NR_ANON_MAPPED"]}, {"Mapped files", node["NR_FILE_MAPPED"]}, {"Dirty", node["NR_FILE_DIRTY"]}, {"Writeback", node["NR_WRITEBACK"]},
	} {
		c.printf("%-14s %10d pages  %12d KB\n", l.name+":", l.pages, 4*l.pages)
	}
	for _, l := range []struct{ title, name string }{{"Slab", "NR_SLAB_RECLAIMABLE_B"}, {"Slab kept", "NR_SLAB_UNRECLAIMABLE_B"}, {"Page tables", "NR_PAGETABLE"}} {
		if v, ok := node[l.name]; ok {
			c.printf("%-14s %10d pages  %12d KB\n", l.title+":", v, 4*v)
		}
	}
	if v, ok := node["NR_KERNEL_STACK_KB"]; ok {
		c.printf("%-14s %17s %12d KB\n", "Kernel stacks:", "", v)
	}
	return nil
}

// memoryEvents is !vmstat.
func memoryEvents(c *command) error {
	if err := c.most(1); err != nil {
		return err
	}
	show := func(name string, v int64) {
		if len(c.args) == 0 || strings.Contains(strings.ToLower(name), strings.ToLower(strings.Trim(c.args[0], `"`))) {
			c.printf("%-32s %d\n", name, v)
		}
	}
	for _, s := range [][3]string{{"vm_zone_stat", "zone_stat_item", "NR_VM_ZONE_STAT_ITEMS"}, {"vm_node_stat", "node_stat_item", "NR_VM_NODE_STAT_ITEMS"}} {
		names, values := c.counters(s[0], s[1], s[2])
		for _, n := range names {
			show(n, values[n])
		}
	}
	t, err := c.w.Type("vm_event_item")
	if err != nil {
		return &FieldError{Type: "vm_event_item"}
	}
	online := c.online()
	for _, e := range t.Members().Enumerators {
		if e.Name == "NR_VM_EVENT_ITEMS" || c.stuck() {
			break
		}
		var sum uint64
		for _, on := range online {
			sum += c.uint(c.perCPU("vm_event_states", on)+arch.Addr(8*e.Value), 8)
		}
		show(e.Name, int64(sum))
	}
	return nil
}

// perCPUVariable is !percpu: where each processor's own of a variable lies, and what
// its first bytes are.
func perCPUVariable(c *command) error {
	if len(c.args) < 1 || len(c.args) > 2 {
		return c.usage(2)
	}
	only, err := c.value(1, ^uint64(0))
	if err != nil {
		return err
	}
	name := bare(strings.Trim(c.args[0], `"`))
	if !c.ownEach(c.symbol(name)) && !c.stuck() {
		return failed("%s is no per-CPU variable: the kernel has one of it for all processors", name)
	}
	for _, on := range c.online() {
		if only != ^uint64(0) && only != uint64(on.number) {
			continue
		}
		at := c.perCPU(name, on)
		v := c.uint(at, 8)
		if c.stuck() {
			return nil
		}
		c.printf("CPU %d  %s  %016x", on.number, address(at), v)
		if where := c.d.Locate(arch.Addr(v)); where != "" && v >= lowestKernel {
			c.printf("  %s", where)
		}
		c.printf("\n")
	}
	return nil
}
