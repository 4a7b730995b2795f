package dwarf

import (
	"encoding/binary"

	"dap-windbg/symbols"
	"dap-windbg/symbols/index"
)

// skimmer collects the names of units. It belongs to one goroutine.
type skimmer struct {
	data  []byte // up to the unit's end
	be    bool
	unit  *unit
	num   uint32 // of the unit
	isC   bool   // C: members' types are not qualified by the struct
	table skimTable
	at    marked
	stack []skimLevel

	scopes   []skimScope  // of this unit, in the order of places
	pending  []completion // of this unit
	far      map[ref]bool // what this unit inlines from others
	farNames map[ref]index.Entry
	plainStr bool // strp is a number of the index
	out      *index.Builder
	paths    map[pathKey]uint32
	dirs     []uint32
	files    []uint32
	// found, when set, is told of inlined calls, and nothing is collected.
	found func(at uint64, origin ref)
	// pause is asked now and then; false ends the skim.
	pause func() bool
}

// skimLevel is an open DIE.
type skimLevel struct {
	scope uint32
	own   int32 // place in scopes to be closed, -1 for none
	in    inside
}

// inside says what the DIEs of a level are part of.
type inside uint8

const (
	inUnit inside = iota // or a namespace
	inClass
	inFunction
	inOther
)

// skimScope is a range of DIEs in a scope.
type skimScope struct {
	off, end uint64
	parent   int32
	id       uint32
}

// completion is a DIE whose name is with the one it completes.
type completion struct {
	off    uint64
	target value
	name   uint32 // its own, when named
	named  bool
	kind   index.Kind
	flags  index.Flags
	key    uint32
}

// run collects the names of unit u, the one with number num.
func (s *skimmer) run(u *unit, num uint32) {
	u.rootAttrs()
	b := u.buf(u.first)
	s.data, s.be, s.unit, s.num = b.d, b.be, u, num
	s.isC = u.root.lang == symbols.C
	s.plainStr = u.file == u.data.main && !u.is64 && !s.be
	s.table.read(abbrevKey{u.file, u.abbrevOff, u.layout})
	s.stack = append(s.stack[:0], skimLevel{scope: index.None, own: -1})
	s.scopes, s.pending = s.scopes[:0], s.pending[:0]
	clear(s.far)
	s.walk(b.off)
	for i := range s.pending {
		s.complete(&s.pending[i])
	}
	for r := range s.far {
		s.inlinesFar(r)
	}
}

// walk goes over all DIEs.
func (s *skimmer) walk(off int) {
	d := s.data
	for n := 1; off < len(d); n++ {
		if n&0xfff == 0 && !s.pause() {
			return
		}
		at := off
		code := uint64(d[off])
		off++
		if code >= 0x80 {
			b := buf{d: d, off: at}
			code, off = b.uleb(), b.off
		}
		if code == 0 {
			top := &s.stack[len(s.stack)-1]
			if top.own >= 0 {
				s.scopes[top.own].end = uint64(at)
			}
			if s.stack = s.stack[:len(s.stack)-1]; len(s.stack) <= 1 {
				return
			}
			continue
		}
		a := s.table.get(code)
		if a == nil {
			return
		}
		if off = s.table.over(d, off, a, &s.at); off < 0 {
			return
		}
		top := s.stack[len(s.stack)-1]
		switch {
		case a.act == actNone:
		case s.found == nil:
			s.visit(a, uint64(at), &top)
		case a.act == actInlined && a.forms[markOrigin] != 0:
			s.found(uint64(at), s.unit.target(s.value(a, markOrigin)))
		}
		if !a.children {
			continue
		}
		if a.forms[markSibling] != 0 && s.skips(a) {
			if end, ok := s.sibling(a, off); ok {
				off = end
				continue
			}
		}
		if !s.enter(a, uint64(at), &top) {
			return
		}
	}
}

// skips reports whether the children of a DIE have nothing to find.
func (s *skimmer) skips(a *skimAbbrev) bool {
	switch a.tag {
	case tagStruct, tagUnion:
		return s.isC
	case tagInlined: // those of other units may be in it
		return s.found == nil && a.forms[markOrigin] != formRefAddr
	case tagSubroutineType, tagArray, tagCallSite, tagGNUCallSite:
		return true
	}
	return false
}

func (s *skimmer) sibling(a *skimAbbrev, off int) (int, bool) {
	var r ref
	if at := s.at[markSibling]; a.forms[markSibling] == formRef4 && !s.be {
		r = s.unit.ref(s.unit.off + uint64(binary.LittleEndian.Uint32(s.data[at:])))
	} else {
		r = s.unit.target(s.value(a, markSibling))
	}
	end := int(s.unit.offset(r))
	return end, r > s.unit.base && end >= off && end <= len(s.data)
}

// enter opens the level of a DIE's children.
func (s *skimmer) enter(a *skimAbbrev, at uint64, top *skimLevel) bool {
	next := skimLevel{scope: top.scope, own: -1, in: inOther}
	if s.found != nil {
		s.stack = append(s.stack, next)
		return len(s.stack) <= maxDepth
	}
	switch a.tag {
	case tagCompileUnit, tagPartialUnit, tagTypeUnit, tagSkeleton:
		next.in = inUnit
	case tagNamespace, tagModule:
		next.in = inUnit
		next.scope = s.scope(a, top.scope, index.Namespace)
		s.open(&next, at, top)
	case tagStruct, tagClass, tagUnion, tagInterface:
		next.in = inClass
		if !s.isC {
			next.scope = s.scope(a, top.scope, 0)
			s.open(&next, at, top)
		}
	case tagEnumeration:
		switch {
		case a.forms[markFlag] != 0 && s.number(a, markFlag) != 0:
			next.scope = s.scope(a, top.scope, 0)
			s.open(&next, at, top)
		case a.forms[markSpec] != 0:
			next.scope = s.declaredIn(s.unit.target(s.value(a, markSpec)))
		}
	case tagSubprogram:
		next.in, next.scope = inFunction, index.None
		if !s.isC {
			s.open(&next, at, top)
		}
	default:
		if top.in == inFunction {
			next.in = inFunction
		}
	}
	s.stack = append(s.stack, next)
	return len(s.stack) <= maxDepth
}

func (s *skimmer) open(next *skimLevel, at uint64, top *skimLevel) {
	parent := int32(-1)
	for i := len(s.stack) - 1; i >= 0 && parent < 0; i-- {
		parent = s.stack[i].own
	}
	next.own = int32(len(s.scopes))
	s.scopes = append(s.scopes, skimScope{at, uint64(len(s.data)), parent, next.scope})
}

// scope numbers what a DIE puts before the names in it.
func (s *skimmer) scope(a *skimAbbrev, parent uint32, f index.ScopeFlags) uint32 {
	name, ok := s.name(a)
	if a.forms[markSpec] != 0 && a.tag != tagNamespace { // a type unit defines a type apart from its namespace
		parent = s.declaredIn(s.unit.target(s.value(a, markSpec)))
	}
	if !ok && (a.forms[markOrigin] != 0 || a.forms[markSpec] != 0) {
		m := markOrigin
		if a.forms[m] == 0 {
			m = markSpec
		}
		name, ok = s.nameAt(s.unit.target(s.value(a, m)))
	}
	switch {
	case ok:
		if f&index.Namespace != 0 && a.forms[markFlag] != 0 && s.number(a, markFlag) != 0 {
			f |= index.Optional
		}
	case a.tag == tagNamespace:
		name, f = s.out.Intern([]byte("(anonymous namespace)")), f|index.Optional
	default:
		return parent
	}
	return s.out.Scope(index.Scope{Parent: parent, Name: name, Flags: f})
}

// declaredIn numbers the scope of a declaration.
func (s *skimmer) declaredIn(r ref) uint32 {
	if u := s.unit; r >= u.ref(u.first) && r < u.ref(u.end) {
		return s.scopeAt(u.offset(r))
	}
	return s.farScope(r)
}

// name numbers the DIE's own name.
func (s *skimmer) name(a *skimAbbrev) (uint32, bool) {
	switch f := a.forms[markName]; {
	case f == 0:
		return 0, false
	case f == formStrp && s.plainStr:
		n := binary.LittleEndian.Uint32(s.data[s.at[markName]:])
		return n, n < index.Interned
	}
	return s.nameOf(s.unit, s.value(a, markName))
}

// nameOf numbers the value of a name: the place in the image's .debug_str when it
// is there, for after a link that is as good as the text.
func (s *skimmer) nameOf(u *unit, v value) (uint32, bool) {
	if u.file == u.data.main {
		off, ok := v.u, v.form == formStrp
		switch v.form {
		case formStrx, formStrx1, formStrx2, formStrx3, formStrx4, formGNUStrIndex:
			off, ok = u.strx(v.u)
		}
		if ok && off < index.Interned {
			return uint32(off), true
		}
	}
	text := u.str(v)
	if len(text) == 0 {
		return 0, false
	}
	return s.out.Intern(text), true
}

func (s *skimmer) nameAt(r ref) (uint32, bool) {
	d, ok := s.unit.data.die(r)
	if !ok {
		return 0, false
	}
	v, u, ok := d.merged(atName)
	if !ok {
		return 0, false
	}
	return s.nameOf(u, v)
}

// visit takes what is to be found out of one DIE.
func (s *skimmer) visit(a *skimAbbrev, at uint64, top *skimLevel) {
	var flags index.Flags
	if top.in == inFunction {
		flags = index.Local
	}
	switch a.act {
	case actType, actTypedef:
		if a.act == actTypedef {
			flags |= index.Alias
		}
		s.add(a, at, top, index.Type, flags|s.declared(a), both(s.number(a, markSize), s.number(a, markLine))^uint32(a.tag)<<24)
	case actEnumerator:
		s.add(a, at, top, index.Enumerator, flags, both(s.number(a, markConst), 1))
	case actMember: // a static data member, before DWARF 5
		if a.forms[markDeclaration] != 0 {
			s.add(a, at, top, index.Variable, flags|index.Declared, both(0, s.number(a, markLine)))
		}
	case actVariable:
		s.variable(a, at, top, flags)
	case actSubprogram:
		s.function(a, at, top)
	case actInlined:
		if f := a.forms[markOrigin]; f == formRefAddr || f == formGNURefAlt || f == formRefSup4 || f == formRefSup8 {
			if s.far == nil {
				s.far = map[ref]bool{}
			}
			s.far[s.unit.target(s.value(a, markOrigin))] = true
		}
	}
}

func (s *skimmer) declared(a *skimAbbrev) index.Flags {
	if a.forms[markDeclaration] != 0 && s.number(a, markDeclaration) != 0 {
		return index.Declared
	}
	return 0
}

// both makes one key, never 0, of two numbers.
func both(x, y uint64) uint32 {
	x = (x+0x9e3779b97f4a7c15)*0xbf58476d1ce4e5b9 ^ y*0x94d049bb133111eb
	return uint32(x>>32) | 1
}

// add enters a DIE by its own name, or leaves it for later when that, or its
// scope, is with another.
func (s *skimmer) add(a *skimAbbrev, at uint64, top *skimLevel, k index.Kind, f index.Flags, key uint32) {
	name, named := s.name(a)
	m := markSpec
	if a.forms[m] == 0 {
		m = markOrigin
	}
	if a.forms[m] == formRefSig8 && !named {
		return // the type unit's is entered
	}
	if a.forms[m] != 0 && a.forms[m] != formRefSig8 {
		s.pending = append(s.pending, completion{at, s.value(a, m), name, named, k, f, key})
		return
	}
	if named {
		s.out.Add(index.Entry{DIE: uint64(s.unit.ref(at)), Name: name, Scope: top.scope, Unit: s.num, Kind: k, Flags: f}, key)
	}
}

// variable keeps variables that live outside functions, and static ones inside.
func (s *skimmer) variable(a *skimAbbrev, at uint64, top *skimLevel, flags index.Flags) {
	var v value
	if a.forms[markLocation] != 0 {
		v = s.value(a, markLocation)
	}
	flags |= s.declared(a)
	if top.in == inFunction || top.in == inOther {
		flags &^= index.Declared
		if _, fixed := s.unit.fixedAddress(v); !fixed && !s.unit.threadLocal(v) {
			return // what is computed from an address is a value
		}
	}
	key := uint32(0)
	if v.form == 0 && (flags&index.Declared != 0 || a.forms[markConst] == 0) {
		key = both(0, s.number(a, markLine))
	}
	s.add(a, at, top, index.Variable, flags, key)
	if flags&index.Declared == 0 && v.form != 0 {
		if addr, ok := s.unit.fixedAddress(v); ok && addr != 0 {
			s.out.Global(index.Global{Addr: addr, DIE: uint64(s.unit.ref(at))})
		}
	}
}

// function keeps functions with code and those that are inlined somewhere.
func (s *skimmer) function(a *skimAbbrev, at uint64, top *skimLevel) {
	if a.forms[markInline] != 0 {
		if n := s.number(a, markInline); n == 1 || n == 3 {
			s.add(a, at, top, index.Inline, 0, 0)
		}
		return
	}
	if s.hasCode(a) {
		s.add(a, at, top, index.Function, 0, 0)
	}
}

func (s *skimmer) hasCode(a *skimAbbrev) bool {
	if a.forms[markRanges] != 0 {
		return len(s.unit.rangeList(s.value(a, markRanges))) > 0
	}
	if a.forms[markLow] == 0 || a.forms[markHigh] == 0 {
		return false
	}
	low, ok := s.unit.address(s.value(a, markLow))
	hv := s.value(a, markHigh)
	high, isAddr := s.unit.address(hv)
	if !isAddr {
		high = low + hv.u
	}
	return ok && s.unit.data.live(low, high)
}
