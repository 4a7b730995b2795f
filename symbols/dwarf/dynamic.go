package dwarf

import (
	"context"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// dynamicType makes an array or string concrete whose bounds or place are
// computed (DWARF 5, 5.5, 5.11 and 5.18).
type dynamicType struct {
	data *Data
	ref  ref
}

// Resolve implements symbols.Dynamic.
func (x dynamicType) Resolve(ctx context.Context, f symbols.Frame, pc symbols.Offset, addr arch.Addr) (t *symbols.Type, at arch.Addr, err error) {
	if !x.data.opt.Guard(func() { t, at, err = x.resolve(ctx, f, pc, addr) }) {
		return nil, 0, unavailable("the debug information cannot be read any more")
	}
	return t, at, err
}

func (x dynamicType) resolve(ctx context.Context, f symbols.Frame, pc symbols.Offset, addr arch.Addr) (*symbols.Type, arch.Addr, error) {
	d := x.data
	e, ok := d.die(x.ref)
	if !ok {
		return nil, 0, unavailable("the debug information of the type is damaged")
	}
	var fn *die
	if in, ok := d.functionDIE(d.addr(pc)); ok {
		fn = &in
	}
	m := newMachine(ctx, f, e.u, fn)
	m.pc, m.object = d.addr(pc), uint64(addr)
	t := &symbols.Type{Kind: symbols.Array, Size: -1, Name: d.typeOf(x.ref).Name, Language: e.u.root.lang, Image: d.opt.Image}
	if e.ab.tag == tagString {
		return t, addr, d.resolveString(t, &e, m)
	}
	for _, n := range []attrName{atAllocated, atAssociated} {
		if v, ok := e.attr(n); ok {
			if is, err := m.number(e.u, v); err != nil {
				return nil, 0, err
			} else if is == 0 {
				dims, _, _ := e.dimensions(nil)
				for i := range dims {
					dims[i].count, dims[i].stride = 0, 0
				}
				d.shape(t, dims, d.typeOf(e.mergedTarget(atType)))
				return t, 0, nil
			}
		}
	}
	if v, ok := e.attr(atDataLocation); ok {
		n, err := m.number(e.u, v)
		if err != nil {
			return nil, 0, err
		}
		addr = arch.Addr(n)
	}
	elem := d.typeOf(e.mergedTarget(atType))
	if elem != nil && elem.Dynamic != nil {
		var err error
		if elem, _, err = elem.Dynamic.Resolve(ctx, f, pc, addr); err != nil {
			return nil, 0, err
		}
	}
	dims, _, err := e.dimensions(m)
	if err != nil {
		return nil, 0, err
	}
	d.shape(t, dims, elem)
	return t, addr, nil
}

func (d *Data) resolveString(t *symbols.Type, e *die, m *machine) error {
	length, _ := e.attr(atStringLength)
	n, err := m.length(e, length)
	if err != nil {
		return err
	}
	static := d.typeOf(e.ref())
	t.Elem, t.Lower, t.Count = static.Elem, static.Lower, max(n, 0)
	t.Size = arraySize(t)
	return nil
}

// length is the number of characters of a string: the expression says where it
// is, not what (DWARF 5, 5.11).
func (m *machine) length(e *die, v value) (int64, error) {
	if !v.block() {
		return m.number(e.u, v)
	}
	s, err := m.of(e.u)
	if err != nil {
		return 0, err
	}
	x, err := s.value(v.b)
	if err != nil || s.where == whereRegister || s.where == whereStack {
		return int64(x.bits), err
	}
	size := uint64(e.u.addrSize)
	for _, n := range []attrName{atStringLengthSize, atByteSize} {
		if k, ok := e.uint(n); ok && k >= 1 && k <= 8 {
			size = k
			break
		}
	}
	return m.readInt(x.bits, int(size), false)
}

// of returns a machine for another expression in the same place.
func (m *machine) of(u *unit) (*machine, error) {
	s, err := m.sub()
	if err == nil {
		u.load()
		s.u = u
	}
	return s, err
}

func (m *machine) readInt(addr uint64, n int, signed bool) (int64, error) {
	var tmp [8]byte
	if err := m.read(addr, tmp[:n]); err != nil {
		return 0, err
	}
	return m.decodeInt(tmp[:n], signed), nil
}

func (m *machine) decodeInt(p []byte, signed bool) int64 {
	b := buf{d: p, be: m.u.data.opt.BigEndian}
	v := b.uint(len(p))
	if shift := uint(64 - 8*len(p)); signed {
		return int64(v<<shift) >> shift
	}
	return int64(v)
}

// number is the value of an attribute that is a constant, an expression or list
// of them, or a reference to what has the value (DWARF 5, 2.19).
func (m *machine) number(u *unit, v value) (int64, error) {
	if v.constant() {
		return int64(v.u), nil
	}
	if !v.block() {
		if r := u.target(v); r != 0 && r != lostRef {
			return m.variable(r)
		}
	}
	s, err := m.of(u)
	if err != nil {
		return 0, err
	}
	expr, err := s.choose(v)
	if err != nil {
		return 0, err
	}
	x, err := s.value(expr)
	return int64(x.bits), err
}

// variable is the value of an integer variable of the function.
func (m *machine) variable(r ref) (int64, error) {
	c, ok := m.concrete(r)
	if !ok {
		return 0, unavailable("a bound is in a variable that is not here")
	}
	t := m.u.data.typeOf(c.mergedTarget(atType))
	n := int(t.ByteSize())
	if n < 1 || n > 8 {
		return 0, unavailable("a bound is in a variable that is no integer")
	}
	b := t.Strip()
	signed := b.Kind == symbols.Base && b.Encoding == symbols.Signed
	v, u, ok := c.merged(atLocation)
	if !ok {
		if k, _, ok := c.merged(atConstValue); ok && k.constant() {
			return int64(k.u), nil
		}
		return 0, unavailable("a bound was optimised out")
	}
	s, err := m.of(u)
	if err != nil {
		return 0, err
	}
	expr, err := s.choose(v)
	if err != nil {
		return 0, err
	}
	if err := s.run(expr); err != nil {
		return 0, err
	}
	if s.where == whereMemory && len(s.stack) > 0 {
		return m.readInt(s.top().bits, n, signed)
	}
	x, err := s.value(nil)
	if err != nil {
		return 0, err
	}
	return m.decodeInt(intBytes(x.bits, n, m.u.data.opt.BigEndian), signed), nil
}

// concrete finds the variable r, or its copy in an inlined call, among the blocks
// of the function that the machine's place is in.
func (m *machine) concrete(r ref) (die, bool) {
	if m.fn != nil {
		if c, ok := m.fn.concrete(r, m.pc, 0); ok {
			return c, true
		}
	}
	c, ok := m.u.data.die(r)
	return c, ok && (c.has(atLocation) || c.has(atConstValue))
}

func (d *die) concrete(r ref, pc uint64, nest int) (found die, ok bool) {
	d.children(func(c *die) bool {
		switch c.ab.tag {
		case tagVariable, tagParameter:
			if ok = c.ref() == r || c.target(atAbstractOrigin) == r; ok {
				found = *c
			}
		case tagLexicalBlock, tagInlined:
			if nest < maxDepth && contains(c.ranges(), pc) {
				found, ok = c.concrete(r, pc, nest+1)
			}
		}
		return !ok
	})
	return found, ok
}

// dynamicWrapper makes a typedef or qualifier of a dynamic type concrete.
type dynamicWrapper struct{ t *symbols.Type }

// Resolve implements symbols.Dynamic.
func (x dynamicWrapper) Resolve(ctx context.Context, f symbols.Frame, pc symbols.Offset, addr arch.Addr) (*symbols.Type, arch.Addr, error) {
	elem, at, err := x.t.Elem.Dynamic.Resolve(ctx, f, pc, addr)
	if err != nil {
		return nil, 0, err
	}
	return &symbols.Type{Kind: x.t.Kind, Name: x.t.Name, Size: elem.Size, Elem: elem, Language: x.t.Language, Image: x.t.Image}, at, nil
}
