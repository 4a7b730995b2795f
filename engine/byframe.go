package engine

import (
	"context"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// This file unwinds where no rules are: through a call of a bad pointer, and by the
// chain of frame pointers.

// badCall is the rule for a call through a bad pointer: nothing has run yet, so
// the return address is where the call left it.
func (l *loop) badCall(ctx context.Context, r *arch.Registers, mem symbols.Memory) (*arch.Registers, arch.Addr, error) {
	if _, in := l.moduleAt(r.PC()); in || !r.Interrupted {
		return nil, 0, errNoFrame
	}
	if _, err := l.decode(ctx, r.PC()); err == nil {
		return nil, 0, errNoFrame // there is code
	}
	ret, cfa := arch.Addr(0), r.SP()
	if l.arch.Link != "" {
		lr, _ := r.Get(l.arch.Link)
		ret = arch.Addr(lr)
	} else {
		var err error
		if ret, err = l.pointer(ctx, mem, cfa); err != nil {
			return nil, 0, err
		}
		cfa += arch.Addr(l.arch.PtrSize)
	}
	if ok, err := l.isReturn(ctx, ret, mem); !ok {
		return nil, 0, noFrame(err)
	}
	return after(r, ret, cfa), cfa, nil
}

// byFramePointer follows the chain that code with frame pointers keeps: the
// saved frame pointer with the return address behind it. On riscv64 both lie
// below the frame pointer.
func (l *loop) byFramePointer(ctx context.Context, r *arch.Registers, mem symbols.Memory) (*arch.Registers, arch.Addr, error) {
	ptr := arch.Addr(l.arch.PtrSize)
	fp := r.FP()
	if fp == 0 || fp%ptr != 0 || fp < r.SP() || fp-r.SP() > 1<<20 {
		return nil, 0, errNoFrame
	}
	at, cfa := fp, fp+2*ptr
	if l.arch.Name == "riscv64" {
		at, cfa = fp-2*ptr, fp
	}
	saved, err := l.pointer(ctx, mem, at) // no frame pointer if the caller keeps none
	if err != nil {
		return nil, 0, err
	}
	ret, err := l.pointer(ctx, mem, at+ptr)
	if err != nil {
		return nil, 0, err
	}
	ret = plainAddress(r, ret)
	if ok, err := l.isReturn(ctx, ret, mem); !ok {
		return nil, 0, noFrame(err)
	}
	c := bare(r, ret, cfa)
	c.PutName(l.arch.FP, uint64(saved))
	return c, cfa, nil
}
