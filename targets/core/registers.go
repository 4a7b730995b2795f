package core

import (
	"dap-windbg/arch"
	"dap-windbg/binfmt/elf"
)

// take sets the registers that lie in d.
func take(r *arch.Registers, d []byte, fields []field) {
	for _, f := range fields {
		if i, ok := r.Set.Index(f.reg); ok && f.at >= 0 && f.at+f.size <= len(d) {
			r.SetBytes(i, d[f.at:f.at+f.size])
		}
	}
}

// put stores the known registers in d.
func put(r *arch.Registers, d []byte, fields []field) {
	for _, f := range fields {
		i, ok := r.Set.Index(f.reg)
		if !ok {
			continue
		}
		if v, ok := r.Bytes(i); ok && f.at+f.size <= len(d) {
			copy(d[f.at:f.at+f.size], v)
		}
	}
}

// decode reads all that a core tells of a thread's registers.
func (t *Target) decode(th *thread, r *arch.Registers) {
	take(r, th.regs, t.m.status.fields)
	if t.m.arch == arch.RISCV64 {
		r.PutName("zero", 0)
	}
	for _, n := range th.sets {
		t.decodeNote(n, r)
	}
}

func (t *Target) decodeNote(n elf.Note, r *arch.Registers) {
	for i := range t.m.sets {
		if s := &t.m.sets[i]; s.kind == n.Type && s.owner == n.Name {
			take(r, n.Desc, s.fields)
			if s.x87 {
				readX87(r, n.Desc)
			}
			return
		}
	}
	if n.Name != "LINUX" || t.m.vectors() == 0 {
		return
	}
	switch n.Type {
	case noteXState:
		xcr0 := features(n.Desc)
		take(r, n.Desc, fxsave(t.m.vectors()))
		readX87(r, n.Desc)
		for _, c := range t.m.components(xcr0, layoutOf(t.xlayout, xcr0, len(n.Desc))) {
			take(r, n.Desc, c.fields)
		}
	case noteTLS386:
		t.threadPointer386(n.Desc, r)
	}
}

// threadPointer386 finds the base of gs among the segments that the kernel keeps
// for a thread: struct user_desc has number, base, limit and flags.
func (t *Target) threadPointer386(d []byte, r *arch.Registers) {
	gs, ok := r.Get("gs")
	for ; ok && len(d) >= 16; d = d[16:] {
		if uint64(t.elf.Order.Uint32(d)) == gs>>3 {
			r.PutName("gs_base", uint64(t.elf.Order.Uint32(d[4:])))
		}
	}
}
