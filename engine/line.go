package engine

import (
	"context"
	"slices"

	"dap-windbg/arch"
	"dap-windbg/symbols"
	"dap-windbg/targets"
)

// line makes the leg that leaves the statement at r's PC. A step into an inlined
// call that begins there is done without running.
func (p *plan) line(ctx context.Context, l *loop, r *arch.Registers) (done bool, err error) {
	from, ok := l.statementAt(ctx, r.PC())
	if !ok { // no lines here: run to the caller
		if err := p.stepOut(ctx, l, 0); err != nil {
			p.out, p.leg = false, leg{kind: targets.Step, brief: true}
		}
		return false, nil
	}
	if n := min(l.folded(p.thread, r.PC()), len(from.chain)); n > 0 {
		from.chain = from.chain[:len(from.chain)-n]
		if p.enters(l, from) {
			return p.ends(l, r.PC(), n-1)
		}
		from.line = from.at.call(len(from.chain))
	}
	p.from = from
	l.widen(&p.from, r.PC(), p.how.Kind != StepInto)
	return false, p.leave(ctx, l, r)
}

// enters reports whether a step into wants the inlined call that s shows as not
// entered.
func (p *plan) enters(l *loop, s statement) bool {
	if p.how.Kind != StepInto || s.at.depth() <= len(s.chain) {
		return false
	}
	call := s.at.nth(len(s.chain))
	m, ok := l.moduleAt(s.start)
	if !ok || p.how.Target != 0 && p.how.Target != m.addr(call.Low) {
		return false
	}
	return !l.skips(m, call.Name)
}

// leave makes a leg that ends when p.from is left.
func (p *plan) leave(ctx context.Context, l *loop, r *arch.Registers) error {
	x := l.exits(ctx, p, r)
	p.parts = x.parts
	into := p.how.Kind == StepInto && (x.indirect || p.wantsAny(ctx, l, x.calls))
	limits := l.t.Info().Limits.Bits
	ranged := limits&targets.StepRange != 0
	calm := len(x.calls) == 0 && !x.indirect
	brief := (calm || into && ranged) && !x.loops && !x.unknown // a step in ends where a call leads
	var bodies []temp
	if into && !ranged && l.t.Info().Machine && !x.indirect && !x.unknown {
		bodies = p.bodies(ctx, l, x.calls)
	}
	switch {
	case bodies != nil:
	case ranged && (brief || into || x.unknown):
		p.leg = leg{kind: targets.Step, lo: p.from.lo, hi: p.from.hi, brief: brief}
		if fn := p.mark.fn; p.leg.lo <= fn && fn < p.leg.hi {
			p.leg.lo = fn + 1 // who comes to the entry again has called itself
		}
		return nil
	case into || brief && limits&targets.HotTraps != 0:
		p.leg = leg{kind: targets.Step, brief: true}
		return nil
	case l.t.Info().Machine && bodies == nil:
		if p.toFork(l, x, r.PC()) {
			return nil
		}
	case x.unknown:
		p.leg = leg{kind: targets.Step, brief: true}
		return nil
	}
	p.leg = leg{kind: targets.Go, temps: bodies}
	for _, e := range x.out {
		p.leg.temps = append(p.leg.temps, temp{addr: e.addr, frame: true, from: &e.from})
	}
	if x.returns {
		return p.addReturn(ctx, l)
	}
	return nil
}

// mostExits is how many traps a run on a machine is worth: each costs a packet, as do the
// run and the registers after it.
const mostExits = 5

// toFork goes only as far as the code's first branch, where its exits are so many, or not
// all known, that it costs less to see which way control goes: on foot, or by a trap.
// False when a run to the exits is best.
func (p *plan) toFork(l *loop, x ways, pc arch.Addr) bool {
	fresh := 0
	for _, e := range x.out {
		if _, in := l.traps.at(e.addr); !in {
			fresh++
		}
	}
	if x.returns {
		fresh++
	}
	calm := len(x.calls) == 0 && !x.indirect
	switch {
	case !x.unknown && calm && !x.loops && 2*x.length < fresh+2: // two packets an instruction
	case !x.unknown && fresh <= mostExits:
		return false
	case x.fork.addr == 0 || x.fork.addr == pc || x.straight == 1 && calm:
	default:
		p.leg = leg{kind: targets.Go, temps: []temp{{addr: x.fork.addr, frame: true, from: &x.fork.from}}}
		return true
	}
	p.leg = leg{kind: targets.Step, brief: true}
	return true
}

// covers reports whether a is in what the step goes through, or right behind it.
func (p *plan) covers(a arch.Addr) bool {
	return slices.ContainsFunc(p.parts, func(s statement) bool { return a > s.lo && a <= s.hi })
}

// bodies are traps in all functions that a statement may call, nil when one of them is
// not to be entered, as it may call the others. On a machine each instruction stepped
// costs as much as a stop.
func (p *plan) bodies(ctx context.Context, l *loop, calls []arch.Addr) (out []temp) {
	for _, a := range calls {
		body, ok := l.wantsInto(ctx, a, p.how.Target)
		if !ok {
			return nil
		}
		out = append(out, temp{addr: body, minSP: 1, body: true})
	}
	return out
}

// entered decides at the body of a function that the statement calls: the handler of an
// interrupt may have called it.
func (p *plan) entered(ctx context.Context, l *loop) (done bool, err error) {
	l.due = &refresher{l: l, id: p.thread} // it is the step's end but for that, and read in one flight
	f, err := l.physical(ctx, p.thread)
	return err != nil || f.Return == 0 || p.covers(f.Return), nil
}

// addReturn adds the trap where the plan's frame returns to.
func (p *plan) addReturn(ctx context.Context, l *loop) error {
	f, err := l.returnOf(ctx, p.thread)
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
	if p.leg.sprung(pc).body {
		return p.entered(ctx, l)
	}
	side := p.side(ctx, l, r)
	if side == 0 && p.mark.fn != 0 && l.functionAt(pc) != p.mark.fn {
		side = -1 // a tail call: the frame is another function's now
	}
	switch {
	case side > 0:
		return p.outside(ctx, l, r)
	case side < 0:
		return p.callee(ctx, l, r)
	case p.within(pc):
		return false, p.leave(ctx, l, r)
	}
	at, ok := l.statementAt(ctx, pc)
	if !ok {
		return true, nil
	}
	return p.arrived(ctx, l, r, at, false)
}

// within reports whether pc is still in what is being left, which a trap knows of itself.
func (p *plan) within(pc arch.Addr) bool {
	if t := p.leg.sprung(pc); t.from != nil {
		p.from = *t.from
	}
	return pc >= p.from.lo && pc < p.from.hi
}

// arrived decides about a place with a line in the plan's function, or in one further
// out when moved. A row's beginning that is a statement of another line ends the step,
// and so does the call of an inlined function from another line; other rows are gone
// through, those of inlined calls that are stepped over too.
func (p *plan) arrived(ctx context.Context, l *loop, r *arch.Registers, at statement, moved bool) (done bool, err error) {
	next, n, ends := p.settle(l, p.from, at, r.PC(), moved)
	if ends {
		return p.ends(l, r.PC(), n)
	}
	p.from = next
	return false, p.leave(ctx, l, r)
}

// settle decides whether a step that leaves from ends at pc, with n inlined calls that
// begin there not entered; else what it leaves next.
func (p *plan) settle(l *loop, from, at statement, pc arch.Addr, moved bool) (next statement, n int, ends bool) {
	shows := at.chain[:len(at.chain)-at.at.begins]
	in := slices.Equal(shows, from.chain) && !moved
	deeper := !moved && len(shows) > len(from.chain) && at.at.within(from.chain)
	at.line, at.chain = at.row, shows
	switch {
	case in && at.at.begins > 0:
		call := at.at.call(len(shows))
		other := !sameLine(call, from.line)
		switch into := p.enters(l, at); {
		case into && !other:
			return at, at.at.begins - 1, true
		case into || other:
			return at, at.at.begins, true
		}
		at.line = from.line
	case deeper:
		over := at
		over.chain = from.chain
		if p.enters(l, over) {
			return at, at.at.begins, true
		}
		at.line, at.chain = from.line, from.chain
	case pc == at.start && !sameLine(at.row, from.line):
		if at.stmt {
			return at, at.at.begins, true
		}
		if at.line = from.line; moved || !slices.Equal(shows, from.chain) {
			at.line = symbols.Line{}
		}
	}
	l.widen(&at, pc, p.how.Kind != StepInto)
	return at, 0, false
}

// ends ends a step at pc, with n inlined calls that begin there not entered yet.
func (p *plan) ends(l *loop, pc arch.Addr, n int) (bool, error) {
	l.fold(p.thread, pc, n)
	p.folded = true
	return true, nil
}

// outside decides about control that has left the plan's frame. A return into the
// middle of a row, or to the line that was left (of another activation), goes on to
// that line's end. A step into goes on through callers that nothing is known of. All
// else is the step's end.
func (p *plan) outside(ctx context.Context, l *loop, r *arch.Registers) (done bool, err error) {
	back := p.leg.sprung(r.PC()).ret || p.leg.kind == targets.Step
	if !back && !p.leg.sprung(r.PC()).caught {
		return true, nil
	}
	if back {
		l.left(p.home)
	}
	at, ok := l.statementAt(ctx, r.PC())
	switch {
	case !ok && p.how.Kind == StepInto && !l.named(r.PC()):
		f, err := l.returnOf(ctx, p.thread)
		if err != nil || f.Return == 0 {
			return true, err
		}
		p.leg = leg{kind: targets.Go, temps: []temp{returnTemp(f, l.arch)}}
		return false, nil
	case !ok:
		return true, nil
	}
	p.mark, p.home = l.markOf(ctx, r), l.leavingAt(r.PC())
	return p.arrived(ctx, l, r, at, true)
}

// named reports whether a function is known that has the code at pc.
func (l *loop) named(pc arch.Addr) bool {
	m, ok := l.moduleAt(pc)
	if !ok || m.Image == nil {
		return false
	}
	sym, ok := m.Image.At(m.offset(pc))
	return ok && (sym.Size == 0 || m.offset(pc) < sym.Offset+symbols.Offset(sym.Size))
}

// callee decides about a function just entered: to its body, or out of it.
func (p *plan) callee(ctx context.Context, l *loop, r *arch.Registers) (done bool, err error) {
	pc := r.PC()
	if t, ok := p.interrupted(ctx, l, r); ok {
		p.leg = leg{kind: targets.Go, temps: []temp{t}}
		return false, nil
	}
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
	f, err := l.returnOf(ctx, p.thread)
	if err != nil {
		return true, err
	}
	if f.Return == 0 {
		return true, nil
	}
	p.leg = leg{kind: targets.Go, temps: []temp{returnTemp(f, l.arch)}}
	return false, nil
}

// handlerRoom is the least that a kernel puts between a frame and that of a signal's
// handler, and more than a call does without large arguments.
const handlerRoom = 256

// interrupted finds where the plan's frame goes on when a signal's handler has been
// entered in it; false when a call was.
func (p *plan) interrupted(ctx context.Context, l *loop, r *arch.Registers) (temp, bool) {
	if lr, ok := r.Get(l.arch.Link); ok && l.arch.Link != "" {
		if a := plainAddress(r, arch.Addr(lr)); p.covers(a) {
			return temp{}, false
		}
	} else if d := p.mark.sp - r.SP(); d < handlerRoom {
		return temp{}, false
	}
	fs, err := l.stack(ctx, p.thread, 8)
	if err != nil {
		return temp{}, false
	}
	for _, f := range fs {
		if f.level == 2 && f.Regs.Interrupted && f.code == f {
			return temp{addr: f.PC, minSP: f.Regs.SP()}, true
		}
	}
	return temp{}, false
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
	if l.skips(m, sym.Name) {
		return 0, false
	}
	return m.addr(body.Offset), true
}

// skips reports whether a step into is not to enter a function.
func (l *loop) skips(m *Module, name string) bool {
	return slices.ContainsFunc(l.o.StepFilter, func(pat string) bool { return matchName(pat, m.Name, name) })
}
