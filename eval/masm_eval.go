package eval

import (
	"encoding/binary"
	"errors"
	"strings"

	"dap-windbg/arch"
)

type (
	masmNumber struct {
		v      uint64
		extend bool // a 32-bit target sign-extends it
	}
	masmBinary struct {
		op   string
		x, y masmNode
	}
	masmOp struct {
		op string
		x  masmNode
	}
	masmRead struct {
		size     int // -1: a pointer
		physical bool
		x        masmNode
		rest     string
	}
	masmSymbol struct {
		name, rest string
		literal    bool
	}
	masmLocal struct{ name, rest string }
	masmReg   struct {
		name   string
		pseudo bool
	}
	masmLine struct {
		mod, file string
		line      int
		rest      string
	}
	masmSwitch struct{ e Expr }
	masmCall   struct {
		name string
		text [2]string
		args []masmNode
	}
)

func (n *masmNumber) value(ev *evaluator) (uint64, error) {
	if n.extend && ev.l.ptr == 4 {
		return uint64(int64(int32(n.v))), nil
	}
	return n.v, nil
}

func (n *masmBinary) value(ev *evaluator) (uint64, error) {
	x, err := n.x.value(ev)
	if err != nil {
		return 0, err
	}
	y, err := n.y.value(ev)
	if err != nil {
		return 0, err
	}
	if f, ok := masmTests[n.op]; ok {
		if f(x, y) {
			return 1, nil
		}
		return 0, nil
	}
	if y == 0 && (n.op == "/" || n.op == "mod" || n.op == "%") {
		return 0, &OperandError{n.op}
	}
	return masmBinaries[n.op](x, y), nil
}

// masmTests and masmBinaries are the infix operators over ULONG64.
var masmTests = map[string]func(x, y uint64) bool{
	"=":  func(x, y uint64) bool { return x == y },
	"==": func(x, y uint64) bool { return x == y },
	"!=": func(x, y uint64) bool { return x != y },
	"<":  func(x, y uint64) bool { return x < y },
	">":  func(x, y uint64) bool { return x > y },
	"<=": func(x, y uint64) bool { return x <= y },
	">=": func(x, y uint64) bool { return x >= y },
}

var masmBinaries = map[string]func(x, y uint64) uint64{
	"+":   func(x, y uint64) uint64 { return x + y },
	"-":   func(x, y uint64) uint64 { return x - y },
	"*":   func(x, y uint64) uint64 { return x * y },
	"/":   func(x, y uint64) uint64 { return x / y },
	"mod": func(x, y uint64) uint64 { return x % y },
	"%":   func(x, y uint64) uint64 { return x % y },
	"<<":  func(x, y uint64) uint64 { return x << y },
	">>":  func(x, y uint64) uint64 { return x >> y },
	">>>": func(x, y uint64) uint64 { return uint64(int64(x) >> y) },
	"and": func(x, y uint64) uint64 { return x & y },
	"&":   func(x, y uint64) uint64 { return x & y },
	"xor": func(x, y uint64) uint64 { return x ^ y },
	"^":   func(x, y uint64) uint64 { return x ^ y },
	"or":  func(x, y uint64) uint64 { return x | y },
	"|":   func(x, y uint64) uint64 { return x | y },
}

func (n *masmOp) value(ev *evaluator) (uint64, error) {
	x, err := n.x.value(ev)
	if err != nil {
		return 0, err
	}
	switch n.op {
	case "-":
		return -x, nil
	case "not":
		if x == 0 {
			return 1, nil
		}
		return 0, nil
	case "hi":
		return x >> 16 & 0xffff, nil
	case "lo":
		return x & 0xffff, nil
	}
	return x, nil
}

func (n *masmRead) value(ev *evaluator) (uint64, error) {
	x, err := n.x.value(ev)
	if err != nil {
		return 0, err
	}
	size := n.size
	if size < 0 {
		size = int(ev.l.ptr)
	}
	var w [8]byte
	b := w[:size]
	if n.physical {
		m, ok := ev.env.(PhysicalMemory)
		if !ok {
			return 0, &MemoryError{Addr: arch.Addr(x), Masm: true, Rest: n.rest, Err: errors.ErrUnsupported}
		}
		if _, err := m.ReadPhysical(ev.ctx, arch.Addr(x), b); err != nil {
			return 0, &MemoryError{Addr: arch.Addr(x), Masm: true, Rest: n.rest, Err: err}
		}
		copy(w[:], order(b, ev.env.Arch().BigEndian))
		return binary.LittleEndian.Uint64(w[:]), nil
	}
	if err := readMemory(ev.ctx, ev.env, ev.address(x), b); err != nil {
		var me *MemoryError
		if errors.As(err, &me) {
			return 0, &MemoryError{Addr: me.Addr, Masm: true, Rest: n.rest, Err: me.Err}
		}
		return 0, err
	}
	copy(w[:], order(b, ev.env.Arch().BigEndian))
	return binary.LittleEndian.Uint64(w[:]), nil
}

// value resolves a symbol to its address. The most common registers need no
// "@" and come first; the other ones only where no symbol has their name.
func (n *masmSymbol) value(ev *evaluator) (uint64, error) {
	a := ev.env.Arch()
	if !n.literal && commonRegister(a, n.name) {
		if v, ok := ev.register(n.name); ok {
			return v, nil
		}
	}
	addr, err := ev.symbol(n.name)
	if err != nil && !retry(err) && strings.Contains(n.name, "__") && !strings.HasPrefix(n.name, "__") {
		if addr, e := ev.env.Address(ev.ctx, strings.ReplaceAll(n.name, "__", "::")); e == nil {
			return uint64(addr), nil
		}
	}
	if err == nil {
		return uint64(addr), nil
	}
	if !retry(err) && !n.literal {
		if v, ok := ev.register(n.name); ok {
			return v, nil
		}
	}
	return 0, named(err, n.name, n.rest)
}

// symbol finds the address of a name in any spelling of its template arguments.
func (ev *evaluator) symbol(name string) (arch.Addr, error) {
	var first error
	for _, n := range TemplateSpellings(name) {
		a, err := ev.env.Address(ev.ctx, n)
		if err == nil || retry(err) {
			return a, err
		}
		if first == nil {
			first = err
		}
	}
	return 0, first
}

// named gives a NameError the text WinDbg prints.
func named(err error, name, rest string) error {
	var ne *NameError
	if errors.As(err, &ne) {
		return &NameError{Name: name, Rest: rest}
	}
	return err
}

// commonRegister reports whether MASM knows name as a register without "@".
func commonRegister(a *arch.Arch, name string) bool {
	name = strings.ToLower(name)
	switch name {
	case "":
		return false
	case a.PC, a.SP, a.FP, a.Return:
		return true
	}
	if a.Name != "amd64" && a.Name != "i386" {
		return false
	}
	return len(name) == 3 && (name[0] == 'e' || name[0] == 'r') &&
		strings.Contains(" ax bx cx dx si di sp bp ip ", " "+name[1:]+" ")
}

func (ev *evaluator) register(name string) (uint64, bool) {
	b, ok := ev.env.Register(ev.ctx, name)
	if !ok {
		if b, ok = ev.env.Register(ev.ctx, strings.ToLower(name)); !ok {
			return 0, false
		}
	}
	var w [8]byte
	copy(w[:], order(b, ev.env.Arch().BigEndian))
	return binary.LittleEndian.Uint64(w[:]), true
}

func (n *masmReg) value(ev *evaluator) (uint64, error) {
	if !n.pseudo {
		if v, ok := ev.register(n.name); ok {
			return v, nil
		}
		return 0, &SyntaxError{Text: "@" + n.name, Msg: "Bad register"}
	}
	v, ok := ev.env.Pseudo(ev.ctx, n.name)
	if !ok {
		return 0, &SyntaxError{Text: "@$" + n.name, Msg: "Bad register"}
	}
	if v.Type == nil {
		v.Type = ev.l.named("unsigned __int64")
		v.Bytes = lowOrder(v.Bytes, 8, ev.env.Arch().BigEndian)
	}
	return Int(ev.ctx, ev.env, v)
}

// value of a local is its address; one in a register has its value only.
func (n *masmLocal) value(ev *evaluator) (uint64, error) {
	v, err := ev.env.Local(ev.ctx, n.name)
	switch {
	case err != nil:
		return 0, named(err, n.name, n.rest)
	case v.Err != nil:
		return 0, v.Err
	case v.Place == InMemory:
		return uint64(v.Addr), nil
	}
	return 0, &TypeError{v.Type, "has no address"}
}

func (n *masmLine) value(ev *evaluator) (uint64, error) {
	a, err := ev.env.LineAddress(ev.ctx, n.mod, n.file, n.line)
	if err != nil {
		return 0, named(err, n.file, n.rest)
	}
	return uint64(a), nil
}

func (n *masmSwitch) value(ev *evaluator) (uint64, error) {
	v, err := n.e.Eval(ev.ctx, ev.env)
	if err != nil {
		return 0, err
	}
	return Int(ev.ctx, ev.env, v)
}
