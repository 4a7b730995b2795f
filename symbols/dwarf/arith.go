package dwarf

import (
	"encoding/binary"
	"math/big"
	"strings"

	"dap-windbg/symbols"
)

// operand is a value of the stack: of the generic type (an address), or of a
// base type of size bytes.
type operand struct {
	bits, hi uint64 // the low-order 64 bits, and the next 64
	wide     []byte // of a value of more than 16 bytes, in target order
	size     uint16 // 0: generic
	kind     operandKind
	quad     bool // a floating-point number in the format of IEEE 754 binary128
}

type operandKind uint8

const (
	kindGeneric operandKind = iota
	kindSigned
	kindUnsigned
	kindFloat
)

// Sizes of values, bytes.
const (
	maxInteger = 16
	maxOperand = 64 // a vector register
)

func (v operand) bitsOf(m *machine) uint {
	if v.kind == kindGeneric {
		return 8 * uint(m.u.addrSize)
	}
	return 8 * uint(v.size)
}

func (v operand) wrapped(m *machine) operand {
	switch n := v.bitsOf(m); {
	case n <= 64:
		v.hi = 0
		if n < 64 {
			v.bits &= 1<<n - 1
		}
	case n < 128:
		v.hi &= 1<<(n-64) - 1
	}
	return v
}

// integer is the value as the kind reads it; asSigned reads it with a sign.
func (v operand) integer(m *machine, asSigned bool) *big.Int {
	v = v.wrapped(m)
	i := new(big.Int).SetUint64(v.hi)
	i.Lsh(i, 64).Or(i, new(big.Int).SetUint64(v.bits))
	if n := v.bitsOf(m); asSigned && n > 0 && i.Bit(int(n)-1) != 0 {
		i.Sub(i, new(big.Int).Lsh(big.NewInt(1), n))
	}
	return i
}

// withInteger is v's type with the value i, wrapped.
func (v operand) withInteger(m *machine, i *big.Int) operand {
	mod := new(big.Int).Lsh(big.NewInt(1), 128)
	i = new(big.Int).Mod(i, mod)
	v.bits = new(big.Int).And(i, new(big.Int).SetUint64(1<<64-1)).Uint64()
	v.hi = new(big.Int).Rsh(i, 64).Uint64()
	return v.wrapped(m)
}

// bytes is the value in target order, of its own size.
func (v operand) bytes(m *machine) []byte {
	if v.wide != nil {
		return append([]byte(nil), v.wide...)
	}
	n := int(m.u.addrSize)
	if v.size > 0 {
		n = int(v.size)
	}
	return v.extended(n, false, m)
}

// extended is an integer value as n bytes of target order.
func (v operand) extended(n int, asSigned bool, m *machine) []byte {
	le := v.integer(m, asSigned)
	if le.Sign() < 0 {
		le.Add(le, new(big.Int).Lsh(big.NewInt(1), uint(8*max(n, maxInteger))))
	}
	b := le.FillBytes(make([]byte, max(n, maxInteger)))
	b = b[len(b)-n:] // big endian
	if !m.u.data.opt.BigEndian {
		for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
			b[i], b[j] = b[j], b[i]
		}
	}
	return b
}

// withBytes is v's type with the value in b, in target order; a generic value
// is at most 8 bytes.
func (v operand) withBytes(m *machine, b []byte) operand {
	if len(b) > maxInteger {
		v.wide = append([]byte(nil), b...)
		return v
	}
	var le [maxInteger]byte
	for i, c := range b {
		if m.u.data.opt.BigEndian {
			i = len(b) - 1 - i
		}
		le[i] = c
	}
	v.bits, v.hi = binary.LittleEndian.Uint64(le[:]), binary.LittleEndian.Uint64(le[8:])
	return v
}

// baseType returns an operand of the unit's base type at off; 0 is generic.
func (m *machine) baseType(off uint64) (operand, bool) {
	if off == 0 {
		return operand{}, true
	}
	d, ok := m.u.readDIE(m.u.off + off)
	if !ok || d.ab.tag != tagBaseType || off > m.u.end {
		return operand{}, false
	}
	size, _ := d.uint(atByteSize)
	if bits, ok := d.uint(atBitSize); ok && size == 0 {
		size = (bits + 7) / 8
	}
	enc, _ := d.uint(atEncoding)
	if size < 1 || size > maxOperand {
		return operand{}, false
	}
	v := operand{size: uint16(size), kind: kindUnsigned}
	switch encodings[enc] {
	case symbols.Signed, symbols.SignedChar:
		v.kind = kindSigned
	case symbols.FloatEnc:
		v.kind = kindFloat
		arch := m.f.Registers().Set.Arch.Name
		v.quad = size == 16 && (arch != "amd64" && arch != "i386" || strings.Contains(d.name(), "128"))
	case symbols.ComplexFloat:
		return operand{}, false
	}
	return v, true
}

func (m *machine) convert(off uint64, reinterpret bool) error {
	to, ok := m.baseType(off)
	v, err := m.pop()
	if err != nil {
		return err
	}
	if !ok {
		return unavailable("conversion to a type that is not supported")
	}
	switch {
	case reinterpret:
		b := v.bytes(m)
		if want := int(to.bitsOf(m) / 8); len(b) != want {
			return unavailable("reinterpretation as a type of another size")
		}
		to = to.withBytes(m, b)
	case v.wide != nil || to.size > maxInteger:
		return unavailable("conversion of a vector")
	case v.kind != kindFloat && to.kind != kindFloat:
		to = to.withInteger(m, v.integer(m, v.kind == kindSigned))
	default:
		if to, err = m.convertFloat(v, to); err != nil {
			return err
		}
	}
	m.pushOperand(to)
	return nil
}

// arithmetic runs the operations of DWARF 5, 2.5.1.4, and comparisons.
func (m *machine) arithmetic(b *buf, op uint8) error {
	y, err := m.pop()
	if err != nil {
		return err
	}
	switch op {
	case opAbs, opNeg, opNot:
		if y, err = m.unary(op, y); err != nil {
			return err
		}
	case opPlusUconst:
		add := operand{bits: b.uleb(), size: y.size, kind: y.kind}
		if y, err = m.binary(opPlus, y, add); err != nil {
			return err
		}
	default:
		x, err := m.pop()
		if err != nil {
			return err
		}
		if y, err = m.binary(op, x, y); err != nil {
			return err
		}
	}
	m.pushOperand(y)
	return nil
}

func (m *machine) unary(op uint8, y operand) (operand, error) {
	if y.wide != nil {
		return y, unavailable("arithmetic on a vector")
	}
	if y.kind == kindFloat {
		if op == opNot {
			return y, unavailable("expression computes bits of a floating-point value")
		}
		f, err := m.float(y)
		if err != nil {
			return y, err
		}
		if op == opAbs {
			return m.withFloat(y, f.Abs(f))
		}
		return m.withFloat(y, f.Neg(f))
	}
	i := y.integer(m, y.kind != kindUnsigned)
	switch op {
	case opAbs:
		i.Abs(i)
	case opNeg:
		i.Neg(i)
	case opNot:
		i.Not(i)
	}
	return y.withInteger(m, i), nil
}

func (m *machine) binary(op uint8, x, y operand) (operand, error) {
	switch {
	case x.wide != nil || y.wide != nil:
		return x, unavailable("arithmetic on a vector")
	case (x.kind == kindFloat) != (y.kind == kindFloat):
		return x, unavailable("expression mixes integers and floating-point values")
	case x.kind == kindFloat:
		return m.floatOp(op, x, y)
	case op >= opEq:
		return m.compare(op, x, y), nil
	}
	signed := x.kind == kindSigned || x.kind == kindGeneric && (op == opDiv || op == opShra)
	if op == opShr || op == opMod && x.kind == kindGeneric {
		signed = false
	}
	if op == opShra {
		signed = true
	}
	a, b := x.integer(m, signed), y.integer(m, signed)
	r := new(big.Int)
	switch op {
	case opAnd:
		r.And(a, b)
	case opOr:
		r.Or(a, b)
	case opXor:
		r.Xor(a, b)
	case opPlus:
		r.Add(a, b)
	case opMinus:
		r.Sub(a, b)
	case opMul:
		r.Mul(a, b)
	case opShl:
		r.Lsh(a, shiftOf(m, y))
	case opShr, opShra:
		r.Rsh(a, shiftOf(m, y))
	case opDiv, opMod:
		if b.Sign() == 0 {
			return x, unavailable("expression divides by zero")
		}
		if op == opDiv {
			r.Quo(a, b)
		} else {
			r.Rem(a, b)
		}
	}
	return x.withInteger(m, r), nil
}

// shiftOf bounds a shift: beyond the widest value the result is the same.
func shiftOf(m *machine, y operand) uint {
	y = y.wrapped(m)
	if y.hi != 0 || y.bits > 8*maxInteger {
		return 8 * maxInteger
	}
	return uint(y.bits)
}

func (m *machine) compare(op uint8, x, y operand) operand {
	signed := x.kind != kindUnsigned
	return truth(op, x.integer(m, signed).Cmp(y.integer(m, signed)))
}

// truth is the generic 1 or 0 of a comparison that came out as order.
func truth(op uint8, order int) operand {
	r := map[uint8]bool{opEq: order == 0, opGe: order >= 0, opGt: order > 0, opLe: order <= 0, opLt: order < 0, opNe: order != 0}[op]
	if r {
		return operand{bits: 1}
	}
	return operand{}
}
