package linux

import (
	"context"

	"dap-windbg/arch"
	"dap-windbg/binfmt/elf"
	"dap-windbg/symbols"
	"dap-windbg/systems"
	"dap-windbg/targets"
)

// threadLayout is how a CPU's ABI and glibc lay thread-local storage out around
// the thread pointer (Drepper, "ELF Handling For Thread-Local Storage", 3).
type threadLayout struct {
	register string // that holds the thread pointer
	dtv      int64  // bytes from the thread pointer to the address of the DTV
	above    bool   // variant I: the main image's block lies above the pointer
	gap      uint64 // variant I: bytes between the pointer and that block
}

var threadLayouts = map[string]threadLayout{
	"amd64":   {register: "fs_base", dtv: 8},
	"i386":    {register: "gs_base", dtv: 4},
	"arm64":   {register: "tpidr", dtv: 0, above: true, gap: 16},
	"riscv64": {register: "tp", dtv: -16, above: true},
}

// ThreadPointer returns the thread pointer held in a register; false where the
// CPU keeps it elsewhere or the target does not tell the register.
func ThreadPointer(r *arch.Registers) (arch.Addr, bool) {
	v, ok := r.Get(threadLayouts[r.Set.Arch.Name].register)
	return arch.Addr(v), ok && v != 0
}

// dtvWords is the size of a DTV entry of glibc, in pointers: the block's address,
// and what to free.
const dtvWords = 2

// TLSAddress returns where the variable at off of module's thread-local segment
// lies for the thread whose thread pointer is tp. It reads glibc's own tables: the
// module's number out of its link_map (where in it, glibc tells debuggers by
// _thread_db_link_map_l_tls_modid) and the block's address out of the thread's
// DTV. Without those tables only the main image's block is found, whose place the
// ABI fixes. *symbols.UnavailableError when the thread has not got its block yet.
// Reads follow the rule of symbols.NeedError.
func TLSAddress(ctx context.Context, w systems.World, tp arch.Addr, module targets.Module, off uint64) (arch.Addr, error) {
	cpu := w.Target().Info().Set.Arch
	layout, ok := threadLayouts[cpu.Name]
	if !ok {
		return 0, &symbols.UnavailableError{Reason: "thread-local storage on " + cpu.Name + " is not known"}
	}
	if tp == 0 {
		return 0, &symbols.UnavailableError{Reason: "the thread pointer is not known"}
	}
	t := tls{reader: newReader(ctx, w, cpu), world: w, layout: layout, tp: uint64(tp)}
	block, reason := t.block(module)
	if err := t.end(); err != nil {
		return 0, err
	}
	if reason != "" {
		return 0, &symbols.UnavailableError{Reason: reason}
	}
	return arch.Addr(block + off), nil
}

// TLS is TLSAddress as a method of the system.
func (*System) TLS(ctx context.Context, w systems.World, thread arch.Addr, m targets.Module, off uint64) (arch.Addr, error) {
	return TLSAddress(ctx, w, thread, m, off)
}

// tls is one look-up of a block.
type tls struct {
	*reader
	world  systems.World
	layout threadLayout
	tp     uint64
}

// block returns where the module's block of the thread begins, or why not.
func (t *tls) block(m targets.Module) (uint64, string) {
	if m.Main {
		// The ABI fixes it, no table needs to be read.
		if at, ok := t.static(m); ok {
			return at, ""
		}
	}
	if block, reason, ok := t.musl(m); ok {
		return block, reason
	}
	id, ok := t.moduleID(m)
	if !ok {
		return 0, "the C library's tables for thread-local storage of " + m.Path + " cannot be read"
	}
	if id == 0 {
		return 0, m.Path + " has no thread-local storage"
	}
	dtv := t.words(t.tp+uint64(t.layout.dtv), 1)
	if dtv == nil {
		return 0, "the thread's table of thread-local storage cannot be read"
	}
	// The entry before the first holds how many there are.
	size := t.words(dtv[0]-uint64(dtvWords*t.ptrSize), 1)
	entry := t.words(dtv[0]+id*uint64(dtvWords*t.ptrSize), 1)
	if size == nil || entry == nil || id > size[0] {
		return 0, "the thread has no storage for " + m.Path + " yet"
	}
	unallocated := ^uint64(0)
	if t.ptrSize == 4 {
		unallocated = 0xffffffff
	}
	if entry[0] == 0 || entry[0] == unallocated {
		return 0, "the thread has not used its storage of " + m.Path + " yet"
	}
	return entry[0], ""
}

// musl finds the block in musl's table, which has one word for each image with
// thread-local storage, in the order in which they were loaded and after their
// number (src/internal/pthread_impl.h, ldso/dynlink.c). ok is false for another
// C library: musl's loader is its C library and has a name of its own.
func (t *tls) musl(m targets.Module) (block uint64, reason string, ok bool) {
	debug, err := t.world.Address("_dl_debug_addr") // musl alone has it
	t.note(err)
	head := []uint64(nil)
	if err == nil {
		head = t.words(uint64(debug), 1)
	}
	if head == nil {
		return 0, "", false
	}
	at := t.tp + uint64(t.layout.dtv)
	if t.layout.above { // struct pthread ends at the thread pointer, with the table's address
		at = t.tp - uint64(t.ptrSize)
	}
	table := t.words(at, 1)
	id := uint64(0)
	for _, l := range t.links(head[0]) {
		if !t.hasThreadLocal(l) {
			continue
		}
		id++
		if l.dynamic != uint64(m.Dynamic) && (m.Dynamic != 0 || l.bias != m.Bias) {
			continue
		}
		if table == nil {
			return 0, "the thread's table of thread-local storage cannot be read", true
		}
		entry := t.words(table[0], 1)
		if entry == nil || id > entry[0] {
			return 0, "the thread has no storage for " + m.Path + " yet", true
		}
		if entry = t.words(table[0]+id*uint64(t.ptrSize), 1); entry == nil || entry[0] == 0 {
			return 0, "the thread has no storage for " + m.Path + " yet", true
		}
		if t.layout.above && t.layout.gap == 0 {
			return entry[0] - riscvBias, "", true
		}
		return entry[0], "", true
	}
	return 0, m.Path + " has no thread-local storage", true
}

// riscvBias is how far behind a block's start its pointer in musl's table points
// on RISC-V (DTP_OFFSET).
const riscvBias = 0x800

// hasThreadLocal reports whether an image of the loader's list has a segment of
// thread-local storage.
func (t *tls) hasThreadLocal(l link) bool {
	bases := []uint64{l.bias}
	if l.bias == 0 {
		bases = fixedBases
	}
	for _, base := range bases {
		in := t.mapped(base, targets.Module{Base: arch.Addr(base), Bias: l.bias, Path: l.name})
		if in == nil {
			continue
		}
		for _, s := range in.file.Segments {
			if s.Type == elf.SegTLS {
				return true
			}
		}
		break
	}
	return false
}

// fixedBases are where linkers put programs that cannot be moved.
var fixedBases = []uint64{0x400000, 0x8048000, 0x10000}

// static finds the main image's block by its segment's size and alignment.
func (t *tls) static(m targets.Module) (uint64, bool) {
	main := t.mapped(uint64(m.Base), m)
	if main == nil {
		return 0, false
	}
	for _, s := range main.file.Segments {
		if s.Type != elf.SegTLS {
			continue
		}
		align := max(s.Align, 1)
		if align&(align-1) != 0 {
			return 0, false
		}
		up := func(v uint64) uint64 { return (v + align - 1) &^ (align - 1) }
		if t.layout.above {
			return t.tp + up(t.layout.gap) + s.Vaddr&(align-1), true
		}
		// The block's address is congruent to the segment's, modulo the alignment.
		return t.tp - up(s.Memsz+s.Vaddr&(align-1)) + s.Vaddr&(align-1), true
	}
	return 0, false
}

// moduleID reads l_tls_modid of the module's link_map.
func (t *tls) moduleID(m targets.Module) (uint64, bool) {
	where, err := t.world.Address("_thread_db_link_map_l_tls_modid")
	debug, err2 := t.world.Address("_r_debug")
	t.note(err)
	t.note(err2)
	if err != nil || err2 != nil {
		return 0, false
	}
	var desc [12]byte // bits, count, offset
	n := t.read(uint64(where), desc[:])
	for _, l := range t.links(uint64(debug)) {
		if l.dynamic != uint64(m.Dynamic) && (m.Dynamic != 0 || l.bias != m.Bias) {
			continue
		}
		bits, offset := t.order.Uint32(desc[:]), t.order.Uint32(desc[8:])
		if n < len(desc) || bits != uint32(8*t.ptrSize) || offset > 1<<16 {
			return 0, false
		}
		v := t.words(l.at+uint64(offset), 1)
		if v == nil {
			return 0, false
		}
		return v[0], true
	}
	return 0, false
}
