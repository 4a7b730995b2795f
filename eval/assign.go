package eval

import (
	"context"
	"strings"

	"dap-windbg/symbols"
)

// Assign parses text as an expression and stores it in the lvalue dst, converting
// as C++ does. An enumeration takes its enumerators without their scope too.
func Assign(ctx context.Context, env Env, dst Value, text string) (Value, error) {
	e, err := Parse(text, Options{})
	if err != nil {
		return Value{}, err
	}
	if dst, err = deref(ctx, env, dst); err != nil {
		return Value{}, err
	}
	ev := newEvaluator(ctx, env)
	v, err := e.Eval(ctx, env)
	if c, ok := ev.enumerator(dst.Type, v, err, e.String()); ok {
		v, err = c, nil
	}
	if err != nil {
		return Value{}, err
	}
	return ev.store(dst, v)
}

// enumerator is the one called name of the enumeration t, unless name has
// evaluated to a value of t (v, err).
func (ev *evaluator) enumerator(t *symbols.Type, v Value, err error, name string) (Value, bool) {
	e := completed(t)
	if e.Kind != symbols.Enum || err != nil && retry(err) || err == nil && TypeName(strip(v.Type)) == TypeName(e) {
		return Value{}, false
	}
	for _, x := range e.Members().Enumerators {
		if x.Name == strings.TrimSpace(name) {
			return enumValue(e, x, ev.env.Arch())
		}
	}
	return Value{}, false
}

func (n *assignNode) eval(ev *evaluator) (Value, error) {
	if p, ok := n.x.(*pseudoNode); ok {
		return ev.assignPseudo(p, n)
	}
	if r, ok := n.x.(*regNode); ok {
		return Value{}, &SyntaxError{Text: "@" + r.name, Msg: "Register assignment: use the r command;"}
	}
	dst, err := ev.eval(n.x)
	if err != nil {
		return Value{}, err
	}
	src, err := ev.operand(n, dst)
	if err != nil {
		return Value{}, err
	}
	return ev.store(dst, src)
}

// operand computes what an assignment stores.
func (ev *evaluator) operand(n *assignNode, dst Value) (Value, error) {
	if n.op == "" {
		v, err := ev.eval(n.y)
		if name, ok := n.y.(*nameNode); ok {
			if c, ok := ev.enumerator(dst.Type, v, err, name.name); ok {
				return c, nil
			}
		}
		return v, err
	}
	x, err := load(ev.ctx, ev.env, dst)
	if err != nil {
		return Value{}, err
	}
	y, err := ev.number(n.y)
	if err != nil {
		return Value{}, err
	}
	return ev.binary(n.op, x, y)
}

func (ev *evaluator) assignPseudo(p *pseudoNode, n *assignNode) (Value, error) {
	var src Value
	var err error
	if n.op == "" {
		src, err = ev.eval(n.y)
	} else {
		var old Value
		if old, err = p.eval(ev); err != nil {
			return Value{}, err
		}
		src, err = ev.operand(n, old)
	}
	if err != nil {
		return Value{}, err
	}
	if src.Item == nil && src.Bytes == nil && src.Place != InMemory {
		if src.Bytes, err = Fetch(ev.ctx, ev.env, src); err != nil {
			return Value{}, err
		}
	}
	return src, ev.env.SetPseudo(ev.ctx, p.name, src)
}

// store writes src to the lvalue dst, converted to its type.
func (ev *evaluator) store(dst, src Value) (Value, error) {
	if dst.Err != nil {
		return Value{}, dst.Err
	}
	if dst.Place == NoPlace {
		return Value{}, &TypeError{dst.Type, "is not a place that can be assigned"}
	}
	b, err := ev.convert(dst, src)
	if err != nil {
		return Value{}, err
	}
	if dst.BitSize > 0 {
		if b, err = ev.mergeBits(dst, b); err != nil {
			return Value{}, err
		}
	}
	if dst.Place == InMemory {
		err = ev.env.WriteMemory(ev.ctx, dst.Addr, b)
	} else {
		err = ev.storeRegister(dst, b)
	}
	dst.Bytes, dst.Missing = nil, nil
	if dst.BitSize == 0 || dst.Place == InMemory {
		dst.Bytes = b
	}
	return dst, err
}

// convert returns the bytes of src as dst's type.
func (ev *evaluator) convert(dst, src Value) ([]byte, error) {
	t := strip(dst.Type)
	switch {
	case isScalar(t) && t.Size <= 16, t.Kind == symbols.Base && t.Encoding == symbols.ComplexFloat:
		v, err := ev.cast(src, dst.Type)
		if err != nil {
			return nil, err
		}
		return Fetch(ev.ctx, ev.env, v)
	case t.Kind == symbols.Array && strip(src.Type).Kind == symbols.Array:
		b, err := Fetch(ev.ctx, ev.env, src)
		if err != nil {
			return nil, err
		}
		if strip(elem(t)).ByteSize() != strip(elem(strip(src.Type))).ByteSize() || int64(len(b)) > t.ByteSize() {
			return nil, &TypeError{src.Type, "does not fit '" + TypeName(dst.Type) + "'"}
		}
		return b, nil
	case TypeName(t) == TypeName(strip(src.Type)):
		return Fetch(ev.ctx, ev.env, src)
	}
	return nil, &TypeError{src.Type, "cannot be assigned to '" + TypeName(dst.Type) + "'"}
}

// mergeBits puts a bit field's value into its storage unit as it is now.
func (ev *evaluator) mergeBits(dst Value, value []byte) ([]byte, error) {
	big := ev.env.Arch().BigEndian
	if dst.Place == InMemory {
		dst.Bytes = nil
	}
	unit, err := storage(ev.ctx, ev.env, dst)
	if err != nil {
		return nil, err
	}
	le := append([]byte(nil), order(unit, big)...)
	src := order(value, big)
	for i := range dst.BitSize {
		at := dst.BitOffset + i
		if i/8 >= len(src) || at/8 >= len(le) {
			break
		}
		le[at/8] &^= 1 << (at % 8)
		le[at/8] |= src[i/8] >> (i % 8) & 1 << (at % 8)
	}
	return order(le, big), nil
}

// storeRegister replaces the low-order part of a register; on x86-64 writing the
// low 4 bytes of a variable leaves the upper ones as they are.
func (ev *evaluator) storeRegister(dst Value, b []byte) error {
	whole, ok := ev.env.Register(ev.ctx, dst.Register)
	if !ok {
		return &symbols.UnavailableError{Reason: "register " + dst.Register + " is not known"}
	}
	out := append([]byte(nil), whole...)
	if len(b) > len(out) {
		return &TypeError{dst.Type, "does not fit register " + dst.Register}
	}
	if ev.env.Arch().BigEndian {
		copy(out[len(out)-len(b):], b)
	} else {
		copy(out, b)
	}
	return ev.env.SetRegister(ev.ctx, dst.Register, out)
}

func (n *stepNode) eval(ev *evaluator) (Value, error) {
	v, err := ev.eval(n.x)
	if err != nil {
		return Value{}, err
	}
	return ev.increment(v, n.op)
}

// increment adds (op "+") or subtracts one and returns the old value.
func (ev *evaluator) increment(v Value, op string) (Value, error) {
	old, err := load(ev.ctx, ev.env, v)
	if err != nil {
		return Value{}, err
	}
	one := number{t: ev.l.named("int"), lo: 1}
	sum, err := ev.binary(op, old, one)
	if err != nil {
		return Value{}, err
	}
	if _, err := ev.store(v, sum); err != nil {
		return Value{}, err
	}
	return ev.rvalue(old)
}
