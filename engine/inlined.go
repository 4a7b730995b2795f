package engine

import (
	"context"
	"slices"

	"dap-windbg/arch"
	"dap-windbg/symbols"
	"dap-windbg/targets"
)

// inlined identifies an inlined call.
type inlined struct {
	name string
	low  symbols.Offset
}

// site is a place in code and the inlined calls that it lies in.
type site struct {
	scopes []symbols.Scope // innermost call first, the function that has the code last
	begins int             // so many of the innermost calls begin here: they can be seen as not entered yet
}

// siteAt looks the inlined calls at off up.
func (l *loop) siteAt(m *Module, off symbols.Offset) site {
	s := site{scopes: m.scopes(off)}
	n := s.depth()
	if n == 0 {
		return s
	}
	before := m.scopes(off - 1)
	for s.begins < n {
		sc := s.scopes[s.begins]
		in := slices.ContainsFunc(before, func(b symbols.Scope) bool { return b.Inlined && b.Name == sc.Name && b.Low == sc.Low })
		if sc.Low != off && in {
			break
		}
		s.begins++
	}
	return s
}

// depth is how many inlined calls the place lies in.
func (s site) depth() int {
	n := 0
	for n < len(s.scopes) && s.scopes[n].Inlined {
		n++
	}
	return n
}

// nth is the inlined call with k others around it.
func (s site) nth(k int) *symbols.Scope { return &s.scopes[s.depth()-1-k] }

// call is where the nth inlined call is written.
func (s site) call(k int) symbols.Line { return s.nth(k).Call }

// chain lists the inlined calls, from the function inwards.
func (s site) chain() []inlined {
	out := make([]inlined, s.depth())
	for k := range out {
		out[k] = inlined{s.nth(k).Name, s.nth(k).Low}
	}
	return out
}

// within reports whether the place lies in all the calls of a chain.
func (s site) within(chain []inlined) bool {
	if s.depth() < len(chain) {
		return false
	}
	for k, c := range chain {
		if x := s.nth(k); x.Name != c.name || x.Low != c.low {
			return false
		}
	}
	return true
}

// folding is how many of the innermost inlined calls at a stop do not show: they
// begin there, and a step into them is still to be made.
type folding struct {
	thread targets.ThreadID
	pc     arch.Addr
	n      int
	all    bool // n is yet to be looked up: all that begin there
}

// folded is how many inlined calls do not show at pc in a thread.
func (l *loop) folded(id targets.ThreadID, pc arch.Addr) int {
	f := &l.folding
	if f.thread != id || f.pc != pc {
		return 0
	}
	if f.all {
		f.all = false
		if m, ok := l.moduleAt(pc); ok && m.Image != nil {
			f.n = l.siteAt(m, m.offset(pc)).begins
		}
	}
	return f.n
}

// fold has n inlined calls not show at the place where a thread is stopped.
func (l *loop) fold(id targets.ThreadID, pc arch.Addr, n int) {
	if l.folding.all || l.folded(id, pc) != n {
		delete(l.walks, id)
	}
	l.folding = folding{thread: id, pc: pc, n: n}
}

// foldAll has none show of those that begin there. Which they are is looked up when
// somebody looks at the stop: of most, nobody does.
func (l *loop) foldAll(id targets.ThreadID, pc arch.Addr) {
	delete(l.walks, id)
	l.folding = folding{thread: id, pc: pc, all: true}
}

// calledFrom is how many of the calls that begin here do not show when a line does
// from which one of them is made.
func (s site) calledFrom(line symbols.Line) int {
	for n := s.begins; n > 0; n-- {
		if sameLine(s.scopes[n-1].Call, line) {
			return n
		}
	}
	return 0
}

// foldAt folds what begins where a thread has stopped, but not what a breakpoint
// there was set on: a line, an address, or the inlined function itself.
func (l *loop) foldAt(id targets.ThreadID, pc arch.Addr, p *plan) {
	if p != nil && p.how.Kind != Go && p.how.Unit == ByInstruction {
		l.fold(id, pc, 0)
		return
	}
	here := l.breakpointsAt(pc)
	if len(here) == 0 {
		l.foldAll(id, pc)
		return
	}
	l.fold(id, pc, 0)
	m, ok := l.moduleAt(pc)
	if !ok || m.Image == nil {
		return
	}
	at := l.siteAt(m, m.offset(pc))
	n := at.begins
	for _, b := range here {
		if b.File != "" {
			n = min(n, at.calledFrom(b.lineAt(pc)))
			continue
		}
		if b.Function == "" {
			return
		}
		for i := n - 1; i >= 0; i-- { // of one in another the outer is entered first
			if base, _, _ := cutParams(b.Function); at.scopes[i].Name == base || at.scopes[i].Name == b.Function {
				n = i
				break
			}
		}
	}
	l.fold(id, pc, n)
}

// lineAt is the line that b was set on, if that is at pc.
func (b *breakpoint) lineAt(pc arch.Addr) symbols.Line {
	for _, p := range b.places {
		if p.addr() == pc {
			return p.Line
		}
	}
	return symbols.Line{}
}

// cutParams splits "f(int)" into the name and its parameters.
func cutParams(f string) (name, params string, ok bool) {
	for i := len(f) - 1; i > 0; i-- {
		if f[i] == '(' {
			return f[:i], f[i:], true
		}
	}
	return f, "", false
}

// leaveInline makes the leg that runs to the end of inlined frame f of the innermost
// function with code.
func (p *plan) leaveInline(ctx context.Context, l *loop, f *Frame) error {
	from, ok := l.statementAt(ctx, f.PC)
	if !ok {
		return p.stepOut(ctx, l, f.code.Index)
	}
	low, high := f.Scope.Low, f.Scope.High
	for _, r := range f.Scope.Ranges {
		if off := f.Module.offset(f.PC); off >= r.Low && off < r.High {
			low, high = r.Low, r.High
		}
	}
	from.lo, from.hi = f.Module.addr(low), f.Module.addr(high)
	for k, c := range from.chain {
		if c.name == f.Scope.Name && c.low == f.Scope.Low {
			from.chain = from.chain[:k]
			break
		}
	}
	from.line = symbols.Line{}
	p.from = from
	p.how.Kind, p.how.Unit = StepOver, ByLine
	r, err := l.registers(ctx, p.thread)
	if err != nil {
		return err
	}
	return p.leave(ctx, l, r)
}
