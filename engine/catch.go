package engine

import (
	"context"
	"slices"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/symbols"
	"dap-windbg/targets"
)

// beginCatch is what a handler of a C++ exception calls first (Itanium C++ ABI,
// 2.4.4). A step over code that throws would never reach its own traps; this
// one tells where the exception was caught.
const beginCatch = "__cxa_begin_catch"

// jumpers are the C library's functions that go on elsewhere in a frame further out
// (ISO C, 7.13): no trap of a step over their caller would tell of it.
var jumpers = []string{"longjmp", "_longjmp", "siglongjmp", "__longjmp_chk"}

// learnWays finds beginCatch and the jumpers.
func (l *loop) learnWays(ctx context.Context) {
	if l.modules.catchKnown {
		return
	}
	l.modules.catch, l.modules.jumps, l.modules.catchKnown = 0, nil, true
	for i, m := range l.modules.rows {
		cpp := strings.HasPrefix(m.Name, "libstdc") || strings.HasPrefix(m.Name, "libc__")
		c := m.Name == "libc" || strings.HasPrefix(m.Name, "libc_so") || strings.HasPrefix(m.Name, "ld_musl")
		if !cpp && !c && i != 0 || l.need(ctx, m) != nil || m.Image == nil {
			continue
		}
		if a, ok := functionIn(m, beginCatch); ok && !c {
			l.modules.catch = a
		}
		for _, name := range jumpers {
			if a, ok := functionIn(m, name); ok && !cpp && !slices.Contains(l.modules.jumps, a) {
				l.modules.jumps = append(l.modules.jumps, a)
			}
		}
	}
}

func functionIn(m *Module, name string) (at arch.Addr, ok bool) {
	for s := range m.Image.Lookup(name) {
		if s.Kind == symbols.Function && (s.Name == name || s.Linkage == name) {
			at, ok = m.addr(s.Offset), true
		}
	}
	return at, ok
}

// addCatch adds the traps that tell of exceptions and jumps to a leg that runs freely.
func (p *plan) addCatch(ctx context.Context, l *loop) {
	if p.how.Kind == Go || p.how.Reverse || p.leg.kind == targets.Step {
		return
	}
	l.learnWays(ctx)
	add := func(t temp) {
		if t.addr != 0 && p.leg.sprung(t.addr).addr == 0 {
			p.leg.temps = append(p.leg.temps, t)
		}
	}
	add(temp{addr: l.modules.catch, catch: true})
	for _, a := range l.modules.jumps {
		add(temp{addr: a, jump: true})
	}
}

// caught decides about an exception that is being caught: when that is in the
// plan's frame or further out, the plan goes on from the handler.
func (p *plan) caught(ctx context.Context, l *loop) {
	fs, err := l.stack(ctx, p.thread, 3)
	if err != nil || len(fs) < 2 || fs[0].Return == 0 {
		return
	}
	if handler := fs[0].code.Index + 1; handler < len(fs) && fs[handler].CFA != 0 && p.mark.cfa != 0 && p.inside(fs[handler].CFA) {
		return
	}
	t := returnTemp(fs[0], l.arch)
	t.ret, t.caught = false, true
	p.leg.temps, p.home = []temp{t}, leaving{}
}

// inside reports whether a frame by its CFA is one that the step runs through: one
// further in than the plan's, or that one too when it is to be left.
func (p *plan) inside(cfa arch.Addr) bool {
	return cfa < p.mark.cfa || p.out && cfa == p.mark.cfa
}

// leap follows a thread out of a function that jumps: through the C library's code,
// with what it ran to before still in place.
func (p *plan) leap(l *loop, pc arch.Addr) {
	m, ok := l.moduleAt(pc)
	if !ok {
		return
	}
	was := p.leg
	p.leaping = &was
	p.leg = leg{kind: targets.Step, temps: slices.DeleteFunc(slices.Clone(was.temps), func(t temp) bool { return t.jump })}
	if l.t.Info().Limits.Bits&targets.StepRange != 0 {
		p.leg.lo, p.leg.hi = m.Base, m.Base+arch.Addr(m.span())
	}
}

// landed decides about where a jump has come to. Where that is further in than the
// plan's frame, the plan goes on as before; else the step ends there.
func (p *plan) landed(ctx context.Context, l *loop, r *arch.Registers) (done bool) {
	from, _ := l.moduleAt(p.leg.lo)
	if m, ok := l.moduleAt(r.PC()); ok && m == from && p.leg.hi > p.leg.lo {
		return false // still on its way: the far end stopped for another reason
	}
	if side := p.side(ctx, l, r); side < 0 || side == 0 && p.out {
		p.leg, p.leaping = *p.leaping, nil
		return false
	}
	return true
}

// keepWays keeps the traps of the ways out of a step in place behind it: the next
// resume is likely to be a step. One that is no step leaves them, too, and is stopped
// by them once at most, unseen, for then they are lifted: see strayed.
func (l *loop) keepWays(p *plan) {
	if p != nil {
		for _, t := range p.leg.temps {
			if (t.catch || t.jump) && !slices.Contains(l.ways, t.addr) {
				l.ways = append(l.ways, t.addr)
			}
		}
	}
	l.ways = slices.DeleteFunc(l.ways, func(a arch.Addr) bool {
		_, loaded := l.moduleAt(a)
		return !loaded
	})
}

// strayed notices that a thread met a trap at pc that was left from a step: what runs
// now would meet it again and again.
func (l *loop) strayed(pc arch.Addr) {
	if slices.Contains(l.ways, pc) {
		l.ways = nil
	}
}
