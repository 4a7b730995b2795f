package dwarf

import (
	"slices"

	"dap-windbg/symbols"
)

// Scopes returns the functions at off, innermost inlined call first.
func (d *Data) Scopes(off symbols.Offset) ([]symbols.Scope, error) {
	addr := d.addr(off)
	fn, ok := d.functionDIE(addr)
	if !ok {
		return nil, nil
	}
	w := scopeWalk{addr: addr, fn: &fn}
	w.enter(&fn)
	slices.Reverse(w.scopes)
	for i := range w.scopes {
		w.scopes[i].order()
	}
	out := make([]symbols.Scope, len(w.scopes))
	for i := range w.scopes {
		out[i] = w.scopes[i].Scope
	}
	return out, nil
}

// functionDIE returns the concrete function with the code at addr.
func (d *Data) functionDIE(addr uint64) (die, bool) {
	u := d.unitAt(addr)
	if u == nil {
		return die{}, false
	}
	u = u.full()
	f, ok := u.scan().functionAt(addr)
	if !ok {
		return die{}, false
	}
	if last := d.function.Load(); last != nil && last.u == u && last.off == f.die { // lines that are asked for follow each other
		return *last, true
	}
	x, ok := u.readDIE(f.die)
	if ok {
		d.function.Store(&x)
	}
	return x, ok
}

// scopeWalk goes down from a function to the innermost block at an address.
type scopeWalk struct {
	addr   uint64
	fn     *die
	scopes []openScope // outermost first
	depth  int         // of the block in the scope being filled
	nest   int
	read   int // entries of blocks
}

// maxEntries bounds the entries that are read for one address: siblings that point
// into each other's children would have them read again and again.
const maxEntries = 1 << 18

// openScope is a scope being filled: its variables by depth of block.
type openScope struct {
	symbols.Scope
}

// order puts the innermost block's variables first, parameters before locals
// of the same block, else as declared.
func (s *openScope) order() {
	slices.SortStableFunc(s.Variables, func(a, b symbols.Variable) int {
		if a.Depth != b.Depth {
			return b.Depth - a.Depth
		}
		if a.Param != b.Param {
			if a.Param {
				return -1
			}
			return 1
		}
		return 0
	})
}

// enter opens the scope of a function or inlined call and fills it.
func (w *scopeWalk) enter(d *die) {
	w.scopes = append(w.scopes, openScope{w.scope(d)})
	w.depth = 0
	w.block(d)
}

// block reads the children of a function or block: variables are taken, blocks
// and inlined calls that have the address are entered.
func (w *scopeWalk) block(d *die) {
	if w.nest++; w.nest > maxDepth {
		return
	}
	in := opened{scope: len(w.scopes) - 1, depth: w.depth}
	w.entries(d, &in)
	switch inner := in.inner; {
	case inner == nil:
	case inner.ab.tag == tagInlined:
		w.enter(inner)
	default:
		w.depth = in.depth + 1
		w.block(inner)
	}
}

// opened is a block being read.
type opened struct {
	scope int // index of the scope that its variables belong to
	depth int
	inner *die // the block or inlined call in it that has the address
	plain int  // nesting of blocks without code
}

// entries takes what d has, and what the function that d is an instance of has
// but d has not: that was removed, and is said to be.
func (w *scopeWalk) entries(d *die, in *opened) {
	own := map[ref]bool{}
	d.children(func(c *die) bool {
		w.entry(c, in)
		if c.has(atAbstractOrigin) && c.ab.tag != tagCallSite && c.ab.tag != tagGNUCallSite {
			c.completes(own)
		}
		return true
	})
	if !d.has(atAbstractOrigin) {
		return
	}
	if o, ok := d.origin(); ok {
		o.children(func(c *die) bool {
			if !own[c.ref()] {
				w.entry(c, in)
			}
			return true
		})
	}
}

// entry takes one child of a block. A block without code tells where nothing
// is: what it declares was removed with its code, and is taken as its parent's.
func (w *scopeWalk) entry(c *die, in *opened) {
	if w.read++; w.read > maxEntries || in.plain > maxDepth {
		return
	}
	switch c.ab.tag {
	case tagParameter, tagVariable, tagConstant:
		if v, ok := w.variable(c, in.depth); ok {
			w.scopes[in.scope].Variables = append(w.scopes[in.scope].Variables, v)
		}
	case tagGNUParamPack, tagCommonBlock:
		w.within(c, in)
	case tagLexicalBlock, tagInlined:
		switch {
		case c.hasCode():
			if in.inner == nil && contains(c.ranges(), w.addr) {
				found := *c
				in.inner = &found
			}
		case c.ab.tag == tagLexicalBlock:
			w.within(c, in)
		}
	}
}

// within takes the children of c as those of the block that c is in.
func (w *scopeWalk) within(c *die, in *opened) {
	in.plain++
	c.children(func(p *die) bool {
		w.entry(p, in)
		return w.read <= maxEntries
	})
	in.plain--
}

// hasCode reports whether a block says where its code is.
func (d *die) hasCode() bool { return d.has(atRanges) || d.has(atLowPC) && d.has(atHighPC) }

// completes adds all of the chain of abstract origins of d: link-time optimisation
// makes it longer than one.
func (d *die) completes(own map[ref]bool) {
	cur := *d
	for range maxOrigins {
		r := cur.target(atAbstractOrigin)
		if r == 0 || r == lostRef {
			return
		}
		own[r] = true
		next, ok := cur.u.data.die(r)
		if !ok {
			return
		}
		cur = next
	}
}

func contains(rs []addrRange, addr uint64) bool {
	for _, r := range rs {
		if addr >= r.low && addr < r.high {
			return true
		}
	}
	return false
}

// scope describes a function or inlined call without its variables.
func (w *scopeWalk) scope(d *die) symbols.Scope {
	data := d.u.data
	s := symbols.Scope{
		Name: data.functionName(d), Linkage: d.linkage(), Inlined: d.ab.tag == tagInlined,
		Decl: d.decl(), Return: data.typeOf(d.mergedTarget(atType)),
	}
	rs := d.ranges()
	for _, r := range rs {
		s.Ranges = append(s.Ranges, symbols.Range{Low: data.offset(r.low), High: data.offset(r.high)})
	}
	if e, ok := entryRange(d, rs); ok {
		s.Low, s.High = data.offset(e.low), data.offset(e.high)
	}
	if s.Inlined {
		s.Call = d.call()
	}
	return s
}

// entryRange is the contiguous range that a function is entered by.
func entryRange(d *die, rs []addrRange) (addrRange, bool) {
	if len(rs) == 0 {
		return addrRange{}, false
	}
	entry := rs[0].low
	if v, ok := d.attr(atEntryPC); ok {
		if a, ok := d.u.address(v); ok {
			entry = a
		} else {
			entry += v.u
		}
	} else if a, ok := d.address(atLowPC); ok {
		entry = a
	}
	for _, r := range rs {
		if entry >= r.low && entry < r.high {
			return addrRange{r.low, r.high}, true
		}
	}
	return rs[0], true
}

// decl is the place where a DIE, or what it completes, is declared. A DIE's own
// place goes before that of its declaration.
func (d *die) decl() symbols.Line {
	var l symbols.Line
	if v, u, ok := d.merged(atDeclLine); ok {
		l.Line = int(v.u)
		l.File = u.fileName(d.mergedFile())
	}
	if v, _, ok := d.merged(atDeclColumn); ok {
		l.Column = int(v.u)
	}
	return l
}

func (d *die) mergedFile() uint64 {
	v, _, _ := d.merged(atDeclFile)
	return v.u
}

func (d *die) call() symbols.Line {
	var l symbols.Line
	if n, ok := d.uint(atCallLine); ok {
		l.Line = int(n)
	}
	if n, ok := d.uint(atCallColumn); ok {
		l.Column = int(n)
	}
	if n, ok := d.uint(atCallFile); ok {
		l.File = d.u.fileName(n)
	}
	return l
}

// fileName returns the path of file n of the unit's line program. File 0 of the
// versions before 5 is no file.
func (u *unit) fileName(n uint64) string {
	files, dir := u.fileTable()
	if n >= uint64(len(files)) {
		return ""
	}
	return files[n].path(dir)
}

// variable describes a parameter or local; false when it is only a declaration
// of something that lies elsewhere.
func (w *scopeWalk) variable(d *die, depth int) (symbols.Variable, bool) {
	if d.ab.tag != tagParameter && d.ab.tag != tagVariable && d.ab.tag != tagConstant {
		return symbols.Variable{}, false
	}
	if d.flag(atDeclaration) {
		return symbols.Variable{}, false
	}
	v := d.variable(w.fn)
	v.Depth = depth
	return v, v.Name != ""
}

// variable describes a variable DIE. fn is the concrete function it lives in,
// nil for a global.
func (d *die) variable(fn *die) symbols.Variable {
	v := symbols.Variable{
		Name: d.mergedString(atName), Param: d.ab.tag == tagParameter,
		Artificial: d.mergedFlag(atArtificial), Decl: d.decl(),
		Type: d.u.data.typeOf(d.mergedTarget(atType)),
	}
	val, u, ok := d.merged(atLocation)
	if !ok {
		v.Location = lost{"the compiler removed it"}
		if c, cu, ok := d.merged(atConstValue); ok {
			v.Location = constant(cu, c, v.Type)
		}
		return v
	}
	v.Static = u.static(val)
	v.Location = newLocation(u, val, fn)
	if v.Type != nil {
		v.Location = sized(v.Location, v.Type)
	}
	return v
}
