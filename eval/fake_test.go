package eval

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// fakeEnv is a debuggee made of tables.
type fakeEnv struct {
	a       *arch.Arch
	base    arch.Addr // of mem
	mem     []byte
	missing map[arch.Addr]bool // pages that are not fetched yet
	regs    map[string][]byte
	pseudo  map[string]Value
	names   map[string]Value
	types   map[string]*symbols.Type
	addrs   map[string]arch.Addr
	reads   int
}

func (e *fakeEnv) ReadMemory(_ context.Context, a arch.Addr, p []byte) (int, error) {
	e.reads++
	for page := a &^ 0xfff; page < a+arch.Addr(len(p)); page += 0x1000 {
		if e.missing[page] {
			return 0, &symbols.NeedError{Addr: a, Size: len(p)}
		}
	}
	off := uint64(a - e.base)
	if a < e.base || off >= uint64(len(e.mem)) {
		return 0, fmt.Errorf("fault at %#x", a)
	}
	return copy(p, e.mem[off:]), nil
}

func (e *fakeEnv) WriteMemory(_ context.Context, a arch.Addr, p []byte) error {
	off := uint64(a - e.base)
	if a < e.base || off > uint64(len(e.mem)) || off+uint64(len(p)) > uint64(len(e.mem)) {
		return fmt.Errorf("fault at %#x", a)
	}
	copy(e.mem[off:], p)
	return nil
}

func (e *fakeEnv) Arch() *arch.Arch { return e.a }
func (e *fakeEnv) Register(_ context.Context, n string) ([]byte, bool) {
	b, ok := e.regs[n]
	return b, ok
}
func (e *fakeEnv) SetRegister(_ context.Context, n string, p []byte) error {
	e.regs[n] = p
	return nil
}
func (e *fakeEnv) Pseudo(_ context.Context, n string) (Value, bool) {
	v, ok := e.pseudo[n]
	return v, ok
}
func (e *fakeEnv) SetPseudo(_ context.Context, n string, v Value) error {
	e.pseudo[n] = v
	return nil
}
func (e *fakeEnv) Lookup(_ context.Context, n string) (Value, error) {
	if v, ok := e.names[strings.TrimPrefix(n, "::")]; ok {
		return v, nil
	}
	return Value{}, &NameError{Name: n}
}
func (e *fakeEnv) Local(ctx context.Context, n string) (Value, error) { return e.Lookup(ctx, n) }
func (e *fakeEnv) Address(_ context.Context, n string) (arch.Addr, error) {
	if a, ok := e.addrs[n]; ok {
		return a, nil
	}
	if v, ok := e.names[n]; ok && v.Place == InMemory {
		return v.Addr, nil
	}
	return 0, &NameError{Name: n}
}
func (e *fakeEnv) LineAddress(_ context.Context, mod, file string, line int) (arch.Addr, error) {
	if file == "main.c" && mod == "orders" {
		return arch.Addr(0x401000 + line), nil
	}
	return 0, &NameError{Name: file}
}
func (e *fakeEnv) Type(_ context.Context, n string) (*symbols.Type, bool) {
	t, ok := e.types[n]
	return t, ok
}
func (e *fakeEnv) Symbol(_ context.Context, a arch.Addr) string {
	for n, b := range e.addrs {
		if b == a && strings.Contains(n, "!") {
			return n
		}
	}
	return ""
}

// put writes v at an address, little-endian.
func (e *fakeEnv) put(a arch.Addr, v ...any) {
	for _, x := range v {
		switch x := x.(type) {
		case string:
			a += arch.Addr(copy(e.mem[a-e.base:], x))
		default:
			n, err := binary.Encode(e.mem[a-e.base:], binary.LittleEndian, x)
			if err != nil {
				panic(err)
			}
			a += arch.Addr(n)
		}
	}
}

func structure(name string, size int64, fields ...symbols.Field) *symbols.Type {
	return &symbols.Type{Kind: symbols.Struct, Name: name, Size: size, Language: symbols.CPlusPlus,
		Load: func() *symbols.Members { return &symbols.Members{Fields: fields} }}
}

func ptr(t *symbols.Type) *symbols.Type { return lp64().pointer(t) }

func ty(name string) *symbols.Type {
	t, ok := lp64().builtin(strings.Fields(name))
	if !ok {
		panic(name)
	}
	return t
}

func constant(t *symbols.Type) *symbols.Type { return &symbols.Type{Kind: symbols.Const, Elem: t} }

func fld(name string, t *symbols.Type, off int64) symbols.Field {
	return symbols.Field{Name: name, Type: t, Offset: off}
}

const dataBase = 0x555555558000

// newFake is the debuggee of most tests: struct Order and friends in one page.
func newFake() *fakeEnv {
	e := &fakeEnv{a: arch.AMD64, base: dataBase, mem: make([]byte, 0x3000),
		regs:   map[string][]byte{"rax": {0x39, 0x30, 0, 0, 0, 0, 0, 0}, "rsp": {0, 0x81, 0x55, 0x55, 0x55, 0x55, 0, 0}, "xmm0": make([]byte, 16)},
		pseudo: map[string]Value{"t0": {Bytes: []byte{7, 0, 0, 0, 0, 0, 0, 0}}, "ip": {Type: ty("unsigned long"), Bytes: []byte{0x69, 0x51, 0x55, 0x55, 0x55, 0x55, 0, 0}}},
		names:  map[string]Value{}, types: map[string]*symbols.Type{},
		addrs: map[string]arch.Addr{"orders!main": 0x555555555169, "main": 0x555555555169, "beef2": 0x1000, "dead": 0x2000, "Class::m": 0x3000, "mod!f<int> x": 0x4000}}
	at := func(name string, t *symbols.Type, off arch.Addr, v ...any) {
		e.names[name] = Value{Type: t, Place: InMemory, Addr: dataBase + off}
		e.put(dataBase+off, v...)
	}
	color := &symbols.Type{Kind: symbols.Enum, Name: "Color", Size: 4, Elem: ty("int"), Load: func() *symbols.Members {
		return &symbols.Members{Enumerators: []symbols.Enumerator{{Name: "Red", Value: 1}, {Name: "Green", Value: 2}, {Name: "Blue", Value: 4}}}
	}}
	base := structure("Base", 8, fld("id", ty("int"), 0), fld("kind", color, 4))
	anon := &symbols.Type{Kind: symbols.Union, Size: 4, Load: func() *symbols.Members {
		return &symbols.Members{Fields: []symbols.Field{fld("u", ty("unsigned int"), 0), fld("f", ty("float"), 0)}}
	}}
	order := structure("Order", 48,
		symbols.Field{Name: "Base", Type: base, Base: true}, fld("Name", ptr(ty("char")), 8), fld("Tag", arrayOf(ty("char"), 4), 16),
		fld("", anon, 20), fld("Link", nil, 24),
		symbols.Field{Name: "low", Type: ty("unsigned int"), Offset: 32, BitSize: 3},
		symbols.Field{Name: "sgn", Type: ty("int"), Offset: 32, BitOffset: 3, BitSize: 5},
		fld("pi", ty("double"), 40))
	order.Members().Fields[4].Type = ptr(order)
	e.types["Order"], e.types["Base"], e.types["Color"] = order, base, color
	e.types["std::vector<int, std::allocator<int> >"] = structure("std::vector<int, std::allocator<int> >", 24)
	at("order", order, 0x100, int32(42), int32(2), uint64(dataBase+0x200), "AB\x00\x00", float32(1.5), uint64(dataBase+0x100), uint32(5|0x1e<<3), uint32(0), 3.25)
	at("name", ptr(ty("char")), 0x1f0, uint64(dataBase+0x200))
	e.put(dataBase+0x200, "bolt\x00")
	at("po", ptr(order), 0x210, uint64(dataBase+0x100))
	at("i", ty("int"), 0x220, int32(-5))
	at("u", ty("unsigned int"), 0x224, uint32(7))
	at("a", arrayOf(ty("int"), 5), 0x230, []int32{10, 20, 30, 40, 50})
	at("m", arrayOf(arrayOf(ty("int"), 3), 2), 0x250, []int32{1, 2, 3, 4, 5, 6})
	at("c", ty("char"), 0x270, int8('h'))
	at("w", ty("wchar_t"), 0x274, int32('h'))
	at("ws", ptr(ty("wchar_t")), 0x278, uint64(dataBase+0x280))
	e.put(dataBase+0x280, []int32{'h', 'i', 0})
	at("b", ty("bool"), 0x290, int8(1))
	at("color", color, 0x294, int32(2))
	at("ri", &symbols.Type{Kind: symbols.Reference, Size: 8, Elem: ty("int")}, 0x298, uint64(dataBase+0x220))
	at("wild", ptr(ty("char")), 0x2a0, uint64(0x38))
	at("null", ptr(order), 0x2a8, uint64(0))
	fn := &symbols.Type{Kind: symbols.Func, Elem: ty("int"), Load: func() *symbols.Members {
		return &symbols.Members{Params: []symbols.Param{{Type: ty("char")}, {Type: ptr(ty("void"))}}}
	}}
	at("fp", ptr(fn), 0x2b0, uint64(0x555555555169))
	e.names["main"] = Value{Type: fn, Place: InMemory, Addr: 0x555555555169}
	at("d", ty("double"), 0x2b8, 2.5)
	at("ld", ty("long double"), 0x2c0, uint64(0xc90fdaa22168c235), uint16(0x4000))
	at("pm", &symbols.Type{Kind: symbols.MemberPointer, Size: 8, Owner: order, Elem: ty("double")}, 0x2e0, uint64(40))
	at("pi", ptr(ty("int")), 0x2e8, uint64(dataBase+0x234))
	at("big", ty("__int128"), 0x2f0, uint64(0), uint64(1))
	at("uc", ty("unsigned char"), 0x300, uint8(200))
	at("neg1", ty("long"), 0x308, int64(-1))
	e.names["reg"] = Value{Type: ty("int"), Place: InRegister, Register: "rax", Bytes: []byte{0x39, 0x30, 0, 0}}
	e.names["gone"] = Value{Type: ty("int"), Err: &symbols.UnavailableError{Reason: "optimised away"}}
	e.names["half"] = Value{Type: order, Bytes: make([]byte, 48), Missing: append([]byte{0xff}, make([]byte, 47)...)}
	e.names["orders!g"] = e.names["i"]
	return e
}

// clone copies what tests write to.
func (e *fakeEnv) clone() *fakeEnv {
	c := *e
	c.mem = append([]byte(nil), e.mem...)
	c.regs, c.pseudo = maps.Clone(e.regs), maps.Clone(e.pseudo)
	return &c
}
