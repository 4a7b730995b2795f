package dwarf

import (
	"context"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// location is a DWARF expression or location list of a DIE.
type location struct {
	u      *unit
	v      value
	fn     *die // the concrete function, for its frame base; nil outside one
	typ    *symbols.Type
	member bool // of an object, whose address the frame gives as its CFA
}

// newLocation keeps a location attribute for later.
func newLocation(u *unit, v value, fn *die) symbols.Location {
	return &location{u: u, v: v, fn: fn}
}

// sized tells a location its value's type, which a computed value is cut to.
func sized(l symbols.Location, t *symbols.Type) symbols.Location {
	if l, ok := l.(*location); ok {
		l.typ = t
	}
	return l
}

// Pieces implements symbols.Location.
func (l *location) Pieces(ctx context.Context, f symbols.Frame, pc symbols.Offset) (p []symbols.Piece, err error) {
	if !l.u.data.opt.Guard(func() { p, err = l.pieces(ctx, f, pc) }) {
		return nil, unavailable("the debug information cannot be read any more")
	}
	return p, err
}

func (l *location) pieces(ctx context.Context, f symbols.Frame, pc symbols.Offset) ([]symbols.Piece, error) {
	m := newMachine(ctx, f, l.u, l.fn)
	m.pc = l.u.data.addr(pc)
	expr, err := m.choose(l.v)
	if err != nil {
		return nil, err
	}
	if l.member {
		o, err := f.CFA(ctx)
		if err != nil {
			return nil, err
		}
		m.object = uint64(o)
		m.push(uint64(o))
	}
	if err := m.run(expr); err != nil {
		return nil, err
	}
	pieces, err := m.pieces()
	if err != nil {
		return nil, err
	}
	if len(pieces) == 1 && pieces[0].Kind == symbols.Literal && pieces[0].BitSize == 0 && m.where == whereStack {
		pieces[0].Bytes = m.literal(l.typ)
	}
	return pieces, nil
}

// choose returns the expression of a location at the machine's pc.
func (m *machine) choose(v value) ([]byte, error) {
	if v.block() {
		return v.b, nil
	}
	expr, ok := m.u.locationAt(v, m.pc)
	if !ok || len(expr) == 0 {
		return nil, unavailable("optimised out here")
	}
	return expr, nil
}

func unavailable(reason string) error { return &symbols.UnavailableError{Reason: reason} }

// lost is the location of what has none.
type lost struct{ reason string }

func (l lost) Pieces(context.Context, symbols.Frame, symbols.Offset) ([]symbols.Piece, error) {
	return nil, unavailable(l.reason)
}

// literal is the location of a constant.
type literal []byte

func (l literal) Pieces(context.Context, symbols.Frame, symbols.Offset) ([]symbols.Piece, error) {
	return []symbols.Piece{{Kind: symbols.Literal, Bytes: append([]byte(nil), l...)}}, nil
}

func constant(u *unit, v value, t *symbols.Type) symbols.Location {
	return literal(constantBytes(u, v, t))
}

// deferredStatic is a static member: its definition is looked for when asked.
type deferredStatic struct {
	d    *Data
	name string
}

func (s deferredStatic) Pieces(ctx context.Context, f symbols.Frame, pc symbols.Offset) (p []symbols.Piece, err error) {
	if !s.d.opt.Guard(func() { p, err = s.pieces(ctx, f, pc) }) {
		return nil, unavailable("the debug information cannot be read any more")
	}
	return p, err
}

func (s deferredStatic) pieces(ctx context.Context, f symbols.Frame, pc symbols.Offset) ([]symbols.Piece, error) {
	if v, ok := s.d.variable(s.name, false); ok {
		return v.Location.Pieces(ctx, f, pc)
	}
	return nil, unavailable("static member " + s.name + " is not defined in this image")
}

// maxListEntries bounds a walk over one location list.
const maxListEntries = 1 << 20

// locationAt finds the expression of a location list at link-time address pc.
func (u *unit) locationAt(v value, pc uint64) ([]byte, bool) {
	var found, fallback []byte
	var ok, hasDefault bool
	at := func(low, high uint64, expr []byte) bool {
		if pc >= low && pc < high {
			found, ok = expr, true
		}
		return !ok
	}
	switch {
	case u.version < 5 && u.skeleton() != nil:
		u.fissionLocations(v.u, at)
		return found, ok
	case u.version < 5:
		u.oldLocations(v.u, at)
		return found, ok
	}
	off := v.u
	if v.form == formLoclistx {
		if v.u > 1<<40 {
			return nil, false
		}
		b := u.file.buf(secLoclists, u.root.locBase+v.u*uint64(u.offsetSize()))
		off = u.root.locBase + b.offset(u.is64)
		if b.bad {
			return nil, false
		}
	}
	b := u.file.buf(secLoclists, off)
	u.loclist(&b, at, func(expr []byte) { fallback, hasDefault = expr, true })
	if !ok && hasDefault {
		return fallback, true
	}
	return found, ok
}

func (u *unit) oldLocations(off uint64, at func(low, high uint64, expr []byte) bool) {
	b := u.file.buf(secLoc, off)
	size := int(u.addrSize)
	base, top := u.root.low, ^uint64(0)>>(64-8*uint(size))
	for range maxListEntries {
		low, high := b.uint(size), b.uint(size)
		if b.bad || low == 0 && high == 0 {
			return
		}
		if low == top {
			base = high
			continue
		}
		expr := b.take(uint64(b.u16()))
		if b.bad || !at(base+low, base+high, expr) {
			return
		}
	}
}

// Location list entries, DWARF 5 table 7.10. Those up to the default are numbered
// as in lists of ranges, those behind it one higher.
const (
	lleEnd         = 0
	lleDefault     = 5
	lleGNUViewPair = 9
)

func (u *unit) loclist(b *buf, at func(low, high uint64, expr []byte) bool, fallback func([]byte)) {
	base := u.root.low
	for range maxListEntries {
		kind := b.u8()
		switch kind {
		case lleEnd:
			return
		case lleGNUViewPair:
			b.uleb()
			b.uleb()
			continue
		case lleDefault:
			fallback(b.take(b.uleb()))
			continue
		}
		if kind > lleDefault {
			kind--
		}
		low, high, bounds, ok := u.bounds(b, kind, &base)
		if !ok {
			return
		}
		if !bounds {
			continue
		}
		expr := b.take(b.uleb())
		if b.bad || !at(low, high, expr) {
			return
		}
	}
}

// bias is what to add to a link-time address in f.
func (m *machine) bias() uint64 { return uint64(m.f.Base()) - m.u.data.opt.Base }

// read fills p from memory. A missing page goes up as it is.
func (m *machine) read(addr uint64, p []byte) error {
	n, err := m.f.Memory().ReadMemory(m.ctx, arch.Addr(addr), p)
	return m.outcome(addr, n, len(p), err)
}
