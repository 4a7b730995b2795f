package eval

import (
	"context"
	"encoding/binary"
	"math"
	"math/big"
	"math/bits"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// number is a scalar in the evaluator: an integer of up to 128 bits, sign- or
// zero-extended from its type, or a float.
type number struct {
	t      *symbols.Type
	lo, hi uint64
	float  bool
	f      float64
	x      *big.Float // of a finite float whose type is wider than double: f is its approximation
}

// signed reports whether integers of stripped type t are signed.
func signed(t *symbols.Type) bool {
	switch t.Kind {
	case symbols.Base:
		if t.Encoding == symbols.UTF {
			return false
		}
		return t.Encoding == symbols.Signed || t.Encoding == symbols.SignedChar
	case symbols.Enum:
		if e := strip(t.Elem); t.Elem != nil && e.Kind == symbols.Base {
			return signed(e)
		}
		for _, e := range t.Members().Enumerators {
			if e.Value < 0 {
				return true
			}
		}
	}
	return false
}

func isFloat(t *symbols.Type) bool {
	return t.Kind == symbols.Base && t.Encoding == symbols.FloatEnc
}

func isInteger(t *symbols.Type) bool {
	return t.Kind == symbols.Enum || t.Kind == symbols.Base && t.Encoding < symbols.FloatEnc
}

func isArith(t *symbols.Type) bool { return isInteger(t) || isFloat(t) }

func isScalar(t *symbols.Type) bool {
	switch t.Kind {
	case symbols.Base:
		return t.Encoding <= symbols.FloatEnc
	case symbols.Enum, symbols.Pointer, symbols.NullPtr, symbols.Reference, symbols.RvalueReference, symbols.MemberPointer, symbols.Unspecified:
		return true
	}
	return false
}

// load reads a scalar. Arrays and functions decay to their address.
func load(ctx context.Context, env Env, v Value) (number, error) {
	if v.Err != nil {
		return number{}, v.Err
	}
	if v.Item != nil {
		return number{}, &ItemError{className(v), "is not a number or pointer"}
	}
	v, err := deref(ctx, env, v)
	if err != nil {
		return number{}, err
	}
	t := strip(v.Type)
	if t.Kind == symbols.Array || t.Kind == symbols.Func {
		if v.Place != InMemory {
			return number{}, &TypeError{v.Type, "has no address"}
		}
		to := t
		if t.Kind == symbols.Array {
			to = elem(t)
		}
		return number{t: languageOf(env.Arch()).pointer(to), lo: uint64(v.Addr)}, nil
	}
	if !isScalar(t) || t.Kind == symbols.MemberPointer && t.Size > 8 {
		return number{}, &TypeError{v.Type, "is not a number or pointer"}
	}
	b, err := Fetch(ctx, env, v)
	if err != nil {
		return number{}, err
	}
	return decode(t, b, v.BitSize, env.Arch())
}

// decode makes a number of the bytes of a value of stripped type t.
func decode(t *symbols.Type, b []byte, bitSize int, a *arch.Arch) (number, error) {
	if isFloat(t) {
		n, ok := decodeFloat(t, order(b, a.BigEndian), a)
		if !ok {
			return number{}, &TypeError{t, "is a floating type of unknown format"}
		}
		return n, nil
	}
	if len(b) > 16 || len(b) == 0 {
		return number{}, &TypeError{t, "is not an integer of a known size"}
	}
	var w [16]byte
	copy(w[:], order(b, a.BigEndian))
	n := number{t: t, lo: binary.LittleEndian.Uint64(w[:8]), hi: binary.LittleEndian.Uint64(w[8:])}
	width := len(b) * 8
	if bitSize > 0 {
		width = bitSize
	}
	return n.wrap(width, signed(t)), nil
}

// encode turns n into size bytes of stripped type t in target order.
func encode(n number, t *symbols.Type, size int64, a *arch.Arch) ([]byte, bool) {
	if size < 0 || size > 16 {
		return nil, false
	}
	b := make([]byte, size)
	if isFloat(t) {
		ok := encodeFloat(n, t, b, a)
		return order(b, a.BigEndian), ok
	}
	var w [16]byte
	binary.LittleEndian.PutUint64(w[:8], n.lo)
	binary.LittleEndian.PutUint64(w[8:], n.hi)
	copy(b, w[:])
	return order(b, a.BigEndian), true
}

// wrap cuts n to width bits and extends it again.
func (n number) wrap(width int, sign bool) number {
	switch {
	case width >= 128 || width <= 0:
	case width > 64:
		s := uint(128 - width)
		n.hi <<= s
		n.hi = shiftRight(n.hi, s, sign)
	case width == 64:
		n.hi = 0
		if sign {
			n.hi = uint64(int64(n.lo) >> 63)
		}
	default:
		s := uint(64 - width)
		n.lo = shiftRight(n.lo<<s, s, sign)
		n.hi = 0
		if sign {
			n.hi = uint64(int64(n.lo) >> 63)
		}
	}
	return n
}

func shiftRight(v uint64, s uint, sign bool) uint64 {
	if sign {
		return uint64(int64(v) >> s)
	}
	return v >> s
}

// to converts n to stripped scalar type t, as a cast does.
func (n number) to(t *symbols.Type) number {
	out := number{t: t}
	switch {
	case t.Kind == symbols.Base && t.Encoding == symbols.Bool:
		if n.truth() {
			out.lo = 1
		}
		return out
	case isFloat(t):
		return n.toFloat(t)
	case n.float && n.x != nil:
		i, _ := n.x.Int(nil)
		out.lo, out.hi = fromBig(i)
	case n.float:
		out.lo, out.hi = floatToInt(n.f)
	default:
		out.lo, out.hi = n.lo, n.hi
	}
	return out.wrap(int(t.ByteSize())*8, signed(t))
}

func (n number) truth() bool {
	if n.float {
		return n.f != 0 || n.x != nil && n.x.Sign() != 0
	}
	return n.lo|n.hi != 0
}

func (n number) negative() bool { return !n.float && int64(n.hi) < 0 }

func (n number) asFloat() float64 {
	switch {
	case n.float:
		return n.f
	case n.negative() && signed(n.t):
		m := n.neg()
		return -(float64(m.hi)*(1<<64) + float64(m.lo))
	}
	return float64(n.hi)*(1<<64) + float64(n.lo)
}

// floatToInt truncates; what does not fit saturates as on AArch64, NaN is 0.
func floatToInt(f float64) (lo, hi uint64) {
	switch {
	case math.IsNaN(f):
		return 0, 0
	case f >= -(1<<63) && f < 1<<63:
		i := int64(f)
		return uint64(i), uint64(i >> 63)
	case math.IsInf(f, 1):
		return math.MaxUint64, 0
	case math.IsInf(f, -1):
		return 1 << 63, math.MaxUint64
	}
	i, _ := big.NewFloat(f).Int(nil)
	return fromBig(i)
}

func (n number) neg() number {
	lo, borrow := bits.Sub64(0, n.lo, 0)
	n.hi, _ = bits.Sub64(0, n.hi, borrow)
	n.lo = lo
	return n
}

// big returns n as an exact integer.
func (n number) big() *big.Int {
	v := new(big.Int).SetUint64(n.hi)
	v.Lsh(v, 64).Or(v, new(big.Int).SetUint64(n.lo))
	if n.negative() && signed(n.t) {
		v.Sub(v, new(big.Int).Lsh(big.NewInt(1), 128))
	}
	return v
}

func fromBig(i *big.Int) (lo, hi uint64) {
	m := new(big.Int).And(i, new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 128), big.NewInt(1)))
	hi = new(big.Int).Rsh(m, 64).Uint64()
	lo = m.And(m, new(big.Int).SetUint64(math.MaxUint64)).Uint64()
	return lo, hi
}
