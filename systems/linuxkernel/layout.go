package linuxkernel

import (
	"cmp"
	"context"
	"slices"

	"dap-windbg/arch"
	"dap-windbg/systems"
)

// This file tells what lies where in the address space that is looked at
// (Documentation/arch/x86/x86_64/mm.rst): a program's areas, then the kernel's own.

// fixed are the parts of the kernel's half that lie where they do by its headers
// (arch/x86/include/asm/pgtable_64_types.h, cpu_entry_area.h).
var fixed = []systems.Region{
	{Start: 0xfffffe0000000000, End: 0xfffffe8000000000, Perms: "rw-p", Path: "[cpu entry area]"},
	{Start: 0xffffff0000000000, End: 0xffffff8000000000, Perms: "rw-p", Path: "[espfix stacks]"},
	{Start: 0xffffffef00000000, End: 0xfffffffeff000000, Perms: "rwxp", Path: "[EFI]"},
	{Start: 0xffffffffff000000, End: 0xffffffffffe00000, Perms: "rw-p", Path: "[fixmap]"},
}

// Parts of the kernel's half that may lie elsewhere: CONFIG_RANDOMIZE_MEMORY moves them,
// and five levels of page tables give them more room.
const (
	vmallocSize4, vmallocSize5 = 32 << 40, 12800 << 40
	vmallocBase4, vmallocBase5 = 0xffffc90000000000, 0xffa0000000000000
	vmemmapBase4, vmemmapBase5 = 0xffffea0000000000, 0xffd4000000000000
	pageOrder                  = 12
	modulesEnd                 = 0xffffffffff000000
)

// Map implements systems.Mapper.
func (s *System) Map(ctx context.Context, d systems.Desk) ([]systems.Region, error) {
	if s.kernel == nil {
		return nil, ErrNoKernel
	}
	c := &command{reader: s.reader(ctx, d), d: d}
	task, err := c.current()
	if err != nil {
		return nil, err
	}
	out := c.areas(arch.Addr(c.get(task, "task_struct", "mm")))
	out = append(out, c.imageParts()...)
	out = append(out, c.moduleParts()...)
	out = append(out, c.mappings()...)
	out = append(out, fixed...)
	slices.SortFunc(out, func(a, b systems.Region) int { return cmp.Compare(a.Start, b.Start) })
	for i := range out {
		if out[i].Base = out[i].Start; i > 0 && out[i].Path != "" && out[i].Path == out[i-1].Path {
			out[i].Base = out[i-1].Base
		}
	}
	return slices.DeleteFunc(out, func(r systems.Region) bool { return r.Start >= r.End }), c.end()
}

// Flags of an area of a program (include/linux/mm.h, VM_*).
const (
	areaRead, areaWrite, areaExecute, areaShared = 1, 2, 4, 8
)

// areas are what a program has mapped: by a tree since 6.1, a list before.
func (r *reader) areas(mm arch.Addr) []systems.Region {
	if mm == 0 {
		return nil
	}
	var out []systems.Region
	heap, stack := r.get(mm, "mm_struct", "start_brk"), r.get(mm, "mm_struct", "start_stack")
	add := func(at arch.Addr) {
		g := systems.Region{Start: arch.Addr(r.get(at, "vm_area_struct", "vm_start")), End: arch.Addr(r.get(at, "vm_area_struct", "vm_end"))}
		flags := []byte("---p")
		bits := r.get(at, "vm_area_struct", "vm_flags")
		for i, f := range []struct {
			bit uint64
			is  byte
		}{{areaRead, 'r'}, {areaWrite, 'w'}, {areaExecute, 'x'}, {areaShared, 's'}} {
			if bits&f.bit != 0 {
				flags[i] = f.is
			}
		}
		g.Perms = string(flags)
		file := arch.Addr(r.get(at, "vm_area_struct", "vm_file"))
		switch {
		case file != 0:
			g.Path = r.filePath(file)
		case uint64(g.Start) <= heap && heap < uint64(g.End):
			g.Path = "[heap]"
		case uint64(g.Start) <= stack && stack < uint64(g.End):
			g.Path = "[stack]"
		}
		out = append(out, g)
	}
	if tree, ok := r.member("mm_struct", "mm_mt"); ok {
		for _, at := range r.mapleTree(mm + tree.offset) {
			add(at)
		}
		return out
	}
	for at, n := arch.Addr(r.get(mm, "mm_struct", "mmap")), 0; at != 0 && n < maxList && !r.stuck(); n++ {
		add(at)
		at = arch.Addr(r.get(at, "vm_area_struct", "vm_next"))
	}
	return out
}

// imageParts are the kernel's own, by the marks of its linker script.
func (r *reader) imageParts() []systems.Region {
	var out []systems.Region
	for _, p := range []struct{ from, to, perms string }{
		{"_text", "_etext", "r-xp"}, {"__start_rodata", "__end_rodata", "r--p"}, {"_sdata", "_edata", "rw-p"}, {"__bss_start", "__bss_stop", "rw-p"},
	} {
		from, ok := r.lookup(p.from)
		to, ok2 := r.lookup(p.to)
		if ok && ok2 {
			out = append(out, systems.Region{Start: from, End: to, Perms: p.perms, Path: "[" + KernelName + "]"})
		}
	}
	return out
}

// modulePerms are those of the parts of a module (enum mod_mem_type, since 6.4).
var modulePerms = []string{"r-xp", "rw-p", "r--p", "r--p", "r-xp", "rw-p", "r--p"}

// moduleParts are where the modules lie: code, what is only read, data.
func (r *reader) moduleParts() []systems.Region {
	var out []systems.Region
	list, ok := r.lookup("modules")
	if !ok {
		return nil
	}
	add := func(base, end uint64, perms, name string) {
		if base < end {
			out = append(out, systems.Region{Start: arch.Addr(base), End: arch.Addr(end), Perms: perms, Path: "[" + name + "]"})
		}
	}
	for at := range r.list(list, "module", "list") {
		name := r.text(r.at(at, "module", "name"), 64)
		if mem, ok := r.member("module", "mem"); ok && mem.typ.Strip().Elem != nil {
			step := arch.Addr(mem.typ.Strip().Elem.ByteSize())
			for i, perms := range modulePerms {
				p := at + mem.offset + arch.Addr(i)*step
				base := r.get(p, "module_memory", "base")
				add(base, base+r.get(p, "module_memory", "size"), perms, name)
			}
			continue
		}
		for _, part := range []string{"core_layout", "init_layout"} {
			base := r.get(at, "module", part+".base")
			text, readOnly, size := base+r.get(at, "module", part+".text_size"), base+r.get(at, "module", part+".ro_size"), base+r.get(at, "module", part+".size")
			add(base, text, "r-xp", name)
			add(text, readOnly, "r--p", name)
			add(max(readOnly, text), size, "rw-p", name)
		}
	}
	return out
}

// mappings are the map of all memory, the descriptions of its pages, and what vmalloc has
// given away, by who asked for it.
func (c *command) mappings() []systems.Region {
	vmalloc, vmemmap, room := arch.Addr(vmallocBase4), arch.Addr(vmemmapBase4), arch.Addr(vmallocSize4)
	if len(c.paging().Levels) == 5 {
		vmalloc, vmemmap, room = vmallocBase5, vmemmapBase5, vmallocSize5
	}
	if at, ok := c.lookup("vmalloc_base"); ok {
		vmalloc = c.pointer(at)
	}
	if at, ok := c.lookup("vmemmap_base"); ok {
		vmemmap = c.pointer(at)
	}
	pages := arch.Addr(c.uint(c.symbol("max_pfn"), 8))
	page := arch.Addr(64) // sizeof(struct page)
	if t, err := c.w.Type("page"); err == nil && t.ByteSize() > 0 {
		page = arch.Addr(t.ByteSize())
	}
	out := []systems.Region{
		{Start: c.directMap(), End: c.directMap() + pages<<pageOrder, Perms: "rw-p", Path: "[direct map]"},
		{Start: vmemmap, End: vmemmap + pages*page, Perms: "rw-p", Path: "[struct page]"},
	}
	list, ok := c.lookup("vmap_area_list")
	if !ok { // since 6.9 there are many
		return append(out, systems.Region{Start: vmalloc, End: vmalloc + room, Perms: "rw-p", Path: "[vmalloc]"})
	}
	for at := range c.list(list, "vmap_area", "list") {
		g := systems.Region{Start: arch.Addr(c.get(at, "vmap_area", "va_start")), End: arch.Addr(c.get(at, "vmap_area", "va_end")), Perms: "rw-p", Path: "[vmalloc]"}
		if g.Start < vmalloc || g.End > vmalloc+room { // a module's
			continue
		}
		if vm := arch.Addr(c.get(at, "vmap_area", "vm")); vm != 0 {
			if by := c.d.Locate(arch.Addr(c.get(vm, "vm_struct", "caller"))); by != "" {
				g.Path = "[vmalloc by " + by + "]"
			}
		}
		out = append(out, g)
	}
	return out
}
