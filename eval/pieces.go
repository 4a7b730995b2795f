package eval

import (
	"context"
	"slices"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// Pointee is what a pointer without bits points to: a variable that has no
// address, or had none left.
type Pointee struct {
	Off, Size int64 // of the pointer in the value, bytes
	target    symbols.Variable
	shift     int64 // bytes into target
	frame     symbols.Frame
	pc        symbols.Offset
}

// synthetic returns the pointee of v when v is such a pointer, whole.
func (v Value) synthetic() (Pointee, bool) {
	if v.Err == nil && len(v.Pointees) == 1 && v.Pointees[0].Off == 0 && v.BitSize == 0 && v.Pointees[0].Size == int64(len(v.Bytes)) {
		return v.Pointees[0], true
	}
	return Pointee{}, false
}

// Synthetic reports whether v is a pointer or reference to what has no address.
func (v Value) Synthetic() bool { _, ok := v.synthetic(); return ok }

// noAddress is why the bits of a pointer are not known.
const noAddress = "a pointer to what has no address"

// x87Bytes is how many bytes of a long double of 12 or 16 have meaning.
const x87Bytes = 10

// known says whether every bit of v is.
func (v Value) known() error {
	if _, ok := v.synthetic(); ok {
		return &symbols.UnavailableError{Reason: noAddress}
	}
	missing := v.Missing
	if v.BitSize > 0 && v.Missing != nil {
		missing = make([]byte, len(v.Missing))
		copyBits(missing, 0, v.Missing, v.BitOffset, min(v.BitSize, len(missing)*8-v.BitOffset), false)
	}
	if isFloat(strip(v.Type)) && len(missing) > x87Bytes {
		missing = missing[:x87Bytes] // the rest is padding
	}
	for _, lost := range missing {
		if lost != 0 {
			return &symbols.UnavailableError{Reason: "optimised away"}
		}
	}
	return nil
}

// follow gives what v points to, a pointer or reference without bits: the
// element at index of it. ok is false for any other value.
func follow(ctx context.Context, env Env, v Value, index int64) (out Value, ok bool, err error) {
	p, ok := v.synthetic()
	if !ok {
		return Value{}, false, nil
	}
	t := elem(strip(v.Type))
	whole, err := fromLocation(ctx, overMemory{p.frame, env}, p.target.Type, p.target.Location, p.pc)
	if err != nil {
		return Value{}, true, err
	}
	out, err = part(ctx, env, whole, t, p.shift+index*max(sizeOf(t), 0))
	return out, true, err
}

// part is the object of type t at byte off of v.
func part(ctx context.Context, env Env, v Value, t *symbols.Type, off int64) (Value, error) {
	if v.Err != nil {
		return Value{Type: t, Err: v.Err}, nil
	}
	size := sizeOf(t)
	switch {
	case off < 0 || size < 0:
	case v.Place == InMemory:
		return Value{Type: t, Place: InMemory, Addr: v.Addr + arch.Addr(off)}, nil
	case off+size <= int64(len(v.Bytes)):
		return field(ctx, env, v, symbols.Field{Type: t, Offset: off})
	}
	return Value{Type: t, Err: &symbols.UnavailableError{Reason: "it lies beyond what is pointed to"}}, nil
}

// overMemory is a frame of an earlier evaluation, read through this one's memory.
type overMemory struct {
	symbols.Frame
	mem symbols.Memory
}

func (f overMemory) Memory() symbols.Memory { return f.mem }

func (f overMemory) Caller(ctx context.Context) (symbols.Frame, error) {
	c, err := f.Frame.Caller(ctx)
	if err != nil || c == nil {
		return nil, err
	}
	return overMemory{c, f.mem}, nil
}

// whole makes the value that one piece holds entirely.
func whole(f symbols.Frame, out Value, p symbols.Piece, size int64, pc symbols.Offset) Value {
	switch p.Kind {
	case symbols.InMemory:
		out.Place, out.Addr = InMemory, p.Addr
	case symbols.InRegister:
		regs := f.Registers()
		b, ok := regs.Bytes(p.Register)
		if !ok {
			out.Err = &symbols.UnavailableError{Reason: "the register is not known in this frame"}
			return out
		}
		out.Place, out.Register = InRegister, regs.Set.Regs[p.Register].Name
		out = partly(out, b, size, regs.Set.Arch.BigEndian)
	case symbols.Literal:
		out = partly(out, p.Bytes, size, f.Registers().Set.Arch.BigEndian)
	case symbols.Implicit:
		if size < 0 || size > maxValue {
			size = int64(f.Registers().Set.Arch.PtrSize)
		}
		out.Bytes, out.Missing = make([]byte, size), slices.Repeat([]byte{0xff}, int(size))
		out.Pointees = []Pointee{{Size: size, target: *p.Target, shift: p.Shift, frame: f, pc: pc}}
	default:
		out.Err = &symbols.UnavailableError{Reason: "optimised away"}
	}
	return out
}

// partly gives out the bytes b; those of the value that b does not reach are lost.
func partly(out Value, b []byte, size int64, big bool) Value {
	out.Bytes = lowOrder(b, size, big)
	if short := len(out.Bytes) - len(b); short > 0 {
		out.Missing = make([]byte, len(out.Bytes))
		at := len(b)
		if big {
			at = 0
		}
		fill(out.Missing, 8*at, 8*short, big)
	}
	return out
}

// lowOrder returns a copy of the low-order size bytes of b, zero-extended.
func lowOrder(b []byte, size int64, big bool) []byte {
	if size < 0 || size > maxValue {
		size = int64(len(b))
	}
	out := make([]byte, size)
	if !big {
		copy(out, b)
		return out
	}
	if len(b) > len(out) {
		b = b[len(b)-len(out):]
	}
	copy(out[len(out)-len(b):], b)
	return out
}

// assemble joins pieces, lowest-addressed first, into an rvalue. What a piece
// does not tell is missing, bit by bit.
func assemble(ctx context.Context, f symbols.Frame, out Value, pieces []symbols.Piece, size int64, pc symbols.Offset) (Value, error) {
	if size < 0 || size > maxValue {
		out.Err = &symbols.UnavailableError{Reason: "the size of the value is not known"}
		return out, nil
	}
	out.Bytes, out.Missing = make([]byte, size), make([]byte, size)
	big := f.Registers().Set.Arch.BigEndian
	bit, lost, all := 0, 0, int(size)*8
	for _, p := range pieces {
		n := all - bit
		if p.BitSize > 0 {
			n = min(n, p.BitSize)
		}
		if n <= 0 {
			break
		}
		src, from, err := pieceBits(ctx, f, p, n)
		if err != nil && retry(err) {
			return Value{}, err
		}
		switch {
		case p.Kind == symbols.Implicit && bit%8 == 0 && n%8 == 0:
			out.Pointees = append(out.Pointees, Pointee{Off: int64(bit / 8), Size: int64(n / 8), target: *p.Target, shift: p.Shift, frame: f, pc: pc})
			fill(out.Missing, bit, n, big)
		case err != nil || src == nil:
			fill(out.Missing, bit, n, big)
			lost += n
		default:
			copyBits(out.Bytes, bit, src, from, n, big)
		}
		bit += n
	}
	fill(out.Missing, bit, all-bit, big)
	lost += all - bit
	switch {
	case lost == 0 && out.Pointees == nil:
		out.Missing = nil
	case lost == all && all > 0:
		out.Err, out.Bytes, out.Missing = &symbols.UnavailableError{Reason: "optimised away"}, nil, nil
	}
	return out, nil
}

// pieceBits returns bytes that hold n bits of a piece, and where in them the
// bits begin in the order of copyBits; nil when they are lost.
func pieceBits(ctx context.Context, f symbols.Frame, p symbols.Piece, n int) ([]byte, int, error) {
	need := (p.BitOffset + n + 7) / 8
	switch p.Kind {
	case symbols.InMemory:
		b := make([]byte, need)
		return b, p.BitOffset, readMemory(ctx, f.Memory(), p.Addr, b)
	case symbols.InRegister:
		b, ok := f.Registers().Bytes(p.Register)
		if !ok || len(b) < need {
			return nil, 0, nil
		}
		if f.Registers().Set.Arch.BigEndian { // the low-order bits are the last
			return b, 8*len(b) - p.BitOffset - n, nil
		}
		return b, p.BitOffset, nil
	case symbols.Literal:
		if len(p.Bytes) < need {
			return nil, 0, nil
		}
		return p.Bytes, p.BitOffset, nil
	}
	return nil, 0, nil
}

// fill sets n bits from bit on.
func fill(m []byte, bit, n int, big bool) {
	for i := bit; i < bit+n && i < 8*len(m); i++ {
		m[i/8] |= mask(i, big)
	}
}

// mask is bit i of its byte: counted from the least significant one, or on
// big-endian machines from the most significant one.
func mask(i int, big bool) byte {
	if big {
		return 0x80 >> (i % 8)
	}
	return 1 << (i % 8)
}

// copyBits copies n bits in the order of mask.
func copyBits(dst []byte, to int, src []byte, from, n int, big bool) {
	if to%8 == 0 && from%8 == 0 && n%8 == 0 {
		copy(dst[to/8:to/8+n/8], src[from/8:])
		return
	}
	for i := range n {
		if src[(from+i)/8]&mask(from+i, big) != 0 {
			dst[(to+i)/8] |= mask(to+i, big)
		}
	}
}

// Indirect is what the pointer or reference v refers to.
func Indirect(ctx context.Context, env Env, v Value) (Value, error) {
	if to, ok, err := follow(ctx, env, v, 0); ok {
		return to, err
	}
	if !v.Type.IsPointer() {
		return Value{}, &TypeError{v.Type, "is not a pointer"}
	}
	b, err := Fetch(ctx, env, v)
	if err != nil {
		return Value{}, err
	}
	n, err := decode(strip(v.Type), b, 0, env.Arch())
	return Value{Type: elem(strip(v.Type)), Place: InMemory, Addr: arch.Addr(n.lo)}, err
}
