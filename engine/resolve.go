package engine

import (
	"context"
	"errors"
	"slices"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/eval"
	"dap-windbg/symbols"
	"dap-windbg/targets"
)

// unresolved reports whether a breakpoint may gain places from a module to come.
func (l *loop) unresolved() bool {
	return slices.ContainsFunc(l.bps, func(b *breakpoint) bool {
		return b.dynamic() && (len(b.addrs) == 0 || b.Function != "" || b.File != "" || b.Deferred)
	})
}

// resolveAll resolves wishes against modules that came, and tells changes.
func (l *loop) resolveAll(ctx context.Context, in []*Module) {
	for _, b := range l.bps {
		if b.dynamic() && (l.resolve(ctx, b, in) || l.resolveAlias(b, in)) {
			l.explainLine(b)
			l.compile(ctx, b)
			l.o.Emit(BreakpointEvent{Status: l.status(b)})
		}
	}
}

// resolve looks for b's places in modules; true when it gained any.
func (l *loop) resolve(ctx context.Context, b *breakpoint, in []*Module) bool {
	before := len(b.addrs)
	switch {
	case b.File != "":
		l.resolveLine(b, in)
	case b.Function != "":
		l.resolveFunction(b, in)
	case b.Expr != "":
		l.resolveExpr(ctx, b)
	case b.Addr != 0 && before == 0:
		b.addrs = []arch.Addr{b.Addr}
		if m, ok := l.moduleAt(b.Addr); ok && m.Image != nil {
			loc := l.locate(b.Addr)
			b.places = []placed{{m, symbols.Place{Offset: m.offset(b.Addr), Line: loc.Line, Function: loc.Symbol.Name}}}
		}
	}
	if len(b.addrs) > before {
		b.message = ""
	}
	return len(b.addrs) > before
}

// maxPlaces bounds the places of a breakpoint: each is a trap that the far end has
// to plant.
const maxPlaces = 4096

// add takes over places that are new.
func (l *loop) add(b *breakpoint, ps ...placed) {
	for _, p := range ps {
		if len(b.addrs) == maxPlaces {
			return // status tells
		}
		if a := p.addr(); !slices.Contains(b.addrs, a) && !p.m.freed(a) {
			b.addrs = append(b.addrs, a)
			b.places = append(b.places, p)
		}
	}
}

// resolveLine takes every place of the line, by the file's own name or the one it
// was found by.
func (l *loop) resolveLine(b *breakpoint, in []*Module) {
	l.add(b, l.linePlaces("", b.File, b.Line, in)...)
	if b.Aliases == "" || len(b.places) == 0 {
		return
	}
	if recorded := b.places[0].Line.File; recorded != b.File {
		l.add(b, l.linePlaces("", recorded, b.Line, in)...)
	}
}

// resolveAlias takes the places of the first of b's aliases that an image has, if it
// has no place yet; true when it gained any.
func (l *loop) resolveAlias(b *breakpoint, in []*Module) bool {
	if b.Aliases == "" || len(b.addrs) > 0 {
		return false
	}
	for name := range strings.SplitSeq(b.Aliases, "\n") {
		if l.add(b, l.linePlaces("", name, b.Line, in)...); len(b.addrs) > 0 {
			b.message = ""
			return true
		}
	}
	return false
}

// resolveFunction takes every function of the name, behind its prologue.
func (l *loop) resolveFunction(b *breakpoint, in []*Module) {
	if b.regexp() != "" {
		l.resolveRegexp(b, in)
		return
	}
	mod, name := split(b.Function)
	wantIn := l.matching(mod)
	for _, m := range in {
		if !slices.Contains(wantIn, m) || m.Image == nil {
			continue
		}
		l.lookup(m, strings.TrimSuffix(name, "()"), func(loc Location) bool {
			if loc.Symbol.Kind != symbols.Function || loc.Symbol.Indirect {
				return true
			}
			l.add(b, bodyOf(loc))
			return len(b.addrs) < maxPlaces
		})
		l.add(b, l.copies(m, strings.TrimSuffix(name, "()"))...)
		if len(b.addrs) > 0 && mod == "" && !wild(name) {
			return // the first module that has it, main first
		}
	}
}

// bodyOf is a function's place behind its prologue.
func bodyOf(loc Location) placed {
	if liner, ok := loc.Module.Image.(symbols.Liner); ok {
		if body, ok := liner.Body(loc.Symbol.Offset); ok {
			return placed{loc.Module, body}
		}
	}
	return placed{loc.Module, symbols.Place{Offset: loc.Symbol.Offset, Line: loc.Line, Function: loc.Symbol.Name}}
}

// resolveExpr evaluates a MASM expression, or takes all matches of a pattern.
func (l *loop) resolveExpr(ctx context.Context, b *breakpoint) {
	text, quoted := quotedName(b.Expr)
	if quoted && b.regexp() != "" {
		l.resolveRegexp(b, l.modules.rows)
		return
	}
	if wild(text) && (quoted || !strings.ContainsAny(text, " +(")) {
		locs, err := l.find(ctx, text)
		if err != nil {
			b.message = err.Error()
		}
		for _, loc := range locs {
			if loc.Symbol.Kind == symbols.Function {
				l.add(b, placed{loc.Module, symbols.Place{Offset: loc.Symbol.Offset, Line: loc.Line, Function: loc.Symbol.Name}})
			}
		}
		return
	}
	var all []placed
	if quoted || b.function() != "" {
		all = l.namesakes(ctx, text)
	}
	if quoted {
		if l.add(b, all...); len(b.addrs) == 0 {
			b.message = (&eval.NameError{Name: text, Rest: text}).Error()
		}
		return
	}
	var f *Frame
	if !b.code() && l.state == StateStopped { // a local variable has an address in its frame
		f = l.orSelected(nil)
	}
	a, err := l.masmIn(ctx, f, b.Expr)
	switch {
	case err == nil:
		if !slices.ContainsFunc(all, func(p placed) bool { return p.addr() == a }) {
			all = nil // the name is a number, a register or something else before it is a function's
		}
	case len(all) > 0: // it is inlined everywhere
		a = all[0].addr()
	default:
		b.message = err.Error()
		return
	}
	defer l.add(b, all...)
	if len(b.addrs) > 0 && b.addrs[0] == a {
		return
	}
	b.unresolve()
	if l.inFreed(a) {
		return
	}
	b.addrs = []arch.Addr{a}
	if loc := l.locate(a); loc.Module != nil && loc.Module.Image != nil {
		b.places = []placed{{loc.Module, symbols.Place{Offset: loc.Module.offset(a), Line: loc.Line, Function: loc.Symbol.Name}}}
	}
}

// masmIn evaluates an address expression: a plain symbol, a number, or more.
func (l *loop) masmIn(ctx context.Context, f *Frame, expr string) (arch.Addr, error) {
	if strings.Contains(expr, "!") { // else the evaluator asks for the name: looking it up takes time
		if a, err := l.address(ctx, strings.TrimSpace(expr)); err == nil {
			return a, nil
		}
	}
	e, err := eval.Parse(expr, eval.Options{Dialect: eval.MASM})
	if err != nil {
		if a, plain := l.address(ctx, strings.TrimSpace(expr)); plain == nil {
			return a, nil
		}
		return 0, err
	}
	var n uint64
	err = l.evaluate(ctx, f, e, func(ctx context.Context, env eval.Env, v eval.Value) error {
		var err error
		n, err = eval.Int(ctx, env, v)
		return err
	})
	return arch.Addr(n), err
}

// drop forgets places in modules that went; a deferred wish waits again.
func (l *loop) drop(went []*Module) {
	if len(went) == 0 {
		return
	}
	keep := func(a arch.Addr) bool {
		return !slices.ContainsFunc(went, func(m *Module) bool { return m.holds(a) })
	}
	l.ways = slices.DeleteFunc(l.ways, func(a arch.Addr) bool { return !keep(a) })
	for _, b := range l.bps {
		n := len(b.addrs)
		b.addrs = slices.DeleteFunc(b.addrs, func(a arch.Addr) bool { return !keep(a) })
		b.places = slices.DeleteFunc(b.places, func(p placed) bool { return slices.Contains(went, p.m) })
		if len(b.addrs) != n {
			l.o.Emit(BreakpointEvent{Status: l.status(b)})
		}
	}
	for k, x := range l.traps.in { // the far end is told of the others by the next difference
		if x.patch && !keep(k.addr) {
			l.traps.remove(k)
		}
	}
}

// compile makes b's condition for the far end, where both can.
func (l *loop) compile(ctx context.Context, b *breakpoint) {
	if b.agent != nil || b.cond == nil || len(b.addrs) == 0 {
		return
	}
	switch b.here = ""; {
	case !b.code():
		return
	case !b.farSide():
		b.here = "hits are counted, or threads told apart"
		return
	case l.t.Info().Limits.Bits&targets.Conditions == 0:
		b.here = "the far end evaluates none"
		return
	}
	agents := map[arch.Addr][]byte{}
	for _, a := range b.addrs {
		code, err := l.agentAt(ctx, b.cond, a)
		if err != nil {
			if !errors.Is(err, eval.ErrNoAgent) {
				l.o.Log.Debug().Err(err).Msg("condition for the far end")
			}
			b.here = "the far end has no code for it"
			return
		}
		agents[a] = code
	}
	b.agent = agents
}

// farSide reports whether nothing but the condition decides at a hit: what we
// count, we must see.
func (b *breakpoint) farSide() bool {
	return b.code() && b.Passes <= 1 && b.HitCondition == "" && b.Thread == targets.ThreadID{}
}
