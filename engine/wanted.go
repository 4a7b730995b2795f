package engine

import (
	"bytes"
	"cmp"
	"iter"
	"maps"
	"slices"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

// standing is what the breakpoints want: computed once for a table of them, for each
// stop and each resume asks, and most change nothing.
type standing struct {
	of    []source
	deaf  deafness // without those of the CPU's breakpoints that are known not to spring
	traps map[trapKey]targets.Trap
	at    map[arch.Addr][]*breakpoint // the enabled breakpoints on code, by their places
}

// source is all of a breakpoint that its traps come of.
type source struct {
	b        *breakpoint
	addrs    []arch.Addr
	agent    map[arch.Addr][]byte
	disabled bool
}

// current reports whether s is still what l's breakpoints want.
func (s *standing) current(l *loop) bool {
	if s == nil || len(s.of) != len(l.bps) || s.deaf != l.trial.deaf {
		return false
	}
	for i, b := range l.bps {
		x := &s.of[i]
		if x.b != b || x.disabled != b.Disabled || !slices.Equal(x.addrs, b.addrs) ||
			len(b.agent)+len(x.agent) > 0 && !maps.EqualFunc(x.agent, b.agent, bytes.Equal) {
			return false
		}
	}
	return true
}

// stand returns what the breakpoints want.
func (l *loop) stand() *standing {
	if l.standing.current(l) {
		return l.standing
	}
	s := &standing{deaf: l.trial.deaf, traps: make(map[trapKey]targets.Trap, len(l.bps)), at: make(map[arch.Addr][]*breakpoint, len(l.bps))}
	for _, b := range l.bps {
		s.of = append(s.of, source{b, slices.Clone(b.addrs), b.agent, b.Disabled})
		b.traps(s.traps, l.arch)
		if b.Disabled || !b.code() {
			continue
		}
		for _, a := range b.addrs {
			s.at[a] = append(s.at[a], b)
		}
	}
	maps.DeleteFunc(s.traps, func(k trapKey, _ targets.Trap) bool { return s.deaf.of(k.kind) != nil })
	l.standing = s
	return s
}

// breakpointsAt lists the enabled breakpoints on code that have a place at pc.
func (l *loop) breakpointsAt(pc arch.Addr) []*breakpoint { return l.stand().at[pc] }

// wanted is the set of traps that should be in: what the breakpoints want, and what
// is different from that now.
type wanted struct {
	standing *standing
	now      map[trapKey]wish
}

// wish is a trap that is wanted, or one that is not.
type wish struct {
	targets.Trap
	not bool
}

func (w *wanted) get(k trapKey) (targets.Trap, bool) {
	if x, ok := w.now[k]; ok {
		return x.Trap, !x.not
	}
	t, ok := w.standing.traps[k]
	return t, ok
}

func (w *wanted) has(k trapKey) bool {
	_, ok := w.get(k)
	return ok
}

func (w *wanted) set(t targets.Trap) { w.now[keyOf(t)] = wish{Trap: t} }

// add wants a trap without a condition: it springs always.
func (w *wanted) add(a arch.Addr) { w.set(targets.Trap{Addr: a}) }

func (w *wanted) drop(k trapKey) { w.now[k] = wish{not: true} }

// all are the keys of what is wanted.
func (w *wanted) all() iter.Seq[trapKey] {
	return func(yield func(trapKey) bool) {
		for k, x := range w.now {
			if !x.not && !yield(k) {
				return
			}
		}
		for k := range w.standing.traps {
			if _, ok := w.now[k]; !ok && !yield(k) {
				return
			}
		}
	}
}

// wanted is the set of traps that should be in.
func (l *loop) wanted() *wanted {
	w := &wanted{l.stand(), map[trapKey]wish{}}
	switch {
	case l.r == nil: // nothing runs that could spring one
		w.standing = &standing{}
		return w
	case l.borrowed:
		w.standing = &standing{traps: l.planted()}
		return w
	}
	if l.modules.between {
		for k := range w.standing.traps {
			if k.kind == targets.Software && l.mayGo(k.addr) {
				w.drop(k)
			}
		}
	}
	l.wantNow(w)
	l.trial.traps(w)
	l.condense(w)
	for a := range l.lifted {
		w.drop(trapKey{addr: a})
		w.drop(trapKey{kind: targets.Hardware, addr: a})
	}
	return w
}

// wantNow adds the debugger's own traps.
func (l *loop) wantNow(w *wanted) {
	for _, a := range l.modules.watch {
		w.add(a)
	}
	for a := range l.armed.throws {
		w.add(a)
	}
	for a := range l.armed.fatal {
		w.add(a)
	}
	l.extents(w.add)
	if p := l.plan; p != nil && p.passing != nil {
		for _, a := range p.passing.ends {
			w.add(a)
		}
		return
	}
	if p := l.plan; p != nil && (p.crawl > 0 || p.astray && p.leg.kind == targets.Step) {
		return // without the step's traps
	}
	for _, a := range l.kept {
		w.add(a)
	}
	if l.plan != nil {
		for _, t := range l.plan.leg.temps {
			if t.hard {
				w.set(targets.Trap{Kind: targets.Hardware, Addr: t.addr})
				continue
			}
			x := targets.Trap{Addr: t.addr, Condition: t.when}
			if y, ok := w.get(keyOf(x)); ok && !bytes.Equal(x.Condition, y.Condition) {
				x.Condition = nil
			}
			w.set(x)
		}
	}
	for _, a := range l.ways {
		if !l.modules.between || !l.mayGo(a) {
			w.add(a)
		}
	}
}

// diff compares what is wanted with what is planted. A trap planted once more takes
// its new condition over from the old one (GDB manual, "Packets", Z0).
func (t *trapTable) diff(w *wanted) (lift, plant []targets.Trap) {
	t.compare(w.standing)
	look := func(k trapKey) {
		x, in := t.in[k]
		want, ok := w.get(k)
		switch {
		case in && !ok:
			lift = append(lift, x.Trap)
		case in && !bytes.Equal(want.Condition, x.Condition), !in && ok && t.refused[k] == nil:
			plant = append(plant, want)
		}
	}
	for k := range t.apart {
		look(k)
	}
	for k := range w.now {
		if _, done := t.apart[k]; !done {
			look(k)
		}
	}
	byAddr := func(a, b targets.Trap) int {
		return cmp.Or(cmp.Compare(a.Addr, b.Addr), cmp.Compare(a.Kind, b.Kind))
	}
	slices.SortFunc(lift, byAddr)
	slices.SortFunc(plant, byAddr)
	return lift, plant
}

// compare brings apart up to date: only those whose plant changed need a look, unless
// the breakpoints want something else than before.
func (t *trapTable) compare(s *standing) {
	if t.against != s {
		t.against = s
		for k := range t.in {
			t.apart[k] = struct{}{}
		}
		for k := range s.traps {
			t.apart[k] = struct{}{}
		}
	}
	for k := range t.apart {
		x, in := t.in[k]
		want, ok := s.traps[k]
		if in == ok && (!in || bytes.Equal(want.Condition, x.Condition)) {
			delete(t.apart, k)
		}
	}
}
