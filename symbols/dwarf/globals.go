package dwarf

import (
	"iter"

	"dap-windbg/symbols"
	"dap-windbg/symbols/index"
)

// Type finds a type by its qualified name, a definition before a declaration
// and a struct before a typedef of the same name.
func (d *Data) Type(name string) (*symbols.Type, bool) {
	best, rank := ref(0), -1
	for _, e := range d.find(index.Type, name) {
		if r := typeRank(e); r > rank {
			best, rank = ref(e.DIE), r
		}
	}
	if rank < 0 {
		return nil, false
	}
	return d.typeOf(best), true
}

func typeRank(e index.Entry) int {
	switch {
	case e.Flags&index.Declared != 0:
		return 0
	case e.Flags&index.Alias != 0:
		return 1
	}
	return 2
}

// Types yields the qualified names of the types that match the pattern, each once.
func (d *Data) Types(pattern string) iter.Seq[string] { return once(d.matching(pattern, index.Type)) }

// Globals yields the qualified names of variables outside functions that match.
func (d *Data) Globals(pattern string) iter.Seq[string] {
	return once(d.matching(pattern, index.Variable))
}

func once(names iter.Seq[string]) iter.Seq[string] {
	return func(yield func(string) bool) {
		seen := map[string]bool{}
		for n := range names {
			if !seen[n] {
				if seen[n] = true; !yield(n) {
					return
				}
			}
		}
	}
}

// Global finds a variable outside any function, a static one inside one (by its
// own name), or an enumerator.
func (d *Data) Global(name string) (symbols.Variable, bool) {
	if v, ok := d.variable(name, false); ok {
		return v, true
	}
	if v, ok := d.variable(name, true); ok {
		return v, true
	}
	for _, e := range d.find(index.Enumerator, name) {
		if v, ok := d.enumerator(e); ok {
			return v, true
		}
	}
	return symbols.Variable{}, false
}

// variable finds a variable by its definition, or by a declaration that has a
// value all the same.
func (d *Data) variable(name string, declared bool) (symbols.Variable, bool) {
	for _, e := range d.find(index.Variable, name) {
		if e.Flags&index.Declared != 0 != declared {
			continue
		}
		if v, ok := d.global(ref(e.DIE)); ok {
			return v, true
		}
	}
	return symbols.Variable{}, false
}

// DeclaredGlobal finds the declaration of a variable that the image does not
// describe further: one that the linker or the assembler defines. It has no Location.
func (d *Data) DeclaredGlobal(name string) (symbols.Variable, bool) {
	for _, e := range d.find(index.Variable, name) {
		if g, ok := d.die(ref(e.DIE)); ok {
			v := g.variable(nil)
			v.Static, v.Location = true, nil
			return v, v.Type != nil
		}
	}
	return symbols.Variable{}, false
}

func (d *Data) global(r ref) (symbols.Variable, bool) {
	g, ok := d.die(r)
	if !ok || !g.has(atLocation) && !g.has(atConstValue) {
		return symbols.Variable{}, false
	}
	v := g.variable(nil)
	v.Static = true
	full, _ := d.qualify(r, v.Name)
	v.Name = symbols.Spell(full)
	return v, true
}

func (d *Data) enumerator(e index.Entry) (symbols.Variable, bool) {
	c, ok := d.die(ref(e.DIE))
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

// GlobalAt finds the global whose storage holds off.
func (d *Data) GlobalAt(off symbols.Offset) (v symbols.Variable, ok bool) {
	var g index.Global
	d.withIndex(func(x *index.Index) { g, ok = x.GlobalAt(d.addr(off)) })
	if !ok {
		return v, false
	}
	v, ok = d.global(ref(g.DIE))
	if !ok || d.addr(off)-g.Addr >= uint64(max(v.Type.ByteSize(), 1)) {
		return symbols.Variable{}, false
	}
	return v, true
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

// threadLocal reports whether a location is in thread-local storage.
func (u *unit) threadLocal(v value) bool {
	if !v.block() || len(v.b) == 0 {
		return false
	}
	last := v.b[len(v.b)-1]
	return u.static(v) && (last == opGNUPushTLS || last == opFormTLS)
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

// Code reports whether a link-time address is in the range that can hold code.
func (d *Data) Code(addr uint64) bool { return d.live(addr, addr+1) }

// Functions yields the functions with code whose names match, for images whose
// symbol table does not list them all.
func (d *Data) Functions(pattern string) iter.Seq[symbols.Symbol] {
	return func(yield func(symbols.Symbol) bool) {
		for _, e := range d.matches(pattern, index.Function) {
			fn, ok := d.die(ref(e.DIE))
			if !ok {
				continue
			}
			if s, ok := d.functionSymbol(&fn); ok && !yield(s) {
				return
			}
		}
	}
}
