package elf

import (
	"bytes"
	"iter"
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
	match := t.matcher(pattern, fold)
	for k := range t.entries {
		e := &t.entries[k]
		if match(e.name) && !give(i.symbol(e)) {
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

// matcher returns a test of name numbers for the pattern.
func (t *table) matcher(pattern string, fold bool) func(uint32) bool {
	p := symbols.CompilePattern(pattern, fold)
	full := func(name uint32) bool {
		if p.Match(t.linkage(name)) {
			return true
		}
		n := t.parse(name)
		for _, s := range spellings(n.name) {
			if p.Match(s) {
				return true
			}
		}
		return false
	}
	if !fold && !symbols.Wild(pattern) {
		near, want := t.candidates(pattern), symbols.Canonical(pattern)
		return func(name uint32) bool {
			if name < madeName && !near[name] {
				return false
			}
			return full(name) || want != pattern && symbols.Canonical(t.parse(name).name) == want
		}
	}
	run, sure := longestRuns(pattern)
	return func(name uint32) bool {
		link := t.bytes(name)
		if must := run; !fold && must != "" {
			if mangled(link) {
				must = sure
			}
			if !bytes.Contains(link, []byte(must)) {
				return false
			}
		}
		if !mangled(link) {
			return p.Match(string(link))
		}
		return full(name)
	}
}

// candidates finds, by a search of the string table, the numbers of the names
// that an exact pattern may mean: equal ones, and mangled ones that contain
// its last identifier with its length before it.
func (t *table) candidates(pattern string) map[uint32]bool {
	out := map[uint32]bool{}
	for _, end := range []string{"\x00", "@"} {
		each(t.strings, pattern+end, func(at int) { out[uint32(at)] = true })
	}
	id := lastIdentifier(pattern)
	mark := strconv.Itoa(len(id)) + id
	if id == "" {
		mark = "_Z" // an operator: all of them
	}
	each(t.strings, mark, func(at int) {
		start := bytes.LastIndexByte(t.strings[:at], 0) + 1
		out[uint32(start)] = true
	})
	return out
}

func each(s []byte, sub string, f func(at int)) {
	want := []byte(sub)
	for at := 0; ; {
		n := bytes.Index(s[at:], want)
		if n < 0 {
			return
		}
		f(at + n)
		at += n + 1
	}
}

// lastIdentifier is the identifier that a mangled name must spell: the last
// component without template arguments; a constructor's or destructor's class.
// "" when there is none, as for operators.
func lastIdentifier(name string) string {
	parts := strings.Split(withoutTemplates(name), "::")
	last := strings.TrimPrefix(parts[len(parts)-1], "~")
	if last == "" || strings.HasPrefix(last, "operator") || strings.ContainsAny(last, " ()*&<>[]{}") {
		return ""
	}
	return last
}

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
