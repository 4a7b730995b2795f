package dwarf

import "fmt"

// Operations, DWARF 5 table 7.9, and GNU's.
const (
	opAddr            = 0x03
	opDeref           = 0x06
	opConst1u         = 0x08
	opConst1s         = 0x09
	opConst2u         = 0x0a
	opConst2s         = 0x0b
	opConst4u         = 0x0c
	opConst4s         = 0x0d
	opConst8u         = 0x0e
	opConst8s         = 0x0f
	opConstu          = 0x10
	opConsts          = 0x11
	opDup             = 0x12
	opDrop            = 0x13
	opOver            = 0x14
	opPick            = 0x15
	opSwap            = 0x16
	opRot             = 0x17
	opXderef          = 0x18
	opAbs             = 0x19
	opAnd             = 0x1a
	opDiv             = 0x1b
	opMinus           = 0x1c
	opMod             = 0x1d
	opMul             = 0x1e
	opNeg             = 0x1f
	opNot             = 0x20
	opOr              = 0x21
	opPlus            = 0x22
	opPlusUconst      = 0x23
	opShl             = 0x24
	opShr             = 0x25
	opShra            = 0x26
	opXor             = 0x27
	opBra             = 0x28
	opEq              = 0x29
	opGe              = 0x2a
	opGt              = 0x2b
	opLe              = 0x2c
	opLt              = 0x2d
	opNe              = 0x2e
	opSkip            = 0x2f
	opLit0            = 0x30
	opReg0            = 0x50
	opBreg0           = 0x70
	opRegx            = 0x90
	opFbreg           = 0x91
	opBregx           = 0x92
	opPiece           = 0x93
	opDerefSize       = 0x94
	opXderefSize      = 0x95
	opNop             = 0x96
	opPushObject      = 0x97
	opCall2           = 0x98
	opCall4           = 0x99
	opCallRef         = 0x9a
	opFormTLS         = 0x9b
	opCallFrameCFA    = 0x9c
	opBitPiece        = 0x9d
	opImplicitValue   = 0x9e
	opStackValue      = 0x9f
	opImplicitPointer = 0xa0
	opAddrx           = 0xa1
	opConstx          = 0xa2
	opEntryValue      = 0xa3
	opConstType       = 0xa4
	opRegvalType      = 0xa5
	opDerefType       = 0xa6
	opXderefType      = 0xa7
	opConvert         = 0xa8
	opReinterpret     = 0xa9

	opGNUPushTLS         = 0xe0
	opGNUUninit          = 0xf0
	opGNUImplicitPointer = 0xf2
	opGNUEntryValue      = 0xf3
	opGNUConstType       = 0xf4
	opGNURegvalType      = 0xf5
	opGNUDerefType       = 0xf6
	opGNUConvert         = 0xf7
	opGNUReinterpret     = 0xf9
	opGNUParameterRef    = 0xfa
	opGNUAddrIndex       = 0xfb
	opGNUConstIndex      = 0xfc
	opGNUVariableValue   = 0xfd
)

// exec runs one operation; its operands are in b.
func (m *machine) exec(b *buf, op uint8) error {
	switch {
	case op >= opLit0 && op < opLit0+32:
		m.push(uint64(op - opLit0))
		return nil
	case op >= opReg0 && op < opReg0+32:
		return m.inRegister(uint64(op - opReg0))
	case op >= opBreg0 && op < opBreg0+32:
		return m.based(uint64(op-opBreg0), b.sleb())
	case op >= opConst1u && op <= opConsts:
		m.push(constOp(b, op))
		return nil
	case op >= opDup && op <= opRot:
		return m.shuffle(b, op)
	case op >= opAbs && op <= opNe && op != opBra:
		return m.arithmetic(b, op)
	}
	switch op {
	case opAddr:
		m.push(b.uint(int(m.u.addrSize)) + m.bias())
	case opAddrx, opGNUAddrIndex:
		return m.indexed(b.uleb(), m.bias())
	case opConstx, opGNUConstIndex:
		return m.indexed(b.uleb(), 0)
	case opRegx:
		return m.inRegister(b.uleb())
	case opBregx:
		return m.based(b.uleb(), b.sleb())
	case opFbreg:
		off := b.sleb()
		base, err := m.frameBase()
		if err != nil {
			return err
		}
		m.push(base + uint64(off))
	case opDeref:
		return m.deref(int(m.u.addrSize), operand{})
	case opDerefSize:
		return m.deref(int(b.u8()), operand{})
	case opBra, opSkip:
		return m.branch(b, op)
	case opNop, opGNUUninit:
	default:
		return m.execLocating(b, op)
	}
	return nil
}

// execLocating runs the operations that end or join locations, and those that
// ask the frame.
func (m *machine) execLocating(b *buf, op uint8) error {
	switch op {
	case opCallFrameCFA, opPushObject: // a member's frame has the object for CFA
		if op == opPushObject && m.object != 0 {
			m.push(m.object)
			return nil
		}
		cfa, err := m.f.CFA(m.ctx)
		if err != nil {
			return err
		}
		m.push(uint64(cfa))
	case opFormTLS, opGNUPushTLS:
		return m.threadLocal()
	case opPiece:
		return m.addPiece(b.uleb()*8, 0)
	case opBitPiece:
		size := b.uleb()
		return m.addPiece(size, b.uleb())
	case opStackValue:
		m.where = whereStack
	case opImplicitValue:
		m.bytes, m.where = b.take(b.uleb()), whereLiteral
	case opImplicitPointer, opGNUImplicitPointer:
		off := m.fileOffset(b)
		return m.implicitPointer(off, b.sleb())
	case opEntryValue, opGNUEntryValue:
		return m.entryValue(b.take(b.uleb()))
	case opGNUParameterRef:
		b.u32()
		return unavailable("the value is known to an inlined caller only")
	case opCall2, opCall4, opCallRef, opGNUVariableValue:
		return m.call(b, op)
	default:
		return m.execTyped(b, op)
	}
	return nil
}

// fileOffset reads the offset of a DIE in its section.
func (m *machine) fileOffset(b *buf) uint64 {
	if m.u.version <= 2 {
		return b.uint(int(m.u.addrSize))
	}
	return b.offset(m.u.is64)
}

func (m *machine) execTyped(b *buf, op uint8) error {
	switch op {
	case opConstType, opGNUConstType:
		t, ok := m.baseType(b.uleb())
		v := buf{d: b.take(uint64(b.u8())), be: b.be}
		if !ok || v.left() < 1 || v.left() > 8 {
			return unavailable("constant of a type that is not supported")
		}
		t.bits = v.uint(v.left())
		m.pushOperand(t)
	case opRegvalType, opGNURegvalType:
		reg := b.uleb()
		t, ok := m.baseType(b.uleb())
		if !ok {
			return unavailable("register of a type that is not supported")
		}
		v, err := m.register(reg)
		if err != nil {
			return err
		}
		t.bits = v
		m.pushOperand(t)
	case opDerefType, opGNUDerefType:
		n := int(b.u8())
		t, ok := m.baseType(b.uleb())
		if !ok {
			return unavailable("memory of a type that is not supported")
		}
		return m.deref(n, t)
	case opConvert, opGNUConvert, opReinterpret, opGNUReinterpret:
		return m.convert(b.uleb(), op == opReinterpret || op == opGNUReinterpret)
	default:
		return unavailable(fmt.Sprintf("operation 0x%02x is not known", op))
	}
	return nil
}

func constOp(b *buf, op uint8) uint64 {
	switch op {
	case opConst1u:
		return uint64(b.u8())
	case opConst1s:
		return uint64(int8(b.u8()))
	case opConst2u:
		return uint64(b.u16())
	case opConst2s:
		return uint64(int16(b.u16()))
	case opConst4u:
		return uint64(b.u32())
	case opConst4s:
		return uint64(int32(b.u32()))
	case opConst8u, opConst8s:
		return b.u64()
	case opConstu:
		return b.uleb()
	}
	return uint64(b.sleb())
}

func (m *machine) inRegister(n uint64) error {
	i, err := m.index(n)
	if err != nil {
		return err
	}
	m.reg, m.where = i, whereRegister
	return nil
}

func (m *machine) based(reg uint64, off int64) error {
	v, err := m.register(reg)
	if err != nil {
		return err
	}
	m.push(v + uint64(off))
	return nil
}

func (m *machine) indexed(i, add uint64) error {
	a, ok := m.u.addrx(i)
	if !ok {
		return unavailable("address index out of range")
	}
	m.push(a + add)
	return nil
}

func (m *machine) threadLocal() error {
	off, err := m.pop()
	if err != nil {
		return err
	}
	a, err := m.f.TLS(m.ctx, m.u.data.threadOffset(off.bits))
	if err != nil {
		return err
	}
	m.push(uint64(a))
	return nil
}

func (m *machine) branch(b *buf, op uint8) error {
	off := int(int16(b.u16()))
	if op == opBra {
		v, err := m.pop()
		if err != nil || v.bits == 0 {
			return err
		}
	}
	to := b.off + off
	if to < 0 || to > len(b.d) {
		return unavailable("expression jumps out of itself")
	}
	b.off = to
	return nil
}

// addPiece ends a piece of the given bits, bitOff into its place.
func (m *machine) addPiece(bits, bitOff uint64) error {
	if bits > 1<<32 || bitOff > 1<<32 {
		return unavailable("piece of an impossible size")
	}
	where := m.where
	if where == whereDone {
		where = whereLost // a piece without a place
	}
	m.where = where
	p, err := m.piece()
	if err != nil {
		return err
	}
	p.BitSize, p.BitOffset = int(bits), int(bitOff)
	m.out = append(m.out, p)
	m.stack, m.where = m.stack[:0], whereDone
	return nil
}

// call runs another DIE's location with this stack, or pushes its value.
func (m *machine) call(b *buf, op uint8) error {
	var r ref
	switch op {
	case opCall2:
		r = m.u.ref(m.u.off + uint64(b.u16()))
	case opCall4:
		r = m.u.ref(m.u.off + uint64(b.u32()))
	default:
		r = ref(b.offset(m.u.is64))
	}
	d, ok := m.u.data.die(r)
	if !ok {
		return unavailable("expression refers to nothing")
	}
	v, ok := d.attr(atLocation)
	if !ok {
		if op == opGNUVariableValue {
			return unavailable("optimised out")
		}
		return nil
	}
	s, err := m.sub()
	if err != nil {
		return err
	}
	s.u, s.stack = d.u, m.stack
	expr, err := s.choose(v)
	if err != nil {
		return err
	}
	if err := s.run(expr); err != nil {
		return err
	}
	m.steps, m.stack = s.steps, s.stack
	m.where, m.reg, m.bytes = s.where, s.reg, s.bytes
	if op == opGNUVariableValue && s.where == whereMemory {
		t := m.u.data.typeOf(d.mergedTarget(atType))
		return m.deref(int(min(max(t.ByteSize(), 1), 8)), operand{})
	}
	return nil
}

func (m *machine) shuffle(b *buf, op uint8) error {
	need := map[uint8]int{opDup: 1, opDrop: 1, opOver: 2, opSwap: 2, opRot: 3}[op]
	n := len(m.stack)
	pick := 0
	switch op {
	case opPick:
		pick = int(b.u8())
		need = pick + 1
	case opOver:
		pick = 1
	}
	if n < need {
		return unavailable("expression takes from an empty stack")
	}
	switch op {
	case opDrop:
		m.stack = m.stack[:n-1]
	case opSwap:
		m.stack[n-1], m.stack[n-2] = m.stack[n-2], m.stack[n-1]
	case opRot:
		m.stack[n-1], m.stack[n-2], m.stack[n-3] = m.stack[n-2], m.stack[n-3], m.stack[n-1]
	default:
		m.pushOperand(m.stack[n-1-pick])
	}
	return nil
}
