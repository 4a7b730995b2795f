package dwarf

// Abbreviation tables are compiled once per layout of unit: each abbreviation
// gets the list of its attributes for full decoding, and a list of steps for
// the scanner, which skips everything and only marks where the attributes it
// may want begin.

type attrSpec struct {
	name     attrName
	form     form
	implicit int64
}

type abbrev struct {
	tag      tag
	children bool
	attrs    []attrSpec
	steps    []step
	forms    [slotCount]form // of the marked attributes, 0 when absent
}

// slot is an attribute the scanner marks.
type slot int8

const (
	slotNone slot = iota - 1
	slotName
	slotSibling
	slotLowPC
	slotHighPC
	slotRanges
	slotSpec
	slotOrigin
	slotLocation
	slotDeclaration
	slotSignature
	slotConst
	slotEnumClass
	slotCount
)

// slotOf gives the slot of an attribute whose number is below its length.
var slotOf = func() (t [atEnumClass + 1]slot) {
	for i := range t {
		t[i] = slotNone
	}
	for n, s := range map[attrName]slot{
		atName: slotName, atSibling: slotSibling, atLowPC: slotLowPC, atHighPC: slotHighPC, atRanges: slotRanges,
		atSpecification: slotSpec, atAbstractOrigin: slotOrigin, atLocation: slotLocation,
		atDeclaration: slotDeclaration, atSignature: slotSignature, atConstValue: slotConst, atEnumClass: slotEnumClass,
	} {
		t[n] = s
	}
	return t
}()

func (n attrName) slot() slot {
	if int(n) < len(slotOf) {
		return slotOf[n]
	}
	return slotNone
}

// step says how to get over one attribute value, or several of fixed size.
type step struct {
	kind skip
	slot slot
	n    uint32
}

type skip uint8

const (
	skipFixed skip = iota // n bytes
	skipULEB
	skipString
	skipBlock // length of n bytes, or a ULEB128 when n is 0
	skipIndirect
	skipUnknown // ends the scan of the unit
)

// layout is what an abbreviation's sizes depend on.
type layout struct {
	version  uint16
	addrSize uint8
	is64     bool
}

func (l layout) offsetSize() uint32 {
	if l.is64 {
		return 8
	}
	return 4
}

type abbrevKey struct {
	file *file
	off  uint64
	layout
}

type abbrevTable struct {
	dense  []abbrev // codes 1..n in order, as every producer writes them
	sparse map[uint64]*abbrev
	// loclists: some variable of the unit moves, so it was optimised.
	loclists bool
	attrs    []attrSpec // of all entries, cut up in order
	steps    []step
}

func (t *abbrevTable) get(code uint64) *abbrev {
	if i := code - 1; i < uint64(len(t.dense)) {
		return &t.dense[i]
	}
	return t.sparse[code]
}

func (d *Data) abbrevTable(key abbrevKey) *abbrevTable {
	d.abbrevMu.Lock()
	t := d.abbrevs[key]
	d.abbrevMu.Unlock()
	if t != nil {
		return t
	}
	t = readAbbrevs(key)
	d.abbrevMu.Lock()
	defer d.abbrevMu.Unlock()
	if was := d.abbrevs[key]; was != nil {
		return was
	}
	d.abbrevs[key] = t
	return t
}

// dropAbbrevs forgets a table; whoever uses it keeps it.
func (d *Data) dropAbbrevs(key abbrevKey) {
	d.abbrevMu.Lock()
	defer d.abbrevMu.Unlock()
	delete(d.abbrevs, key)
}

func readAbbrevs(key abbrevKey) *abbrevTable {
	t := &abbrevTable{}
	type cut struct{ attrs, steps int }
	var cuts []cut
	var order []*abbrev
	for b := key.file.buf(secAbbrev, key.off); ; {
		code := b.uleb()
		if code == 0 || b.bad {
			break
		}
		a := abbrev{tag: tag(b.uleb()), children: b.u8() != 0}
		first := len(t.attrs)
		if !t.readAttrs(&b) {
			break
		}
		t.compile(&a, t.attrs[first:], key.layout)
		cuts = append(cuts, cut{len(t.attrs), len(t.steps)})
		if code == uint64(len(t.dense))+1 {
			t.dense = append(t.dense, a)
			order = append(order, nil)
			continue
		}
		if t.sparse == nil {
			t.sparse = map[uint64]*abbrev{}
		}
		t.sparse[code] = &a
		order = append(order, &a)
	}
	var last cut
	dense := 0
	for i, c := range cuts { // the slices do not move any more
		a := order[i]
		if a == nil {
			a = &t.dense[dense]
			dense++
		}
		a.attrs, a.steps = t.attrs[last.attrs:c.attrs:c.attrs], t.steps[last.steps:c.steps:c.steps]
		last = c
	}
	return t
}

func (t *abbrevTable) readAttrs(b *buf) bool {
	for {
		s := attrSpec{name: attrName(b.uleb()), form: form(b.uleb())}
		if b.bad {
			return false
		}
		if s.name == 0 && s.form == 0 {
			return true
		}
		if s.form == formImplicit {
			s.implicit = b.sleb()
		}
		t.attrs = append(t.attrs, s)
	}
}

// abbrev reads the one abbreviation with a code, without the rest of its table.
func (f *file) abbrev(off, code uint64) *abbrev {
	b := f.buf(secAbbrev, off)
	for {
		c := b.uleb()
		if c == 0 || b.bad {
			return nil
		}
		a := abbrev{tag: tag(b.uleb()), children: b.u8() != 0}
		if c == code {
			var t abbrevTable
			ok := t.readAttrs(&b)
			a.attrs = t.attrs
			if !ok {
				return nil
			}
			return &a
		}
		for {
			name, f := b.uleb(), form(b.uleb())
			if f == formImplicit {
				b.sleb()
			}
			if name == 0 && f == 0 || b.bad {
				break
			}
		}
	}
}

func (t *abbrevTable) compile(a *abbrev, attrs []attrSpec, l layout) {
	first := len(t.steps)
	for _, s := range attrs {
		st, ok := stepOf(s.form, l)
		if !ok {
			st = step{kind: skipUnknown}
		}
		st.slot = slotNone
		if sl := s.name.slot(); sl != slotNone && a.forms[sl] == 0 {
			st.slot = sl
			a.forms[sl] = s.form
		}
		if s.name == atLocation && (s.form == formSecOffset || s.form == formLoclistx || l.version < 4 && (s.form == formData4 || s.form == formData8)) {
			t.loclists = true
		}
		if n := len(t.steps); n > first && st.kind == skipFixed && st.slot == slotNone && t.steps[n-1].kind == skipFixed {
			t.steps[n-1].n += st.n
			continue
		}
		t.steps = append(t.steps, st)
	}
}

// stepOf tells how to skip a value of form f; false when f is unknown.
func stepOf(f form, l layout) (step, bool) {
	fixed := func(n uint32) (step, bool) { return step{kind: skipFixed, n: n}, true }
	switch f {
	case formFlagPresent, formImplicit:
		return fixed(0)
	case formData1, formFlag, formRef1, formStrx1, formAddrx1:
		return fixed(1)
	case formData2, formRef2, formStrx2, formAddrx2:
		return fixed(2)
	case formStrx3, formAddrx3:
		return fixed(3)
	case formData4, formRef4, formStrx4, formAddrx4, formRefSup4:
		return fixed(4)
	case formData8, formRef8, formRefSig8, formRefSup8:
		return fixed(8)
	case formData16:
		return fixed(16)
	case formAddr:
		return fixed(uint32(l.addrSize))
	case formRefAddr:
		if l.version <= 2 {
			return fixed(uint32(l.addrSize))
		}
		return fixed(l.offsetSize())
	case formStrp, formSecOffset, formLineStrp, formStrpSup, formGNURefAlt, formGNUStrpAlt:
		return fixed(l.offsetSize())
	case formUdata, formSdata, formRefUdata, formStrx, formAddrx, formLoclistx, formRnglistx, formGNUAddrIndex, formGNUStrIndex:
		return step{kind: skipULEB}, true
	case formString:
		return step{kind: skipString}, true
	case formBlock, formExprloc:
		return step{kind: skipBlock}, true
	case formBlock1:
		return step{kind: skipBlock, n: 1}, true
	case formBlock2:
		return step{kind: skipBlock, n: 2}, true
	case formBlock4:
		return step{kind: skipBlock, n: 4}, true
	case formIndirect:
		return step{kind: skipIndirect}, true
	}
	return step{}, false
}

// marks are the offsets of a DIE's marked attribute values.
type marks [slotCount]int

// run walks the value steps over b, marking slots. It returns false at damage.
func (a *abbrev) run(b *buf, l layout, m *marks) bool {
	for i := range a.steps {
		s := &a.steps[i]
		if s.slot >= 0 {
			m[s.slot] = b.off
		}
		if s.kind == skipFixed {
			if b.off += int(s.n); b.off > len(b.d) {
				b.fail()
				return false
			}
			continue
		}
		if !b.step(*s, l) {
			return false
		}
	}
	return true
}

func (b *buf) step(s step, l layout) bool {
	switch s.kind {
	case skipFixed:
		b.skip(uint64(s.n))
	case skipULEB:
		for b.u8()&0x80 != 0 {
		}
	case skipString:
		b.cstr()
	case skipBlock:
		n := uint64(0)
		if s.n == 0 {
			n = b.uleb()
		} else {
			n = b.uint(int(s.n))
		}
		b.skip(n)
	case skipIndirect:
		f := form(b.uleb())
		if f == formIndirect || f == formImplicit {
			b.fail()
			return false
		}
		next, ok := stepOf(f, l)
		if !ok {
			b.fail()
			return false
		}
		return b.step(next, l)
	default:
		b.fail()
	}
	return !b.bad
}
