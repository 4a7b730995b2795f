package dwarf

import (
	"sort"

	"dap-windbg/symbols/index"
)

// inlinesFar enters that the unit inlines a function of another one.
func (s *skimmer) inlinesFar(r ref) {
	e, ok := s.farNames[r]
	if !ok {
		e = index.Entry{DIE: uint64(r), Kind: index.Inline, Scope: index.None}
		var named bool
		if e.Name, named = s.nameAt(r); named {
			e.Scope = s.farScope(r)
		} else {
			e.DIE = 0
		}
		if s.farNames == nil {
			s.farNames = map[ref]index.Entry{}
		}
		s.farNames[r] = e
	}
	if e.DIE != 0 {
		e.Unit = s.num
		s.out.Add(e, 0)
	}
}

// complete enters a DIE under the name and in the scope of the one it completes.
func (s *skimmer) complete(c *completion) {
	u := s.unit
	r := u.target(c.target)
	scope := uint32(index.None)
	if r < u.ref(u.first) || r >= u.ref(u.end) {
		scope = s.farScope(r)
		if !c.named {
			c.name, c.named = s.nameAt(r)
		}
	} else {
		scope = s.follow(c, r)
	}
	if c.named {
		s.out.Add(index.Entry{DIE: uint64(u.ref(c.off)), Name: c.name, Scope: scope, Unit: s.num, Kind: c.kind, Flags: c.flags}, c.key)
	}
}

// follow goes from declaration to declaration within the unit.
func (s *skimmer) follow(c *completion, r ref) uint32 {
	u := s.unit
	for range maxOrigins {
		b := buf{d: s.data, off: int(u.offset(r))}
		a := s.table.get(b.uleb())
		if a == nil || s.table.over(s.data, b.off, a, &s.at) < 0 {
			return index.None
		}
		if !c.named {
			c.name, c.named = s.name(a)
		}
		m := markSpec
		if a.forms[m] == 0 {
			if m = markOrigin; a.forms[m] == 0 {
				break
			}
		}
		next := u.target(s.value(a, m))
		if next < u.ref(u.first) || next >= u.ref(u.end) {
			if !c.named {
				c.name, c.named = s.nameAt(next)
			}
			return s.farScope(next)
		}
		r = next
	}
	return s.scopeAt(u.offset(r))
}

// scopeAt returns the innermost scope around a place in the unit.
func (s *skimmer) scopeAt(off uint64) uint32 {
	i := int32(sort.Search(len(s.scopes), func(i int) bool { return s.scopes[i].off >= off })) - 1
	for i >= 0 && s.scopes[i].end <= off {
		i = s.scopes[i].parent
	}
	if i < 0 {
		return index.None
	}
	return s.scopes[i].id
}

// farScope numbers the scope of a DIE of another unit.
func (s *skimmer) farScope(r ref) uint32 {
	d := s.unit.data
	var names []index.Scope
	d.enclosing(r, func(_ *unit, sc *scope, l label) bool {
		if sc.kind == tagSubprogram {
			return false
		}
		if l.name == "" {
			return true
		}
		var f index.ScopeFlags
		if sc.kind == tagNamespace || sc.kind == tagModule {
			f |= index.Namespace
		}
		if l.optional {
			f |= index.Optional
		}
		names = append(names, index.Scope{Name: s.out.Intern([]byte(l.name)), Flags: f})
		return true
	})
	id := uint32(index.None)
	for i := len(names) - 1; i >= 0; i-- {
		names[i].Parent = id
		id = s.out.Scope(names[i])
	}
	return id
}
