package pdb

import (
	"cmp"
	"encoding/binary"
	"iter"
	"slices"
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

// Flags of S_PUB32.
const (
	publicCode     = 1
	publicFunction = 2
)

func publicPlace(r record) (flags uint32, p place) {
	d := r.fields()
	flags, p.offset = d.u32(), d.u32()
	p.section = d.u16()
	return flags, p
}

// publicName is where in the record of a public its name lies.
const publicName = 10

func (f *File) publicSymbol(r record) (symbols.Symbol, bool) {
	flags, p := publicPlace(r)
	off, ok := f.offset(p)
	link := textAt(r.data, publicName)
	s := symbols.Symbol{Name: f.undecorated(link), Kind: symbols.Data, Offset: off, Global: true, Public: true}
	if s.Name != link {
		s.Linkage = link
	}
	if flags&(publicCode|publicFunction) != 0 {
		s.Kind = symbols.Function
	}
	return s, ok && link != ""
}

// publicIndex finds the number of the first public behind a place, in the order of addresses.
func (f *File) publicIndex(at place) int {
	g := f.publics()
	return sort.Search(len(g.byAddr)/4, func(i int) bool {
		r, ok := f.publicRecord(i)
		if !ok {
			return true
		}
		_, p := publicPlace(r)
		return at.before(p)
	})
}

func (f *File) publicRecord(i int) (record, bool) {
	r, _, ok := f.records.recordAt(binary.LittleEndian.Uint32(f.publics().byAddr[4*i:]))
	return r, ok && r.kind == symPublic
}

// publicExactly is the name of the public at a place.
func (f *File) publicExactly(at place) (string, bool) {
	i := f.publicIndex(at)
	if i == 0 {
		return "", false
	}
	r, ok := f.publicRecord(i - 1)
	if !ok {
		return "", false
	}
	if _, p := publicPlace(r); p != at {
		return "", false
	}
	return textAt(r.data, publicName), true
}

// publicAt is the nearest public at or below an address, in its section and, where
// those are told, in the same contribution or behind a public of no module's.
func (f *File) publicAt(addr uint32) (symbols.Symbol, bool) {
	at, ok := f.dbi.place(addr)
	if !ok {
		return symbols.Symbol{}, false
	}
	for i := f.publicIndex(at) - 1; i >= 0; i-- {
		r, ok := f.publicRecord(i)
		if !ok {
			continue
		}
		_, p := publicPlace(r)
		if p.section != at.section {
			break
		}
		if c, ok := f.dbi.covering(at); ok && p.offset < c.offset {
			if before, ok := f.dbi.covering(p); ok && before.module != c.module {
				break
			}
		}
		return f.publicSymbol(r)
	}
	return symbols.Symbol{}, false
}

// publicFrom is the nearest public above an address.
func (f *File) publicFrom(addr uint32) (symbols.Symbol, bool) {
	at, ok := f.dbi.place(addr)
	if !ok {
		return symbols.Symbol{}, false
	}
	for i := f.publicIndex(at); i < len(f.publics().byAddr)/4; i++ {
		if r, ok := f.publicRecord(i); ok {
			return f.publicSymbol(r)
		}
	}
	return symbols.Symbol{}, false
}

// dataPlace is where a variable with a type lies.
type dataPlace struct {
	addr   uint32
	record uint32
}

// dataPlaces are the variables outside functions in the order of addresses, by one
// walk over the records.
func (f *File) dataPlaces() []dataPlace {
	f.dataOnce.Do(func() {
		for at, r := range f.records.records(0, f.records.size) {
			if r.kind != symGData && r.kind != symLData {
				continue
			}
			d := r.fields()
			d.u32()
			p := place{offset: d.u32()}
			p.section = d.u16()
			if a, ok := f.dbi.addr(p); ok {
				f.data = append(f.data, dataPlace{a, at})
			}
		}
		slices.SortStableFunc(f.data, func(a, b dataPlace) int { return cmp.Compare(a.addr, b.addr) })
	})
	return f.data
}

// dataAt is the variable that covers an address.
func (f *File) dataAt(addr uint32) (symbols.Symbol, bool) {
	at, ok := f.dbi.place(addr)
	if c, known := f.dbi.covering(at); !ok || known && c.characteristics&characteristicCode != 0 {
		return symbols.Symbol{}, false
	}
	data := f.dataPlaces()
	i := sort.Search(len(data), func(i int) bool { return data[i].addr > addr })
	if i == 0 {
		return symbols.Symbol{}, false
	}
	s, ok := f.symbolOf(data[i-1].record)
	return s, ok && uint64(addr)-uint64(s.Offset) < max(s.Size, 1)
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
		if strings.Contains(name, "<") && p.Match(withoutTemplates(name)) {
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

// withoutTemplates removes template arguments: "a<b>::c" is "a::c".
func withoutTemplates(name string) string {
	if strings.Contains(name, "operator") {
		return name
	}
	var b strings.Builder
	depth := 0
	for i := range len(name) {
		switch c := name[i]; {
		case c == '<':
			depth++
		case c == '>' && depth > 0:
			depth--
		case depth == 0:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// Global finds a variable outside functions by its name.
func (f *File) Global(name string) (symbols.Variable, bool) {
	name = strings.TrimPrefix(name, "::")
	for at := range f.globals().find(name) {
		if v, ok := f.variable(at); ok && v.Name == name {
			return v, true
		}
	}
	return symbols.Variable{}, false
}

// GlobalAt finds the variable outside functions that covers off.
func (f *File) GlobalAt(off symbols.Offset) (symbols.Variable, bool) {
	data := f.dataPlaces()
	i := sort.Search(len(data), func(i int) bool { return symbols.Offset(data[i].addr) > off })
	if i == 0 {
		return symbols.Variable{}, false
	}
	v, ok := f.variable(data[i-1].record)
	if n := v.Type.ByteSize(); !ok || off-symbols.Offset(data[i-1].addr) >= symbols.Offset(max(n, 1)) {
		return symbols.Variable{}, false
	}
	return v, true
}

// variable makes the variable of a record of the globals.
func (f *File) variable(at uint32) (symbols.Variable, bool) {
	r, _, ok := f.records.recordAt(at)
	if !ok {
		return symbols.Variable{}, false
	}
	return f.staticOf(r)
}

// staticOf makes a variable with a place in the image; constants are values.
func (f *File) staticOf(r record) (symbols.Variable, bool) {
	d := r.fields()
	switch r.kind {
	case symGData, symLData, symGThread, symLThread:
		v := symbols.Variable{Type: f.types.at(d.u32()), Static: true}
		p := place{offset: d.u32()}
		p.section = d.u16()
		v.Name = d.name()
		if r.kind == symGThread || r.kind == symLThread {
			v.Location = threadLocal(p.offset)
			return v, true
		}
		off, ok := f.offset(p)
		v.Location = fixed(off)
		return v, ok
	case symConstant:
		v := symbols.Variable{Type: f.types.at(d.u32()), Static: true}
		n := d.numeric()
		v.Name = d.name()
		b := make([]byte, 8)
		binary.LittleEndian.PutUint64(b, uint64(n))
		if size := v.Type.ByteSize(); size > 0 && size < 8 {
			b = b[:size]
		}
		v.Location = literal(b)
		return v, true
	}
	return symbols.Variable{}, false
}
