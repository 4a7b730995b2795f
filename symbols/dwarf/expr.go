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

	object uint64 // what push_object_address gives, 0: the frame's CFA

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
		op := b.u8()
		if err := m.exec(&b, op); err != nil {
			return err
		}
		if b.bad {
			return unavailable("expression cut short")
		}
	}
	return nil
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
	if !ok || off >= uint64(len(m.u.file.section(m.u.id))) {
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
		return symbols.Piece{Kind: symbols.Literal, Bytes: m.literal(nil)}, nil
	}
	return symbols.Piece{Kind: symbols.InMemory, Addr: arch.Addr(m.top().bits)}, nil
}

// literal is the top of the stack as bytes, of the size of t when it is known.
func (m *machine) literal(t *symbols.Type) []byte {
	v := m.top()
	n := int(m.u.addrSize)
	if v.size > 0 {
		n = int(v.size)
	}
	bits := v.bits
	if v.kind == kindSigned {
		bits = uint64(v.signed(m))
	}
	if s := t.ByteSize(); t != nil && s > 0 && s <= maxValueBytes {
		if st := t.Strip(); v.kind == kindGeneric && st.Kind == symbols.Base && (st.Encoding == symbols.Signed || st.Encoding == symbols.SignedChar) {
			bits = uint64(v.signed(m))
		}
		n = int(s)
	}
	return intBytes(bits, n, m.u.data.opt.BigEndian)
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
		b := buf{d: m.bytes, be: m.u.data.opt.BigEndian}
		if n := len(m.bytes); n > 0 && n <= 8 {
			return operand{bits: b.uint(n)}, nil
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

// deref reads n bytes at the address on top of the stack.
func (m *machine) deref(n int, t operand) error {
	a, err := m.pop()
	if err != nil {
		return err
	}
	if n < 1 || n > 8 {
		return unavailable(fmt.Sprintf("expression reads %d bytes at once", n))
	}
	var tmp [8]byte
	if err := m.read(a.bits, tmp[:n]); err != nil {
		return err
	}
	b := buf{d: tmp[:n], be: m.u.data.opt.BigEndian}
	t.bits = b.uint(n)
	m.pushOperand(t)
	return nil
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

// entryValue evaluates what expr was when the function was entered: by what the
// caller's call site says it passed.
func (m *machine) entryValue(expr []byte) error {
	caller, err := m.f.Caller(m.ctx)
	if err != nil {
		return err
	}
	if caller == nil || caller.Base() != m.f.Base() || caller.Registers() == nil {
		return unavailable("the value at entry is known to a caller we cannot ask")
	}
	s, err := m.sub()
	if err != nil {
		return err
	}
	s.f = caller
	ret := uint64(caller.Registers().PC()) - m.bias()
	v, err := s.callSite(ret, expr, m.fn)
	m.steps = s.steps
	if err != nil {
		return err
	}
	m.pushOperand(v)
	return nil
}

// callSite finds the call that returns to ret and evaluates what it passed in
// the place expr.
func (m *machine) callSite(ret uint64, expr []byte, callee *die) (operand, error) {
	none := unavailable("the caller does not record what it passed")
	fn, ok := m.u.data.functionDIE(ret - 1)
	if !ok {
		return operand{}, none
	}
	site, ok := fn.callSite(ret, 0)
	if !ok || callee != nil && !site.calls(callee) {
		return operand{}, none
	}
	var v value
	found := false
	site.children(func(p *die) bool {
		if p.ab.tag != tagCallParam && p.ab.tag != tagGNUCallParam {
			return true
		}
		if l, ok := p.attr(atLocation); !ok || string(l.b) != string(expr) {
			return true
		}
		if v, found = p.attr(atCallValue); !found {
			v, found = p.attr(atGNUCallValue)
		}
		return false
	})
	if !found || !v.block() {
		return operand{}, none
	}
	m.u, m.fn, m.pc = fn.u, &fn, ret-1
	return m.value(v.b)
}

// callSite searches the function's blocks for the call that returns to ret.
func (d *die) callSite(ret uint64, depth int) (die, bool) {
	var out die
	found := false
	d.children(func(c *die) bool {
		switch c.ab.tag {
		case tagCallSite:
			a, ok := c.address(atCallReturnPC)
			found = ok && a == ret
		case tagGNUCallSite:
			a, ok := c.address(atLowPC)
			found = ok && a == ret
		case tagLexicalBlock, tagInlined:
			if depth < maxDepth {
				if in, ok := c.callSite(ret, depth+1); ok {
					out, found = in, true
				}
			}
			return !found
		default:
			return true
		}
		if found {
			out = *c
		}
		return !found
	})
	return out, found
}

// calls reports whether the call site may be a call of fn: an indirect call may
// be of anything, a direct one names its function.
func (d *die) calls(fn *die) bool {
	r := d.target(atCallOrigin)
	if r == 0 {
		r = d.target(atAbstractOrigin)
	}
	if r == 0 {
		return true
	}
	to, ok := d.u.data.die(r)
	if !ok {
		return true
	}
	if a, b := to.linkage(), fn.linkage(); a != "" && b != "" {
		return a == b
	}
	return to.mergedString(atName) == fn.mergedString(atName)
}
