package eval

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// floatFormat is how a floating-point type is laid out.
type floatFormat struct {
	bits     int  // that have meaning
	exponent int  // bits of it
	explicit bool // the integer bit is stored (x87)
}

func (f floatFormat) precision() uint {
	if f.explicit {
		return uint(f.bits - 1 - f.exponent)
	}
	return uint(f.bits - f.exponent)
}

func (f floatFormat) bias() int { return 1<<(f.exponent-1) - 1 }

// The formats: IEEE 754 binary16, 32, 64 and 128, bfloat16, and the x87's double
// extended one (Intel SDM vol. 1, 4.2.2).
var (
	binary16  = floatFormat{16, 5, false}
	bfloat16  = floatFormat{16, 8, false}
	binary32  = floatFormat{32, 8, false}
	binary64  = floatFormat{64, 11, false}
	binary128 = floatFormat{128, 15, false}
	x87       = floatFormat{80, 15, true}
)

// formatOf is the layout of a floating type of size bytes: long double is the x87's
// on x86, binary128 elsewhere; types with 128 in their name are that everywhere.
func formatOf(t *symbols.Type, size int, a *arch.Arch) (floatFormat, bool) {
	switch size {
	case 2:
		if strings.Contains(t.Name, "bf") {
			return bfloat16, true
		}
		return binary16, true
	case 4:
		return binary32, true
	case 8:
		return binary64, true
	case 10, 12:
		return x87, true
	case 16:
		if strings.Contains(t.Name, "128") || a != nil && a != arch.AMD64 && a != arch.I386 {
			return binary128, true
		}
		return x87, true
	}
	return floatFormat{}, false
}

// decodeFloat makes a number of the bytes of a floating type t, little-endian. What a
// float64 cannot hold exactly is in number.x besides.
func decodeFloat(t *symbols.Type, b []byte, a *arch.Arch) (number, bool) {
	f, ok := formatOf(t, len(b), a)
	if !ok {
		return number{}, false
	}
	n := number{t: t, float: true}
	switch f {
	case binary32:
		n.f = float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))
		return n, true
	case binary64:
		n.f = math.Float64frombits(binary.LittleEndian.Uint64(b))
		return n, true
	}
	raw := new(big.Int).SetBytes(order(b[:f.bits/8], true)) // most significant byte first
	exp := int(new(big.Int).Rsh(raw, uint(f.bits-1-f.exponent)).Uint64()) & (1<<f.exponent - 1)
	negative := raw.Bit(f.bits-1) == 1
	width := uint(f.bits - 1 - f.exponent)
	mantissa := new(big.Int).And(raw, new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), width), big.NewInt(1)))
	if exp == 1<<f.exponent-1 {
		if f.explicit {
			mantissa.SetBit(mantissa, int(width)-1, 0)
		}
		n.f = math.NaN()
		if mantissa.Sign() == 0 {
			n.f = math.Inf(1 - 2*int(raw.Bit(f.bits-1)))
		}
		return n, true
	}
	fraction := int(width)
	if f.explicit {
		fraction--
	} else if exp != 0 {
		mantissa.SetBit(mantissa, int(width), 1)
	}
	n.x = new(big.Float).SetPrec(f.precision()).SetInt(mantissa)
	n.x.SetMantExp(n.x, max(exp, 1)-f.bias()-fraction)
	if negative {
		n.x.Neg(n.x)
	}
	n.f, _ = n.x.Float64()
	return n, true
}

// encodeFloat fills b, little-endian, with n as type t.
func encodeFloat(n number, t *symbols.Type, b []byte, a *arch.Arch) bool {
	f, ok := formatOf(t, len(b), a)
	if !ok {
		return false
	}
	switch f {
	case binary32:
		v := float32(n.f)
		if n.x != nil {
			v, _ = n.x.Float32()
		}
		binary.LittleEndian.PutUint32(b, math.Float32bits(v))
		return true
	case binary64:
		binary.LittleEndian.PutUint64(b, math.Float64bits(n.f))
		return true
	}
	mantissa, exp := f.parts(n)
	width := uint(f.bits - 1 - f.exponent)
	raw := new(big.Int).Lsh(big.NewInt(int64(exp)), width)
	raw.Or(raw, mantissa)
	if math.Signbit(n.f) {
		raw.SetBit(raw, f.bits-1, 1)
	}
	copy(b, order(raw.FillBytes(make([]byte, f.bits/8)), true))
	return true
}

// parts are the stored significand and the biased exponent of n's magnitude.
func (f floatFormat) parts(n number) (*big.Int, int) {
	width := f.bits - 1 - f.exponent
	top := 1<<f.exponent - 1
	special := func(mantissa uint) (*big.Int, int) {
		m := new(big.Int)
		if f.explicit {
			m.SetBit(m, width-1, 1)
		}
		if mantissa != 0 {
			m.SetBit(m, width-int(mantissa), 1)
		}
		return m, top
	}
	quiet := uint(1)
	if f.explicit {
		quiet = 2
	}
	switch {
	case n.x == nil && math.IsNaN(n.f):
		return special(quiet)
	case n.x == nil && math.IsInf(n.f, 0):
		return special(0)
	}
	x := new(big.Float).SetPrec(f.precision()).Abs(new(big.Float).SetPrec(f.precision()).Set(n.wide()))
	if x.Sign() == 0 {
		return new(big.Int), 0
	}
	exp := x.MantExp(nil) - 1 + f.bias() // of 1.m
	if exp >= top {
		return special(0)
	}
	fraction := int(f.precision()) - 1
	if exp < 1 {
		exp = 1
	}
	m, _ := new(big.Float).SetMantExp(x, fraction-(exp-f.bias())).Int(nil)
	if m.BitLen() <= fraction { // subnormal
		exp = 0
	}
	if !f.explicit {
		m.SetBit(m, fraction, 0)
	}
	return m, exp
}

// wide is the finite float n exactly; nil for infinities and NaN.
func (n number) wide() *big.Float {
	switch {
	case n.x != nil:
		return n.x
	case math.IsNaN(n.f) || math.IsInf(n.f, 0):
		return nil
	}
	return new(big.Float).SetPrec(113).SetFloat64(n.f)
}

// toFloat converts n to a floating type: wider ones than double keep what a double
// would lose.
func (n number) toFloat(t *symbols.Type) number {
	out := number{t: t, float: true, f: n.asFloat()}
	switch {
	case t.Size > 8 && n.float:
		if out.x = n.wide(); out.x != nil {
			out.f, _ = out.x.Float64()
		}
	case t.Size > 8:
		out.x = new(big.Float).SetPrec(113).SetInt(n.big())
	case t.Size == 4 && n.x != nil:
		v, _ := n.x.Float32()
		out.f = float64(v)
	case t.Size == 4:
		out.f = float64(float32(out.f))
	}
	return out
}

// computeFloat applies an arithmetic operator to two floats of one type.
func computeFloat(op string, x, y number) (number, bool) {
	a, b := x.wide(), y.wide()
	exact := x.t.Size > 8 && a != nil && b != nil && !(op == "/" && b.Sign() == 0)
	out := number{t: x.t, float: true}
	if exact {
		out.x = new(big.Float).SetPrec(113)
	}
	switch op {
	case "+":
		if out.f = x.f + y.f; exact {
			out.x.Add(a, b)
		}
	case "-":
		if out.f = x.f - y.f; exact {
			out.x.Sub(a, b)
		}
	case "*":
		if out.f = x.f * y.f; exact {
			out.x.Mul(a, b)
		}
	case "/":
		if out.f = x.f / y.f; exact {
			out.x.Quo(a, b)
		}
	default:
		return out, false
	}
	if exact {
		if out.f, _ = out.x.Float64(); out.x.Sign() == 0 && math.Signbit(out.f) {
			out.f = math.Copysign(0, -1)
		}
	}
	return out, true
}

// negated is -n.
func (n number) negated() number {
	n.f = -n.f
	if n.x != nil {
		n.x = new(big.Float).Neg(n.x)
	}
	return n
}

// floatText writes a floating value as %e, %f or %g does when asked to, else as
// short as it can be read back.
func floatText(t *symbols.Type, b []byte, a *arch.Arch, f Format) (string, error) {
	verb, digits := byte('g'), -1
	switch f.Spec {
	case "e", "f", "g":
		verb, digits = f.Spec[0], 6
	}
	n, ok := decodeFloat(t, b, a)
	switch {
	case !ok:
		return "", fmt.Errorf("a floating value of %d bytes has no known format", len(b))
	case n.x != nil:
		return n.x.Text(verb, digits), nil
	case math.IsNaN(n.f):
		return "nan", nil
	case math.IsInf(n.f, 0):
		return strings.ToLower(strings.TrimPrefix(strconv.FormatFloat(n.f, 'g', -1, 64), "+")), nil
	}
	return strconv.FormatFloat(n.f, verb, digits, max(8*len(b), 32)), nil
}

// decimalText writes an IEEE 754-2008 decimal float with a binary integer
// significand, as GCC has them on x86 (3.5.2 of the standard).
func decimalText(b []byte) (string, bool) {
	shape, ok := map[int]struct{ exponent, bias int }{4: {8, 101}, 8: {10, 398}, 16: {14, 6176}}[len(b)]
	if !ok {
		return "", false
	}
	raw := new(big.Int).SetBytes(order(b, true))
	bits := 8 * len(b)
	field := func(at, n int) int {
		return int(new(big.Int).Rsh(raw, uint(at)).Uint64()) & (1<<n - 1)
	}
	sign := ""
	if raw.Bit(bits-1) == 1 {
		sign = "-"
	}
	switch field(bits-6, 5) {
	case 30:
		return sign + "inf", true
	case 31:
		return "nan", true
	}
	at, implied := bits-1-shape.exponent, false
	if field(bits-3, 2) == 3 {
		at, implied = at-2, true
	}
	c := new(big.Int).And(raw, new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), uint(at)), big.NewInt(1)))
	if implied {
		c.SetBit(c, at+2, 1)
	}
	exp := field(at, shape.exponent) - shape.bias
	digits := c.String()
	switch {
	case exp == 0 || c.Sign() == 0:
		return sign + digits, true
	case exp < 0 && -exp < len(digits):
		return sign + digits[:len(digits)+exp] + "." + digits[len(digits)+exp:], true
	case exp < 0 && -exp-len(digits) < 6:
		return sign + "0." + strings.Repeat("0", -exp-len(digits)) + digits, true
	}
	return fmt.Sprintf("%s%sE%+d", sign, digits, exp), true
}
