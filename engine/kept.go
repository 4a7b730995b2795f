package engine

import (
	"context"
	"slices"

	"dap-windbg/arch"
)

// This file keeps the traps of a machine's steps in place between them: lines that follow
// each other leave for the same places, and setting and clearing a trap costs two packets
// each time. Memory that is looked at does not show them; they are cleared when the
// debuggee is let go, or left.

// Bounds of the traps that are kept: beyond the first a step clears two, as that costs
// packets, beyond the second all. Windows has room for 32, kdb for 16: where a trap is
// refused, all that are kept make room for it. One that another task springs is cleared.
const (
	mostKept = 16
	fullKept = 24
)

// keepTraps keeps those of the plan that was just sent off.
func (l *loop) keepTraps() {
	p := l.plan
	if p == nil || !l.t.Info().Machine || p.how.Kind == Go || p.how.Reverse {
		return
	}
	for _, t := range p.leg.temps {
		x, in := l.traps.in[trapKey{addr: t.addr}]
		if in && x.under != nil && (t.frame || t.ret) && !slices.Contains(l.kept, t.addr) {
			l.kept = append(l.kept, t.addr)
		}
	}
}

// unkeep drops those that a resume has no use for: all when it is no step, else that
// where it begins, and the oldest beyond the bound.
func (l *loop) unkeep(ctx context.Context, p *plan) {
	if len(l.kept) == 0 {
		return
	}
	if p.how.Kind == Go || p.how.Reverse {
		l.kept = nil
		return
	}
	if r, err := l.quick(ctx, p.thread); err == nil {
		l.dropKept(r.PC())
	}
	if n := len(l.kept); n > mostKept {
		l.kept = slices.Delete(l.kept, 0, min(n-mostKept, max(2, n-fullKept)))
	}
}

// dropKept has the next difference clear a kept trap; false when there is none at a.
func (l *loop) dropKept(a arch.Addr) bool {
	i := slices.Index(l.kept, a)
	if i >= 0 {
		l.kept = slices.Delete(l.kept, i, i+1)
	}
	return i >= 0
}
