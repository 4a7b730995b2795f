package dwarf

import (
	"cmp"
	"fmt"
	"strings"

	"dap-windbg/symbols"
	"dap-windbg/symbols/index"
)

// This file shows entries as they are written. Names are in names.go.

var _ symbols.Entries = Answers{}

// DebugEntry implements symbols.Entries.
func (a Answers) DebugEntry(off uint64) (e symbols.Entry, ok bool) {
	a.ask(func(d *Data) {
		var x die
		if x, ok = d.entry(off); ok {
			e = x.show()
		}
	})
	return e, ok
}

// EntryChildren implements symbols.Entries.
func (a Answers) EntryChildren(off uint64, limit int) (out []uint64) {
	a.ask(func(d *Data) {
		if x, ok := d.entry(off); ok {
			x.children(func(c *die) bool {
				out = append(out, uint64(c.ref()))
				return len(out) < limit
			})
		}
	})
	return out
}

// EntryParents implements symbols.Entries.
func (a Answers) EntryParents(off uint64) (out []uint64) {
	a.ask(func(d *Data) {
		x, ok := d.entry(off)
		if !ok {
			return
		}
		for at := x.u.first; at != x.off; {
			p, ok := x.u.readDIE(at)
			if !ok {
				return
			}
			out = append([]uint64{uint64(p.ref())}, out...)
			if at, ok = p.towards(x.off); !ok {
				out = nil // it is no entry's place
				return
			}
		}
	})
	return out
}

// towards is the child of d that is at off or around it.
func (d *die) towards(off uint64) (at uint64, ok bool) {
	d.children(func(c *die) bool {
		if c.off > off {
			return false
		}
		at, ok = c.off, true
		return true
	})
	return at, ok
}

// EntryAt implements symbols.Entries.
func (a Answers) EntryAt(off symbols.Offset) (at uint64, ok bool) {
	a.ask(func(d *Data) {
		if fn, found := d.functionDIE(d.addr(off)); found {
			at, ok = uint64(fn.ref()), true
			return
		}
		d.withIndex(func(x *index.Index) {
			if g, found := x.GlobalAt(d.addr(off)); found {
				at, ok = uint64(g.DIE), true
			}
		})
	})
	return at, ok
}

// entry decodes the entry at off; false where none begins.
func (d *Data) entry(off uint64) (die, bool) {
	if off >= 1<<47 {
		return die{}, false
	}
	x, ok := d.die(ref(off))
	if !ok || x.off < x.u.first {
		return die{}, false
	}
	for at := x.u.first; at != x.off; {
		p, ok := x.u.readDIE(at)
		if !ok {
			return die{}, false
		}
		if at, ok = p.towards(x.off); !ok {
			return die{}, false
		}
	}
	return x, true
}

func (d *die) show() symbols.Entry {
	e := symbols.Entry{Offset: uint64(d.ref()), Tag: name(tagNames(), uint64(d.ab.tag), "DW_TAG_"), Children: d.ab.children}
	for i, a := range d.ab.attrs {
		e.Attrs = append(e.Attrs, symbols.EntryAttr{Name: name(attrNames(), uint64(a.name), "DW_AT_"), Text: d.text(a.name, d.vals[i])})
	}
	return e
}

// name is a constant's name, or its number behind the prefix.
func name(table map[uint64]string, n uint64, prefix string) string {
	if s, ok := table[n]; ok {
		return prefix + s
	}
	return fmt.Sprintf("%s0x%x", prefix, n)
}

// text is an attribute's value in words.
func (d *die) text(n attrName, v value) string {
	u := d.u
	if s := u.str(v); s != nil {
		return "'" + string(s) + "'"
	}
	if a, ok := u.address(v); ok {
		return fmt.Sprintf("0x%x", a)
	}
	switch {
	case v.form == formExprloc, v.block() && (n == atLocation || n == atFrameBase || n == atDataMemberLoc):
		return u.expression(v.b)
	case v.block() || v.form == formData16:
		return fmt.Sprintf("% x", v.b)
	case v.form == formFlag || v.form == formFlagPresent:
		return map[bool]string{true: "true", false: "false"}[v.u != 0]
	case reference(v.form):
		return d.reference(v)
	case n == atHighPC:
		low, _ := d.address(atLowPC)
		return fmt.Sprintf("+0x%x (== 0x%x)", v.u, low+v.u)
	case n == atDeclFile || n == atCallFile:
		return fmt.Sprintf("%d ('%s')", v.u, u.fileName(v.u))
	case n == atConstValue && v.form == formSdata:
		return fmt.Sprint(int64(v.u))
	case n == atEncoding:
		return fmt.Sprintf("0x%x (%s)", v.u, cmp.Or(encodingNames()[v.u], "?"))
	}
	return fmt.Sprintf("0x%x", v.u)
}

func reference(f form) bool {
	switch f {
	case formRef1, formRef2, formRef4, formRef8, formRefUdata, formRefAddr, formRefSig8, formGNURefAlt, formRefSup4, formRefSup8:
		return true
	}
	return false
}

// reference is the place of another entry and its name.
func (d *die) reference(v value) string {
	r := d.u.target(v)
	if r == lostRef {
		return "<not here>"
	}
	text := fmt.Sprintf("0x%x", uint64(r))
	if x, ok := d.u.data.die(r); ok {
		if n := cmp.Or(x.mergedString(atName), strings.ToLower(strings.TrimSuffix(tagNames()[uint64(x.ab.tag)], "_type"))); n != "" {
			text += " ('" + n + "')"
		}
	}
	return text
}

// expression spells the operations of a DWARF expression.
func (u *unit) expression(p []byte) string {
	var out []string
	b := buf{d: p, be: u.data.opt.BigEndian}
	for b.left() > 0 && len(out) < 200 {
		op := b.u8()
		text := "DW_OP_" + operationName(op)
		form := operands[op]
		if op >= opBreg0 && op < opBreg0+32 {
			form = "s"
		}
		for i := range len(form) {
			text += " " + u.operand(&b, form[i])
		}
		if b.bad {
			return strings.Join(append(out, "<damaged>"), ", ")
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

// operand spells one operand by its letter in the table of operands.
func (u *unit) operand(b *buf, kind byte) string {
	switch kind {
	case '1', '2', '4', '8':
		return fmt.Sprintf("0x%x", b.uint(int(kind-'0')))
	case 'a':
		return fmt.Sprintf("0x%x", b.uint(int(u.addrSize)))
	case 'u':
		return fmt.Sprintf("0x%x", b.uleb())
	case 's':
		if v := b.sleb(); v < 0 {
			return fmt.Sprintf("-0x%x", uint64(-v))
		} else {
			return fmt.Sprintf("+0x%x", v)
		}
	case 'r':
		return fmt.Sprintf("0x%x", b.offset(u.is64))
	case 'b':
		return "(" + u.expression(b.take(b.uleb())) + ")"
	}
	return fmt.Sprintf("% x", b.take(uint64(b.u8())))
}

// operationName is the name of an operation without its prefix.
func operationName(op uint8) string {
	switch {
	case op >= opLit0 && op < opReg0:
		return fmt.Sprintf("lit%d", op-opLit0)
	case op >= opReg0 && op < opBreg0:
		return fmt.Sprintf("reg%d", op-opReg0)
	case op >= opBreg0 && op < opBreg0+32:
		return fmt.Sprintf("breg%d", op-opBreg0)
	}
	return cmp.Or(operationNames()[op], fmt.Sprintf("0x%02x", op))
}
