package windbg

import (
	"context"
	"strings"

	"dap-windbg/engine"
	"dap-windbg/eval"
	"dap-windbg/symbols"
)

// This file proposes members of values, what can be called on them, and types.

// members completes behind "->", "." and "::"; false where there is none of them.
func (p *completing) members(ctx context.Context) bool {
	base, op, from := memberOf(p.line)
	if op == "" || strings.HasPrefix(p.word, ".") && base == "" {
		return false
	}
	s := p.i.o.Host.Session()
	if s == nil {
		return false
	}
	partial := p.line[from:]
	p.from = from
	if op == "::" {
		p.scope(ctx, s, base, partial)
		return true
	}
	s.Do(ctx, func(ctx context.Context, v *engine.View) error {
		if p.cmd != nil && p.cmd.Name == "dx" {
			p.modelled(ctx, v, base, partial)
		}
		val, err := v.Eval(ctx, nil, base, eval.Options{Dialect: eval.CPP})
		if err != nil || val.Type == nil {
			return err
		}
		t := val.Type.Strip()
		if t.IsPointer() || t.Kind == symbols.Reference || t.Kind == symbols.RvalueReference {
			t = t.Elem
		}
		p.fields(t, partial, 0)
		return nil
	})
	return true
}

// fields adds the members of a class, those of its bases and of nameless members too.
func (p *completing) fields(t *symbols.Type, partial string, depth int) {
	if t == nil || depth > 16 {
		return
	}
	if t = t.Strip(); !t.IsComposite() {
		return
	}
	m := t.Members()
	for _, f := range m.Fields {
		switch {
		case f.Base || f.Name == "":
			p.fields(f.Type, partial, depth+1)
		case strings.HasPrefix(f.Name, partial) && !f.Artificial:
			p.add(f.Name, eval.TypeName(f.Type))
		}
	}
	for _, f := range m.AllMethods() {
		if strings.HasPrefix(f.Name, partial) {
			p.add(f.Name, "function")
		}
	}
}

// modelled adds the members of a value as the data model has them, and what can be
// called on it.
func (p *completing) modelled(ctx context.Context, v *engine.View, base, partial string) {
	f, err := anyFrame(ctx, v)
	if err != nil {
		return
	}
	obj, err := v.Object(ctx, f, base, base)
	if err != nil {
		return
	}
	if obj.Value.Item != nil {
		kids, _ := v.Children(ctx, f, obj, 0, mostCompletions)
		for _, k := range kids {
			if k.Name != "" && isWord(k.Name[0]) && strings.HasPrefix(k.Name, partial) {
				p.add(k.Name, k.Text)
			}
		}
	}
	for _, usage := range callable(obj) {
		if name, _, _ := strings.Cut(usage, "("); strings.HasPrefix(name, partial) {
			p.add(name, usage)
		}
	}
}

// types adds the types of a module, "" any, whose names begin with partial, behind mark.
func (p *completing) types(ctx context.Context, s *engine.Session, mod, partial, mark string) {
	s.Look(ctx, func(l *engine.Live) error {
		n := 0
		for _, m := range l.Modules() {
			names, ok := m.Image.(symbols.Typer)
			if !ok || mod != "" && !strings.EqualFold(mod, m.Name) {
				continue
			}
			for name := range names.Types(partial + "*") {
				p.add(mark+name, "type")
				if n++; n == mostCompletions {
					return nil
				}
			}
		}
		return nil
	})
}

// scope adds what is in a namespace or class.
func (p *completing) scope(ctx context.Context, s *engine.Session, base, partial string) {
	mod, scope, ok := strings.Cut(base, "!")
	if !ok {
		mod, scope = "*", base
	}
	next := func(full, help string) {
		rest, ok := strings.CutPrefix(full, scope+"::")
		if !ok || !strings.HasPrefix(rest, partial) {
			return
		}
		if k := strings.IndexAny(rest, ":(<"); k > 0 {
			rest = rest[:k]
		}
		p.add(rest, help)
	}
	s.Do(ctx, func(ctx context.Context, v *engine.View) error {
		for _, m := range v.Live().Modules() {
			names, ok := m.Image.(symbols.Typer)
			if !ok || mod != "*" && !strings.EqualFold(mod, m.Name) {
				continue
			}
			if t, ok := names.Type(scope); ok {
				p.fields(t, partial, 0)
				for _, e := range t.Members().Enumerators {
					if strings.HasPrefix(e.Name, partial) {
						p.add(e.Name, "enumerator")
					}
				}
			}
			n := 0
			for name := range names.Types(scope + "::" + partial + "*") {
				if next(name, "type"); n > mostCompletions {
					break
				}
				n++
			}
			n = 0
			err := v.Symbols(ctx, m.Name+"!"+scope+"::"+partial+"*", func(l engine.Location) bool {
				next(l.Symbol.Name, "")
				n++
				return n < 10*mostCompletions && len(p.out) < mostCompletions
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// memberOf splits the end of a line into the expression before the last "->", "." or
// "::", that operator, and where the member's name begins; op is "" without one.
func memberOf(line string) (base, op string, from int) {
	from = len(line)
	for from > 0 && (isWord(line[from-1]) || line[from-1] == '~') {
		from--
	}
	end := from
	for _, o := range []string{"->", "::", "."} {
		if strings.HasSuffix(line[:from], o) {
			op, end = o, from-len(o)
			break
		}
	}
	if op == "" {
		return "", "", from
	}
	begin := operandStart(line[:end])
	base = strings.TrimSpace(line[begin:end])
	if base == "" || op == "." && strings.Trim(base, "0123456789") == "" {
		return "", "", from
	}
	return base, op, from
}

// operandStart is where the postfix expression that s ends with begins.
func operandStart(s string) int {
	k := len(s)
	for k > 0 {
		b := s[k-1]
		switch {
		case isWord(b) || strings.IndexByte("@$!~.:", b) >= 0:
			k--
		case b == '>' && k > 1 && s[k-2] == '-':
			k -= 2
		case b == ')' || b == ']' || b == '>':
			open := map[byte]byte{')': '(', ']': '[', '>': '<'}[b]
			depth, j := 0, k
			for j > 0 {
				j--
				if s[j] == b {
					depth++
				} else if s[j] == open {
					depth--
				}
				if depth == 0 {
					break
				}
			}
			if depth != 0 {
				return k
			}
			k = j
		default:
			return k
		}
	}
	return k
}
