package windbg

import (
	"bytes"
	"context"
	"encoding/binary"
	"iter"
	"slices"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// This file is the image of the stage: its names, lines, variables and types.

const (
	imageBase  = 0x555555554000
	stackBase  = 0x7fffffffe000
	submit     = imageBase + 0x1229
	body       = submit + 4
	mainReturn = imageBase + 0x12a1
	nameText   = imageBase + 0x2004
	orderPlace = stackBase + 0x300
	counter    = imageBase + 0x4020
)

// submitCode is Submit as a compiler writes it.
var submitCode = []byte{
	0xf3, 0x0f, 0x1e, 0xfa, // endbr64
	0x8b, 0x45, 0xec, // mov eax,[rbp-14h]
	0x85, 0xc0, // test eax,eax
	0x74, 0x05, // je +5
	0xe8, 0xc1, 0xfd, 0xff, 0xff, // call
	0xc9, // leave
	0xc3, // ret
}

var (
	intType    = &symbols.Type{Kind: symbols.Base, Name: "int", Size: 4}
	uintType   = &symbols.Type{Kind: symbols.Base, Name: "unsigned int", Size: 4, Encoding: symbols.Unsigned}
	charType   = &symbols.Type{Kind: symbols.Base, Name: "char", Size: 1, Encoding: symbols.SignedChar}
	charPtr    = &symbols.Type{Kind: symbols.Pointer, Size: 8, Elem: charType}
	listType   = &symbols.Type{Kind: symbols.Struct, Name: "list_head", Size: 16}
	tagType    = &symbols.Type{Kind: symbols.Array, Elem: charType, Count: 4, Size: 4}
	orderType  = &symbols.Type{Kind: symbols.Struct, Name: "Order", Size: 40, Load: orderMembers}
	orderPtr   = &symbols.Type{Kind: symbols.Pointer, Size: 8, Elem: orderType}
	submitType = &symbols.Type{Kind: symbols.Func, Elem: intType, Load: func() *symbols.Members {
		return &symbols.Members{Params: []symbols.Param{{Name: "qty", Type: intType}, {Name: "name", Type: charPtr}}}
	}}
)

func init() { listType.Load = listMembers }

func listMembers() *symbols.Members {
	next := &symbols.Type{Kind: symbols.Pointer, Size: 8, Elem: listType}
	return &symbols.Members{Fields: []symbols.Field{{Name: "Flink", Type: next}, {Name: "Blink", Type: next, Offset: 8}}}
}

func orderMembers() *symbols.Members {
	return &symbols.Members{Fields: []symbols.Field{
		{Name: "Id", Type: intType},
		{Name: "Flags", Type: uintType, Offset: 4},
		{Name: "Name", Type: charPtr, Offset: 8},
		{Name: "Link", Type: listType, Offset: 16},
		{Name: "Tag", Type: tagType, Offset: 32},
		{Name: "Urgent", Type: uintType, Offset: 36, BitSize: 1},
	}}
}

// image is the names of orders.
type image struct{}

var imageSymbols = []symbols.Symbol{
	{Name: "_putchar", Offset: 0x1000, Size: 16, Public: true},
	{Name: "_start", Offset: 0x1140, Size: 38, Public: true},
	{Name: "Submit", Offset: 0x1229, Size: uint64(len(submitCode))},
	{Name: "main", Offset: 0x1275, Size: 0x40},
	{Name: "GetPrice", Offset: 0x1410, Size: 0x2c, Params: "int"},
	{Name: "GetQty", Offset: 0x1480, Size: 0x10, Params: "void"},
	{Name: "g_count", Kind: symbols.Data, Offset: counter - imageBase, Size: 4},
}

func (image) Key() symbols.Key {
	return symbols.Key{Path: "/usr/local/bin/orders", BuildID: []byte{0x7c, 0x1e, 0x55}}
}
func (image) Arch() *arch.Arch         { return arch.AMD64 }
func (image) Path() string             { return "/home/bob/orders" }
func (image) Debug() symbols.DebugKind { return symbols.DWARF }
func (image) Size() uint64             { return 0x52c0 }
func (image) LinkBase() uint64         { return 0 }
func (image) Entry() symbols.Offset    { return 0x1140 }
func (image) Close() error             { return nil }

func (image) At(off symbols.Offset) (symbols.Symbol, bool) {
	for _, s := range slices.Backward(imageSymbols) {
		if s.Offset <= off {
			return s, true
		}
	}
	return symbols.Symbol{}, false
}

func (image) Next(off symbols.Offset) (symbols.Symbol, bool) {
	for _, s := range imageSymbols {
		if s.Offset > off {
			return s, true
		}
	}
	return symbols.Symbol{}, false
}

func (image) Lookup(pattern string) iter.Seq[symbols.Symbol] {
	p := symbols.CompilePattern(pattern, true)
	return func(yield func(symbols.Symbol) bool) {
		for _, s := range imageSymbols {
			if p.Match(s.Name) && !yield(s) {
				return
			}
		}
	}
}

func (image) ReadStatic(off symbols.Offset, p []byte) bool { return false }

var imageLines = []symbols.Line{
	{File: "/src/orders.c", Line: 40, Start: 0x1229, End: 0x122d, Stmt: true},
	{File: "/src/orders.c", Line: 41, Start: 0x122d, End: 0x1230, Stmt: true},
	{File: "/src/orders.c", Line: 42, Start: 0x1230, End: 0x123b, Stmt: true},
	{File: "/src/main.c", Line: 10, Start: 0x1275, End: 0x12a0, Stmt: true},
	{File: "/src/main.c", Line: 12, Start: 0x12a0, End: 0x12b5, Stmt: true},
}

func (image) Line(off symbols.Offset) (symbols.Line, bool) {
	for _, l := range imageLines {
		if l.Start <= off && off < l.End {
			return l, true
		}
	}
	return symbols.Line{}, false
}

func (image) Places(file string, line int) []symbols.Place {
	for _, l := range imageLines {
		if l.Line >= line && bytes.HasSuffix([]byte(l.File), []byte(file)) {
			return []symbols.Place{{Offset: l.Start, Line: l, Function: "Submit"}}
		}
	}
	return nil
}

func (image) Lines(lo, hi symbols.Offset) []symbols.Line {
	return slices.DeleteFunc(slices.Clone(imageLines), func(l symbols.Line) bool { return l.End <= lo || l.Start >= hi })
}

func (i image) Body(off symbols.Offset) (symbols.Place, bool) {
	l, ok := i.Line(off)
	return symbols.Place{Offset: l.End, Line: l}, ok
}

func (image) Files() iter.Seq[string] { return slices.Values([]string{"/src/orders.c", "/src/main.c"}) }

func (image) Type(name string) (*symbols.Type, bool) {
	switch name {
	case "Order":
		return orderType, true
	case "list_head":
		return listType, true
	}
	return nil, false
}

func (image) Types(pattern string) iter.Seq[string] {
	p := symbols.CompilePattern(pattern, true)
	return func(yield func(string) bool) {
		for _, n := range []string{"Order", "OrderKind", "list_head"} {
			if p.Match(n) && !yield(n) {
				return
			}
		}
	}
}

func (image) Global(name string) (symbols.Variable, bool) {
	if name != "g_count" {
		return symbols.Variable{}, false
	}
	return symbols.Variable{Name: name, Type: intType, Static: true, Location: at(counter)}, true
}

func (i image) GlobalAt(off symbols.Offset) (symbols.Variable, bool) {
	if off < counter-imageBase || off >= counter-imageBase+4 {
		return symbols.Variable{}, false
	}
	return i.Global("g_count")
}

func (image) Function(off symbols.Offset) (*symbols.Type, bool) {
	return submitType, off == submit-imageBase
}

// at is a location at a fixed address.
type at arch.Addr

func (a at) Pieces(context.Context, symbols.Frame, symbols.Offset) ([]symbols.Piece, error) {
	return []symbols.Piece{{Kind: symbols.InMemory, Addr: arch.Addr(a)}}, nil
}

// lost is a location that nothing is known of.
type lost struct{}

func (lost) Pieces(context.Context, symbols.Frame, symbols.Offset) ([]symbols.Piece, error) {
	return nil, &symbols.UnavailableError{Reason: "optimised away"}
}

func (image) Scopes(off symbols.Offset) ([]symbols.Scope, error) {
	if off < 0x1229 || off >= 0x1229+symbols.Offset(len(submitCode)) {
		if off < 0x1275 || off >= 0x12b5 {
			return nil, nil
		}
		return []symbols.Scope{{Name: "main", Low: 0x1275, High: 0x12b5}}, nil
	}
	return []symbols.Scope{{Name: "Submit", Low: 0x1229, High: 0x1229 + symbols.Offset(len(submitCode)), Return: intType, Variables: []symbols.Variable{
		{Name: "qty", Type: intType, Param: true, Location: at(stackBase + 0xbc)},
		{Name: "name", Type: charPtr, Param: true, Location: at(stackBase + 0xb0)},
		{Name: "order", Type: orderPtr, Location: at(stackBase + 0xc0)},
		{Name: "tmp", Type: intType, Location: lost{}},
	}}}, nil
}

// Unwind knows Submit, whose return address lies at the stack pointer + 0x28, and main,
// which nobody called.
func (image) Unwind(ctx context.Context, base arch.Addr, callee *arch.Registers, mem symbols.Memory) (*arch.Registers, arch.Addr, error) {
	off := callee.PC() - base
	if off < 0x1229 || off >= 0x1229+arch.Addr(len(submitCode)) {
		if off >= 0x1275 && off < 0x12b5 {
			return nil, callee.SP() + 0x30, symbols.ErrOutermost
		}
		return nil, 0, symbols.ErrNoUnwind
	}
	var p [8]byte
	if _, err := mem.ReadMemory(ctx, callee.SP()+0x28, p[:]); err != nil {
		return nil, 0, err
	}
	r := callee.Clone()
	r.Interrupted = false
	r.SetPC(arch.Addr(binary.LittleEndian.Uint64(p[:])))
	r.SetSP(callee.SP() + 0x30)
	return r, callee.SP() + 0x30, nil
}

// stageStore finds the image of orders alone.
type stageStore struct{}

func (stageStore) Find(_ context.Context, key symbols.Key) (symbols.Image, error) {
	if key.Name == "orders" || key.Path == "/usr/local/bin/orders" {
		return image{}, nil
	}
	return nil, &symbols.NotFoundError{What: key.Path, Tried: []symbols.Attempt{{Place: "/sym", Result: "no such file"}}}
}

func (stageStore) Source(context.Context, symbols.Key, string) (string, error) {
	return "testdata/orders_source.txt", nil
}
