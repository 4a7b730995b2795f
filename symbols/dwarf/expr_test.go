package dwarf

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

func lit(v uint64) []symbols.Piece {
	return []symbols.Piece{{Kind: symbols.Literal, Bytes: intBytes(v, 8, false)}}
}

func at(a arch.Addr) []symbols.Piece { return []symbols.Piece{{Kind: symbols.InMemory, Addr: a}} }

// exprCases: rbx is 0x1234, rsp is unknown, the image is at 0x10000, the CFA is
// 0x7fff0000, memory at a holds the bytes a, a+1 ...
var exprCases = []struct {
	name string
	expr []byte
	want []symbols.Piece // nil: unavailable
}{
	{"addr is relocated", []byte{opAddr, 0x10, 0x20, 0, 0, 0, 0, 0, 0}, at(0x12010)},
	{"breg", []byte{opBreg0 + 3, 0x10}, at(0x1244)},
	{"breg negative", []byte{opBreg0 + 3, 0x7c}, at(0x1230)},
	{"bregx", []byte{opBregx, 3, 0x01}, at(0x1235)},
	{"register", []byte{opReg0 + 3}, []symbols.Piece{{Kind: symbols.InRegister, Register: 1}}},
	{"unknown register", []byte{opBreg0 + 7, 0}, nil},
	{"no such register", []byte{opRegx, 0xc8, 0x01}, nil},
	{"cfa", []byte{opCallFrameCFA, opPlusUconst, 8}, at(0x7fff0008)},
	{"tls", []byte{opConst1u, 0x10, opGNUPushTLS}, at(0x5010)},
	{"stack value", []byte{opLit0 + 5, opLit0 + 7, opMul, opStackValue}, lit(35)},
	{"signed division", []byte{opConst1s, 0xf9, opLit0 + 2, opDiv, opStackValue}, lit(^uint64(2))},
	{"unsigned modulo", []byte{opLit0 + 17, opLit0 + 5, opMod, opStackValue}, lit(2)},
	{"division by zero", []byte{opLit0 + 1, opLit0, opDiv, opStackValue}, nil},
	{"least over -1", []byte{opConst8u, 0, 0, 0, 0, 0, 0, 0, 0x80, opConst1s, 0xff, opDiv, opStackValue}, lit(1 << 63)},
	{"shift out", []byte{opLit0 + 1, opConst1u, 64, opShl, opStackValue}, lit(0)},
	{"shift arithmetic", []byte{opConst1s, 0x80, opLit0 + 3, opShra, opStackValue}, lit(^uint64(15))},
	{"swap minus", []byte{opLit0 + 3, opLit0 + 10, opSwap, opMinus, opStackValue}, lit(7)},
	{"rot", []byte{opLit0 + 1, opLit0 + 2, opLit0 + 3, opRot, opMinus, opStackValue}, lit(^uint64(0))},
	{"over pick drop", []byte{opLit0 + 1, opLit0 + 2, opOver, opPick, 2, opDrop, opPlus, opStackValue}, lit(3)},
	{"compare", []byte{opConst1s, 0xff, opLit0, opLt, opStackValue}, lit(1)},
	{"branch", []byte{opLit0 + 1, opBra, 1, 0, opLit0 + 9, opLit0 + 4, opStackValue}, lit(4)},
	{"endless", []byte{opSkip, 0xfd, 0xff}, nil},
	{"jump outside", []byte{opSkip, 0x10, 0}, nil},
	{"deref", []byte{opConst1u, 0x20, opDeref, opStackValue}, lit(0x2726252423222120)},
	{"deref size", []byte{opConst1u, 0x20, opDerefSize, 2, opStackValue}, lit(0x2120)},
	{"deref size zero", []byte{opConst1u, 0x20, opDerefSize, 0, opStackValue}, nil},
	{"implicit value", []byte{opImplicitValue, 2, 7, 8}, []symbols.Piece{{Kind: symbols.Literal, Bytes: []byte{7, 8}}}},
	{"implicit pointer", []byte{opImplicitPointer, 1, 0, 0, 0, 0}, nil},
	{"empty", nil, nil},
	{"empty stack", []byte{opPlus}, nil},
	{"cut short", []byte{opAddr, 1, 2}, nil},
	{"unknown operation", []byte{0xef}, nil},
	{"pieces", []byte{opReg0 + 3, opPiece, 8, opPiece, 4, opLit0 + 1, opStackValue, opPiece, 4, opBreg0 + 3, 0, opBitPiece, 3, 5}, []symbols.Piece{
		{Kind: symbols.InRegister, Register: 1, BitSize: 64},
		{Kind: symbols.Lost, BitSize: 32},
		{Kind: symbols.Literal, Bytes: intBytes(1, 4, false), BitSize: 32},
		{Kind: symbols.InMemory, Addr: 0x1234, BitSize: 3, BitOffset: 5},
	}},
	{"entry value without caller", []byte{opEntryValue, 1, opReg0 + 3, opStackValue}, nil},
}

func TestExpressions(t *testing.T) {
	for _, c := range exprCases {
		frame := &fakeFrame{regs: arch.NewRegisters(arch.AMD64.DefaultSet())}
		frame.regs.PutName("rbx", 0x1234)
		got, err := newLocation(exprUnit(), value{form: formExprloc, b: c.expr}, nil).Pieces(context.Background(), frame, 0)
		var u *symbols.UnavailableError
		switch {
		case c.want == nil && !errors.As(err, &u):
			t.Errorf("%s: %+v, %v; want it unavailable", c.name, got, err)
		case c.want != nil && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want != nil && !cmp.Equal(got, c.want):
			t.Errorf("%s: %s", c.name, cmp.Diff(c.want, got))
		}
	}
}

func TestNeedErrorPasses(t *testing.T) {
	frame := &fakeFrame{regs: arch.NewRegisters(arch.AMD64.DefaultSet()), need: true}
	_, err := newLocation(exprUnit(), value{form: formExprloc, b: []byte{opConst1u, 0x20, opDeref}}, nil).Pieces(context.Background(), frame, 0)
	var need *symbols.NeedError
	if !errors.As(err, &need) || need.Addr != 0x20 || need.Size != 8 {
		t.Errorf("got %v", err)
	}
}
