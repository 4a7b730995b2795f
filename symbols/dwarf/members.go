package dwarf

import (
	"encoding/binary"

	"dap-windbg/symbols"
)

func (d *die) functionMembers(m *symbols.Members) {
	from := *d
	if !d.hasParameters() { // a definition's parameters may be with its declaration only
		if o, ok := d.origin(); ok {
			from = o
		}
	}
	from.children(func(c *die) bool {
		switch c.ab.tag {
		case tagParameter:
			m.Params = append(m.Params, c.parameter())
		case tagGNUParamPack:
			c.children(func(p *die) bool {
				if p.ab.tag == tagParameter {
					m.Params = append(m.Params, p.parameter())
				}
				return true
			})
		case tagUnspecParams:
			m.Variadic = true
		default:
			c.templateArgs(m)
		}
		return true
	})
}

func (d *die) parameter() symbols.Param {
	return symbols.Param{
		Name: d.mergedString(atName), Type: d.u.data.typeOf(d.mergedTarget(atType)), Artificial: d.mergedFlag(atArtificial),
	}
}

// templateArgs adds the arguments that d is, if it is an argument or a pack of them.
func (d *die) templateArgs(m *symbols.Members) {
	add := func(c *die) bool {
		switch c.ab.tag {
		case tagTemplateType, tagTemplateValue, tagGNUTemplate:
			m.Template = append(m.Template, c.templateArg())
		}
		return true
	}
	if d.ab.tag == tagGNUPack {
		d.children(add)
		return
	}
	add(d)
}

func (d *die) hasParameters() bool {
	found := false
	d.children(func(c *die) bool {
		found = c.ab.tag == tagParameter || c.ab.tag == tagUnspecParams
		return !found
	})
	return found
}

func (d *die) enumMembers(m *symbols.Members) {
	t := d.u.data.typeOf(d.target(atType))
	d.children(func(c *die) bool {
		if c.ab.tag == tagEnumerator {
			v, _ := c.attr(atConstValue)
			m.Enumerators = append(m.Enumerators, symbols.Enumerator{Name: c.name(), Value: int64(v.signedFor(t))})
		}
		return true
	})
}

func (d *die) structMembers(m *symbols.Members) {
	switch how, _ := d.uint(atCallingConv); how {
	case ccByReference:
		m.Passed = symbols.ByReference
	case ccByValue:
		m.Passed = symbols.ByValue
	}
	d.children(func(c *die) bool {
		switch c.ab.tag {
		case tagMember, tagInheritance, tagVariable:
			m.Fields = append(m.Fields, c.field(d))
		case tagSubprogram:
			if m.LoadMethods == nil {
				m.LoadMethods = d.u.data.methods(d.ref())
			}
		case tagVariantPart:
			c.variants(d, m, 0)
		default:
			c.templateArgs(m)
		}
		return true
	})
}

func (d *die) field(owner *die) symbols.Field {
	f := symbols.Field{
		Name: d.name(), Type: d.u.data.typeOf(d.target(atType)),
		Base: d.ab.tag == tagInheritance, Artificial: d.flag(atArtificial),
	}
	if d.ab.tag == tagVariable || d.ab.tag == tagMember && (d.flag(atExternal) || d.flag(atDeclaration)) {
		d.staticField(&f)
		return f
	}
	if v, ok := d.uint(atVirtuality); ok && v != 0 && f.Base {
		f.Virtual = true
	}
	if v, ok := d.attr(atDataMemberLoc); ok {
		switch {
		case v.constant():
			f.Offset = int64(v.u)
		case f.Virtual:
			f.VOffset = &location{u: d.u, v: v, member: true}
		case v.block():
			f.Offset = constantOffset(d.u, v.b)
		}
	}
	d.bitField(&f, owner)
	return f
}

// constantOffset evaluates the one operation that DWARF 2 members have:
// DW_OP_plus_uconst, or a constant.
func constantOffset(u *unit, expr []byte) int64 {
	b := buf{d: expr, be: u.data.opt.BigEndian}
	switch b.u8() {
	case opPlusUconst, opConstu:
		return int64(b.uleb())
	case opConsts:
		return b.sleb()
	}
	return 0
}

// bitField fills in the bits of f, from either way of telling them.
func (d *die) bitField(f *symbols.Field, owner *die) {
	n, ok := d.uint(atBitSize)
	if !ok {
		return
	}
	f.BitSize = int(min(n, 1<<16))
	storage := min(max(f.Type.ByteSize(), 1), 1<<40)
	if off, ok := d.uint(atDataBitOffset); ok { // from the start of the struct
		bits := int64(min(off, 1<<48))
		unit := storage * 8
		start := bits / unit * unit
		if bits+int64(f.BitSize) > start+unit { // packed across storage units
			start = bits / 8 * 8
		}
		f.Offset, f.BitOffset = start/8, int(bits-start)
		return
	}
	if off, ok := d.attr(atBitOffset); ok && off.signed() == int64(int16(off.signed())) { // from the most significant bit of the storage unit
		if size, ok := d.uint(atByteSize); ok {
			storage = int64(min(size, 64))
		}
		f.BitOffset = int(storage*8) - int(off.signed()) - f.BitSize
		if d.u.data.opt.BigEndian {
			f.BitOffset = int(off.signed())
		}
	}
}

// staticField says where a static member lives: by its definition elsewhere, or
// a constant.
func (d *die) staticField(f *symbols.Field) {
	f.Static = true
	data := d.u.data
	if v, ok := d.attr(atConstValue); ok {
		f.Const = constantBytes(d.u, v, f.Type)
	}
	if v, ok := d.attr(atLocation); ok {
		f.Location = newLocation(d.u, v, nil)
		return
	}
	full, _ := data.qualify(d.ref(), f.Name)
	f.Location = deferredStatic{data, full}
}

// constantBytes gives the bytes of a DW_AT_const_value in target order.
func constantBytes(u *unit, v value, t *symbols.Type) []byte {
	if v.b != nil {
		return append([]byte(nil), v.b...)
	}
	if s := u.str(v); s != nil {
		return append(append([]byte(nil), s...), 0)
	}
	n := int64(8)
	if t != nil {
		if s := t.ByteSize(); s > 0 && s <= 16 {
			n = s
		}
	}
	return intBytes(v.signedFor(t), int(n), u.data.opt.BigEndian)
}

// signedFor extends a constant as the type wants. A form without a sign holds a
// number that is not negative, unless it fills the type.
func (v value) signedFor(t *symbols.Type) uint64 {
	s := t.Strip()
	if s == nil || s.Kind != symbols.Base || s.Encoding != symbols.Signed && s.Encoding != symbols.SignedChar {
		return v.u
	}
	if s.Size >= 1 && s.Size < 8 {
		shift := uint(64 - 8*s.Size)
		return uint64(int64(v.u<<shift) >> shift)
	}
	return v.u
}

// intBytes is v as n bytes, sign-extended beyond 8.
func intBytes(v uint64, n int, be bool) []byte {
	fill := byte(0)
	if int64(v) < 0 && n > 8 {
		fill = 0xff
	}
	var tmp [8]byte
	binary.LittleEndian.PutUint64(tmp[:], v)
	out := make([]byte, n)
	for i := range out {
		c := fill
		if i < 8 {
			c = tmp[i]
		}
		if be {
			out[n-1-i] = c
		} else {
			out[i] = c
		}
	}
	return out
}

func (d *die) templateArg() symbols.TemplateArg {
	a := symbols.TemplateArg{Name: d.name(), Type: d.u.data.typeOf(d.target(atType)), Template: d.string(atGNUTemplate)}
	if d.ab.tag == tagTemplateValue {
		a.IsValue = true
		if v, ok := d.attr(atConstValue); ok {
			a.Value = int64(v.signedFor(a.Type))
			if v.b != nil {
				a.Bytes = append([]byte(nil), v.b...)
			}
		}
	}
	return a
}

// methods makes what reads the methods of the class at r.
func (d *Data) methods(r ref) func() []symbols.Method {
	load := d.loader(r, func(e *die, m *symbols.Members) {
		e.children(func(c *die) bool {
			if c.ab.tag == tagSubprogram {
				m.Methods = append(m.Methods, c.method())
			}
			return true
		})
	})
	return func() []symbols.Method { return load().Methods }
}

func (d *die) method() symbols.Method {
	m := symbols.Method{Name: d.name(), Linkage: d.linkage(), Type: d.u.data.typeOf(d.ref())}
	if v, ok := d.uint(atVirtuality); ok {
		m.Virtual = v != 0
	}
	defaulted, _ := d.uint(atDefaulted)
	m.Implicit, m.Deleted = d.flag(atArtificial) || defaulted == defaultedInClass, d.flag(atDeleted)
	m.Static = true
	d.children(func(c *die) bool {
		if c.ab.tag == tagParameter {
			m.Static = !c.flag(atArtificial)
			return false
		}
		return true
	})
	return m
}
