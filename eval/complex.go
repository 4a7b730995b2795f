package eval

import "dap-windbg/symbols"

// complexNumber is a value of a _Complex type, or a real one beside it.
type complexNumber struct{ re, im number }

func isComplex(v Value) bool {
	t := strip(v.Type)
	return v.Err == nil && t.Kind == symbols.Base && t.Encoding == symbols.ComplexFloat
}

// complexType is the _Complex type with parts of t.
func (ev *evaluator) complexType(part *symbols.Type) *symbols.Type {
	name := map[int64]string{4: "complex float", 8: "complex double"}[part.Size]
	if name == "" {
		name = "complex long double"
	}
	return &symbols.Type{Kind: symbols.Base, Name: name, Size: 2 * part.Size, Encoding: symbols.ComplexFloat, Language: symbols.C}
}

func (ev *evaluator) loadComplex(v Value) (complexNumber, error) {
	if !isComplex(v) {
		n, err := load(ev.ctx, ev.env, v)
		if err == nil && !isArith(strip(n.t)) {
			err = &TypeError{v.Type, "is not a number"}
		}
		return complexNumber{n, number{t: ev.l.named("int")}}, err
	}
	b, err := Fetch(ev.ctx, ev.env, v)
	if err != nil {
		return complexNumber{}, err
	}
	half := len(b) / 2
	name := map[int]string{4: "float", 8: "double"}[half]
	if name == "" {
		name = "long double"
	}
	part := *ev.l.named(name)
	part.Size = int64(half)
	re, err := decode(&part, b[:half], 0, ev.env.Arch())
	if err != nil {
		return complexNumber{}, err
	}
	im, err := decode(&part, b[half:], 0, ev.env.Arch())
	return complexNumber{re, im}, err
}

// complexOp applies + - * / == and != where a side is complex (C 6.5, annex G without
// its special cases for infinities).
func (ev *evaluator) complexOp(op string, v, w Value) (Value, error) {
	x, err := ev.loadComplex(v)
	if err != nil {
		return Value{}, err
	}
	y, err := ev.loadComplex(w)
	if err != nil {
		return Value{}, err
	}
	part := ev.l.named("float")
	for _, n := range []number{x.re, y.re} {
		if n.float && n.t.Size > part.Size {
			part = n.t
		}
	}
	for _, n := range []*number{&x.re, &x.im, &y.re, &y.im} {
		*n = n.to(part)
	}
	do := func(op string, a, b number) number { r, _ := computeFloat(op, a, b); return r.fit() }
	var re, im number
	switch op {
	case "==", "!=":
		same := compare("==", x.re, y.re) && compare("==", x.im, y.im)
		return ev.truth(same == (op == "=="))
	case "+", "-":
		re, im = do(op, x.re, y.re), do(op, x.im, y.im)
	case "*":
		re = do("-", do("*", x.re, y.re), do("*", x.im, y.im))
		im = do("+", do("*", x.re, y.im), do("*", x.im, y.re))
	case "/":
		size := do("+", do("*", y.re, y.re), do("*", y.im, y.im))
		re = do("/", do("+", do("*", x.re, y.re), do("*", x.im, y.im)), size)
		im = do("/", do("-", do("*", x.im, y.re), do("*", x.re, y.im)), size)
	default:
		return Value{}, &TypeError{v.Type, "has no operator " + op}
	}
	return ev.complexValue(complexNumber{re, im}, part)
}

func (ev *evaluator) complexValue(c complexNumber, part *symbols.Type) (Value, error) {
	re, ok := encode(c.re, part, part.Size, ev.env.Arch())
	im, ok2 := encode(c.im, part, part.Size, ev.env.Arch())
	if !ok || !ok2 {
		return Value{}, &TypeError{part, "is not a type to compute with"}
	}
	return Value{Type: ev.complexType(part), Bytes: append(re, im...)}, nil
}

// complexUnary is the part or the negative of a complex value.
func (ev *evaluator) complexUnary(op string, v Value) (Value, error) {
	c, err := ev.loadComplex(v)
	if err != nil {
		return Value{}, err
	}
	switch op {
	case "+":
	case "-":
		c.re, c.im = c.re.negated(), c.im.negated()
	case "~": // GNU C: the conjugate
		c.im = c.im.negated()
	case "!":
		return ev.truth(!c.re.truth() && !c.im.truth())
	case "__real":
		return ev.rvalue(c.re)
	case "__imag":
		return ev.rvalue(c.im)
	}
	return ev.complexValue(c, c.re.t)
}

// toComplex converts v to the complex type t.
func (ev *evaluator) toComplex(v Value, t *symbols.Type) (Value, error) {
	c, err := ev.loadComplex(v)
	if err != nil {
		return Value{}, err
	}
	name := map[int64]string{8: "float", 16: "double"}[t.Size]
	if name == "" {
		name = "long double"
	}
	part := *ev.l.named(name)
	part.Size = t.Size / 2
	out, err := ev.complexValue(complexNumber{c.re.to(&part), c.im.to(&part)}, &part)
	out.Type = t
	return out, err
}
