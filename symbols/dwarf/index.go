package dwarf

import (
	"cmp"
	"context"
	"hash/maphash"
	"iter"
	"runtime"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"

	"dap-windbg/symbols"
)

// nameTable gives every name a number: the offset in .debug_str when it is
// there (the linker merges equal strings, so the offset is the identity), else
// a number from inline on, by content.
type nameTable struct {
	mu     sync.RWMutex
	ids    map[string]uint32
	inline []string
}

const inlineName = 1 << 31

func (t *nameTable) intern(s []byte) uint32 {
	t.mu.RLock()
	id, ok := t.ids[string(s)]
	t.mu.RUnlock()
	if ok {
		return id
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if id, ok := t.ids[string(s)]; ok {
		return id
	}
	if t.ids == nil {
		t.ids = map[string]uint32{}
	}
	name := string(s)
	id = inlineName + uint32(len(t.inline))
	t.inline = append(t.inline, name)
	t.ids[name] = id
	return id
}

// nameID returns the number of a name attribute's value.
func (u *unit) nameID(v value) (uint32, bool) {
	off := v.u
	if u.file != u.data.main { // its strings are not the image's
		return u.internName(v)
	}
	switch v.form {
	case formStrp:
	case formStrx, formStrx1, formStrx2, formStrx3, formStrx4, formGNUStrIndex:
		var ok bool
		if off, ok = u.strx(v.u); !ok {
			return 0, false
		}
	default:
		return u.internName(v)
	}
	return uint32(off), off < inlineName
}

func (u *unit) internName(v value) (uint32, bool) {
	s := u.str(v)
	if len(s) == 0 {
		return 0, false
	}
	return u.data.names.intern(s), true
}

func (d *Data) nameOf(id uint32) []byte {
	if id < inlineName {
		return stringAt(d.section(secStr), uint64(id))
	}
	t := &d.names
	t.mu.RLock()
	defer t.mu.RUnlock()
	if i := id - inlineName; i < uint32(len(t.inline)) {
		return []byte(t.inline[i])
	}
	return nil
}

// index finds every name of the image.
type index struct {
	entries []entry // sorted by name
	// byHash has an element for each name, sorted: 32 bits of the name's hash,
	// then the index of its first entry.
	byHash []uint64
	seed   maphash.Seed
}

// Index scans all units, on all cores, and keeps their names. It is done once;
// whoever needs a type or a global waits for it. Calling it early makes later
// answers quick.
func (d *Data) Index(ctx context.Context) error {
	d.fullIndex()
	return ctx.Err()
}

// Indexed reports whether the index is complete.
func (d *Data) Indexed() bool { return d.index.done.Load() }

// Inlined returns where the copies of a function begin that were inlined.
func (d *Data) Inlined(name string) []symbols.Place { return nil }

func (d *Data) fullIndex() *index {
	d.index.once.Do(func() {
		d.index.index = d.buildIndex()
		d.index.done.Store(true)
	})
	return d.index.index
}

func (d *Data) buildIndex() *index {
	units := d.everyUnit()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(units)) {
		wg.Go(func() {
			d.opt.Guard(func() {
				for i := int(next.Add(1)) - 1; i < len(units); i = int(next.Add(1)) - 1 {
					units[i].scan()
				}
			})
		})
	}
	wg.Wait()
	n := 0
	for _, u := range units {
		n += len(u.scan().names)
	}
	x := &index{entries: make([]entry, 0, n)}
	for i, u := range units {
		for _, e := range u.scanned.names {
			e.unit = uint32(i)
			x.entries = append(x.entries, e)
		}
		u.scanned.names = nil
	}
	sortByName(x.entries)
	x.hashNames(d)
	return x
}

// sortByName sorts by name number, keeping the order of units. It is a radix
// sort in two passes of 16 bits: several times quicker than comparing.
func sortByName(e []entry) {
	if len(e) < 1<<12 {
		slices.SortStableFunc(e, func(a, b entry) int { return cmp.Compare(a.name, b.name) })
		return
	}
	tmp := make([]entry, len(e))
	for _, shift := range []uint{0, 16} {
		var count [1<<16 + 1]int
		for i := range e {
			count[e[i].name>>shift&0xffff+1]++
		}
		for i := 1; i < len(count); i++ {
			count[i] += count[i-1]
		}
		for i := range e {
			k := e[i].name >> shift & 0xffff
			tmp[count[k]] = e[i]
			count[k]++
		}
		e, tmp = tmp, e
	}
}

// hashNames fills byHash.
func (x *index) hashNames(d *Data) {
	x.seed = maphash.MakeSeed()
	for i := range x.entries {
		if i == 0 || x.entries[i].name != x.entries[i-1].name {
			h := maphash.Bytes(x.seed, d.nameOf(x.entries[i].name))
			x.byHash = append(x.byHash, h>>32<<32|uint64(i))
		}
	}
	slices.Sort(x.byHash)
}

// named yields the entries called name, in one group or, where the linker left
// equal strings apart, in several.
func (d *Data) named(name string) iter.Seq[[]entry] {
	return func(yield func([]entry) bool) {
		x := d.fullIndex()
		h := maphash.String(x.seed, name) >> 32
		i := sort.Search(len(x.byHash), func(i int) bool { return x.byHash[i]>>32 >= h })
		for ; i < len(x.byHash) && x.byHash[i]>>32 == h; i++ {
			g := x.group(int(uint32(x.byHash[i])))
			if string(d.nameOf(g[0].name)) == name && !yield(g) {
				return
			}
		}
	}
}

// group returns the entries that have the name of entry lo, the first of them.
func (x *index) group(lo int) []entry {
	hi := lo + 1
	for hi < len(x.entries) && x.entries[hi].name == x.entries[lo].name {
		hi++
	}
	return x.entries[lo:hi]
}

// integerNames are the ways compilers spell the integer types, by symbols.Spell's.
var integerNames = map[string][]string{
	"short": {"short int"}, "unsigned short": {"short unsigned int"}, "unsigned": {"unsigned int"},
	"long": {"long int"}, "unsigned long": {"long unsigned int"},
	"long long": {"long long int"}, "unsigned long long": {"long long unsigned int"},
}

// find returns the entries of a kind whose qualified name is name; template
// arguments may be spelled in any way.
func (d *Data) find(kind entryKind, name string) []entry {
	name = strings.TrimPrefix(strings.TrimSpace(name), "::")
	last := lastName(name)
	out := d.findExact(kind, name, last)
	if len(out) > 0 {
		return out
	}
	for _, n := range append(integerNames[symbols.Spell(name)], symbols.Spell(name)) {
		if n != name {
			out = append(out, d.findExact(kind, n, lastName(n))...)
		}
	}
	if len(out) == 0 && strings.Contains(name, "<") {
		return d.findTemplate(kind, symbols.Canonical(name), last)
	}
	return out
}

func (d *Data) findExact(kind entryKind, name, last string) []entry {
	var out []entry
	for g := range d.named(last) {
		for _, e := range g {
			if e.kind() != kind {
				continue
			}
			if full, short := d.qualifyEntry(e, last); full == name || short == name {
				out = append(out, e)
			}
		}
	}
	return out
}

// findTemplate compares canonical spellings of all names that begin like last.
func (d *Data) findTemplate(kind entryKind, name, last string) []entry {
	prefix, _, _ := strings.Cut(last, "<")
	last = symbols.Canonical(last)
	var out []entry
	for g := range d.fullIndex().groups() {
		text := string(d.nameOf(g[0].name))
		if !strings.HasPrefix(text, prefix) || symbols.Canonical(text) != last && strings.Contains(last, "<") {
			continue
		}
		for _, e := range g {
			if e.kind() != kind {
				continue
			}
			if full, short := d.qualifyEntry(e, text); symbols.Canonical(full) == name || symbols.Canonical(short) == name {
				out = append(out, e)
			}
		}
	}
	return out
}

// groups yields the entries of each name.
func (x *index) groups() iter.Seq[[]entry] {
	return func(yield func([]entry) bool) {
		for lo := 0; lo < len(x.entries); {
			g := x.group(lo)
			if !yield(g) {
				return
			}
			lo += len(g)
		}
	}
}

// qualify puts the scopes of the DIE before its simple name: all of them, and
// those that cannot be left out. What is local to a function goes by its own
// name.
func (d *Data) qualify(r ref, last string) (full, short string) {
	return d.qualifyIn(r, true, last)
}

// qualifyEntry is qualify without reading the DIE where that is not needed.
func (d *Data) qualifyEntry(e entry, last string) (full, short string) {
	return d.qualifyIn(e.ref(), e.completes(), last)
}

func (d *Data) qualifyIn(r ref, completes bool, last string) (full, short string) {
	full, short = last, last
	d.enclosing(r, completes, func(_ *unit, s *scope, l label) bool {
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
	d.enclosing(fn.ref(), true, func(u *unit, s *scope, l label) bool {
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
func (d *Data) enclosing(r ref, completes bool, f func(u *unit, s *scope, l label) bool) {
	u := d.unitOf(r)
	if u == nil {
		return
	}
	if completes {
		if decl := u.definitionScope(r); decl != 0 {
			r = decl
			if u = d.unitOf(r); u == nil {
				return
			}
		}
	}
	s := u.scan()
	for i := s.scopeOf(u.offset(r)); i >= 0; i = s.scopes[i].parent {
		if !f(u, &s.scopes[i], u.label(i)) {
			return
		}
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
		return label{"", true}
	}
	name := d.mergedString(atName)
	switch s.kind {
	case tagNamespace:
		if name == "" {
			return label{"(anonymous namespace)", true}
		}
		return label{name, d.flag(atExportSymbols)}
	case tagEnumeration:
		if !d.flag(atEnumClass) {
			return label{"", true}
		}
	}
	return label{symbols.Spell(name), false}
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
