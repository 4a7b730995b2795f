package elf

import (
	"bytes"
	"cmp"
	"iter"
	"slices"
	"sort"
	"strconv"
	"strings"

	"dap-windbg/symbols"
)

// Lookup implements symbols.Image.
func (i *Image) Lookup(pattern string) iter.Seq[symbols.Symbol] {
	return func(yield func(symbols.Symbol) bool) {
		pattern = strings.TrimPrefix(pattern, "::")
		if pattern == "" {
			return
		}
		if i.dwarf != nil {
			defer i.dwarf.Asking()()
		}
		i.guard.Do(func() {
			if found, more := i.lookup(pattern, false, yield); found == 0 && more {
				i.lookup(pattern, true, yield)
			}
		})
	}
}

// lookup yields the matches and counts them; more is false when yield stopped it.
func (i *Image) lookup(pattern string, fold bool, yield func(symbols.Symbol) bool) (found int, more bool) {
	type place struct {
		name string
		off  symbols.Offset
	}
	seen := map[place]bool{}
	give := func(s symbols.Symbol) bool {
		p := place{s.Name, s.Offset}
		if seen[p] {
			return true
		}
		seen[p] = true
		found++
		return yield(s)
	}
	t := i.symtab()
	for _, e := range t.asked(pattern, fold) {
		if !give(i.symbol(&e)) {
			return found, false
		}
	}
	if i.dwarf != nil && !t.static {
		for s := range i.dwarf.Functions(pattern) {
			if !give(s) {
				return found, false
			}
		}
	}
	return found, true
}

// Prepare implements symbols.Preparer.
func (i *Image) Prepare(names ...string) {
	i.guard.Do(func() {
		t := i.symtab()
		if i.dwarf == nil || !t.static {
			return
		}
		for _, name := range names {
			for _, e := range t.asked(name, false) {
				s := i.symbol(&e)
				if s.Kind != symbols.Function || s.Name != name {
					continue
				}
				i.Body(s.Offset)
				i.Scopes(s.Offset)
				i.CallAt(s.Offset + 1)
			}
		}
	})
}

// question is what matches was asked.
type question struct {
	pattern string
	fold    bool
}

// Bounds of the answers that are remembered: who sets a breakpoint asks for its name
// several times.
const (
	maxAnswers = 64
	maxAnswer  = 64
)

// asked is matches, with its last answers remembered.
func (t *table) asked(pattern string, fold bool) []entry {
	q := question{pattern, fold}
	t.mu.Lock()
	out, ok := t.answers[q]
	t.mu.Unlock()
	if ok {
		return out
	}
	out = t.matches(pattern, fold)
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.answers) >= maxAnswers || t.answers == nil {
		t.answers = map[question][]entry{}
	}
	if len(out) <= maxAnswer {
		t.answers[q] = out
	}
	return out
}

// matches returns the symbols that match a pattern, by address. The string table
// is searched first, and only symbols whose names lie where it had a hit are read.
//
// A pattern may end in a version, "memcpy@GLIBC_2.2.5", or in that of a default,
// "memcpy@@GLIBC_2.14". A name without means the default one where there is one.
func (t *table) matches(pattern string, fold bool) []entry {
	whole := t.matcher(pattern, fold)
	base, version, versioned := strings.Cut(pattern, "@")
	m := whole
	if versioned {
		m = t.matcher(base, fold)
	}
	of := symbols.CompilePattern(strings.TrimPrefix(version, "@"), fold)
	var out []entry
	near := m.near.all()
	last := 0
	for k := range t.count() {
		name := t.symbols.NameOffset(k)
		if !near && !m.near.has(name, &last) {
			continue
		}
		e, ok := t.symbol(k)
		if !ok || !m.match(name) {
			continue
		}
		if v, old := t.version(&e); versioned && (old && strings.HasPrefix(version, "@") || !of.Match(v)) {
			continue
		}
		out = append(out, e)
	}
	old := func(e entry) bool { _, old := t.version(&e); return old }
	if !versioned && !symbols.Wild(pattern) && !all(out, old) {
		out = slices.DeleteFunc(out, old)
	}
	if symbols.Wild(pattern) || strings.Contains(pattern, "@") {
		for _, e := range t.plt() {
			if whole.match(e.name) {
				out = append(out, e)
			}
		}
	}
	slices.SortFunc(out, func(a, b entry) int { // not in the order of the table, which another link may change
		if c := cmp.Compare(a.addr, b.addr); c != 0 {
			return c
		}
		return bytes.Compare(t.bytes(a.name), t.bytes(b.name))
	})
	return out
}

func all(es []entry, is func(entry) bool) bool {
	return !slices.ContainsFunc(es, func(e entry) bool { return !is(e) })
}

// matcher tests names for a pattern.
type matcher struct {
	near  spans // places in the string table where matching names begin
	match func(name uint32) bool
}

// spans are ranges [low, high] of places, in order; nil is everywhere.
type spans []span

type span struct{ low, high uint32 }

func (s spans) all() bool { return s == nil }

// has reports whether n is in s; last is where the search was, for names come
// nearly in order.
func (s spans) has(n uint32, last *int) bool {
	if len(s) == 0 || n < s[0].low || n > s[len(s)-1].high {
		return false
	}
	k := *last
	if s[k].low <= n && n <= s[k].high {
		return true
	}
	k = sort.Search(len(s), func(i int) bool { return s[i].high >= n })
	if k == len(s) || s[k].low > n {
		return false
	}
	*last = k
	return true
}

func (t *table) matcher(pattern string, fold bool) matcher {
	p := symbols.CompilePattern(pattern, fold)
	wild := symbols.Wild(pattern)
	want := symbols.Canonical(pattern)
	match := func(name uint32) bool {
		link := t.linkage(name)
		if p.Match(link) {
			return true
		}
		if !mangled(link) {
			return false
		}
		full := t.parse(name).name
		for _, s := range spellings(full) {
			if p.Match(s) {
				return true
			}
		}
		return !fold && !wild && strings.ContainsAny(want, " <") && symbols.Canonical(full) == want
	}
	if !wild {
		return matcher{t.named(pattern, fold), match}
	}
	return matcher{t.containing(pattern, fold), match}
}

// named finds where names begin that an exact pattern may mean: equal ones, and
// mangled ones that contain its last identifier with its length before it.
func (t *table) named(pattern string, fold bool) spans {
	out := spans{}
	id := lastIdentifier(pattern)
	if id == "" { // an operator: all mangled names
		t.each("_Z", false, func(at int) { out = out.add(t.start(at), at) })
		t.each("_R", false, func(at int) { out = out.add(t.start(at), at) })
		t.each(pattern, fold, func(at int) { out = out.add(at, at) })
		return out.sorted()
	}
	digits := strconv.Itoa(len(id))
	tail := strings.LastIndex(pattern, id)
	t.each(id, fold, func(at int) {
		end := at + len(id)
		if c := t.strings[min(end, len(t.strings)-1)]; (c == 0 || c == '@') && at >= tail {
			out = out.add(at-tail, at-tail)
		}
		if at >= len(digits) && string(t.strings[at-len(digits):at]) == digits || at > len(digits) && t.strings[at-1] == '_' {
			out = out.add(t.start(at), at)
		}
	})
	return out.sorted()
}

// containing finds where names begin that may match a pattern with wildcards.
func (t *table) containing(pattern string, fold bool) spans {
	run, sure := longestRuns(pattern)
	if run == "" {
		return nil
	}
	out := spans{}
	t.each(run, fold, func(at int) { out = out.add(t.start(at), at) })
	if sure != run { // a mangled name may spell it otherwise
		if sure == "" {
			sure = "_Z"
			t.each("_R", false, func(at int) { out = out.add(t.start(at), at) })
		}
		t.each(sure, fold, func(at int) { out = out.add(t.start(at), at) })
	}
	return out.sorted()
}

// start is where the string that has the place at begins.
func (t *table) start(at int) int { return bytes.LastIndexByte(t.strings[:at], 0) + 1 }

func (s spans) add(low, high int) spans { return append(s, span{uint32(low), uint32(high)}) }

// sorted orders s and joins what overlaps.
func (s spans) sorted() spans {
	slices.SortFunc(s, func(a, b span) int { return cmp.Compare(a.low, b.low) })
	out := s[:0]
	for _, x := range s {
		if n := len(out); n > 0 && x.low <= out[n-1].high {
			out[n-1].high = max(out[n-1].high, x.high)
			continue
		}
		out = append(out, x)
	}
	return out
}

// each calls f with the places of text in the string table; fold ignores the
// case of ASCII letters.
func (t *table) each(text string, fold bool, f func(at int)) {
	if text == "" {
		return
	}
	want := []byte(text)
	if fold {
		eachFold(t.strings, bytes.ToLower(want), f)
		return
	}
	for at := 0; ; {
		n := bytes.Index(t.strings[at:], want)
		if n < 0 {
			return
		}
		f(at + n)
		at += n + 1
	}
}

// eachFold is each for text in lower case.
func eachFold(s, want []byte, f func(at int)) {
	c := want[0]
	for at := 0; at+len(want) <= len(s); at++ {
		if b := s[at]; b != c && (b|0x20 != c || b-'A' >= 26) {
			continue
		}
		k := 1
		for k < len(want) && (s[at+k] == want[k] || s[at+k]-'A' < 26 && s[at+k]|0x20 == want[k]) {
			k++
		}
		if k == len(want) {
			f(at)
		}
	}
}

// lastIdentifier is the identifier that a mangled name must spell: the last
// component without template arguments; a constructor's or destructor's class.
// "" when there is none, as for operators and what the mangling abbreviates.
func lastIdentifier(name string) string {
	parts := strings.Split(withoutTemplates(name), "::")
	last := strings.TrimPrefix(parts[len(parts)-1], "~")
	if last == "" || strings.HasPrefix(last, "operator") || strings.ContainsAny(last, " ()*&<>[]{}") || slices.Contains(abbreviated, last) {
		return ""
	}
	return last
}

// abbreviated are the classes that have letters of their own in mangled names
// (Itanium C++ ABI, 5.1.8).
var abbreviated = []string{"allocator", "basic_string", "string", "basic_istream", "basic_ostream", "basic_iostream", "istream", "ostream", "iostream"}

// special are words that demangling makes from other letters, so that a name
// may have one of them without its mangled form showing it.
var special = []string{
	"operator", "std", "allocator", "basic_string", "string", "basic_istream", "basic_ostream", "basic_iostream", "istream", "ostream", "iostream",
	"char_traits", "vtable", "for", "typeinfo", "name", "guard", "variable", "construction", "virtual", "thunk", "to", "non", "reference", "temporary",
	"unsigned", "signed", "char", "wchar_t", "short", "int", "long", "float", "double", "bool", "void", "const", "volatile", "true", "false",
	"anonymous", "namespace", "lambda", "unnamed", "type", "clone", "auto", "decltype", "nullptr_t", "char8_t", "char16_t", "char32_t", "__int128", "new", "delete", "co_await",
	"cxx11", "abi",
}

// longestRuns returns the longest run of identifier letters in a pattern, which
// every matching name has, and the longest that every matching mangled name has
// as well, "" for none.
func longestRuns(pattern string) (run, sure string) {
	for _, r := range strings.FieldsFunc(outsideSets(pattern), func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}) {
		if len(r) > len(run) {
			run = r
		}
		if len(r) > len(sure) && !isSpecial(r) {
			sure = r
		}
	}
	return run, sure
}

// outsideSets blanks out the [a-b] sets of a pattern.
func outsideSets(p string) string {
	b := []byte(p)
	in := false
	for i, c := range b {
		in = in || c == '['
		if in {
			b[i] = '*'
		}
		in = in && c != ']'
	}
	return string(b)
}

func isSpecial(run string) bool {
	for _, w := range special {
		if strings.Contains(w, strings.ToLower(run)) {
			return true
		}
	}
	return strings.Trim(run, "0123456789") == ""
}
