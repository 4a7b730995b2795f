package dwarf

// die is a decoded entry. Values that need other sections are resolved by its
// methods, so decoding one reads only the unit.
type die struct {
	u    *unit
	off  uint64 // in the unit's section
	next uint64 // of what follows the attributes: first child or sibling
	ab   *abbrev
	vals []value // parallel to ab.attrs
}

// value is an attribute value before resolution.
type value struct {
	form form
	u    uint64 // constants (sign-extended), offsets, indexes, addresses
	b    []byte // blocks and strings
}

// readDIE decodes the entry at off; false for the null entry and damage.
func (u *unit) readDIE(off uint64) (die, bool) {
	b := u.buf(off)
	ab := u.table().get(b.uleb())
	if ab == nil || b.bad {
		return die{}, false
	}
	return u.decode(off, &b, ab)
}

// decode reads the attribute values that begin at b.
func (u *unit) decode(off uint64, b *buf, ab *abbrev) (die, bool) {
	d := die{u: u, off: off, ab: ab, vals: make([]value, len(ab.attrs))}
	for i := range ab.attrs {
		d.vals[i] = u.value(b, ab.attrs[i].form, ab.attrs[i].implicit)
	}
	d.next = uint64(b.off)
	return d, !b.bad
}

// die decodes the entry r names.
func (d *Data) die(r ref) (die, bool) {
	u := d.unitOf(r)
	if u == nil {
		return die{}, false
	}
	u.load()
	return u.readDIE(u.offset(r))
}

// value reads one attribute value.
func (u *unit) value(b *buf, f form, implicit int64) value {
	v := value{form: f}
	switch f {
	case formFlagPresent:
		v.u = 1
	case formImplicit:
		v.u = uint64(implicit)
	case formSdata:
		v.u = uint64(b.sleb())
	case formString:
		v.b = b.cstr()
	case formBlock, formExprloc:
		v.b = b.take(b.uleb())
	case formBlock1, formBlock2, formBlock4:
		st, _ := stepOf(f, u.layout)
		v.b = b.take(b.uint(int(st.n)))
	case formData16:
		v.b = b.take(16)
	case formIndirect:
		if f = form(b.uleb()); f != formIndirect && f != formImplicit {
			return u.value(b, f, 0)
		}
		b.fail()
	default:
		st, ok := stepOf(f, u.layout)
		switch {
		case !ok:
			b.fail()
		case st.kind == skipULEB:
			v.u = b.uleb()
		default:
			v.u = b.uint(int(st.n))
		}
	}
	return v
}

func (d *die) ref() ref { return d.u.ref(d.off) }

func (d *die) attr(n attrName) (value, bool) {
	for i := range d.ab.attrs {
		if d.ab.attrs[i].name == n {
			return d.vals[i], true
		}
	}
	return value{}, false
}

func (d *die) has(n attrName) bool { _, ok := d.attr(n); return ok }

func (d *die) flag(n attrName) bool { v, ok := d.attr(n); return ok && v.u != 0 }

// uint returns a constant attribute.
func (d *die) uint(n attrName) (uint64, bool) {
	v, ok := d.attr(n)
	return v.u, ok && v.constant()
}

func (v value) constant() bool {
	switch v.form {
	case formData1, formData2, formData4, formData8, formUdata, formSdata, formImplicit:
		return true
	}
	return false
}

// signed returns a constant as a signed number of its form's size.
func (v value) signed() int64 {
	switch v.form {
	case formData1:
		return int64(int8(v.u))
	case formData2:
		return int64(int16(v.u))
	case formData4:
		return int64(int32(v.u))
	}
	return int64(v.u)
}

// block tells a DWARF expression or block of bytes from the rest.
func (v value) block() bool {
	switch v.form {
	case formBlock, formBlock1, formBlock2, formBlock4, formExprloc:
		return true
	}
	return false
}

func (d *die) string(n attrName) string {
	v, ok := d.attr(n)
	if !ok {
		return ""
	}
	return string(d.u.str(v))
}

func (d *die) name() string { return d.string(atName) }

// str resolves a string value; it aliases the section.
func (u *unit) str(v value) []byte {
	d := u.file
	switch v.form {
	case formString:
		return v.b
	case formStrp:
		return stringAt(d.section(secStr), v.u)
	case formLineStrp:
		return stringAt(d.section(secLineStr), v.u)
	case formStrx, formStrx1, formStrx2, formStrx3, formStrx4, formGNUStrIndex:
		if off, ok := u.strx(v.u); ok {
			return stringAt(d.section(secStr), off)
		}
	case formStrpSup, formGNUStrpAlt:
		if f := u.data.supplement(); f != nil {
			return stringAt(f.section(secStr), v.u)
		}
	}
	return nil
}

// strx returns the offset in .debug_str of string index i.
func (u *unit) strx(i uint64) (uint64, bool) {
	size := uint64(u.offsetSize())
	if i > 1<<40 {
		return 0, false
	}
	b := u.file.buf(secStrOffsets, u.root.strBase+i*size)
	off := b.offset(u.is64)
	return off, !b.bad
}

// addrx returns entry i of the unit's address table.
func (u *unit) addrx(i uint64) (uint64, bool) {
	if i > 1<<40 {
		return 0, false
	}
	b := u.file.buf(secAddr, u.root.addrBase+i*uint64(u.addrSize))
	a := b.uint(int(u.addrSize))
	return a, !b.bad
}

// address returns an attribute of class address.
func (d *die) address(n attrName) (uint64, bool) {
	v, ok := d.attr(n)
	if !ok {
		return 0, false
	}
	return d.u.address(v)
}

func (u *unit) address(v value) (uint64, bool) {
	switch v.form {
	case formAddr:
		return v.u, true
	case formAddrx, formAddrx1, formAddrx2, formAddrx3, formAddrx4, formGNUAddrIndex:
		return u.addrx(v.u)
	}
	return 0, false
}

// lostRef stands for a DIE that is not here: in a file that is missing, or damaged.
// Its type is Unspecified, not void.
const lostRef ref = 1<<47 - 1

// target returns the DIE an attribute refers to, 0 when it has none.
func (d *die) target(n attrName) ref {
	v, ok := d.attr(n)
	if !ok {
		return 0
	}
	return d.u.target(v)
}

func (u *unit) target(v value) ref {
	switch v.form {
	case formRef1, formRef2, formRef4, formRef8, formRefUdata:
		if v.u < u.end-u.off {
			return u.ref(u.off + v.u)
		}
	case formRefAddr:
		if v.u < u.file.size(u.id) {
			return u.base + ref(v.u)
		}
	case formRefSig8:
		return u.data.signature(u.file, v.u)
	case formGNURefAlt, formRefSup4, formRefSup8:
		if f := u.data.supplement(); f != nil && ref(v.u) < basePack-baseSup {
			return baseSup + ref(v.u)
		}
	}
	return lostRef
}

// origin returns the DIE that d completes: the abstract instance of an inlined
// function, the declaration of a definition, or the type unit's definition of a
// declaration without a name.
func (d *die) origin() (die, bool) {
	r := d.target(atAbstractOrigin)
	if r == 0 {
		r = d.target(atSpecification)
	}
	if r == 0 && d.has(atSignature) && !d.has(atName) {
		r = d.target(atSignature)
	}
	if r == 0 || r == d.ref() {
		return die{}, false
	}
	return d.u.data.die(r)
}

// maxOrigins bounds chains of origins and declarations; three is what compilers write.
const maxOrigins = 8

// merged returns the attribute from d or the DIEs it completes, with the unit
// that the value belongs to.
func (d *die) merged(n attrName) (value, *unit, bool) {
	cur := *d
	for range maxOrigins {
		if v, ok := cur.attr(n); ok {
			return v, cur.u, true
		}
		next, ok := cur.origin()
		if !ok {
			break
		}
		cur = next
	}
	return value{}, nil, false
}

func (d *die) mergedString(n attrName) string {
	v, u, ok := d.merged(n)
	if !ok {
		return ""
	}
	return string(u.str(v))
}

func (d *die) mergedFlag(n attrName) bool {
	v, _, ok := d.merged(n)
	return ok && v.u != 0
}

func (d *die) mergedTarget(n attrName) ref {
	v, u, ok := d.merged(n)
	if !ok {
		return 0
	}
	return u.target(v)
}

// linkage returns the linkage name.
func (d *die) linkage() string {
	if s := d.mergedString(atLinkageName); s != "" {
		return s
	}
	return d.mergedString(atMIPSLinkage)
}

// children calls f for each child until f returns false.
func (d *die) children(f func(c *die) bool) {
	if !d.ab.children {
		return
	}
	off := d.next
	for {
		c, ok := d.u.readDIE(off)
		if !ok || !f(&c) {
			return
		}
		next, ok := c.after()
		if !ok || next <= off {
			return
		}
		off = next
	}
}

// after returns the offset of d's sibling, or of the null entry that ends the list.
func (d *die) after() (uint64, bool) {
	if !d.ab.children {
		return d.next, true
	}
	if v, ok := d.attr(atSibling); ok {
		if r := d.u.target(v); r > d.ref() && r < d.u.ref(d.u.end) {
			return d.u.offset(r), true
		}
	}
	b := d.u.buf(d.next)
	var m marks
	table := d.u.table()
	for depth := 1; depth > 0; {
		code := b.uleb()
		if code == 0 {
			if b.bad {
				return 0, false
			}
			depth--
			continue
		}
		ab := table.get(code)
		if ab == nil || !ab.run(&b, d.u.layout, &m) {
			return 0, false
		}
		if ab.children {
			depth++
		}
	}
	return uint64(b.off), true
}
