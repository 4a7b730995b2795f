package linux

import (
	"context"

	"dap-windbg/arch"
	"dap-windbg/symbols"
	"dap-windbg/systems"
)

// maxThreads bounds a walk over a list of threads.
const maxThreads = 1 << 16

// ThreadPointer finds the thread pointer of thread tid in glibc's own lists of
// threads, for targets that do not tell the register that holds it. glibc tells
// debuggers where things are in its structures by the symbols that libthread_db
// reads too (nptl_db/db_info.c). Reads follow the rule of symbols.NeedError.
func (*System) ThreadPointer(ctx context.Context, w systems.World, tid int64) (arch.Addr, error) {
	cpu := w.Target().Info().Set.Arch
	layout, ok := threadLayouts[cpu.Name]
	t := tls{reader: newReader(ctx, w, cpu), world: w, layout: layout}
	var at uint64
	if ok {
		at = t.pthread(uint32(tid))
		if size, ok := t.number("_thread_db_sizeof_pthread"); at != 0 && layout.above {
			if at += uint64(size); !ok {
				at = 0
			}
		}
	}
	if err := t.end(); err != nil {
		return 0, err
	}
	if at == 0 {
		return 0, &symbols.UnavailableError{Reason: "the thread pointer is not known"}
	}
	return arch.Addr(at), nil
}

// pthread is the address of the struct pthread of thread tid, 0 unknown.
func (t *tls) pthread(tid uint32) uint64 {
	list, ok1 := t.offset("_thread_db_pthread_list")
	id, ok2 := t.offset("_thread_db_pthread_tid")
	if !ok1 || !ok2 {
		return 0
	}
	for _, name := range []string{"user", "used"} { // stacks of the program's own, and of glibc
		head := t.listHead(name)
		if head == 0 {
			continue
		}
		next := t.words(head, 1)
		for range maxThreads {
			if next == nil || next[0] == head || next[0] == 0 {
				break
			}
			p := next[0] - list
			var b [4]byte
			if t.read(p+id, b[:]) == len(b) && t.order.Uint32(b[:]) == tid {
				return p
			}
			next = t.words(next[0], 1)
		}
	}
	return 0
}

// listHead is where one of glibc's two lists of stacks begins: in the loader's
// structure, or in a static program a variable of its own.
func (t *tls) listHead(name string) uint64 {
	global, err := t.world.Address("_rtld_global")
	t.note(err)
	if off, ok := t.offset("_thread_db_rtld_global__dl_stack_" + name); ok && err == nil {
		return uint64(global) + off
	}
	at, err := t.world.Address("_dl_stack_" + name)
	t.note(err)
	if err != nil {
		return 0
	}
	return uint64(at)
}

// offset is that of a member which a symbol of glibc describes: bits, count, offset.
func (t *tls) offset(name string) (uint64, bool) {
	at, err := t.world.Address(name)
	t.note(err)
	var b [12]byte
	if err != nil || t.read(uint64(at), b[:]) < len(b) {
		return 0, false
	}
	off := t.order.Uint32(b[8:])
	return uint64(off), off <= 1<<20
}

// number is the 32-bit number that a symbol of glibc holds.
func (t *tls) number(name string) (uint32, bool) {
	at, err := t.world.Address(name)
	t.note(err)
	var b [4]byte
	if err != nil || t.read(uint64(at), b[:]) < len(b) {
		return 0, false
	}
	v := t.order.Uint32(b[:])
	return v, v <= 1<<20
}
