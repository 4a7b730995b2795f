package engine

import (
	"context"
	"errors"
	"fmt"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

// backward is a step back in a recording. The far end undoes one instruction at a
// time; what it undid tells how deep in calls the thread is.
type backward struct {
	pc    arch.Addr // where it was before the last leg
	depth int       // calls further in than where the step began, or has settled
	in    statement // what is gone back through
	lines bool      // in is known
	last  bool      // one instruction forward ends it
	deep  int       // instructions undone in calls that are gone over
	ret   arch.Addr // where the call that is gone over returned to
	over  arch.Addr // that call, when it is gone over at full speed
}

// deepSlow is how many instructions of a call are undone one by one before the rest
// is run backwards to the call.
const deepSlow = 200

// beginBack makes the first leg of a step back.
func (p *plan) beginBack(ctx context.Context, l *loop) error {
	bits := l.t.Info().Limits.Bits
	if bits&(targets.ReverseStep|targets.ReverseGo) == 0 {
		return fmt.Errorf("running backwards: the far end has no recording: %w", errors.ErrUnsupported)
	}
	if p.how.Kind == Go {
		return nil
	}
	r, err := l.registers(ctx, p.thread)
	if err != nil {
		return err
	}
	p.back = &backward{pc: r.PC()}
	if p.how.Unit == ByLine {
		if m, ok := l.moduleAt(r.PC()); ok {
			_ = l.need(ctx, m)
		}
		if s, ok := l.lineBehind(ctx, r.PC()); ok && r.PC() > s.lo {
			p.back.in, p.back.lines = s, true // to the beginning of its own line first
		}
	}
	p.undo()
	return nil
}

// undo makes the leg that undoes one instruction.
func (p *plan) undo() { p.leg = leg{kind: targets.Step, brief: true} }

// lineBehind is the statement around pc, all of its rows.
func (l *loop) lineBehind(ctx context.Context, pc arch.Addr) (statement, bool) {
	s, ok := l.statementAt(ctx, pc)
	if ok {
		l.widen(&s, pc, true)
	}
	return s, ok
}

// nextBack decides after an instruction was undone: it is the one at pc.
func (p *plan) nextBack(ctx context.Context, l *loop, pc arch.Addr) (done bool) {
	b := p.back
	if b.last {
		return true
	}
	was := b.pc
	b.pc = pc
	in, err := l.decode(ctx, pc)
	if err != nil {
		return true
	}
	switch {
	case b.over != 0:
		b.depth, b.over = 0, 0
	case in.Kind == arch.Return:
		b.depth++
	case in.Kind == arch.Call && pc+arch.Addr(in.Len) != was:
		b.depth--
	}
	switch {
	case p.how.Kind == StepOut:
		return b.depth < 0 || p.again(ctx, l, was)
	case p.how.Unit == ByInstruction && p.how.Kind == StepOver:
		return b.depth <= 0 || p.again(ctx, l, was)
	case p.how.Unit == ByInstruction:
		return true
	}
	return p.backByLine(ctx, l, pc, was)
}

// again goes on undoing; a long call is run backwards to where it was made.
func (p *plan) again(ctx context.Context, l *loop, was arch.Addr) (done bool) {
	b := p.back
	p.undo()
	if b.depth <= 0 {
		b.deep = 0
		return false
	}
	if b.deep++; b.deep == 1 {
		b.ret = was
	}
	if call, ok := l.callBefore(ctx, b.ret); ok && b.deep > deepSlow && p.how.Kind == StepOver && l.t.Info().Limits.Bits&targets.ReverseGo != 0 {
		b.over, b.deep = call, 0
		p.leg = leg{kind: targets.Go, temps: []temp{{addr: call}}}
	}
	return false
}

// callBefore is the call instruction that ends at a.
func (l *loop) callBefore(ctx context.Context, a arch.Addr) (arch.Addr, bool) {
	for n := l.arch.MinInst; n <= min(l.arch.MaxInst, 8); n += l.arch.MinInst {
		if in, err := l.decode(ctx, a-arch.Addr(n)); err == nil && in.Len == n && in.Kind == arch.Call {
			return a - arch.Addr(n), true
		}
	}
	return 0, false
}

// backByLine goes back to the beginning of the line that was run before: over the
// calls in it, or into the last of them.
func (p *plan) backByLine(ctx context.Context, l *loop, pc, was arch.Addr) (done bool) {
	b := p.back
	if b.depth > 0 {
		m, ok := l.moduleAt(pc)
		s, lines := l.lineBehind(ctx, pc)
		if b.depth > 1 || !ok || !lines || p.how.Kind != StepInto || l.skips(m, l.locate(pc).Symbol.Name) {
			return p.again(ctx, l, was)
		}
		b.in, b.lines = s, true
	}
	settled := b.depth != 0
	b.depth, b.deep = 0, 0
	s, ok := l.lineBehind(ctx, pc)
	switch {
	case !ok && b.lines:
		return p.forward()
	case !ok: // no lines here: undo until there are
		return p.again(ctx, l, was)
	case settled, !b.lines:
		b.in, b.lines = s, true
	case pc < b.in.lo || pc >= b.in.hi:
		return p.forward() // it was entered otherwise than at its beginning
	}
	if pc == b.in.lo {
		return true
	}
	p.undo()
	return false
}

// forward takes the instruction back that led out of the line.
func (p *plan) forward() (done bool) {
	p.back.last = true
	p.leg = leg{kind: targets.Step, brief: true, ahead: true}
	return false
}
