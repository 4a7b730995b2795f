package eval

import (
	"bytes"
	"context"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// maxCompare bounds the strings that the functions below read, in code units.
const maxCompare = 4096

// callable are the C functions that are computed here, since conditions need
// them and the debuggee's own are not called: Visual Studio's set and the names
// C has for the same.
var callable = map[string]struct {
	unit, args int
	fold       bool // ignores the case of ASCII letters
}{
	"strlen": {1, 1, false}, "wcslen": {4, 1, false}, "strnlen": {1, 2, false}, "wcsnlen": {4, 2, false},
	"strcmp": {1, 2, false}, "strncmp": {1, 3, false}, "wcscmp": {4, 2, false}, "wcsncmp": {4, 3, false},
	"strcasecmp": {1, 2, true}, "strncasecmp": {1, 3, true}, "_stricmp": {1, 2, true}, "_strnicmp": {1, 3, true},
}

// known computes a call of one of the functions; ok false when name is none.
func (ev *evaluator) known(name string, args []node) (v Value, ok bool, err error) {
	f, ok := callable[name]
	if !ok || len(args) != f.args {
		return Value{}, false, nil
	}
	length := name[len(name)-3:] == "len"
	limit := maxCompare
	if f.args == 3 || length && f.args == 2 {
		n, err := ev.number(args[f.args-1])
		if err != nil {
			return Value{}, true, err
		}
		limit = int(min(n.lo, maxCompare))
	}
	a, err := ev.text(args[0], f.unit, limit)
	if err != nil {
		return Value{}, true, err
	}
	if length {
		v, err := ev.rvalue(number{t: ev.l.named("unsigned long"), lo: uint64(len(a) / f.unit)})
		return v, true, err
	}
	b, err := ev.text(args[1], f.unit, limit)
	if err != nil {
		return Value{}, true, err
	}
	if f.fold {
		a, b = bytes.ToLower(a), bytes.ToLower(b)
	}
	c := int64(compareUnits(a, b, f.unit, ev.env.Arch().BigEndian))
	v, err = ev.rvalue(number{t: ev.l.named("int"), lo: uint64(c), hi: uint64(c >> 63)}.fit())
	return v, true, err
}

// text evaluates a string argument: a pointer, an array, a literal.
func (ev *evaluator) text(n node, unit, limit int) ([]byte, error) {
	v, err := ev.eval(n)
	if err != nil {
		return nil, err
	}
	t := strip(v.Type)
	if t.Kind != symbols.Array && t.Kind != symbols.Pointer || charUnit(elem(t)) != unit {
		return nil, &TypeError{v.Type, "is not a string"}
	}
	if t.Kind == symbols.Array {
		b, err := Fetch(ev.ctx, ev.env, v)
		if err != nil {
			return nil, err
		}
		b = b[:min(len(b), limit*unit)]
		if end := terminator(b, unit); end >= 0 {
			b = b[:end]
		}
		return b, nil
	}
	return ev.stringAt(ev.ctx, v, unit, limit)
}

func (ev *evaluator) stringAt(ctx context.Context, v Value, unit, limit int) ([]byte, error) {
	p, err := load(ctx, ev.env, v)
	if err != nil {
		return nil, err
	}
	b, more, err := readString(ctx, ev.env, arch.Addr(p.lo), unit, limit)
	if err == nil && more && len(b) < limit*unit {
		err = &MemoryError{Addr: arch.Addr(p.lo) + arch.Addr(len(b))}
	}
	return b, err
}

// compareUnits compares code units as unsigned numbers, as strcmp does.
func compareUnits(a, b []byte, unit int, big bool) int {
	for i := 0; i+unit <= len(a) && i+unit <= len(b); i += unit {
		if c := bytes.Compare(order(a[i:i+unit], !big), order(b[i:i+unit], !big)); c != 0 {
			return c
		}
	}
	return len(a) - len(b)
}
