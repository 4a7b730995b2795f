package engine

import (
	"context"
	"fmt"
	"path"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/eval"
	"dap-windbg/symbols"
)

// locate names an address with what is loaded.
func (l *loop) locate(a arch.Addr) Location {
	loc := Location{Addr: a}
	m, ok := l.moduleAt(a)
	if !ok {
		return loc
	}
	loc.Module = m
	if m.Image == nil {
		return loc
	}
	n := m.nameAt(m.offset(a))
	loc.Symbol, loc.Disp, loc.Line = n.symbol, n.disp, n.line
	return loc
}

// symbolText names an address as "mod!f+0x10"; "" when nothing is near.
func (l *loop) symbolText(a arch.Addr) string {
	loc := l.locate(a)
	if loc.Module == nil {
		return ""
	}
	if loc.Symbol.Name == "" {
		if d := a - loc.Module.Base; d != 0 {
			return fmt.Sprintf("%s+0x%x", loc.Module.Name, uint64(d))
		}
		return loc.Module.Name
	}
	name := loc.Module.Name + "!" + loc.Symbol.Shown()
	if loc.Disp != 0 {
		name += fmt.Sprintf("+0x%x", loc.Disp)
	}
	return name
}

func wild(s string) bool { return strings.ContainsAny(s, "*?[#") }

// split cuts "mod!name" in two; mod is "" when there is none.
func split(name string) (mod, rest string) {
	if m, r, ok := strings.Cut(name, "!"); ok {
		return m, r
	}
	return "", name
}

// matching lists modules a pattern's module part means.
func (l *loop) matching(mod string) []*Module {
	if mod == "" {
		return l.modules.rows
	}
	if m, ok := l.moduleNamed(mod); ok && !wild(mod) {
		return []*Module{m}
	}
	var out []*Module
	for _, m := range l.modules.rows {
		if ok, _ := path.Match(strings.ToLower(mod), strings.ToLower(m.Name)); ok {
			out = append(out, m)
		}
	}
	return out
}

// lookup yields a name's places in one module.
func (l *loop) lookup(m *Module, name string, f func(Location) bool) bool {
	if m.Image == nil {
		return true
	}
	for _, try := range []string{name, "_" + name, strings.ReplaceAll(name, "__", "::")} {
		found := false
		for s := range m.Image.Lookup(try) {
			found = true
			loc := Location{Addr: m.addr(s.Offset), Module: m, Symbol: s}
			if liner, ok := m.Image.(symbols.Liner); ok && s.Kind == symbols.Function {
				loc.Line, _ = liner.Line(s.Offset)
			}
			if !f(loc) {
				return false
			}
		}
		if found || wild(name) {
			break
		}
	}
	return true
}

// find resolves "mod!name" or "name": in the named modules, which are opened;
// unqualified names in the main module first, then in what is loaded, then in
// the rest.
func (l *loop) find(ctx context.Context, name string) ([]Location, error) {
	mod, rest := split(name)
	var out []Location
	take := func(loc Location) bool { out = append(out, loc); return len(out) < 4096 }
	if mod != "" {
		ms := l.matching(mod)
		if err := l.need(ctx, ms...); err != nil {
			return nil, err
		}
		for _, m := range ms {
			l.lookup(m, rest, take)
		}
		return out, nil
	}
	var loaded, rest2 []*Module
	for i, m := range l.modules.rows {
		if m.Tried || i == 0 {
			loaded = append(loaded, m)
		} else {
			rest2 = append(rest2, m)
		}
	}
	for _, ms := range [][]*Module{loaded, rest2} {
		if err := l.need(ctx, ms...); err != nil {
			return nil, err
		}
		for _, m := range ms {
			if l.lookup(m, rest, take); len(out) > 0 {
				return out, nil
			}
		}
	}
	return out, nil
}

// address resolves a symbol to one address, as MASM does.
func (l *loop) address(ctx context.Context, name string) (arch.Addr, error) {
	locs, err := l.find(ctx, name)
	if err != nil {
		return 0, err
	}
	if len(locs) == 0 {
		if m, ok := l.moduleNamed(name); ok {
			return m.Base, nil
		}
		return 0, &eval.NameError{Name: name, Rest: name}
	}
	return best(locs).Addr, nil
}

// best prefers functions, then what has debug information, then global names.
func best(locs []Location) Location {
	score := func(s symbols.Symbol) (n int) {
		if s.Kind == symbols.Function {
			n += 4
		}
		if !s.Public {
			n += 2
		}
		if s.Global {
			n++
		}
		return n
	}
	out := locs[0]
	for _, x := range locs[1:] {
		if score(x.Symbol) > score(out.Symbol) {
			out = x
		}
	}
	return out
}

// typeNamed finds a type in module first, then in all opened images.
func (l *loop) typeNamed(ctx context.Context, name string, first *Module) (*symbols.Type, bool) {
	mod, rest := split(name)
	ms := l.matching(mod)
	if mod != "" {
		_ = l.need(ctx, ms...)
	} else if len(ms) > 0 {
		_ = l.need(ctx, first, ms[0])
		if first != nil {
			ms = append([]*Module{first}, ms...)
		}
	}
	var declared *symbols.Type
	for _, m := range ms {
		ty, ok := m.Image.(symbols.Typer)
		if !ok {
			continue
		}
		if t, ok := ty.Type(rest); ok {
			if !t.Declaration {
				return t, true
			}
			declared = t
		}
	}
	return declared, declared != nil
}

// linePlaces resolves file:line over opened images, or in one module.
func (l *loop) linePlaces(mod, file string, line int, in []*Module) []placed {
	var out []placed
	if in == nil {
		in = l.matching(mod)
	}
	for _, m := range in {
		liner, ok := m.Image.(symbols.Liner)
		if !ok {
			continue
		}
		for _, p := range liner.Places(file, line) {
			out = append(out, placed{m, p})
		}
	}
	return out
}

// placed is a place of a module.
type placed struct {
	m *Module
	symbols.Place
}

func (p placed) addr() arch.Addr { return p.m.addr(p.Offset) }

func (p placed) location() Location {
	loc := Location{Addr: p.addr(), Module: p.m, Line: p.Line}
	if s, ok := p.m.Image.At(p.Offset); ok {
		loc.Symbol, loc.Disp = s, uint64(p.Offset-s.Offset)
	}
	return loc
}
