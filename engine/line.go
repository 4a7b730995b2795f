package engine

import (
	"context"

	"dap-windbg/arch"
	"dap-windbg/symbols"
	"dap-windbg/targets"
)

// line makes the leg that leaves the statement at r's PC.
func (p *plan) line(ctx context.Context, l *loop, r *arch.Registers) (done bool, err error) {
	from, ok := l.statementAt(ctx, r.PC())
	if !ok { // no lines here: run to the caller
		if err := p.stepOut(ctx, l, 0); err != nil {
			p.out, p.leg = false, leg{kind: targets.Step, brief: true}
		}
		return false, nil
	}
	p.from = from
	return false, p.leave(ctx, l, r)
}

// leave makes a leg that ends when p.from is left.
func (p *plan) leave(ctx context.Context, l *loop, r *arch.Registers) error {
	x := l.exits(ctx, p.from, r.PC())
	into := p.how.Kind == StepInto && (x.indirect || p.wantsAny(ctx, l, x.calls))
	ranged := l.t.Info().Limits.Bits&targets.StepRange != 0
	brief := len(x.calls) == 0 && !x.indirect && !x.loops
	switch {
	case ranged && (brief || into || x.unknown):
		p.leg = leg{kind: targets.Step, lo: p.from.lo, hi: p.from.hi, brief: brief}
		if fn := p.mark.fn; p.leg.lo <= fn && fn < p.leg.hi {
			p.leg.lo = fn + 1 // who comes to the entry again has called itself
		}
		return nil
	case into || x.unknown:
		p.leg = leg{kind: targets.Step, brief: true}
		return nil
	}
	p.leg = leg{kind: targets.Go}
	for _, a := range x.out {
		p.leg.temps = append(p.leg.temps, temp{addr: a, frame: true})
	}
	if x.returns {
		return p.addReturn(ctx, l)
	}
	return nil
}

// addReturn adds the trap where the plan's frame returns to.
func (p *plan) addReturn(ctx context.Context, l *loop) error {
	f, err := l.physical(ctx, p.thread)
	if err != nil {
		return err
	}
	if f.Return != 0 {
		p.leg.temps = append(p.leg.temps, returnTemp(f, l.arch))
	}
	return nil
}

// nextLine is next for steps by line.
func (p *plan) nextLine(ctx context.Context, l *loop, r *arch.Registers) (done bool, err error) {
	pc := r.PC()
	if p.inner {
		return true, nil
	}
	side := p.side(ctx, l, r)
	if side == 0 && p.mark.fn != 0 && l.functionAt(pc) != p.mark.fn {
		side = -1 // a tail call: the frame is another function's now
	}
	switch {
	case side > 0:
		if p.leg.sprung(pc).ret || p.leg.kind == targets.Step && p.leg.brief {
			l.left(p.home)
		}
		return true, nil
	case side < 0:
		return p.callee(ctx, l, r)
	case pc >= p.from.lo && pc < p.from.hi:
		return false, p.leave(ctx, l, r)
	}
	at, ok := l.statementAt(ctx, pc)
	if !ok {
		return true, nil
	}
	switch depth := len(at.chain) - len(p.from.chain); {
	case depth > 0 && at.within(p.from) && p.how.Kind != StepInto:
		at.line, at.chain = p.from.line, p.from.chain // over an inlined call
	case depth != 0 || !at.within(p.from):
		return true, nil
	case at.line.Line != 0 && !sameLine(at.line, p.from.line) && pc == at.start:
		return true, nil
	default:
		at.line = p.from.line
	}
	p.from = at
	return false, p.leave(ctx, l, r)
}

// callee decides about a function just entered: to its body, or out of it.
func (p *plan) callee(ctx context.Context, l *loop, r *arch.Registers) (done bool, err error) {
	pc := r.PC()
	if p.how.Kind == StepInto {
		if body, ok := l.wantsInto(ctx, pc, p.how.Target); ok {
			if body == pc {
				return true, nil
			}
			p.inner = true
			p.leg = leg{kind: targets.Go, temps: []temp{{addr: body, minSP: 1}}}
			return false, nil
		}
	}
	f, err := l.physical(ctx, p.thread)
	if err != nil {
		return true, err
	}
	if f.Return == 0 {
		return true, nil
	}
	p.leg = leg{kind: targets.Go, temps: []temp{returnTemp(f, l.arch)}}
	return false, nil
}

// wantsAny reports whether one of the calls is worth stepping into.
func (p *plan) wantsAny(ctx context.Context, l *loop, calls []arch.Addr) bool {
	for _, a := range calls {
		if _, ok := l.wantsInto(ctx, a, p.how.Target); ok {
			return true
		}
	}
	return false
}

// wantsInto returns where to stop when stepping into the function entered at a.
func (l *loop) wantsInto(ctx context.Context, a, only arch.Addr) (arch.Addr, bool) {
	entry := l.throughStub(ctx, a)
	if only != 0 && only != a && only != entry {
		return 0, false
	}
	m, ok := l.moduleAt(entry)
	if !ok || l.need(ctx, m) != nil || m.Image == nil {
		return 0, false
	}
	liner, ok := m.Image.(symbols.Liner)
	if !ok {
		return 0, false
	}
	body, ok := liner.Body(m.offset(entry))
	if !ok {
		return 0, false
	}
	sym, _ := m.Image.At(m.offset(entry))
	for _, pat := range l.o.StepFilter {
		if matchName(pat, m.Name, sym.Name) {
			return 0, false
		}
	}
	return m.addr(body.Offset), true
}
