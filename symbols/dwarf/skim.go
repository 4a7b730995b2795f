package dwarf

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
	"sort"
)

// A skim reads a unit's DIEs for the index and keeps nothing of its own: each
// abbreviation is compiled to what gets over its values, with a mark only where
// a value is wanted for the DIE's act; one table's memory serves the next.

// act is what is done with a DIE.
type act uint8

const (
	actNone act = iota
	actType
	actTypedef
	actVariable
	actMember
	actEnumerator
	actSubprogram
	actInlined
	actNamespace
)

// mark is a value that acts want.
type mark int8

const (
	markName mark = iota
	markSibling
	markDeclaration
	markSpec
	markOrigin
	markLow
	markHigh
	markRanges
	markLocation
	markConst
	markSize
	markLine
	markInline
	markFlag // DW_AT_enum_class, DW_AT_export_symbols
	markCount
	markNone mark = -1
)

// acts says what is done with a tag and which marks that wants besides the name.
var acts = map[tag]struct {
	act
	marks uint32
}{
	tagStruct: {actType, wantType}, tagClass: {actType, wantType}, tagUnion: {actType, wantType},
	tagInterface: {actType, wantType}, tagEnumeration: {actType, wantType},
	tagBaseType: {actType, wantType}, tagUnspecified: {actType, wantType},
	tagTypedef: {actTypedef, wantType}, tagTemplateAlias: {actTypedef, wantType},
	tagVariable: {actVariable, wantVariable}, tagConstant: {actVariable, wantVariable},
	tagMember:     {actMember, 1<<markDeclaration | 1<<markLine | 1<<markName},
	tagEnumerator: {actEnumerator, 1<<markConst | 1<<markName},
	tagSubprogram: {actSubprogram, wantFunction},
	tagInlined:    {actInlined, 1<<markOrigin | 1<<markSibling},
	tagNamespace:  {actNamespace, 1<<markName | 1<<markFlag | 1<<markOrigin | 1<<markSpec}, tagModule: {actNamespace, 1 << markName},
	tagSubroutineType: {actNone, 1 << markSibling}, tagArray: {actNone, 1 << markSibling},
	tagCallSite: {actNone, 1 << markSibling}, tagGNUCallSite: {actNone, 1 << markSibling},
}

const (
	wantType = 1<<markName | 1<<markSibling | 1<<markDeclaration | 1<<markSize | 1<<markLine | 1<<markFlag |
		1<<markSpec | 1<<markOrigin
	wantVariable = 1<<markName | 1<<markDeclaration | 1<<markSpec | 1<<markOrigin | 1<<markLocation | 1<<markLine | 1<<markConst
	wantFunction = 1<<markName | 1<<markSpec | 1<<markOrigin | 1<<markLow | 1<<markHigh | 1<<markRanges | 1<<markInline
)

func markOf(n attrName) mark {
	switch n {
	case atName:
		return markName
	case atSibling:
		return markSibling
	case atDeclaration:
		return markDeclaration
	case atSpecification:
		return markSpec
	case atAbstractOrigin, atSignature: // a type unit has the name, where a declaration has none
		return markOrigin
	case atLowPC:
		return markLow
	case atHighPC:
		return markHigh
	case atRanges:
		return markRanges
	case atLocation:
		return markLocation
	case atConstValue:
		return markConst
	case atByteSize:
		return markSize
	case atDeclLine:
		return markLine
	case atInline:
		return markInline
	case atEnumClass, atExportSymbols:
		return markFlag
	}
	return markNone
}

// skimStep gets over one value, or several of fixed size.
type skimStep struct {
	kind skip
	mark mark
	n    uint32
}

// skimAbbrev is an abbreviation made ready.
type skimAbbrev struct {
	code        uint64
	tag         tag
	act         act
	children    bool
	first, last uint32 // steps
	implicit    uint32 // place of the first value in skimTable.implicits
	forms       [markCount]form
}

// skimTable is a table of abbreviations made ready.
type skimTable struct {
	key       abbrevKey
	valid     bool
	abbrevs   []skimAbbrev
	steps     []skimStep
	implicits []implicitValue
	dense     bool // abbreviation i has code i+1
}

// implicitValue is a value that the abbreviation itself has.
type implicitValue struct {
	mark  mark
	value int64
}

func (t *skimTable) get(code uint64) *skimAbbrev {
	if t.dense {
		if i := code - 1; i < uint64(len(t.abbrevs)) {
			return &t.abbrevs[i]
		}
		return nil
	}
	i := sort.Search(len(t.abbrevs), func(i int) bool { return t.abbrevs[i].code >= code })
	if i < len(t.abbrevs) && t.abbrevs[i].code == code {
		return &t.abbrevs[i]
	}
	return nil
}

// read fills the table, unless it has this one.
func (t *skimTable) read(key abbrevKey) {
	if t.valid && t.key == key {
		return
	}
	t.key, t.valid, t.dense = key, true, true
	t.abbrevs, t.steps, t.implicits = t.abbrevs[:0], t.steps[:0], t.implicits[:0]
	t.fill(key)
	if !t.dense {
		slices.SortStableFunc(t.abbrevs, func(a, b skimAbbrev) int { return cmp.Compare(a.code, b.code) })
	}
}

func (t *skimTable) fill(key abbrevKey) {
	for b := key.file.buf(secAbbrev, key.off); ; {
		code := b.uleb()
		if code == 0 || b.bad {
			return
		}
		t.abbrevs = append(t.abbrevs, skimAbbrev{code: code, tag: tag(b.uleb()), children: b.u8() != 0, first: uint32(len(t.steps)), implicit: uint32(len(t.implicits))})
		a := &t.abbrevs[len(t.abbrevs)-1]
		t.dense = t.dense && code == uint64(len(t.abbrevs))
		if !t.attrs(a, &b) {
			t.abbrevs = t.abbrevs[:len(t.abbrevs)-1]
			return
		}
	}
}

func (t *skimTable) attrs(a *skimAbbrev, b *buf) bool {
	todo := acts[a.tag]
	a.act = todo.act
	for {
		name, f := attrName(b.uleb()), form(b.uleb())
		if b.bad {
			return false
		}
		if name == 0 && f == 0 {
			a.last = uint32(len(t.steps))
			return true
		}
		m := markOf(name)
		if m != markNone && (todo.marks&(1<<m) == 0 || a.forms[m] != 0) {
			m = markNone
		}
		if m != markNone {
			a.forms[m] = f
		}
		if f == formImplicit {
			if v := b.sleb(); m != markNone {
				t.implicits = append(t.implicits, implicitValue{m, v})
			}
			continue
		}
		st, ok := stepOf(f, t.key.layout)
		if !ok {
			st.kind = skipUnknown
		}
		n := len(t.steps)
		if st.kind == skipFixed && m == markNone && n > int(a.first) && t.steps[n-1].kind == skipFixed {
			t.steps[n-1].n += st.n // what a mark marks begins where its step does
			continue
		}
		t.steps = append(t.steps, skimStep{st.kind, m, st.n})
	}
}

// marked are the places of a DIE's marked values in the section.
type marked [markCount]int

// over gets over the values of a DIE that begin at off, and marks; -1 at damage.
func (t *skimTable) over(d []byte, off int, a *skimAbbrev, m *marked) int {
	steps := t.steps[a.first:a.last]
	for i := range steps {
		st := &steps[i]
		if st.mark >= 0 {
			m[st.mark] = off
		}
		switch st.kind {
		case skipFixed:
			off += int(st.n)
		case skipULEB:
			for off < len(d) && d[off] >= 0x80 {
				off++
			}
			off++
		case skipBlock:
			if st.n == 0 && off < len(d) && d[off] < 0x80 {
				off += int(d[off]) + 1
				break
			}
			off = t.slow(d, off, st)
		case skipString:
			if off > len(d) {
				return -1
			}
			n := bytes.IndexByte(d[off:], 0)
			if n < 0 {
				return -1
			}
			off += n + 1
		default:
			off = t.slow(d, off, st)
		}
		if off < 0 {
			return -1
		}
	}
	if off > len(d) {
		return -1
	}
	return off
}

// slow is over for the rest of the forms.
func (t *skimTable) slow(d []byte, off int, st *skimStep) int {
	if off > len(d) {
		return -1
	}
	b := buf{d: d, off: off, be: t.key.file.data.opt.BigEndian}
	if !b.step(step{kind: st.kind, n: st.n}, t.key.layout) {
		return -1
	}
	return b.off
}

// value reads a marked value.
func (s *skimmer) value(a *skimAbbrev, m mark) value {
	f := a.forms[m]
	if f == formImplicit {
		return value{form: f, u: s.table.implicit(a, m)}
	}
	b := buf{d: s.data, off: s.at[m], be: s.be}
	return s.unit.value(&b, f, 0)
}

// implicit returns the value that a has for m.
func (t *skimTable) implicit(a *skimAbbrev, m mark) uint64 {
	for _, v := range t.implicits[a.implicit:] {
		if v.mark == m {
			return uint64(v.value)
		}
	}
	return 0
}

// number is value for constants, the quick ones first; 0 when there is none.
func (s *skimmer) number(a *skimAbbrev, m mark) uint64 {
	off := s.at[m]
	switch a.forms[m] {
	case 0:
		return 0
	case formFlagPresent:
		return 1
	case formImplicit:
		return s.table.implicit(a, m)
	case formData1, formFlag:
		return uint64(s.data[off])
	case formData2:
		if !s.be {
			return uint64(binary.LittleEndian.Uint16(s.data[off:]))
		}
	case formData4:
		if !s.be {
			return uint64(binary.LittleEndian.Uint32(s.data[off:]))
		}
	}
	return s.value(a, m).u
}
