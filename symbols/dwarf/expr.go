package dwarf

import (
	"context"
	"errors"
	"fmt"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// machine evaluates DWARF expressions (DWARF 5, 2.5 and 2.6).
type machine struct {
	ctx   context.Context
	f     symbols.Frame
	u     *unit
	fn    *die
	pc    uint64 // link-time address that location lists are asked with
	depth int    // of nested expressions and frames
	steps int

	object uint64 // what push_object_address gives, 0: there is none

	stack []operand
	where where
	reg   int               // whereRegister: index in the Set
	bytes []byte            // whereLiteral
	to    *symbols.Variable // wherePointer
	shift int64             // wherePointer: bytes into to
	out   []symbols.Piece
}

// where is what the expression so far locates.
type where uint8

const (
	whereMemory   where = iota // the top of the stack is an address
	whereStack                 // the top of the stack is the value
	whereRegister              // reg holds it
	whereLiteral               // bytes are it
	whereLost
	wherePointer // a pointer to a variable that has no address
	whereDone    // pieces are in out
)

// Bounds on what an expression may do.
const (
	maxSteps      = 1 << 14
	maxStack      = 1 << 10
	maxExprDepth  = 16
	maxPieces     = 1 << 10
	maxValueBytes = 1 << 16
)

func newMachine(ctx context.Context, f symbols.Frame, u *unit, fn *die) *machine {
	u.load()
	return &machine{ctx: ctx, f: f, u: u, fn: fn}
}

// sub returns a machine for an expression inside this one's, with an empty stack.
func (m *machine) sub() (*machine, error) {
	if m.depth+1 > maxExprDepth {
		return nil, unavailable("expression nested too deeply")
	}
	return &machine{ctx: m.ctx, f: m.f, u: m.u, fn: m.fn, pc: m.pc, depth: m.depth + 1, steps: m.steps, object: m.object}, nil
}

func (m *machine) run(expr []byte) error {
	b := buf{d: expr, be: m.u.data.opt.BigEndian}
	for b.left() > 0 {
		if m.steps++; m.steps > maxSteps || len(m.stack) > maxStack || len(m.out) > maxPieces {
			return unavailable("expression does not end")
		}
		at := b.off
		op := b.u8()
		err := m.exec(&b, op)
		if err == nil && b.bad {
			err = unavailable("expression cut short")
		}
		if err == nil {
			continue
		}
		var lost *symbols.UnavailableError
		if !errors.As(err, &lost) || !m.toPiece(&b, at) {
			return err
		}
		m.stack, m.where = m.stack[:0], whereLost
	}
	return nil
}

// toPiece goes on from the operation at off to the end of the piece that it is
// part of: what one piece cannot tell, the others can.
func (m *machine) toPiece(b *buf, off int) bool {
	next := buf{d: b.d, off: off, be: b.be}
	for next.left() > 0 {
		at := next.off
		switch op := next.u8(); op {
		case opPiece, opBitPiece:
			*b = buf{d: b.d, off: at, be: b.be}
			return true
		default:
			if !m.skip(&next, op) || next.bad {
				return false
			}
		}
	}
	return false
}

// pieces is the result of a finished expression.
func (m *machine) pieces() ([]symbols.Piece, error) {
	if m.where == whereDone {
		return m.out, nil
	}
	p, err := m.piece()
	if err != nil {
		return nil, err
	}
	if p.Kind == symbols.Lost {
		return nil, unavailable("optimised out")
	}
	return []symbols.Piece{p}, nil
}

// implicitPointer is DW_OP_implicit_pointer: the value is a pointer to what the
// DIE at off describes, which has no address.
func (m *machine) implicitPointer(off uint64, shift int64) error {
	d, ok := m.u.data.die(m.u.base + ref(off))
	if !ok || off >= m.u.file.size(m.u.id) {
		return unavailable("it points to what the debug information does not have")
	}
	v := d.variable(m.fn)
	m.to, m.shift, m.where = &v, shift, wherePointer
	return nil
}

// piece makes one piece of what the machine locates now.
func (m *machine) piece() (symbols.Piece, error) {
	switch m.where {
	case whereRegister:
		return symbols.Piece{Kind: symbols.InRegister, Register: m.reg}, nil
	case whereLiteral:
		return symbols.Piece{Kind: symbols.Literal, Bytes: append([]byte(nil), m.bytes...)}, nil
	case wherePointer:
		return symbols.Piece{Kind: symbols.Implicit, Target: m.to, Shift: m.shift}, nil
	case whereLost:
		return symbols.Piece{Kind: symbols.Lost}, nil
	}
	if len(m.stack) == 0 {
		return symbols.Piece{Kind: symbols.Lost}, nil
	}
	if m.where == whereStack {
		return symbols.Piece{Kind: symbols.Literal, Bytes: m.top().bytes(m)}, nil
	}
	return symbols.Piece{Kind: symbols.InMemory, Addr: arch.Addr(m.top().bits)}, nil
}

// literal is the top of the stack as bytes, of the size of t when it is known.
func (m *machine) literal(t *symbols.Type) []byte {
	v, size := m.top(), t.ByteSize()
	if t == nil || size <= 0 || size > maxValueBytes || v.wide != nil {
		return v.bytes(m)
	}
	asSigned := v.kind == kindSigned
	if st := t.Strip(); v.kind == kindGeneric && st.Kind == symbols.Base {
		asSigned = st.Encoding == symbols.Signed || st.Encoding == symbols.SignedChar
	}
	return v.extended(int(size), asSigned, m)
}

func (m *machine) top() operand {
	if len(m.stack) == 0 {
		return operand{}
	}
	return m.stack[len(m.stack)-1]
}

func (m *machine) push(v uint64) { m.pushOperand(operand{bits: v}) }

func (m *machine) pushOperand(v operand) {
	m.stack = append(m.stack, v.wrapped(m))
	m.where = whereMemory
}

func (m *machine) pop() (operand, error) {
	if len(m.stack) == 0 {
		return operand{}, unavailable("expression takes from an empty stack")
	}
	v := m.top()
	m.stack = m.stack[:len(m.stack)-1]
	return v, nil
}

// value evaluates expr to one value: an address, a computed value, or what the
// register holds.
func (m *machine) value(expr []byte) (operand, error) {
	if err := m.run(expr); err != nil {
		return operand{}, err
	}
	switch m.where {
	case whereRegister:
		v, err := m.registerIndex(m.reg)
		return operand{bits: v}, err
	case whereLiteral:
		if n := len(m.bytes); n > 0 && n <= 8 {
			return operand{}.withBytes(m, m.bytes), nil
		}
	case whereMemory, whereStack:
		return m.pop()
	}
	return operand{}, unavailable("optimised out")
}

// register returns DWARF register n.
func (m *machine) register(n uint64) (uint64, error) {
	i, err := m.index(n)
	if err != nil {
		return 0, err
	}
	return m.registerIndex(i)
}

func (m *machine) index(n uint64) (int, error) {
	regs := m.f.Registers()
	if regs != nil && n < 1<<16 {
		if i, ok := regs.Set.DWARF(int(n)); ok {
			return i, nil
		}
	}
	return 0, unavailable(fmt.Sprintf("the target does not show DWARF register %d", n))
}

func (m *machine) registerIndex(i int) (uint64, error) {
	regs := m.f.Registers()
	v, ok := regs.Uint(i)
	if !ok {
		return 0, unavailable("register " + regs.Set.Regs[i].Name + " was not saved")
	}
	return v, nil
}

// outcome judges a memory read.
func (m *machine) outcome(addr uint64, n, want int, err error) error {
	var need *symbols.NeedError
	switch {
	case errors.As(err, &need):
		return err
	case m.ctx.Err() != nil:
		return m.ctx.Err()
	case n >= want:
		return nil
	case err != nil:
		return unavailable(err.Error())
	}
	return unavailable(fmt.Sprintf("memory at 0x%x cannot be read", addr))
}

// deref reads n bytes at the address on top of the stack, as a value of t.
func (m *machine) deref(n int, t operand) error {
	a, err := m.pop()
	if err != nil {
		return err
	}
	if n < 1 || n > maxOperand || t.kind == kindGeneric && n > 8 || t.kind != kindGeneric && n > int(t.size) {
		return unavailable(fmt.Sprintf("expression reads %d bytes at once", n))
	}
	tmp := make([]byte, n)
	if err := m.read(a.bits, tmp); err != nil {
		return err
	}
	m.pushOperand(t.withBytes(m, tmp))
	return nil
}

// registerValue is register n as a value of t.
func (m *machine) registerValue(n uint64, t operand) (operand, error) {
	i, err := m.index(n)
	if err != nil {
		return t, err
	}
	regs := m.f.Registers()
	b, ok := regs.Bytes(i)
	if !ok {
		_, err := m.registerIndex(i)
		return t, err
	}
	size := int(t.size)
	if t.kind == kindGeneric {
		size = int(m.u.addrSize)
	}
	if len(b) < size {
		return t, unavailable("register " + regs.Set.Regs[i].Name + " is smaller than the value")
	}
	if m.u.data.opt.BigEndian {
		b = b[len(b)-size:]
	}
	return t.withBytes(m, b[:size]), nil
}

// frameBase evaluates the function's DW_AT_frame_base.
func (m *machine) frameBase() (uint64, error) {
	if m.fn == nil {
		return 0, unavailable("no function, so no frame base")
	}
	v, ok := m.fn.attr(atFrameBase)
	if !ok {
		return 0, unavailable("the function has no frame base")
	}
	s, err := m.sub()
	if err != nil {
		return 0, err
	}
	s.u, s.fn = m.fn.u, nil
	expr, err := s.choose(v)
	if err != nil {
		return 0, err
	}
	r, err := s.value(expr)
	m.steps = s.steps
	return r.bits, err
}
