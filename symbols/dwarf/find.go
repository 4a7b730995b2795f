package dwarf

import (
	"iter"
	"slices"
	"strings"

	"dap-windbg/symbols"
	"dap-windbg/symbols/index"
)

// integerNames are the ways compilers spell the integer types, by symbols.Spell's.
var integerNames = map[string][]string{
	"short": {"short int"}, "unsigned short": {"short unsigned int"}, "unsigned": {"unsigned int"},
	"long": {"long int"}, "unsigned long": {"long unsigned int"},
	"long long": {"long long int"}, "unsigned long long": {"long long unsigned int"},
}

// find returns the entries of a kind whose qualified name is name; template
// arguments may be spelled in any way. Those inside functions come last.
func (d *Data) find(kind index.Kind, name string) (out []index.Entry) {
	name = strings.TrimPrefix(strings.TrimSpace(name), "::")
	if !d.Indexed() && !d.Small() {
		if out = d.quick(kind, name); len(out) == 0 {
			out = d.byString(kind, name)
		}
	}
	if len(out) == 0 {
		d.withIndex(func(x *index.Index) { out = finder{x, kind}.find(name) })
	}
	slices.SortStableFunc(out, func(a, b index.Entry) int { return int(a.Flags&index.Local) - int(b.Flags&index.Local) })
	return out
}

// finder looks for the entries of one kind.
type finder struct {
	x    *index.Index
	kind index.Kind
}

func (q finder) find(name string) []index.Entry {
	last := lastName(name)
	out := q.exact(name, last)
	if len(out) == 0 && last != name { // Rust spells some names with all scopes: "&dyn geo::Shape"
		out = q.exact(name, name)
	}
	if len(out) > 0 {
		return out
	}
	short := symbols.Spell(name)
	for _, n := range append(integerNames[short], short) {
		if n != name {
			out = append(out, q.exact(n, lastName(n))...)
		}
	}
	if len(out) == 0 && strings.Contains(name, "<") {
		return q.template(symbols.Canonical(name), last)
	}
	return out
}

func (q finder) exact(name, last string) []index.Entry {
	var out []index.Entry
	for n := range q.x.Find(last, false) {
		for e := range q.x.Meanings(n) {
			if e.Kind != q.kind {
				continue
			}
			if full, short := qualified(q.x, e.Scope, last); full == name || short == name {
				out = append(out, e)
			}
		}
	}
	return out
}

// template compares canonical spellings of all names that begin like last.
func (q finder) template(name, last string) []index.Entry {
	prefix, _, _ := strings.Cut(last, "<")
	last = symbols.Canonical(last)
	whole := strings.Contains(last, "<")
	var out []index.Entry
	for n := range q.x.Containing(prefix) {
		text := string(q.x.Name(n))
		if !strings.HasPrefix(text, prefix) || whole && symbols.Canonical(text) != last {
			continue
		}
		for e := range q.x.Meanings(n) {
			if e.Kind != q.kind {
				continue
			}
			if full, short := qualified(q.x, e.Scope, text); symbols.Canonical(full) == name || symbols.Canonical(short) == name {
				out = append(out, e)
			}
		}
	}
	return out
}

// qualified puts scopes before a simple name: all of them, and those that cannot
// be left out.
func qualified(x *index.Index, scope uint32, last string) (full, short string) {
	full, short = last, last
	for {
		s, ok := x.Scope(scope)
		if !ok {
			return full, short
		}
		label := string(x.Name(s.Name))
		if s.Flags&index.Namespace == 0 {
			label = symbols.Spell(label)
		}
		full = label + "::" + full
		if s.Flags&index.Optional == 0 {
			short = label + "::" + short
		}
		scope = s.Parent
	}
}

// matching yields the qualified names of a kind that match, each once; the case
// of letters counts unless nothing matches.
func (d *Data) matching(pattern string, kind index.Kind) iter.Seq[string] {
	return func(yield func(string) bool) {
		for name := range d.matches(pattern, kind) {
			if !yield(name) {
				return
			}
		}
	}
}

// matches yields qualified names and an entry of each.
func (d *Data) matches(pattern string, kind index.Kind) iter.Seq2[string, index.Entry] {
	return func(yield func(string, index.Entry) bool) {
		var found []match
		d.withIndex(func(x *index.Index) {
			found = nil
			if !x.Verify() {
				return
			}
			for _, fold := range []bool{false, true} {
				m := matcher{x: x, kind: kind, p: symbols.CompilePattern(pattern, fold), fold: fold}
				if found = m.run(pattern); len(found) > 0 {
					return
				}
			}
		})
		for _, m := range found {
			if !yield(m.name, m.Entry) {
				return
			}
		}
	}
}

type match struct {
	name string
	index.Entry
}

// matcher finds what matches a pattern.
type matcher struct {
	x    *index.Index
	kind index.Kind
	p    *symbols.Pattern
	fold bool
	out  []match
}

// run goes over the names: those that contain the longest word of the pattern,
// and all in the scopes that do.
func (m *matcher) run(pattern string) []match {
	word := symbols.LongestWord(pattern)
	if m.fold || word == "" {
		for n := range m.x.Names() {
			m.name(n, nil)
		}
		return m.out
	}
	with := m.scopesWith(word)
	for n := range m.x.Containing(word) {
		m.name(n, nil)
	}
	if with == nil {
		return m.out
	}
	for n := range m.x.Names() {
		if !strings.Contains(string(m.x.Name(n)), word) {
			m.name(n, with)
		}
	}
	return m.out
}

// scopesWith returns a set of the scopes that have word in their names; nil when
// there is none.
func (m *matcher) scopesWith(word string) []bool {
	var with []bool
	for i := range m.x.Scopes() {
		s, ok := m.x.Scope(i)
		if !ok {
			continue
		}
		if s.Parent != index.None && with != nil && with[s.Parent] || strings.Contains(string(m.x.Name(s.Name)), word) {
			if with == nil {
				with = make([]bool, m.x.Scopes())
			}
			with[i] = true
		}
	}
	return with
}

// name tries the entries of name n, with in only those in its scopes.
func (m *matcher) name(n uint32, in []bool) {
	text := ""
	var tried []uint32 // scopes: one name is in many units
	for e := range m.x.Meanings(n) {
		if e.Kind != m.kind || in != nil && (e.Scope == index.None || !in[e.Scope]) || slices.Contains(tried, e.Scope) {
			continue
		}
		if text == "" {
			text = symbols.Spell(string(m.x.Name(n)))
			if !m.p.MayEnd(text) {
				return
			}
		}
		if m.kind != index.Function {
			tried = append(tried, e.Scope)
		}
		full, short := qualified(m.x, e.Scope, text)
		if m.p.Match(full) || short != full && m.p.Match(short) {
			m.out = append(m.out, match{full, e})
		}
	}
}

// lastName cuts the last component off a qualified name, template arguments
// and parameter lists left whole.
func lastName(name string) string {
	depth := 0
	for i := len(name) - 1; i > 0; i-- {
		switch name[i] {
		case '>', ')', ']':
			depth++
		case '<', '(', '[':
			depth--
		case ':':
			if depth <= 0 && name[i-1] == ':' {
				return name[i+1:]
			}
		}
	}
	return name
}
