package dwarf

import (
	"fmt"

	"dap-windbg/symbols"
)

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
	opGNUEncodedAddr     = 0xf1
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
	case opCallFrameCFA:
		cfa, err := m.f.CFA(m.ctx)
		if err != nil {
			return err
		}
		m.push(uint64(cfa))
	case opPushObject:
		if m.object == 0 {
			return unavailable("expression asks for an object where there is none")
		}
		m.push(m.object)
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
		return m.atEntry(passed{param: m.u.ref(m.u.off + uint64(b.u32()))})
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
		v := b.take(uint64(b.u8()))
		if !ok || len(v) < 1 || len(v) > maxOperand || t.kind != kindGeneric && len(v) != int(t.size) || t.kind == kindGeneric && len(v) > 8 {
			return unavailable("constant of a type that is not supported")
		}
		m.pushOperand(t.withBytes(m, v))
	case opRegvalType, opGNURegvalType:
		reg := b.uleb()
		t, ok := m.baseType(b.uleb())
		if !ok {
			return unavailable("register of a type that is not supported")
		}
		v, err := m.registerValue(reg, t)
		if err != nil {
			return err
		}
		m.pushOperand(v)
	case opDerefType, opGNUDerefType, opXderefType:
		n := int(b.u8())
		t, ok := m.baseType(b.uleb())
		if !ok {
			return unavailable("memory of a type that is not supported")
		}
		return m.derefSpace(op == opXderefType, n, t)
	case opXderef:
		return m.derefSpace(true, int(m.u.addrSize), operand{})
	case opXderefSize:
		return m.derefSpace(true, int(b.u8()), operand{})
	case opConvert, opGNUConvert, opReinterpret, opGNUReinterpret:
		return m.convert(b.uleb(), op == opReinterpret || op == opGNUReinterpret)
	case opGNUEncodedAddr:
		return unavailable("DW_OP_GNU_encoded_addr is not for debug information")
	default:
		return unavailable(unknownOperation(op))
	}
	return nil
}

// derefSpace is deref, with the number of an address space below the address
// when other is set. Only the first space is known.
func (m *machine) derefSpace(other bool, n int, t operand) error {
	if !other {
		return m.deref(n, t)
	}
	a, err := m.pop()
	if err != nil {
		return err
	}
	space, err := m.pop()
	if err != nil {
		return err
	}
	if space.bits != 0 {
		return unavailable(fmt.Sprintf("address space %d is not known", space.bits))
	}
	m.pushOperand(a)
	return m.deref(n, t)
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
	if m.where == whereDone {
		m.where = whereLost // a piece without a place
	}
	p, err := m.piece()
	if err != nil {
		return err
	}
	if m.where == whereStack && p.Kind == symbols.Literal {
		p.Bytes, bitOff = m.lowBits(bits, bitOff), 0
	}
	p.BitSize, p.BitOffset = int(bits), int(bitOff)
	m.out = append(m.out, p)
	m.stack, m.where = m.stack[:0], whereDone
	return nil
}

// lowBits is the part of a computed value that a piece takes: its low-order bits.
func (m *machine) lowBits(bits, off uint64) []byte {
	v := m.top()
	if v.wide != nil {
		return v.bytes(m)
	}
	if off > 0 {
		i := v.integer(m, false)
		v = operand{size: v.size, kind: v.kind}.withInteger(m, i.Rsh(i, uint(min(off, 128))))
	}
	whole := v.bytes(m)
	if n := int(bits+7) / 8; n > 0 && n < len(whole) {
		return v.extended(n, false, m)
	}
	return whole
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
		r = m.u.base + ref(m.fileOffset(b))
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
	d.u.load()
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
	m.to, m.shift = s.to, s.shift
	if len(s.out) > 0 {
		return unavailable("expression calls one that has pieces")
	}
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

// skip passes the operands of an operation.
func (m *machine) skip(b *buf, op uint8) bool {
	switch {
	case op >= opBreg0 && op < opBreg0+32:
		b.sleb()
		return true
	case op >= opLit0 && op < opBreg0:
		return true
	}
	form, ok := operands[op]
	for i := range len(form) {
		switch form[i] {
		case '1':
			b.skip(1)
		case '2':
			b.skip(2)
		case '4':
			b.skip(4)
		case '8':
			b.skip(8)
		case 'u':
			b.uleb()
		case 's':
			b.sleb()
		case 'a':
			b.skip(uint64(m.u.addrSize))
		case 'r':
			m.fileOffset(b)
		case 'b':
			b.take(b.uleb())
		case 'c':
			b.take(uint64(b.u8()))
		}
	}
	return ok
}

// operands are the operands of each operation (DWARF 5 table 7.9): bytes by their
// number, u and s LEB128, a an address, r an offset in .debug_info, b and c a
// block with its length as a ULEB128 number or one byte.
var operands = map[uint8]string{
	opAddr: "a", opDeref: "", opConst1u: "1", opConst1s: "1", opConst2u: "2", opConst2s: "2", opConst4u: "4", opConst4s: "4",
	opConst8u: "8", opConst8s: "8", opConstu: "u", opConsts: "s", opDup: "", opDrop: "", opOver: "", opPick: "1", opSwap: "",
	opRot: "", opXderef: "", opAbs: "", opAnd: "", opDiv: "", opMinus: "", opMod: "", opMul: "", opNeg: "", opNot: "", opOr: "",
	opPlus: "", opPlusUconst: "u", opShl: "", opShr: "", opShra: "", opXor: "", opBra: "2", opEq: "", opGe: "", opGt: "", opLe: "",
	opLt: "", opNe: "", opSkip: "2", opRegx: "u", opFbreg: "s", opBregx: "us", opPiece: "u", opDerefSize: "1", opXderefSize: "1",
	opNop: "", opPushObject: "", opCall2: "2", opCall4: "4", opCallRef: "r", opFormTLS: "", opCallFrameCFA: "", opBitPiece: "uu",
	opImplicitValue: "b", opStackValue: "", opImplicitPointer: "rs", opAddrx: "u", opConstx: "u", opEntryValue: "b",
	opConstType: "uc", opRegvalType: "uu", opDerefType: "1u", opXderefType: "1u", opConvert: "u", opReinterpret: "u",
	opGNUPushTLS: "", opGNUUninit: "", opGNUImplicitPointer: "rs", opGNUEntryValue: "b", opGNUConstType: "uc",
	opGNURegvalType: "uu", opGNUDerefType: "1u", opGNUConvert: "u", opGNUReinterpret: "u", opGNUParameterRef: "4",
	opGNUAddrIndex: "u", opGNUConstIndex: "u", opGNUVariableValue: "r",
}

func unknownOperation(op uint8) string { return fmt.Sprintf("operation 0x%02x is not known", op) }
