package dwarf

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// Base types of typedUnit, as offsets from the unit's start.
var typedTypes = []struct {
	name string
	size byte
	enc  byte
}{
	{"i8", 1, 5}, {"u8", 1, 7}, {"i32", 4, 5}, {"u32", 4, 7}, {"i64", 8, 5}, {"u64", 8, 7}, {"i128", 16, 5}, {"u128", 16, 7},
	{"float", 4, 4}, {"double", 8, 4}, {"x87", 16, 4}, {"float128", 16, 4}, {"vector", 32, 7}, {"half", 2, 4},
}

// typedUnit is a DWARF 5 unit with typedTypes, and a variable whose location is
// DW_OP_lit7, DW_OP_stack_value, one without, and one with a constant; where
// each of them is.
func typedUnit(t testing.TB) (*unit, map[string]uint64) {
	abbrev := []byte{
		1, 0x11, 1, 0, 0, // compile_unit with children
		2, 0x24, 0, 0x03, 0x08, 0x0b, 0x0b, 0x3e, 0x0b, 0, 0, // base_type: name, byte_size, encoding
		3, 0x34, 0, 0x03, 0x08, 0x02, 0x18, 0, 0, // variable: name, location
		4, 0x34, 0, 0x03, 0x08, 0, 0, // variable: name
		0}
	at := map[string]uint64{}
	info := []byte{0, 0, 0, 0, 5, 0, 1, 8, 0, 0, 0, 0, 1}
	entry := func(name string, code byte, rest ...byte) {
		at[name] = uint64(len(info))
		info = append(append(append(info, code), name...), 0)
		info = append(info, rest...)
	}
	for _, x := range typedTypes {
		entry(x.name, 2, x.size, x.enc)
	}
	entry("seven", 3, 2, opLit0+7, opStackValue)
	entry("lost", 4)
	entry("memory", 3, 2, opConst1u, 0x20)
	entry("endless", 3, 3, opCall2, 0, 0)
	binary.LittleEndian.PutUint16(info[len(info)-2:], uint16(at["endless"]))
	info = append(info, 0)
	binary.LittleEndian.PutUint32(info, uint32(len(info)-4))
	m := map[string][]byte{".debug_info": info, ".debug_abbrev": abbrev,
		".debug_addr": {12, 0, 0, 0, 5, 0, 8, 0, 0x10, 0x20, 0, 0, 0, 0, 0, 0}}
	d := New(Options{Section: func(n string) []byte { return m[n] }})
	d.allUnits()
	us := d.units
	if len(us) != 1 {
		t.Fatalf("%d units", len(us))
	}
	us[0].load()
	us[0].root.addrBase = 8
	return us[0], at
}

func typed(v any) []symbols.Piece {
	b, _ := binary.Append(nil, binary.LittleEndian, v)
	return []symbols.Piece{{Kind: symbols.Literal, Bytes: b}}
}

func u128(lo, hi uint64) []symbols.Piece { return typed([2]uint64{lo, hi}) }

// x87 is the 16 bytes of a long double of amd64.
func x87(mant uint64, exp uint16) []symbols.Piece {
	b := binary.LittleEndian.AppendUint64(nil, mant)
	return []symbols.Piece{{Kind: symbols.Literal, Bytes: append(binary.LittleEndian.AppendUint16(b, exp), make([]byte, 6)...)}}
}

// TestTypedOperations: each operation on typed values, with the semantics of
// DWARF 5, 2.5. In the expressions T(name) stands for the offset of a type or variable.
func TestTypedOperations(t *testing.T) {
	u, at := typedUnit(t)
	T := func(name string) byte { // all lie below 128
		if at[name] == 0 || at[name] > 1<<14 {
			t.Fatal(name)
		}
		return byte(at[name])
	}
	join := func(parts ...any) []byte {
		var out []byte
		for _, p := range parts {
			switch p := p.(type) {
			case int:
				out = append(out, byte(p))
			case byte:
				out = append(out, p)
			case string:
				out = binary.AppendUvarint(out, at[p])
			case []byte:
				out = append(out, p...)
			}
		}
		return out
	}
	num := func(typ string, v any) []byte {
		b, _ := binary.Append(nil, binary.LittleEndian, v)
		return join(opConstType, typ, len(b), b)
	}
	two := func(typ string, a, b any, op int) []byte {
		return join(num(typ, a), num(typ, b), op, opStackValue)
	}
	_ = T
	cases := []struct {
		name string
		expr []byte
		want []symbols.Piece // nil: unavailable
	}{
		{"const_type", join(num("i32", int32(-5)), opStackValue), typed(int32(-5))},
		{"const_type of another size", join(opConstType, "i32", 2, 1, 2, opStackValue), nil},
		{"signed division", two("i32", int32(-7), int32(2), opDiv), typed(int32(-3))},
		{"unsigned division", two("u32", uint32(1<<32-7), uint32(2), opDiv), typed(uint32((1<<32 - 7) / 2))},
		{"signed modulo", two("i32", int32(-7), int32(2), opMod), typed(int32(-1))},
		{"wrap", two("u8", uint8(200), uint8(100), opPlus), typed(uint8(44))},
		{"minus wraps", two("u8", uint8(1), uint8(2), opMinus), typed(uint8(255))},
		{"mul", two("i8", int8(-3), int8(50), opMul), typed(int8(106))},
		{"and or xor", join(num("u8", uint8(0xf0)), num("u8", uint8(0x3c)), opAnd, num("u8", uint8(1)), opOr, num("u8", uint8(0xff)), opXor, opStackValue), typed(uint8(0xce))},
		{"not", join(num("u8", uint8(0x0f)), opNot, opStackValue), typed(uint8(0xf0))},
		{"neg", join(num("i32", int32(5)), opNeg, opStackValue), typed(int32(-5))},
		{"abs", join(num("i32", int32(-5)), opAbs, opStackValue), typed(int32(5))},
		{"shl", two("u32", uint32(1), uint32(31), opShl), typed(uint32(1 << 31))},
		{"shl out", two("u32", uint32(1), uint32(32), opShl), typed(uint32(0))},
		{"shr of signed is logical", two("i32", int32(-8), int32(1), opShr), typed(int32(0x7ffffffc))},
		{"shra", two("i32", int32(-8), int32(1), opShra), typed(int32(-4))},
		{"plus_uconst", join(num("u8", uint8(250)), opPlusUconst, 10, opStackValue), typed(uint8(4))},
		{"signed less", two("i32", int32(-1), int32(1), opLt), typed(uint64(1))},
		{"unsigned less", two("u32", uint32(1<<32-1), uint32(1), opLt), typed(uint64(0))},
		{"128: plus", two("u128", [2]uint64{1<<64 - 1, 0}, [2]uint64{1, 0}, opPlus), u128(0, 1)},
		{"128: minus", two("i128", [2]uint64{0, 0}, [2]uint64{1, 0}, opMinus), u128(1<<64-1, 1<<64-1)},
		{"128: mul", two("u128", [2]uint64{1 << 63, 0}, [2]uint64{6, 0}, opMul), u128(0, 3)},
		{"128: div", two("i128", [2]uint64{0, 1 << 63}, [2]uint64{2, 0}, opDiv), u128(0, 3<<62)},
		{"128: shr", two("u128", [2]uint64{0, 5}, [2]uint64{64, 0}, opShr), u128(5, 0)},
		{"128: less", two("i128", [2]uint64{0, 1 << 63}, [2]uint64{0, 0}, opLt), typed(uint64(1))},
		{"convert widens signed", join(num("i8", int8(-2)), opConvert, "i128", opStackValue), u128(1<<64-2, 1<<64-1)},
		{"convert widens unsigned", join(num("u8", uint8(254)), opConvert, "i64", opStackValue), typed(int64(254))},
		{"convert narrows", join(num("u128", [2]uint64{0x1234, 9}), opConvert, "u8", opStackValue), typed(uint8(0x34))},
		{"convert to generic", join(num("i8", int8(-2)), opConvert, 0, opStackValue), typed(int64(-2))},
		{"integer to double", join(num("i32", int32(-3)), opConvert, "double", opStackValue), typed(-3.0)},
		{"double to integer", join(num("double", -3.75), opConvert, "i32", opStackValue), typed(int32(-3))},
		{"double to u64", join(num("double", 18446744073709549568.0), opConvert, "u64", opStackValue), typed(uint64(18446744073709549568))},
		{"double to float", join(num("double", 0.1), opConvert, "float", opStackValue), typed(float32(0.1))},
		{"float to double", join(num("float", float32(1.5)), opConvert, "double", opStackValue), typed(1.5)},
		{"double to x87", join(num("double", -2.5), opConvert, "x87", opStackValue), x87(0xa<<60, 0xc000)},
		{"least double to x87", join(num("double", 5e-324), opConvert, "x87", opStackValue), x87(1<<63, 16383-1074)},
		{"double to binary128", join(num("double", 1.5), opConvert, "float128", opStackValue), u128(0, 0x3fff800000000000)},
		{"binary128 to double", join(opConstType, "float128", 16, make([]byte, 14), 0x00, 0xc0, opConvert, "double", opStackValue), typed(-2.0)},
		{"half to float", join(opConstType, "half", 2, 0x00, 0x3e, opConvert, "float", opStackValue), typed(float32(1.5))},
		{"float to half", join(num("float", float32(-0.1)), opConvert, "half", opStackValue), typed(uint16(0xae66))},
		{"not a number", join(num("double", math.NaN()), num("double", 1.0), opPlus, opStackValue), nil},
		{"infinity to integer", join(num("double", math.Inf(1)), opConvert, "i32", opStackValue), nil},
		{"double plus", two("double", 0.1, 0.2, opPlus), typed(0.1 + float64(0.2))},
		{"float mul", two("float", float32(0.1), float32(0.3), opMul), typed(float32(0.1) * float32(0.3))},
		{"double div", two("double", 1.0, 3.0, opDiv), typed(1.0 / float64(3))},
		{"double by zero", two("double", 1.0, 0.0, opDiv), typed(math.Inf(1))},
		{"double minus", two("double", 1.0, 3.5, opMinus), typed(-2.5)},
		{"double less", two("double", -1.0, 0.5, opLt), typed(uint64(1))},
		{"double neg abs", join(num("double", 2.0), opNeg, opAbs, opStackValue), typed(2.0)},
		{"double and", two("double", 1.0, 2.0, opAnd), nil},
		{"double not", join(num("double", 2.0), opNot, opStackValue), nil},
		{"integer and double", join(num("double", 2.0), opLit0+1, opPlus, opStackValue), nil},
		{"reinterpret", join(num("double", 1.0), opReinterpret, "u64", opStackValue), typed(uint64(0x3ff0000000000000))},
		{"reinterpret of another size", join(num("double", 1.0), opReinterpret, "u32", opStackValue), nil},
		{"reinterpret 128", join(num("x87", [2]uint64{7, 9}), opReinterpret, "u128", opStackValue), u128(7, 9)},
		{"regval_type", join(opRegvalType, 3, "u32", opStackValue), typed(uint32(0x1234))},
		{"regval_type of a vector register", join(opGNURegvalType, 17, "double", opStackValue), typed(2.5)},
		{"regval_type whole vector register", join(opRegvalType, 17, "u128", opStackValue), u128(math.Float64bits(2.5), 77)},
		{"regval_type too large", join(opRegvalType, 3, "u128", opStackValue), nil},
		{"deref_type", join(opConst1u, 0x20, opDerefType, 2, "i32", opStackValue), typed(int32(0x2120))},
		{"deref_type 16", join(opConst1u, 0x20, opGNUDerefType, 16, "u128", opStackValue), u128(0x2726252423222120, 0x2f2e2d2c2b2a2928)},
		{"deref_type of a vector", join(opConst1u, 0x20, opDerefType, 32, "vector", opStackValue), typed(ramp(0x20, 32))},
		{"arithmetic on a vector", join(opConst1u, 0x20, opDerefType, 32, "vector", opNeg, opStackValue), nil},
		{"deref_type larger than its type", join(opConst1u, 0x20, opDerefType, 8, "i32", opStackValue), nil},
		{"xderef", join(opLit0, opConst1u, 0x20, opXderef, opStackValue), lit(0x2726252423222120)},
		{"xderef of another space", join(opLit0+1, opConst1u, 0x20, opXderef, opStackValue), nil},
		{"xderef_size", join(opLit0, opConst1u, 0x20, opXderefSize, 1, opStackValue), lit(0x20)},
		{"xderef_type", join(opLit0, opConst1u, 0x20, opXderefType, 1, "u8", opStackValue), typed(uint8(0x20))},
		{"addrx", join(opAddrx, 0), at64(0x12010)},
		{"addrx outside", join(opAddrx, 9), nil},
		{"constx", join(opConstx, 0, opStackValue), lit(0x2010)},
		{"GNU_addr_index", join(opGNUAddrIndex, 0), at64(0x12010)},
		{"GNU_const_index", join(opGNUConstIndex, 0, opStackValue), lit(0x2010)},
		{"call2", join(opCall2, le16(at["seven"])), lit(7)},
		{"call4", join(opCall4, le16(at["memory"]), 0, 0), at64(0x20)},
		{"call_ref", join(opCallRef, le16(at["seven"]), 0, 0), lit(7)},
		{"call of what has no location", join(opLit0+9, opCall2, le16(at["lost"]), opStackValue), lit(9)},
		{"call of nothing", join(opCall2, 0xff, 0x7f), nil},
		{"call of itself", join(opCall2, le16(at["endless"])), nil},
		{"GNU_variable_value", join(opGNUVariableValue, le16(at["seven"]), 0, 0, opStackValue), lit(7)},
		{"GNU_variable_value of what is lost", join(opGNUVariableValue, le16(at["lost"]), 0, 0, opStackValue), nil},
		{"GNU_uninit", join(opReg0+3, opGNUUninit), []symbols.Piece{{Kind: symbols.InRegister, Register: 1}}},
		{"GNU_encoded_addr", join(opGNUEncodedAddr, 0), nil},
		{"push_object_address without object", join(opPushObject), nil},
		{"form_tls_address", join(opConst1u, 8, opFormTLS), at64(0x5008)},
		{"fbreg without function", join(opFbreg, 8), nil},
		{"parameter_ref without caller", join(opGNUParameterRef, 1, 0, 0, 0, opStackValue), nil},
		{"skip", join(opLit0+3, opSkip, 1, 0, opLit0+9, opStackValue), lit(3)},
		{"bra not taken", join(opLit0+3, opLit0, opBra, 1, 0, opDup, opPlus, opStackValue), lit(6)},
		{"a failing piece is lost alone", join(opBreg0+7, 0, opPiece, 4, opLit0+1, opStackValue, opPiece, 4), []symbols.Piece{
			{Kind: symbols.Lost, BitSize: 32}, {Kind: symbols.Literal, Bytes: intBytes(1, 4, false), BitSize: 32}}},
		{"bits of a computed value", join(opConst1u, 0xb6, opStackValue, opBitPiece, 3, 4), []symbols.Piece{
			{Kind: symbols.Literal, Bytes: []byte{0x0b}, BitSize: 3}}},
	}
	for _, c := range cases {
		got, err := newLocation(u, value{form: formExprloc, b: c.expr}, nil).Pieces(context.Background(), opFrame(), 0)
		var lost *symbols.UnavailableError
		switch {
		case c.want == nil && !errors.As(err, &lost):
			t.Errorf("%s: %+v, %v; want it unavailable", c.name, got, err)
		case c.want != nil && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want != nil && !cmp.Equal(got, c.want):
			t.Errorf("%s: %s", c.name, cmp.Diff(c.want, got))
		}
	}
}

func at64(a arch.Addr) []symbols.Piece { return at(a) }

func le16(v uint64) []byte { return binary.LittleEndian.AppendUint16(nil, uint16(v)) }

// ramp is what memory at a holds.
func ramp(a byte, n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = a + byte(i)
	}
	return out
}

// opFrame is the frame of exprCases with a value in xmm0.
func opFrame() *fakeFrame {
	f := &fakeFrame{regs: arch.NewRegisters(arch.AMD64.DefaultSet())}
	f.regs.PutName("rbx", 0x1234)
	if i, ok := f.regs.Set.Index("xmm0"); ok {
		b := binary.LittleEndian.AppendUint64(nil, math.Float64bits(2.5))
		f.regs.SetBytes(i, binary.LittleEndian.AppendUint64(b, 77))
	}
	return f
}

// TestOperandTable: the table of operands knows every operation that exec knows.
func TestOperandTable(t *testing.T) {
	u, _ := typedUnit(t)
	for op := range 256 {
		m := newMachine(context.Background(), opFrame(), u, nil)
		m.stack = []operand{{}, {}, {bits: 0x20}}
		b := buf{d: make([]byte, 64)}
		err := m.exec(&b, uint8(op))
		known := err == nil || err.Error() != unavailable(unknownOperation(uint8(op))).Error()
		s := buf{d: make([]byte, 64)}
		if skipped := m.skip(&s, uint8(op)); skipped != known && op != opGNUEncodedAddr {
			t.Errorf("operation %#x: known %v (%v), its operands %v", op, known, err, skipped)
		} else if err == nil && op != opBra && op != opSkip && s.off != b.off {
			t.Errorf("operation %#x: %d bytes of operands, the table has %d", op, b.off, s.off)
		}
	}
}

// FuzzExpression runs arbitrary expressions in units of each kind: a result or
// *symbols.UnavailableError, soon.
func FuzzExpression(f *testing.F) {
	for _, c := range exprCases {
		f.Add(c.expr, uint8(8), false)
	}
	f.Add([]byte{opBreg0 + 3, 0, opConvert, 20, opStackValue, opPiece, 8, opGNUUninit, opPiece, 3}, uint8(4), true)
	f.Fuzz(func(t *testing.T, expr []byte, size uint8, big bool) {
		u, _ := typedUnit(t)
		u.data.opt.BigEndian = big
		u.addrSize = []uint8{2, 4, 8}[size%3]
		_, err := newLocation(u, value{form: formExprloc, b: expr}, nil).Pieces(context.Background(), opFrame(), 0)
		var lost *symbols.UnavailableError
		if err != nil && !errors.As(err, &lost) {
			t.Errorf("%v", err)
		}
	})
}
