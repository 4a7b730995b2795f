package engine

import (
	"context"
	"fmt"
	"slices"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

// This file takes a step to its end where the far end allows no trap there: instruction
// by instruction, and through what is called on the way by traps at its returns.

// onFoot reports whether the plan's thread goes by single steps to where a trap would
// have ended its leg, since the far end refuses that trap: kernels run through some of
// their code while they handle one.
func (l *loop) onFoot() bool {
	p := l.plan
	if p.how.Kind == Go || p.how.Reverse || p.leg.kind != targets.Go || p.passing != nil {
		return false
	}
	return p.crawl > 0 || slices.ContainsFunc(p.leg.temps, func(t temp) bool {
		return !t.hard && !t.any && !t.catch && !t.jump && l.traps.refused[trapKey{addr: t.addr}] != nil
	})
}

// Bounds of a way on foot, in instructions: when it is told, and when it is given up.
const (
	longFoot = 200
	mostFoot = 20_000
)

// goesOnFoot counts an instruction of such a way; false ends it at pc, which is told.
func (l *loop) goesOnFoot(ctx context.Context, st *Stop, pc arch.Addr) bool {
	p := l.plan
	if p.crawl > 0 {
		p.crawl--
		return true
	}
	if r, err := l.quick(ctx, st.Thread); err == nil {
		p.entersOnFoot(ctx, l, r)
	}
	switch p.afoot++; p.afoot {
	case longFoot:
		l.say(Important, fmt.Sprintf("The far end takes no trap where the step ends (%v): it goes there instruction by instruction; break in to end it\n", l.tempRefused()))
	case mostFoot:
		l.say(Important, fmt.Sprintf("The step is given up at %s after %d instructions: set a breakpoint behind the call and let it run\n", pc.Text(l.arch.PtrSize), mostFoot))
		st.Step, st.Reason = true, targets.Stepped
		return false
	}
	return true
}

// through is a function that a task on foot has called, which runs to its ends: its
// returns, and its jumps to elsewhere.
type through struct {
	low, high arch.Addr
	sp        arch.Addr // at its entry, and at its returns
	ends      []arch.Addr
}

// Bounds of a function that is run through: what its code may be long, bytes, and how many
// traps it is worth.
const (
	maxThrough = 16 << 10
	maxEnds    = 16
)

// refused reports whether the far end allows no traps at c's ends either.
func (c *through) refused(l *loop) bool {
	return c != nil && slices.ContainsFunc(c.ends, func(a arch.Addr) bool { return l.traps.refused[trapKey{addr: a}] != nil })
}

// entersOnFoot notices that a step of one instruction has called a function, and has it run to
// its ends.
func (p *plan) entersOnFoot(ctx context.Context, l *loop, r *arch.Registers) {
	pc := r.PC()
	m, ok := l.moduleAt(pc)
	if !ok || m.Image == nil || p.crawl > 0 || !l.begins(pc) {
		return
	}
	low, high := l.functionRange(m, m.offset(pc))
	if high <= low || high-low > maxThrough {
		return
	}
	c := &through{low: m.addr(low), high: m.addr(high), sp: r.SP()}
	code := make([]byte, high-low)
	if c.low != pc || !l.code(ctx, c.low, code) {
		return
	}
	for at := c.low; at < c.high; {
		in, err := l.arch.Decode(code[at-c.low:], at)
		if err != nil || in.Len == 0 {
			return
		}
		if c.leaves(in) {
			c.ends = append(c.ends, at)
		}
		at += arch.Addr(in.Len)
	}
	if len(c.ends) > 0 && len(c.ends) <= maxEnds && !c.refused(l) {
		p.passing = c
	}
}

// leaves reports whether an instruction may leave the function for good.
func (c *through) leaves(in arch.Inst) bool {
	switch in.Kind {
	case arch.Return:
		return true
	case arch.Jump, arch.CondJump:
		return !in.HasTarget || in.Mem != nil || in.Target < c.low || in.Target >= c.high
	}
	return false
}

// cameOut decides about a trap that was sprung at pc: true at the end of the function that
// the plan's task runs through. It goes on on foot from there.
func (p *plan) cameOut(ctx context.Context, l *loop, st *Stop, pc arch.Addr) bool {
	c := p.passing
	if c == nil || !slices.Contains(c.ends, pc) {
		return false
	}
	r, err := l.quick(ctx, st.Thread)
	if err != nil || r.SP() > c.sp || c.sp-r.SP() >= kernelStack {
		return false
	}
	if in, err := l.decode(ctx, pc); err == nil && in.Kind == arch.Return && r.SP() != c.sp {
		return false // of a deeper activation
	}
	p.passing, p.thread = nil, st.Thread
	return true
}
