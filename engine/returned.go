package engine

import (
	"context"
	"slices"

	"dap-windbg/arch"
	"dap-windbg/eval"
	"dap-windbg/symbols"
	"dap-windbg/targets"
)

// Returned is what a function handed back to where the debuggee has stopped.
type Returned struct {
	Function string // qualified
	Module   *Module
	// Value is typed as the function's declaration says. Its Err says why it is not
	// known (*symbols.UnavailableError). Where it lies in memory it may have been
	// changed since by whoever wrote there.
	Value eval.Value

	number int // of the stop
	scope  *symbols.Scope
}

// Returned tells what the function handed back that a step has just left by its
// return: a step out, or a step from its last line. False when the stop came by other
// ways, the function hands back nothing, or its type is not known.
func (v *View) Returned() (Returned, bool) { return v.l.handedOver() }

func (l *loop) handedOver() (Returned, bool) {
	r := l.returned
	if r == nil || r.number != l.last.Number || l.last.Registers == nil {
		return Returned{}, false
	}
	if r.Value.Type == nil {
		regs := l.last.Registers
		if h := handedBack(r.scope.Return, l.arch); slices.ContainsFunc(h.parts, func(p portion) bool {
			i, ok := regs.Set.Index(p.reg)
			return !ok || !regs.Known(i)
		}) {
			if all, err := l.allRegisters(l.life, l.last.Thread); err == nil {
				regs = all
			}
		}
		r.Value = returned(r.scope.Return, regs)
	}
	return *r, true
}

// leaving is the function whose return a plan may see.
type leaving struct {
	scope *symbols.Scope
	m     *Module
}

// leavingAt is the function that has the code at r's PC.
func (l *loop) leavingAt(pc arch.Addr) leaving {
	m, ok := l.moduleAt(pc)
	if !ok || m.Image == nil {
		return leaving{}
	}
	if scopes := m.scopes(m.offset(pc)); len(scopes) > 0 {
		return leaving{&scopes[len(scopes)-1], m}
	}
	return leaving{}
}

// left notes that the present stop is the return of f.
func (l *loop) left(f leaving) {
	l.returned = nil
	if f.scope == nil || f.scope.Inlined {
		return
	}
	if t := f.scope.Return.Strip(); t == nil || t.Kind == symbols.Void {
		return
	}
	l.returned = &Returned{Function: f.scope.Name, Module: f.m, number: l.number, scope: f.scope}
}

// returnOf is the innermost frame of a thread as far as its return goes: CFA, Return and
// ChildSP. Where what came with the stop tells it, that costs a word or two of the stack.
func (l *loop) returnOf(ctx context.Context, id targets.ThreadID) (*Frame, error) {
	if f := l.returnSoon(ctx, id); f != nil {
		return f, nil
	}
	return l.physical(ctx, id)
}

// returnSoon is returnOf by what came with the stop, nil where more has to be read.
func (l *loop) returnSoon(ctx context.Context, id targets.ThreadID) *Frame {
	r := l.partial
	if r == nil || l.regs[id] != nil || id != l.last.Thread || l.context != nil || r.PC() == 0 || r.SP() == 0 || l.t.Info().Machine {
		return nil
	}
	m, ok := l.moduleAt(r.PC())
	if !ok || m.Image == nil {
		return nil
	}
	u, ok := m.Image.(symbols.Unwinder)
	if !ok {
		return nil
	}
	for range 2 {
		mem := &stopMemory{l: l, space: l.here(), window: l.arch.PtrSize}
		caller, cfa, err := u.Unwind(ctx, m.Base, r, mem)
		if len(mem.wants) == 0 {
			if err != nil || caller.PC() == 0 {
				return nil
			}
			return &Frame{Thread: id, Regs: r, PC: r.PC(), CFA: cfa, ChildSP: r.SP(), Return: caller.PC()}
		}
		if l.fetch(ctx, mem.wants) != nil {
			return nil
		}
	}
	return nil
}
