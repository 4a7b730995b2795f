package linuxkernel

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/symbols"
	"dap-windbg/systems"
	"dap-windbg/targets"
)

// states of a module (include/linux/module.h, enum module_state).
const unformed = 3 // it is put together, or taken apart

const moduleNameLen = 56 // MODULE_NAME_LEN with 8-byte words

// Modules implements systems.System: the kernel, then what it has loaded.
func (s *System) Modules(ctx context.Context, w systems.World) ([]targets.Module, error) {
	if s.kernel == nil {
		k, err := s.find(ctx, w)
		if errors.Is(err, ErrNoKernel) {
			return s.given(), fmt.Errorf("%w: %w", err, systems.ErrNotYet)
		}
		if err != nil {
			return nil, err
		}
		s.kernel = k
		s.mu.Lock()
		s.release = k.Release
		s.mu.Unlock()
	}
	k := s.kernel
	out := []targets.Module{{Path: KernelName, Base: k.Base, Size: k.Size, Bias: k.Slide, BuildID: k.BuildID, Main: true}}
	r := s.reader(ctx, w)
	if _, ok := r.lookup("modules"); !ok {
		return out, systems.ErrNotYet
	}
	out = append(out, r.modules()...)
	if r.need != nil || ctx.Err() != nil {
		return nil, r.end()
	}
	if r.err != nil && len(s.loaded) > 0 {
		return nil, r.err // what was read before is better than what a torn list has
	}
	return out, nil
}

// given is the kernel of the vmlinux that the user has named where it was linked to lie, for wishes
// to be planted before the machine has a kernel.
func (s *System) given() []targets.Module {
	if s.o.Given == nil {
		return nil
	}
	img := s.o.Given()
	if img == nil {
		return nil
	}
	return []targets.Module{{Path: KernelName, Base: arch.Addr(img.LinkBase()), Size: img.Size(), BuildID: img.Key().BuildID, Main: true}}
}

// loaded is a struct module that was seen.
type loaded struct {
	name string
	base arch.Addr // the lowest of its parts when it was first seen
}

// modules walks the kernel's list.
func (r *reader) modules() []targets.Module {
	var out []targets.Module
	seen := map[arch.Addr]loaded{}
	for at := range r.list(r.symbol("modules"), "module", "list") {
		r.touchModule(at)
		if r.get(at, "module", "state") == unformed {
			continue
		}
		name := r.text(r.at(at, "module", "name"), moduleNameLen)
		parts := r.parts(at)
		id := r.moduleBuildID(at)
		if r.stuck() {
			break
		}
		if name == "" || len(parts) == 0 {
			continue
		}
		l := loaded{name: name, base: parts[0].Addr}
		for _, p := range parts {
			l.base = min(l.base, p.Addr)
		}
		if old, ok := r.s.loaded[at]; ok && old.name == name && held(parts, old.base, l.base) {
			l = old
		}
		seen[at] = l
		out = append(out, targets.Module{Path: name + ".ko", Base: l.base, Size: extent(parts, l.base), BuildID: id, Parts: parts})
	}
	if !r.stuck() {
		r.s.loaded = seen
	}
	return out
}

// held reports whether a module may keep its old base: it lost what lay below, no more.
func held(parts []targets.Part, old, now arch.Addr) bool { return old <= now && now-old < 1<<31 }

func extent(parts []targets.Part, base arch.Addr) uint64 {
	var end arch.Addr
	for _, p := range parts {
		end = max(end, p.Addr+arch.Addr(p.Size))
	}
	return uint64(end - base)
}

// touchModule fetches together what is read of a struct module.
func (r *reader) touchModule(at arch.Addr) {
	var end arch.Addr
	for _, m := range []string{"state", "name", "build_id", "core_layout", "init_layout", "mem"} {
		if f, ok := r.member("module", m); ok {
			end = max(end, f.offset+arch.Addr(f.size))
		}
	}
	if end > 0 && end < 4096 {
		r.touch(at, int(end))
	}
}

// parts are where a module lies: since 6.4 an array, before that a part that stays and
// one for its init.
func (r *reader) parts(at arch.Addr) []targets.Part {
	var out []targets.Part
	add := func(base, size uint64) {
		if base != 0 && size != 0 {
			out = append(out, targets.Part{Addr: arch.Addr(base), Size: size})
		}
	}
	if mem, ok := r.member("module", "mem"); ok {
		array := mem.typ.Strip()
		if array.Kind != symbols.Array || array.Elem == nil || array.Count > 64 {
			return nil
		}
		step := arch.Addr(array.Elem.ByteSize())
		for i := range arch.Addr(max(array.Count, 0)) {
			p := at + mem.offset + i*step
			add(r.get(p, "module_memory", "base"), r.get(p, "module_memory", "size"))
		}
		return out
	}
	for _, m := range []string{"core_layout", "init_layout"} {
		add(r.get(at, "module", m+".base"), r.get(at, "module", m+".size"))
	}
	return out
}

func (r *reader) moduleBuildID(at arch.Addr) []byte {
	f, ok := r.member("module", "build_id")
	if !ok || f.size > 64 {
		return nil
	}
	id := make([]byte, f.size)
	if !r.read(at+f.offset, id) || strings.Trim(string(id), "\x00") == "" {
		return nil
	}
	return id
}

// Notices implements systems.Noticer. A module's memory is freed by module_memfree,
// that of its init too; newer kernels have other names for it.
func (*System) Notices() []string {
	return []string{"do_init_module", "module_memfree", "free_mod_mem", "module_memory_free"}
}

// ActiveCPU implements systems.Inner (kernel/debug/debug_core.c).
func (*System) ActiveCPU() string { return "kgdb_active" }

// StepsAlone implements systems.Inner (kernel/debug/debug_core.c). On x86 the kernel itself
// never sets it.
func (*System) StepsAlone() string { return "kgdb_single_step" }

// Standing implements systems.Inner (kernel/debug/debug_core.c).
func (*System) Standing() string { return "slaves_in_kgdb" }

// Entered implements systems.Inner (kernel/debug/debug_core.h; struct pt_regs in
// arch/x86/include/asm/ptrace.h).
func (s *System) Entered(ctx context.Context, w systems.World, cpu int) (arch.Addr, error) {
	r := s.reader(ctx, w)
	info := r.symbol("kgdb_info") + arch.Addr(cpu)*r.sizeOf("debuggerinfo_struct")
	regs := arch.Addr(r.get(info, "debuggerinfo_struct", "debuggerinfo"))
	at := r.at(regs, "pt_regs", "ip")
	if err := r.end(); err != nil {
		return 0, err
	}
	if regs == 0 {
		return 0, fmt.Errorf("processor %d is not in the kernel's debugger", cpu)
	}
	return at, nil
}

// Untrapped implements systems.Inner: what is called, when traps are planted and taken away
// one by one, by text_poke_kgdb (arch/x86/kernel/alternative.c) and by kgdb_cpu_enter around
// it (kernel/debug/debug_core.c). The kernel refuses only what kprobes may not touch.
func (*System) Untrapped() []string {
	return []string{
		"__kgdb_notify", "kgdb_notify", "kgdb_ll_trap", "kgdb_nmi_handler", "kgdb_nmicallback", "kgdb_handle_exception", "kgdb_cpu_enter", "dbg_activate_sw_breakpoints", "dbg_deactivate_sw_breakpoints", "dbg_set_sw_break",
		"kgdb_validate_break_address", "kgdb_arch_set_breakpoint", "kgdb_arch_remove_breakpoint", "kgdb_roundup_cpus", "kgdb_skipexception",
		"text_poke_kgdb", "__text_poke", "text_poke_memcpy", "__get_locked_pte", "walk_to_pmd", "_raw_spin_lock", "_raw_spin_trylock", "_raw_spin_unlock",
		"core_kernel_text", "vmalloc_to_page", "leave_mm", "switch_mm_irqs_off", "cr4_update_irqsoff", "flush_tlb_mm_range", "flush_tlb_func",
		"hw_breakpoint_restore", "memcmp", "memcpy", "__memcpy", "_find_next_bit",
		"copy_from_kernel_nofault", "copy_from_kernel_nofault_allowed", "copy_to_kernel_nofault", "within_kprobe_blacklist",
	}
}

// Watch implements systems.System.
func (s *System) Watch() []string { return s.Notices() }

// module is the struct module of a row of the list.
func (s *System) module(m targets.Module) (arch.Addr, bool) {
	for at, l := range s.loaded {
		if l.base == m.Base && l.name+".ko" == m.Path {
			return at, true
		}
	}
	return 0, false
}

// maxSections bounds what a module may have.
const maxSections = 4096

// Place implements systems.Placer: it remembers where a module's sections lie, which
// the kernel keeps for /sys/module/NAME/sections.
func (s *System) Place(ctx context.Context, w systems.World, m targets.Module) error {
	at, ok := s.module(m)
	if !ok {
		return nil // the kernel's sections lie as they were linked
	}
	r := s.reader(ctx, w)
	sections := r.sections(at, m.Base)
	if err := r.end(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.places == nil {
		s.places = map[string]Placement{}
	}
	s.places[m.Path] = Placement{Base: m.Base, Sections: sections}
	return nil
}

// Release of the kernel that was found, "" unknown. It may be asked for at any time,
// from anywhere.
func (s *System) Release() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.release
}

// Placement is where the sections of a module lie.
type Placement struct {
	Base     arch.Addr
	Sections map[string]uint64 // by name
}

// Placement of the module that the list calls path. It may be asked for at any time,
// from anywhere.
func (s *System) Placement(path string) (Placement, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.places[path]
	return p, ok
}

// sections reads struct module_sect_attrs (kernel/module/sysfs.c). What lies below base
// is gone: it was init's.
func (r *reader) sections(module, base arch.Addr) map[string]uint64 {
	out := map[string]uint64{}
	attrs := arch.Addr(r.get(module, "module", "sect_attrs"))
	if attrs == 0 {
		return out
	}
	n := r.get(attrs, "module_sect_attrs", "nsections")
	first := r.at(attrs, "module_sect_attrs", "attrs")
	one, err := r.w.Type("module_sect_attr")
	if err != nil || n > maxSections {
		r.note(&FieldError{Type: "module_sect_attr"})
		return out
	}
	step := arch.Addr(one.ByteSize())
	r.touch(first, int(n)*int(step))
	name := r.field("module_sect_attr", "battr.attr.name")
	for i := range arch.Addr(n) {
		at := first + i*step
		text := r.text(r.pointer(at+name.offset), 256)
		addr := r.get(at, "module_sect_attr", "address")
		if text != "" && addr >= uint64(base) {
			out[text] = addr
		}
	}
	return out
}
