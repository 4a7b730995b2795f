package engine

import (
	"context"
	"slices"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// Bounds of the search for a chain of tail calls.
const (
	maxChain  = 64
	maxVisits = 1000
)

// tailSite is a tail call in place.
type tailSite struct {
	pc   arch.Addr
	m    *Module
	call symbols.Call
}

// entered is a frame with code whose caller has been found: what the search for
// tail calls between the two starts from.
type entered struct {
	entry arch.Addr // of the frame's function
	names [3]string // of the function: most calls name it, and nothing is to be searched
	cfa   arch.Addr
	regs  *arch.Registers // when nothing of the function has run: all are still its caller's
}

// entryOf is where the function of a frame is entered, 0 unknown.
func entryOf(f *Frame) arch.Addr {
	switch {
	case f.Module == nil:
		return 0
	case f.Scope != nil && !f.Scope.Inlined && f.Scope.Low != 0:
		return f.Module.addr(f.Scope.Low)
	case f.Symbol.Name != "" && f.Symbol.Kind == symbols.Function:
		return f.Module.addr(f.Symbol.Offset)
	}
	return 0
}

// namesOf are the names that a call of a frame's function may use.
func namesOf(f *Frame) (names [3]string) {
	names[0], names[1] = f.Symbol.Linkage, f.Symbol.Name
	if f.Scope != nil && !f.Scope.Inlined {
		names[2] = f.Scope.Linkage
	}
	return names
}

// addTailFrames appends the frames between the frame last added and its caller,
// whose registers are r: there are some when the call at the caller's pc is of
// another function than the one that runs, and only one way leads there.
func (l *loop) addTailFrames(ctx context.Context, w *walk, r *arch.Registers) {
	from := w.entered
	if w.entered = (entered{}); from.entry == 0 || r.Interrupted {
		return
	}
	kind := w.kind
	for i, site := range l.tailChain(ctx, r.PC(), from) {
		s := r.Clone()
		s.SetSP(from.cfa)
		if l.arch.Link == "" {
			s.SetSP(from.cfa - arch.Addr(l.arch.PtrSize))
		}
		if target, ok := l.calls(ctx, site); i == 0 && from.regs != nil && ok && target == from.entry {
			s = from.regs.Clone()
		}
		s.SetPC(site.pc)
		s.Interrupted = site.call.Exact
		w.kind = ByTailCall
		l.addFrames(w, s, s.LookupPC(), from.cfa, r.PC())
		w.levels++
	}
	w.kind = kind
}

// tailChain finds the tail calls between the call that returns to ret and the
// function that runs, innermost first: what all ways have in common.
func (l *loop) tailChain(ctx context.Context, ret arch.Addr, callee entered) []tailSite {
	m, ok := l.moduleAt(ret)
	if !ok || l.need(ctx, m) != nil {
		return nil
	}
	tc, ok := m.Image.(symbols.TailCaller)
	if !ok {
		return nil
	}
	call, ok := m.callAt(tc, m.offset(ret))
	if !ok || call.Name != "" && slices.Contains(callee.names[:], call.Name) {
		return nil
	}
	s := chainSearch{l: l, ctx: ctx, callee: callee.entry, seen: map[arch.Addr]bool{}}
	if !s.visit(tailSite{pc: ret, m: m, call: call}, nil) || s.ways == 0 {
		return nil
	}
	out := make([]tailSite, 0, len(s.last)+len(s.first))
	for i := len(s.last) - 1; i >= 0; i-- {
		out = append(out, s.last[i])
	}
	if s.ways == 1 {
		return out // first is the same
	}
	for i := len(s.first) - 1; i >= 0; i-- {
		out = append(out, s.first[i])
	}
	return out
}

// chainSearch follows tail calls from function to function.
type chainSearch struct {
	l           *loop
	ctx         context.Context
	callee      arch.Addr
	seen        map[arch.Addr]bool // on the way
	visits      int
	ways        int
	first, last []tailSite // what all ways begin and end with
}

// visit follows a call behind the tail calls of chain. False: not all ways can
// be known.
func (s *chainSearch) visit(site tailSite, chain []tailSite) bool {
	if s.visits++; s.visits > maxVisits || len(chain) > maxChain {
		return false
	}
	target, ok := s.l.calls(s.ctx, site)
	if !ok {
		return false
	}
	if target == s.callee {
		return s.arrive(chain)
	}
	m, ok := s.l.moduleAt(target)
	if !ok || s.l.need(s.ctx, m) != nil {
		return false
	}
	tc, ok := m.Image.(symbols.TailCaller)
	if !ok {
		return false
	}
	calls, ok := m.tailCalls(tc, m.offset(target))
	if !ok {
		return false
	}
	for _, c := range calls {
		next := tailSite{pc: m.addr(c.PC), m: m, call: c}
		if s.seen[next.pc] {
			continue
		}
		s.seen[next.pc] = true
		ok := s.visit(next, append(chain[:len(chain):len(chain)], next))
		delete(s.seen, next.pc)
		if !ok {
			return false
		}
	}
	return true
}

// arrive takes a way; false when it has nothing in common with the others.
func (s *chainSearch) arrive(chain []tailSite) bool {
	if s.ways++; s.ways == 1 {
		s.first, s.last = chain, chain
		return true
	}
	n := 0
	for n < len(s.first) && n < len(chain) && s.first[n].pc == chain[n].pc {
		n++
	}
	s.first = s.first[:n]
	for n = 0; n < len(s.last) && n < len(chain) && s.last[len(s.last)-1-n].pc == chain[len(chain)-1-n].pc; n++ {
	}
	s.last = s.last[len(s.last)-n:]
	return len(s.first)+len(s.last) > 0
}

// calls is the function that a call enters; false when that cannot be known.
func (l *loop) calls(ctx context.Context, site tailSite) (arch.Addr, bool) {
	switch c := site.call; {
	case c.Direct:
		return site.m.addr(c.Target), true
	case c.Name != "":
		site.m.remember()
		f, known := site.m.known.named[c.Name]
		if among := l.imagesMark(); !known || f.among != among {
			f.addr, f.ok = l.functionNamed(ctx, site.m, c.Name)
			if ctx.Err() != nil {
				return 0, false
			}
			f.among = l.imagesMark()
			site.m.remember()
			site.m.known.named[c.Name] = f
		}
		return f.addr, f.ok
	}
	return 0, false
}

// imagesMark changes when images come, go or are opened.
func (l *loop) imagesMark() (mark arch.Addr) {
	for _, m := range l.modules.rows {
		if mark += m.Base; m.Image != nil {
			mark++
		}
	}
	return mark
}

// functionNamed finds a function by linkage name as the linker does: in the
// caller's own image, else in those the program has loaded, in their order.
// Where an image has several of the name, or is still being looked for, nobody knows
// which is meant.
func (l *loop) functionNamed(ctx context.Context, own *Module, name string) (arch.Addr, bool) {
	for _, m := range append([]*Module{own}, l.modules.rows...) {
		if m != own && (l.need(ctx, m) != nil || !m.Tried && l.o.Store != nil) {
			return 0, false
		}
		if m.Image == nil {
			continue
		}
		off, n := symbols.Offset(0), 0
		for s := range m.Image.Lookup(name) {
			if s.Kind != symbols.Function || s.Linkage != name && (s.Linkage != "" || s.Name != name) || m != own && !s.Global {
				continue
			}
			if n == 0 || s.Offset != off {
				n++
			}
			off = s.Offset
		}
		if n > 0 {
			return m.addr(off), n == 1
		}
	}
	return 0, false
}
