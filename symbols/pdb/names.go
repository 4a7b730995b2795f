package pdb

import (
	"iter"
	"sort"
	"strconv"
	"strings"

	"dap-windbg/symbols"
)

// At returns the symbol that covers off, else the nearest one below it in its section.
func (f *File) At(off symbols.Offset) (symbols.Symbol, bool) {
	if off > 1<<32-1 {
		return symbols.Symbol{}, false
	}
	addr := uint32(off)
	if m, p, ok := f.procAt(addr); ok {
		return f.procSymbol(m, p), true
	}
	best, ok := f.publicAt(addr)
	if v, found := f.dataAt(addr); found && (!ok || v.Offset >= best.Offset) {
		return v, true
	}
	return best, ok
}

// Next returns the nearest symbol above off.
func (f *File) Next(off symbols.Offset) (symbols.Symbol, bool) {
	var best symbols.Symbol
	found := false
	take := func(s symbols.Symbol, ok bool) {
		if ok && (!found || s.Offset < best.Offset) {
			best, found = s, true
		}
	}
	addr := uint32(min(off, 1<<32-1))
	take(f.publicFrom(addr))
	data := f.dataPlaces()
	if i := sort.Search(len(data), func(i int) bool { return data[i].addr > addr }); i < len(data) {
		take(f.symbolOf(data[i].record))
	}
	if at, ok := f.dbi.place(addr); ok {
		i := f.dbi.after(at)
		for k := max(i-1, 0); k < min(i+nextContributions, f.dbi.contributions()); k++ {
			m := f.module(f.dbi.contribution(k).module)
			if m == nil {
				continue
			}
			if p, ok := m.after(addr); ok {
				take(f.procSymbol(m, p), true)
				break
			}
		}
	}
	return best, found
}

// nextContributions is how far Next looks for a function.
const nextContributions = 8

func (f *File) procSymbol(m *module, p *proc) symbols.Symbol {
	s := symbols.Symbol{Name: m.nameOf(p), Kind: symbols.Function, Offset: symbols.Offset(p.addr), Size: uint64(p.size), Global: p.global}
	if pub, ok := f.publicExactly(p.place); ok && pub != s.Name {
		s.Linkage = pub
	}
	if t := f.types.at(f.functionType(p)); t != nil && t.Kind == symbols.Func {
		members := t.Members()
		var params []string
		for _, a := range members.Params {
			if !a.Artificial {
				params = append(params, typeText(a.Type))
			}
		}
		if members.Variadic {
			params = append(params, "...")
		}
		s.Params = strings.Join(params, ", ")
	}
	return s
}

// symbolOf makes the symbol of a record of the globals or publics; false when it
// names no place.
func (f *File) symbolOf(at uint32) (symbols.Symbol, bool) {
	r, _, ok := f.records.recordAt(at)
	if !ok {
		return symbols.Symbol{}, false
	}
	d := r.fields()
	switch r.kind {
	case symProcRef, symLProcRef:
		d.u32()
		where, index := d.u32(), d.u16()
		m := f.module(int(index) - 1)
		if m == nil {
			return symbols.Symbol{}, false
		}
		pr, _, ok := m.s.recordAt(where)
		if !ok {
			return symbols.Symbol{}, false
		}
		p, ok := f.procOf(pr, where)
		if !ok {
			return symbols.Symbol{}, false
		}
		return f.procSymbol(m, &p), true
	case symGData, symLData, symGThread, symLThread:
		t := f.types.at(d.u32())
		p := place{offset: d.u32()}
		p.section = d.u16()
		off, ok := f.offset(p)
		s := symbols.Symbol{Kind: symbols.Data, Offset: off, Global: r.kind == symGData || r.kind == symGThread, Name: d.name()}
		if n := t.ByteSize(); n > 0 {
			s.Size = uint64(n)
		}
		if pub, found := f.publicExactly(p); found && pub != s.Name {
			s.Linkage = pub
		}
		return s, ok && r.kind != symGThread && r.kind != symLThread
	case symPublic:
		return f.publicSymbol(r)
	}
	return symbols.Symbol{}, false
}

// Lookup yields the symbols whose names match pattern, as symbols.Image says.
func (f *File) Lookup(pattern string) iter.Seq[symbols.Symbol] {
	return func(yield func(symbols.Symbol) bool) {
		pattern = strings.TrimPrefix(pattern, "::")
		if pattern == "" {
			return
		}
		seen := map[found]bool{}
		give := func(s symbols.Symbol) bool {
			k := found{s.Name, s.Offset}
			if seen[k] {
				return true
			}
			seen[k] = true
			return yield(s)
		}
		if !symbols.Wild(pattern) {
			if f.named(pattern, give) || len(seen) > 0 {
				return
			}
			if f.missed(pattern) {
				return
			}
		}
		// The hash tables have told of other cases of a whole name.
		for _, fold := range folds[symbols.Wild(pattern)] {
			if more := f.walk(pattern, fold, give); !more || len(seen) > 0 {
				return
			}
		}
		f.miss(pattern)
	}
}

// folds is how often names are walked over, with the case of letters or without, by
// whether a pattern has wildcards.
var folds = map[bool][]bool{false: {false}, true: {false, true}}

// found tells symbols apart.
type found struct {
	name string
	off  symbols.Offset
}

// maxMisses bounds what is remembered of names that are not there.
const maxMisses = 4096

func (f *File) missed(name string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.misses[name]
}

func (f *File) miss(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.misses) < maxMisses {
		f.misses[name] = true
	}
}

// named looks a name up in the hash tables: exactly, then in any case of letters;
// true when the caller wants no more.
func (f *File) named(name string, yield func(symbols.Symbol) bool) (enough bool) {
	hit := false
	for _, same := range []func(a, b string) bool{func(a, b string) bool { return a == b }, strings.EqualFold} {
		for _, table := range []*gsi{f.globals(), f.publics()} {
			for _, spelled := range f.spellings(name) {
				for at := range table.find(spelled) {
					r, _, ok := f.records.recordAt(at)
					if !ok || !same(recordName(r), spelled) {
						continue
					}
					s, ok := f.symbolOf(at)
					if !ok {
						continue
					}
					if s = f.private(s); !yield(s) {
						return true
					}
					hit = true
				}
			}
		}
		if hit {
			return false
		}
	}
	return false
}

// private is the symbol that a module's own records give for a public.
func (f *File) private(s symbols.Symbol) symbols.Symbol {
	if !s.Public {
		return s
	}
	if own, ok := f.At(s.Offset); ok && own.Offset == s.Offset && !own.Public {
		return own
	}
	return s
}

// maxStackArgs is the most bytes of arguments that a decorated name is tried with.
const maxStackArgs = 128

// spellings are how the linker may spell a C name: i386's compilers decorate it.
func (f *File) spellings(name string) []string {
	out := []string{name}
	if f.dbi.machine != machineI386 || strings.ContainsAny(name, "?@:<") {
		return out
	}
	out = append(out, "_"+name)
	for n := 0; n <= maxStackArgs; n += 4 {
		out = append(out, "_"+name+"@"+strconv.Itoa(n), "@"+name+"@"+strconv.Itoa(n))
	}
	return out
}

// recordName is the name in a record of the globals or publics.
func recordName(r record) string {
	switch r.kind {
	case symPublic:
		return textAt(r.data, publicName)
	case symProcRef, symLProcRef, symDataRef, symGData, symLData, symGThread, symLThread:
		return textAt(r.data, 10)
	case symUDT, symCobolUDT:
		return textAt(r.data, 4)
	case symConstant:
		d := r.fields()
		d.u32()
		d.numeric()
		return d.name()
	}
	return ""
}

// walk compares every name; false when the caller wants no more.
func (f *File) walk(pattern string, fold bool, yield func(symbols.Symbol) bool) bool {
	p, word := symbols.CompilePattern(pattern, fold), symbols.LongestWord(pattern)
	wild, want := symbols.Wild(pattern), symbols.Canonical(pattern)
	match := func(name string) bool {
		if !fold && !strings.Contains(name, word) {
			return false
		}
		if p.Match(name) {
			return true
		}
		if strings.Contains(name, "<") && p.Match(symbols.WithoutTemplates(name)) {
			return true
		}
		return !wild && !fold && symbols.Canonical(name) == want
	}
	for at, r := range f.records.records(0, f.records.size) {
		switch r.kind {
		case symPublic, symProcRef, symLProcRef, symGData, symLData:
		default:
			continue
		}
		name := recordName(r)
		if !match(name) && (r.kind != symPublic || !decorated(name) || !match(f.undecorated(name))) {
			continue
		}
		s, ok := f.symbolOf(at)
		if !ok {
			continue
		}
		if s.Public {
			if own := f.private(s); !own.Public {
				if !match(own.Name) && !match(own.Linkage) {
					continue
				}
				s = own
			}
		}
		if !yield(s) {
			return false
		}
	}
	return true
}
