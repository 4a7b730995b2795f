package linuxkernel

import (
	"encoding/binary"
	"errors"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

// This file sees through page table isolation (Documentation/arch/x86/pti.rst): while a
// program runs, and in the first instructions of the kernel's entry, most of the kernel
// is not mapped.

// isolatedRoot is the bit of CR3 that tells a process's two page table roots apart: set
// in the one that programs run with (PTI_PGTABLE_SWITCH_BIT, arch/x86/entry/calling.h).
const isolatedRoot = 1 << 12

// Root implements systems.Isolator. Two roots are a pair when they map the same below
// the kernel, but for code being no code in the kernel's (arch/x86/mm/pti.c).
func (*System) Root(r *arch.Registers, look func(physical uint64, p []byte) error) (uint64, error) {
	cr3, ok := r.Get("cr3")
	if !ok || cr3&isolatedRoot == 0 {
		return 0, nil
	}
	theirs, root := cr3&frameBits, cr3&frameBits&^isolatedRoot
	const half = 4096 / 2
	var a, b [half]byte
	if err := errors.Join(look(theirs, a[:]), look(root, b[:])); err != nil {
		return 0, err
	}
	const accessed, noExecute = 1 << 5, 1 << 63
	le, used := binary.LittleEndian, false
	for i := 0; i < half; i += 8 {
		p, k := le.Uint64(a[i:]), le.Uint64(b[i:])
		if (p^k)&^(accessed|noExecute) != 0 {
			return 0, nil
		}
		used = used || p&1 == 1
	}
	if !used {
		return 0, nil
	}
	return root, nil
}

// reveal reads what the CPU that answers does not see of the kernel, by the page tables
// of whichever CPU leads to it. It returns how much could be read.
func (f *finder) reveal(a arch.Addr, p []byte) (done int) {
	if int64(a) >= 0 || !f.isolated() {
		return 0
	}
	for done < len(p) {
		page, err := f.tables.Walk(a+arch.Addr(done), f.root, f.physical)
		if err != nil {
			return done
		}
		left := page.Size - page.Physical%page.Size
		part := p[done:min(uint64(len(p)), uint64(done)+left)]
		if f.physical(page.Physical, part) != nil {
			return done
		}
		done += len(part)
	}
	return done
}

func (f *finder) physical(at uint64, p []byte) error {
	n, err := f.t.ReadMemory(f.ctx, targets.Space{Physical: true}, arch.Addr(at), p)
	if f.note(err); err == nil && n < len(p) {
		err = &targets.FaultError{Addr: arch.Addr(at) + arch.Addr(n)}
	}
	return err
}

// isolated finds out once whether a CPU runs where the kernel is hidden, and by which
// tables it is seen.
func (f *finder) isolated() bool {
	if f.looked {
		return f.root != 0
	}
	f.looked = true
	threads, err := f.t.Threads(f.ctx)
	f.note(err)
	for _, t := range threads {
		regs, err := f.t.Registers(f.ctx, t.ID)
		if f.note(err); err != nil {
			continue
		}
		if root, err := f.s.Root(regs, f.physical); err == nil && root != 0 {
			f.root, f.tables = root, arch.FourLevel
			if cr4, ok := regs.Get("cr4"); ok && cr4>>12&1 == 1 {
				f.tables = arch.FiveLevel
			}
			return true
		}
	}
	return false
}
