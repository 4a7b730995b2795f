package engine

import (
	"context"

	"dap-windbg/arch"
	"dap-windbg/eval"
	"dap-windbg/symbols"
	"dap-windbg/systems"
	"dap-windbg/targets"
)

// This file gives expressions what a kernel has: the task that is looked at, and
// variables of which each processor has its own.

// ReadPhysical reads physical memory, for $pdwo and the others.
func (e *env) ReadPhysical(ctx context.Context, a arch.Addr, p []byte) (int, error) {
	return e.l.read(ctx, targets.Space{Physical: true}, a, p)
}

// worldOf is what the System sees through the expression's memory.
func (e *env) worldOf(ctx context.Context) systems.World { return &world{ctx, e.l, e.mem} }

// task is a pseudo-register that the System knows, as a pointer to its structure.
func (e *env) task(ctx context.Context, name string) (eval.Value, bool) {
	p, ok := e.l.o.System.(systems.Pseudoer)
	if !ok {
		return eval.Value{}, false
	}
	w := e.worldOf(ctx)
	n, typ, ok := p.Pseudo(ctx, w, e.l.place, e.l.selected, name)
	if !ok {
		return eval.Value{}, false
	}
	v := e.number(n)
	if t, err := w.Type(typ); typ != "" && err == nil {
		v.Type = &symbols.Type{Kind: symbols.Pointer, Size: int64(e.l.arch.PtrSize), Elem: t}
	}
	return v, true
}

// ownOf is where the selected processor's own of a variable lies that is linked beyond
// its image; a itself when there is but one.
func (e *env) ownOf(ctx context.Context, a arch.Addr) arch.Addr {
	p, ok := e.l.o.System.(systems.PerCPU)
	if !ok {
		return a
	}
	if _, in := e.l.moduleAt(a); in {
		return a
	}
	if own, ok := p.PerCPU(ctx, e.worldOf(ctx), e.l.selected, a); ok {
		return own
	}
	return a
}
