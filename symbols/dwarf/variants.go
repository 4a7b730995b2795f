package dwarf

import "dap-windbg/symbols"

// variants reads a variant part (DWARF 5, 5.7.10) of owner into m: the part
// itself, and its members among the fields. nest counts the parts around it.
func (d *die) variants(owner *die, m *symbols.Members, nest int) {
	var part symbols.VariantPart
	discr := d.target(atDiscr)
	if e, ok := d.u.data.die(discr); ok && discr != 0 && e.ab.tag == tagMember {
		f := e.field(owner) // of this part, or of the record around it (Ada)
		part.Discr = &f
	}
	d.children(func(c *die) bool {
		switch c.ab.tag {
		case tagMember:
			m.Fields = append(m.Fields, c.field(owner))
		case tagVariant:
			v := c.variant(owner, m, signed(part.Discr), nest)
			part.Variants = append(part.Variants, v)
			m.Fields = append(m.Fields, v.Fields...)
		}
		return true
	})
	m.Parts = append(m.Parts, part)
}

// maxVariantDepth bounds the nesting of variant parts.
const maxVariantDepth = 16

func signed(f *symbols.Field) bool {
	if f == nil {
		return false
	}
	t := f.Type.Strip()
	return t != nil && t.Kind == symbols.Base && (t.Encoding == symbols.Signed || t.Encoding == symbols.SignedChar)
}

func (d *die) variant(owner *die, m *symbols.Members, signed bool, nest int) *symbols.Variant {
	v := &symbols.Variant{}
	if x, ok := d.attr(atDiscrValue); ok {
		v.Values = append(v.Values, symbols.Discriminant{Low: int64(x.u), High: int64(x.u)})
	} else if x, ok := d.attr(atDiscrList); ok {
		v.Values = d.u.discriminants(x.b, signed)
	}
	d.children(func(c *die) bool {
		switch c.ab.tag {
		case tagMember:
			f := c.field(owner)
			f.Variant = v
			v.Fields = append(v.Fields, f)
		case tagVariantPart:
			if nest < maxVariantDepth {
				c.variants(owner, m, nest+1)
			}
		}
		return true
	})
	return v
}

// Discriminant descriptors, DWARF 5 table 7.24.
const (
	dscLabel = 0
	dscRange = 1
)

func (u *unit) discriminants(list []byte, signed bool) []symbols.Discriminant {
	var out []symbols.Discriminant
	number := func(b *buf) int64 {
		if signed {
			return b.sleb()
		}
		return int64(b.uleb())
	}
	for b := (buf{d: list, be: u.data.opt.BigEndian}); b.left() > 0; {
		var r symbols.Discriminant
		switch b.u8() {
		case dscLabel:
			r.Low = number(&b)
			r.High = r.Low
		case dscRange:
			r.Low = number(&b)
			r.High = number(&b)
		default:
			return out
		}
		if b.bad {
			break
		}
		out = append(out, r)
	}
	return out
}
