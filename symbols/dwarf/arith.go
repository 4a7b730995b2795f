package dwarf

import (
	"math"

	"dap-windbg/symbols"
)

// operand is a value of the stack: of the generic type (an address), or of a
// base type of size bytes.
type operand struct {
	bits uint64
	size uint8
	kind operandKind
}

type operandKind uint8

const (
	kindGeneric operandKind = iota
	kindSigned
	kindUnsigned
	kindFloat
)

func (v operand) bitsOf(m *machine) uint {
	if v.kind == kindGeneric {
		return 8 * uint(m.u.addrSize)
	}
	return 8 * uint(v.size)
}

func (v operand) wrapped(m *machine) operand {
	if n := v.bitsOf(m); n < 64 {
		v.bits &= 1<<n - 1
	}
	return v
}

// signed sign-extends the value.
func (v operand) signed(m *machine) int64 {
	n := v.bitsOf(m)
	if n == 0 || n >= 64 {
		return int64(v.bits)
	}
	return int64(v.bits<<(64-n)) >> (64 - n)
}

func (v operand) float() float64 {
	if v.size == 4 {
		return float64(math.Float32frombits(uint32(v.bits)))
	}
	return math.Float64frombits(v.bits)
}

func (v operand) withFloat(x float64) operand {
	if v.bits = math.Float64bits(x); v.size == 4 {
		v.bits = uint64(math.Float32bits(float32(x)))
	}
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
	enc, _ := d.uint(atEncoding)
	if size < 1 || size > 8 {
		return operand{}, false
	}
	v := operand{size: uint8(size), kind: kindUnsigned}
	switch encodings[enc] {
	case symbols.Signed, symbols.SignedChar:
		v.kind = kindSigned
	case symbols.FloatEnc:
		v.kind = kindFloat
		return v, size == 4 || size == 8
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
	case reinterpret, v.kind != kindFloat && to.kind != kindFloat:
		to.bits = v.bits
		if v.kind == kindSigned && !reinterpret {
			to.bits = uint64(v.signed(m))
		}
	case v.kind == kindFloat && to.kind == kindFloat:
		to = to.withFloat(v.float())
	case v.kind == kindFloat:
		if to.bits = uint64(int64(v.float())); to.kind == kindUnsigned && v.float() >= 1<<63 {
			to.bits = uint64(v.float())
		}
	case v.kind == kindSigned:
		to = to.withFloat(float64(v.signed(m)))
	default:
		to = to.withFloat(float64(v.bits))
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
	case opAbs:
		if y.kind == kindFloat {
			y = y.withFloat(math.Abs(y.float()))
		} else if y.signed(m) < 0 && y.kind != kindUnsigned {
			y.bits = -y.bits
		}
	case opNeg:
		if y.kind == kindFloat {
			y = y.withFloat(-y.float())
		} else {
			y.bits = -y.bits
		}
	case opNot:
		y.bits = ^y.bits
	case opPlusUconst:
		y.bits += b.uleb()
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

func (m *machine) binary(op uint8, x, y operand) (operand, error) {
	if op >= opEq {
		return m.compare(op, x, y), nil
	}
	if x.kind == kindFloat {
		return floatOp(op, x, y)
	}
	r := x
	switch op {
	case opAnd:
		r.bits &= y.bits
	case opOr:
		r.bits |= y.bits
	case opXor:
		r.bits ^= y.bits
	case opPlus:
		r.bits += y.bits
	case opMinus:
		r.bits -= y.bits
	case opMul:
		r.bits *= y.bits
	case opShl:
		r.bits <<= y.bits
	case opShr:
		r.bits = x.wrapped(m).bits >> y.bits
	case opShra:
		r.bits = uint64(x.signed(m) >> min(y.bits, 63))
	case opDiv, opMod:
		return m.divide(op, x, y)
	}
	return r, nil
}

// divide: division is signed for the generic type, modulo is not.
func (m *machine) divide(op uint8, x, y operand) (operand, error) {
	if y.bits == 0 {
		return x, unavailable("expression divides by zero")
	}
	signed := x.kind == kindSigned || x.kind == kindGeneric && op == opDiv
	a, b := x.signed(m), y.signed(m)
	switch {
	case !signed && op == opDiv:
		x.bits /= y.bits
	case !signed:
		x.bits %= y.bits
	case b == -1: // the one quotient that overflows
		x.bits = uint64(-a)
		if op == opMod {
			x.bits = 0
		}
	case op == opDiv:
		x.bits = uint64(a / b)
	default:
		x.bits = uint64(a % b)
	}
	return x, nil
}

func floatOp(op uint8, x, y operand) (operand, error) {
	a, b := x.float(), y.float()
	switch op {
	case opPlus:
		return x.withFloat(a + b), nil
	case opMinus:
		return x.withFloat(a - b), nil
	case opMul:
		return x.withFloat(a * b), nil
	case opDiv:
		return x.withFloat(a / b), nil
	}
	return x, unavailable("expression computes bits of a floating-point value")
}

func (m *machine) compare(op uint8, x, y operand) operand {
	var less, equal bool
	switch x.kind {
	case kindFloat:
		less, equal = x.float() < y.float(), x.float() == y.float()
	case kindUnsigned:
		less, equal = x.bits < y.bits, x.bits == y.bits
	default:
		less, equal = x.signed(m) < y.signed(m), x.signed(m) == y.signed(m)
	}
	r := map[uint8]bool{opEq: equal, opGe: !less, opGt: !less && !equal, opLe: less || equal, opLt: less, opNe: !equal}[op]
	if r {
		return operand{bits: 1}
	}
	return operand{}
}
