package dwarf

import (
	"sync/atomic"

	"dap-windbg/symbols"
)

// qualify puts the scopes of the DIE before its simple name: all of them, and
// those that cannot be left out. What is local to a function goes by its own
// name.
func (d *Data) qualify(r ref, last string) (full, short string) {
	full, short = last, last
	d.enclosing(r, func(_ *unit, s *scope, l label) bool {
		if s.kind == tagSubprogram {
			return false
		}
		if l.name == "" {
			return true
		}
		full = l.name + "::" + full
		if !l.optional {
			short = l.name + "::" + short
		}
		return true
	})
	return full, short
}

// functionName is the qualified name of a function or inlined call. A lambda's
// has the function it is in.
func (d *Data) functionName(fn *die) string {
	name := fn.mergedString(atName)
	if name == "" {
		return ""
	}
	d.enclosing(fn.ref(), func(u *unit, s *scope, l label) bool {
		scope := l.name
		switch s.kind {
		case tagSubprogram:
			f, ok := u.readDIE(s.off)
			if !ok {
				return false
			}
			if outer := d.functionName(&f); outer != "" {
				name = outer + "::" + name
			}
			return false
		case tagStruct, tagClass, tagUnion:
			if scope == "" {
				scope = "<lambda>"
			}
		}
		if scope != "" {
			name = scope + "::" + name
		}
		return true
	})
	return symbols.Spell(name)
}

// enclosing calls f with the named scopes around a DIE, or around the
// declaration it completes, innermost first.
func (d *Data) enclosing(r ref, f func(u *unit, s *scope, l label) bool) {
	u := d.unitOf(r)
	if u == nil {
		return
	}
	if decl := u.definitionScope(r); decl != 0 {
		r = decl
		if u = d.unitOf(r); u == nil {
			return
		}
	}
	s := u.scan()
	i := s.scopeOf(u.offset(r))
	for n := 0; i >= 0 && n < maxDepth; n++ {
		l := u.label(i)
		if !f(u, &s.scopes[i], l) {
			return
		}
		if l.decl == 0 {
			i = s.scopes[i].parent
			continue
		}
		if u = d.unitOf(l.decl); u == nil {
			return
		}
		s = u.scan()
		i = s.scopeOf(u.offset(l.decl))
	}
}

// definitionScope returns the declaration a DIE completes: its place gives the
// name its scopes. 0 when the DIE stands for itself.
func (u *unit) definitionScope(r ref) ref {
	u.load()
	d, ok := u.readDIE(u.offset(r))
	if !ok {
		return 0
	}
	var last ref
	for range maxOrigins {
		o, ok := d.origin()
		if !ok {
			break
		}
		last, d = o.ref(), o
	}
	return last
}

// label returns the name of scope i.
func (u *unit) label(i int32) label {
	s := u.scan()
	s.labelsOnce.Do(func() { s.labels = make([]atomic.Pointer[label], len(s.scopes)) })
	if l := s.labels[i].Load(); l != nil {
		return *l
	}
	l := u.readLabel(&s.scopes[i])
	s.labels[i].Store(&l)
	return l
}

func (u *unit) readLabel(s *scope) label {
	d, ok := u.readDIE(s.off)
	if !ok {
		return label{optional: true}
	}
	l := label{name: d.mergedString(atName)}
	if l.name == "" { // declared here, named in its type unit
		if t, ok := u.data.die(d.target(atSignature)); ok {
			l.name = t.name()
		}
	}
	switch s.kind {
	case tagNamespace:
		if l.name == "" {
			return label{name: "(anonymous namespace)", optional: true}
		}
		l.optional = d.flag(atExportSymbols)
		return l
	case tagStruct, tagClass, tagUnion, tagInterface, tagEnumeration:
		if d.has(atSpecification) { // a type unit defines a type apart from its namespace
			l.decl = u.definitionScope(u.ref(s.off))
		}
	}
	if s.kind == tagEnumeration && !d.mergedFlag(atEnumClass) {
		l.name, l.optional = "", true
	}
	l.name = symbols.Spell(l.name)
	return l
}
