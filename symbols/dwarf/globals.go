package dwarf

import (
	"cmp"
	"iter"
	"slices"
	"sort"
	"sync"

	"dap-windbg/symbols"
)

// Type finds a type by its qualified name, a definition before a declaration
// and a struct before a typedef of the same name.
func (d *Data) Type(name string) (*symbols.Type, bool) {
	found := d.find(entryType, name)
	best, rank := ref(0), -1
	for _, e := range found {
		if r := d.typeRank(e); r > rank {
			best, rank = e.ref(), r
		}
		if rank == rankDefinition {
			break
		}
	}
	if rank < 0 {
		return nil, false
	}
	return d.typeOf(best), true
}

const (
	rankDeclaration = iota
	rankTypedef
	rankDefinition
)

func (d *Data) typeRank(e entry) int {
	t, ok := d.die(e.ref())
	switch {
	case !ok:
		return -1
	case e.declared():
		return rankDeclaration
	case t.ab.tag == tagTypedef:
		return rankTypedef
	}
	return rankDefinition
}

// Types yields the qualified names of the types that match the pattern, each once.
func (d *Data) Types(pattern string) iter.Seq[string] {
	return d.matching(pattern, entryType)
}

// Globals yields the qualified names of variables outside functions that match.
func (d *Data) Globals(pattern string) iter.Seq[string] {
	return d.matching(pattern, entryVariable)
}

func (d *Data) matching(pattern string, kind entryKind) iter.Seq[string] {
	return func(yield func(string) bool) {
		if d.match(pattern, kind, false, yield) == 0 {
			d.match(pattern, kind, true, yield)
		}
	}
}

func (d *Data) match(pattern string, kind entryKind, fold bool, yield func(string) bool) int {
	p := symbols.CompilePattern(pattern, fold)
	n := 0
	for g := range d.fullIndex().groups() {
		text := string(d.nameOf(g[0].name))
		if !p.MayEnd(text) && !p.MayEnd(symbols.Spell(text)) {
			continue
		}
		text = symbols.Spell(text)
		tried := map[string]bool{} // one name is in many units
		for _, e := range g {
			if e.kind() != kind {
				continue
			}
			full, short := d.qualifyEntry(e, text)
			if tried[full] {
				continue
			}
			tried[full] = true
			if !p.Match(full) && !p.Match(short) {
				continue
			}
			if n++; !yield(full) {
				return n
			}
		}
	}
	return n
}

// Global finds a variable outside any function, a static one inside one (by its
// own name), or an enumerator.
func (d *Data) Global(name string) (symbols.Variable, bool) {
	found := d.find(entryVariable, name)
	slices.SortStableFunc(found, func(a, b entry) int {
		if a.declared() != b.declared() {
			if a.declared() {
				return 1
			}
			return -1
		}
		return 0
	})
	for _, e := range found {
		if v, ok := d.global(e); ok {
			return v, true
		}
	}
	for _, e := range d.find(entryEnumerator, name) {
		if v, ok := d.enumerator(e); ok {
			return v, true
		}
	}
	return symbols.Variable{}, false
}

func (d *Data) global(e entry) (symbols.Variable, bool) {
	g, ok := d.die(e.ref())
	if !ok || !g.has(atLocation) && !g.has(atConstValue) {
		return symbols.Variable{}, false
	}
	v := g.variable(nil)
	v.Static = true
	full, _ := d.qualifyEntry(e, v.Name)
	v.Name = symbols.Spell(full)
	return v, true
}

func (d *Data) enumerator(e entry) (symbols.Variable, bool) {
	c, ok := d.die(e.ref())
	if !ok {
		return symbols.Variable{}, false
	}
	s := c.u.scan()
	i := s.scopeOf(c.off)
	if i < 0 || s.scopes[i].kind != tagEnumeration {
		return symbols.Variable{}, false
	}
	v := symbols.Variable{Name: c.name(), Static: true, Decl: c.decl(), Type: d.typeOf(c.u.ref(s.scopes[i].off))}
	val, _ := c.attr(atConstValue)
	v.Location = constant(c.u, val, v.Type)
	return v, true
}

// globalMap finds a global by its address; made on first use.
type globalMap struct {
	once   sync.Once
	byAddr []globalAt
}

type globalAt struct {
	addr uint64
	entry
}

// GlobalAt finds the global whose storage holds off.
func (d *Data) GlobalAt(off symbols.Offset) (symbols.Variable, bool) {
	d.vars.once.Do(d.readGlobals)
	m, addr := d.vars.byAddr, d.addr(off)
	i := sort.Search(len(m), func(i int) bool { return m[i].addr > addr }) - 1
	if i < 0 {
		return symbols.Variable{}, false
	}
	v, ok := d.global(m[i].entry)
	if !ok || addr-m[i].addr >= uint64(max(v.Type.ByteSize(), 1)) {
		return symbols.Variable{}, false
	}
	return v, true
}

func (d *Data) readGlobals() {
	var m []globalAt
	for _, e := range d.fullIndex().entries {
		if e.kind() != entryVariable || e.declared() {
			continue
		}
		g, ok := d.die(e.ref())
		if !ok {
			continue
		}
		if v, ok := g.attr(atLocation); ok {
			if a, ok := g.u.fixedAddress(v); ok && a != 0 {
				m = append(m, globalAt{a, e})
			}
		}
	}
	slices.SortStableFunc(m, func(a, b globalAt) int { return cmp.Compare(a.addr, b.addr) })
	d.vars.byAddr = m
}

// fixedAddress returns the address of a location that is nothing but one.
func (u *unit) fixedAddress(v value) (uint64, bool) {
	if !v.block() || len(v.b) == 0 {
		return 0, false
	}
	b := buf{d: v.b, off: 1, be: u.data.opt.BigEndian}
	var a uint64
	ok := true
	switch v.b[0] {
	case opAddr:
		a = b.uint(int(u.addrSize))
	case opAddrx, opGNUAddrIndex:
		a, ok = u.addrx(b.uleb())
	default:
		return 0, false
	}
	return a, ok && !b.bad && b.left() == 0
}

// Function returns the type of the function entered at off.
func (d *Data) Function(off symbols.Offset) (*symbols.Type, bool) {
	fn, ok := d.functionDIE(d.addr(off))
	if !ok {
		return nil, false
	}
	if e, ok := entryRange(&fn, fn.ranges()); !ok || e.low != d.addr(off) {
		return nil, false
	}
	return d.typeOf(fn.ref()), true
}

// FunctionEntry returns the name of the function that has the code at off and
// its entry range, for images without a symbol table.
func (d *Data) FunctionEntry(off symbols.Offset) (symbols.Symbol, bool) {
	fn, ok := d.functionDIE(d.addr(off))
	if !ok {
		return symbols.Symbol{}, false
	}
	return d.functionSymbol(&fn)
}

func (d *Data) functionSymbol(fn *die) (symbols.Symbol, bool) {
	e, ok := entryRange(fn, fn.ranges())
	if !ok {
		return symbols.Symbol{}, false
	}
	s := symbols.Symbol{
		Name: d.functionName(fn), Linkage: fn.linkage(), Kind: symbols.Function,
		Offset: d.offset(e.low), Size: e.high - e.low, Global: fn.mergedFlag(atExternal),
	}
	return s, s.Name != ""
}

// Covers reports whether the code at off was compiled with debug information.
func (d *Data) Covers(off symbols.Offset) bool { return d.unitAt(d.addr(off)) != nil }

// Functions yields the functions with code whose names match, for images whose
// symbol table does not list them all.
func (d *Data) Functions(pattern string) iter.Seq[symbols.Symbol] {
	return func(yield func(symbols.Symbol) bool) {
		p := symbols.CompilePattern(pattern, false)
		for g := range d.fullIndex().groups() {
			if text := string(d.nameOf(g[0].name)); p.MayEnd(text) && !d.functions(g, text, p, yield) {
				return
			}
		}
	}
}

func (d *Data) functions(group []entry, text string, p *symbols.Pattern, yield func(symbols.Symbol) bool) bool {
	for _, e := range group {
		if e.kind() != entryFunction {
			continue
		}
		full, short := d.qualifyEntry(e, text)
		if !p.Match(symbols.Spell(full)) && !p.Match(symbols.Spell(short)) {
			continue
		}
		if fn, ok := d.die(e.ref()); ok {
			if s, ok := d.functionSymbol(&fn); ok && !yield(s) {
				return false
			}
		}
	}
	return true
}
