package dwarf

import (
	"math"
	"math/big"
)

// Floating-point operands: IEEE 754 binary16, 32, 64 and 128, and the 80 bits of
// x87 (Intel SDM volume 1, 4.2.2) in 10, 12 or 16 bytes.

// layout of the formats that Go does not have.
type floatFormat struct {
	mantissa uint // bits, with the one before the point
	explicit bool // that bit is stored
	exponent uint // bits
}

var (
	binary16  = floatFormat{11, false, 5}
	binary128 = floatFormat{113, false, 15}
	extended  = floatFormat{64, true, 15}
)

func (v operand) format() (floatFormat, bool) {
	switch {
	case v.size == 2:
		return binary16, true
	case v.quad:
		return binary128, true
	case v.size == 10 || v.size == 12 || v.size == 16:
		return extended, true
	}
	return floatFormat{}, false
}

var errNaN = unavailable("expression computes with what is not a number")

// float decodes v, which is no NaN.
func (m *machine) float(v operand) (*big.Float, error) {
	switch v.size {
	case 4, 8:
		f := math.Float64frombits(v.bits)
		if v.size == 4 {
			f = float64(math.Float32frombits(uint32(v.bits)))
		}
		if math.IsNaN(f) {
			return nil, errNaN
		}
		return new(big.Float).SetPrec(128).SetFloat64(f), nil
	}
	f, ok := v.format()
	if !ok {
		return nil, unavailable("floating-point value of an unknown format")
	}
	raw := v.integer(m, false)
	stored := f.mantissa - 1
	if f.explicit {
		stored = f.mantissa
	}
	mant := new(big.Int).And(raw, ones(stored))
	exp := int(new(big.Int).And(new(big.Int).Rsh(raw, stored), ones(f.exponent)).Int64())
	negative := raw.Bit(int(stored+f.exponent)) != 0
	bias := 1<<(f.exponent-1) - 1
	top := 1<<f.exponent - 1
	switch {
	case exp == top:
		if new(big.Int).And(mant, ones(f.mantissa-1)).Sign() != 0 {
			return nil, errNaN
		}
		return new(big.Float).SetInf(negative), nil
	case exp == 0:
		exp = 1
	case !f.explicit:
		mant.SetBit(mant, int(f.mantissa-1), 1)
	}
	out := new(big.Float).SetPrec(128).SetInt(mant)
	out.SetMantExp(out, exp-bias-int(f.mantissa-1))
	if negative {
		out.Neg(out)
	}
	return out, nil
}

func ones(n uint) *big.Int {
	one := big.NewInt(1)
	return new(big.Int).Sub(new(big.Int).Lsh(one, n), one)
}

// withFloat is v's type with the value x, rounded to the nearest, ties to even.
func (m *machine) withFloat(v operand, x *big.Float) (operand, error) {
	switch v.size {
	case 4:
		f, _ := x.Float32()
		v.bits, v.hi = uint64(math.Float32bits(f)), 0
		return v, nil
	case 8:
		f, _ := x.Float64()
		v.bits, v.hi = math.Float64bits(f), 0
		return v, nil
	}
	f, ok := v.format()
	if !ok {
		return v, unavailable("floating-point value of an unknown format")
	}
	return v.withInteger(m, f.encode(x)), nil
}

func (f floatFormat) encode(x *big.Float) *big.Int {
	stored := f.mantissa - 1
	if f.explicit {
		stored = f.mantissa
	}
	bias, top := 1<<(f.exponent-1)-1, 1<<f.exponent-1
	exp, mant := 0, new(big.Int)
	switch {
	case x.IsInf():
		exp = top
	case x.Sign() != 0:
		r := new(big.Float).SetPrec(f.mantissa).SetMode(big.ToNearestEven).Set(x)
		e := r.MantExp(nil) - 1 // of the bit before the point
		if e < 1-bias {         // subnormal: fewer bits
			scaled := new(big.Float).SetMantExp(new(big.Float).SetPrec(256).Abs(x), bias-1+int(f.mantissa-1))
			mant = roundEven(scaled)
			if mant.Bit(int(f.mantissa-1)) != 0 {
				exp = 1
			}
			break
		}
		if exp = e + bias; exp >= top {
			exp = top
			break
		}
		new(big.Float).SetMantExp(new(big.Float).Abs(r), int(f.mantissa-1)-e).Int(mant)
	}
	if exp == top && f.explicit {
		mant.SetBit(new(big.Int), int(f.mantissa-1), 1)
	}
	mant.And(mant, ones(stored))
	out := new(big.Int).Lsh(big.NewInt(int64(exp)), stored)
	out.Or(out, mant)
	if x.Signbit() {
		out.SetBit(out, int(stored+f.exponent), 1)
	}
	return out
}

// roundEven is x, which is not negative, rounded to an integer.
func roundEven(x *big.Float) *big.Int {
	i, _ := x.Int(nil)
	rest := new(big.Float).SetPrec(256).Sub(x, new(big.Float).SetPrec(256).SetInt(i))
	switch rest.Cmp(big.NewFloat(0.5)) {
	case 1:
		i.Add(i, big.NewInt(1))
	case 0:
		i.Add(i, big.NewInt(int64(i.Bit(0))))
	}
	return i
}

// convertFloat converts where one of both types is floating-point.
func (m *machine) convertFloat(v, to operand) (operand, error) {
	if v.kind != kindFloat {
		return m.withFloat(to, new(big.Float).SetPrec(128).SetInt(v.integer(m, v.kind == kindSigned)))
	}
	f, err := m.float(v)
	if err != nil {
		return to, err
	}
	if to.kind == kindFloat {
		return m.withFloat(to, f)
	}
	if f.IsInf() {
		return to, unavailable("expression makes an integer of infinity")
	}
	if f.MantExp(nil) > 8*maxInteger {
		return to, unavailable("expression makes an integer of a number too large")
	}
	i, _ := f.Int(nil)
	return to.withInteger(m, i), nil
}

func (m *machine) floatOp(op uint8, x, y operand) (operand, error) {
	a, err := m.float(x)
	if err != nil {
		return x, err
	}
	b, err := m.float(y)
	if err != nil {
		return x, err
	}
	if op >= opEq {
		return truth(op, a.Cmp(b)), nil
	}
	r, prec := new(big.Float), uint(53)
	if f, ok := x.format(); ok {
		prec = f.mantissa
	} else if x.size == 4 {
		prec = 24
	}
	r.SetPrec(prec)
	if undefined(op, a, b) {
		return x, errNaN
	}
	switch op {
	case opPlus:
		r.Add(a, b)
	case opMinus:
		r.Sub(a, b)
	case opMul:
		r.Mul(a, b)
	case opDiv:
		r.Quo(a, b)
	default:
		return x, unavailable("expression computes bits of a floating-point value")
	}
	return m.withFloat(x, r)
}

// undefined tells the operations that have no number as their result.
func undefined(op uint8, a, b *big.Float) bool {
	switch op {
	case opPlus:
		return a.IsInf() && b.IsInf() && a.Signbit() != b.Signbit()
	case opMinus:
		return a.IsInf() && b.IsInf() && a.Signbit() == b.Signbit()
	case opMul:
		return a.IsInf() && b.Sign() == 0 || a.Sign() == 0 && b.IsInf()
	case opDiv:
		return a.IsInf() && b.IsInf() || a.Sign() == 0 && b.Sign() == 0
	}
	return false
}
