package eval

import (
	"context"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// Intrinsics is what an Env may offer besides: functions that the evaluator's
// user knows, such as a visualiser's.
type Intrinsics interface {
	HasIntrinsic(name string) bool
	Intrinsic(ctx context.Context, name string, args []Value) (Value, error)
}

// ResolveType finds the type that text spells ("const Order *", "int [3]").
func ResolveType(ctx context.Context, env Env, text string) (*symbols.Type, error) {
	p := &parser{src: text, toks: lexCPP(text), isType: func(string) bool { return true }}
	spec, ok := p.typeID(false)
	if !ok || p.peek().kind != tEOF {
		if t, ok := env.Type(ctx, text); ok { // names no expression can hold: "main()::Local"
			return t, nil
		}
		return nil, p.fail("Syntax")
	}
	return newEvaluator(ctx, env).resolve(spec)
}

// PointerTo is the type of a pointer to t.
func PointerTo(env Env, t *symbols.Type) *symbols.Type { return languageOf(env.Arch()).pointer(t) }

// Builtin is a type of the language itself, by name.
func Builtin(env Env, name string) (*symbols.Type, bool) {
	return languageOf(env.Arch()).builtin(strings.Fields(name))
}

// Integer makes an rvalue of a built-in type.
func Integer(env Env, name string, v uint64) Value {
	t := languageOf(env.Arch()).named(name)
	b, _ := encode(number{t: t, lo: v}, t, t.Size, env.Arch())
	return Value{Type: t, Bytes: b}
}

// findType looks up a type name as typed and as compilers spell it.
func findType(ctx context.Context, env Env, name string) (*symbols.Type, bool) {
	name = strings.TrimPrefix(name, "::")
	if t, ok := languageOf(env.Arch()).builtin(strings.Fields(name)); ok {
		return t, true
	}
	if t, ok := env.Type(ctx, name); ok {
		return t, true
	}
	for _, alt := range []string{strings.ReplaceAll(name, "> >", ">>"), strings.ReplaceAll(name, "*", " *")} {
		if alt != name {
			if t, ok := env.Type(ctx, alt); ok {
				return t, true
			}
		}
	}
	return nil, false
}

// resolve finds the type a specification means.
func (ev *evaluator) resolve(s *typeSpec) (*symbols.Type, error) {
	var t *symbols.Type
	ok := false
	switch {
	case s.words != nil:
		t, ok = ev.l.builtin(s.words)
	case s.of != nil:
		v, err := ev.eval(s.of)
		if err != nil {
			return nil, err
		}
		t, ok = v.Type, v.Type != nil
	default:
		t, ok = findType(ev.ctx, ev.env, s.name)
	}
	if !ok {
		return nil, &NameError{Name: s.name, Rest: s.String()}
	}
	if s.isConst() {
		t = &symbols.Type{Kind: symbols.Const, Elem: t}
	}
	var arrays []int64
	flush := func() {
		for i := len(arrays) - 1; i >= 0; i-- {
			t = arrayOf(t, arrays[i])
		}
		arrays = nil
	}
	for _, d := range s.decl {
		if d.kind != '[' {
			flush()
		}
		switch d.kind {
		case '*':
			t = ev.l.pointer(t)
		case 'c':
			t = &symbols.Type{Kind: symbols.Const, Elem: t}
		case '&':
			t = &symbols.Type{Kind: symbols.Reference, Size: ev.l.ptr, Elem: t}
		case 'R':
			t = &symbols.Type{Kind: symbols.RvalueReference, Size: ev.l.ptr, Elem: t}
		case '(':
			t = &symbols.Type{Kind: symbols.Func, Elem: t}
		case '[':
			arrays = append(arrays, d.n)
		}
	}
	flush()
	return t, nil
}

func (n *castNode) eval(ev *evaluator) (Value, error) {
	t, err := ev.resolve(n.spec)
	if err != nil {
		return Value{}, err
	}
	if _, ok := n.x.(*callNode); ok {
		ev.want = t
	}
	v, err := ev.eval(n.x)
	ev.want = nil
	if err != nil {
		return Value{}, err
	}
	if n.dynamic {
		return ev.dynamicCast(v, t)
	}
	return ev.cast(v, t)
}

// dynamicCast converts a pointer or reference to a class by what the object is.
func (ev *evaluator) dynamicCast(v Value, t *symbols.Type) (Value, error) {
	to := strip(t)
	if to.Kind != symbols.Pointer && to.Kind != symbols.Reference && to.Kind != symbols.RvalueReference {
		return Value{}, &TypeError{t, "is no pointer or reference to a class"}
	}
	if strip(v.Type).Kind == symbols.Pointer {
		if n, err := load(ev.ctx, ev.env, v); err != nil || n.lo == 0 {
			return ev.rvalue(number{t: t})
		}
	}
	x, err := composite(ev.ctx, ev.env, v)
	if err != nil {
		return Value{}, err
	}
	whole, _, err := DynamicObject(ev.ctx, ev.env, x)
	if err != nil {
		return Value{}, err
	}
	class, want := completed(whole.Type), completed(elem(to))
	if class != want && class.Name != want.Name {
		path, ok := findBase(class, want.Name, maxBases)
		switch {
		case want.Kind == symbols.Void:
		case !ok && to.Kind == symbols.Pointer:
			return ev.rvalue(number{t: t})
		case !ok:
			return Value{}, &TypeError{whole.Type, "is no '" + TypeName(elem(to)) + "'"}
		default:
			if whole, err = descend(ev.ctx, ev.env, whole, path); err != nil {
				return Value{}, err
			}
		}
	}
	if to.Kind != symbols.Pointer {
		return Value{Type: elem(to), Place: InMemory, Addr: whole.Addr}, nil
	}
	return ev.rvalue(number{t: t, lo: uint64(whole.Addr)})
}

// cast converts v as "(t)v" does.
func (ev *evaluator) cast(v Value, t *symbols.Type) (Value, error) {
	s := strip(t)
	switch {
	case v.Item != nil:
		return Value{}, &ItemError{className(v), "cannot be converted to '" + TypeName(t) + "'"}
	case s.Kind == symbols.Void:
		return Value{Type: t, Bytes: []byte{}}, nil
	case s.Kind == symbols.Reference || s.Kind == symbols.RvalueReference:
		return ev.castLvalue(v, elem(s))
	case s.Kind == symbols.Pointer:
		return ev.castPointer(v, t, s)
	case s.Kind == symbols.Base && s.Encoding == symbols.ComplexFloat:
		return ev.toComplex(v, t)
	case isScalar(s) && s.Kind != symbols.MemberPointer:
		if isComplex(v) {
			re, err := ev.complexUnary("__real", v)
			if err != nil {
				return Value{}, err
			}
			v = re
		}
		n, err := load(ev.ctx, ev.env, v)
		if err != nil {
			return Value{}, err
		}
		n = n.to(s)
		n.t = t
		return ev.rvalue(n)
	case TypeName(strip(v.Type)) == TypeName(s):
		v.Type = t
		return v, nil
	case s.Kind == symbols.Array || s.IsComposite():
		return ev.castLvalue(v, t)
	}
	return Value{}, &TypeError{v.Type, "cannot be converted to '" + TypeName(t) + "'"}
}

// castLvalue reads the place of v as a t; base and derived classes are found.
func (ev *evaluator) castLvalue(v Value, t *symbols.Type) (Value, error) {
	if v.Err != nil {
		return v, v.Err
	}
	if v.Place != InMemory {
		return Value{}, &TypeError{v.Type, "has no address to see it as '" + TypeName(t) + "'"}
	}
	addr, err := ev.shiftClass(v.Addr, v.Type, t)
	return Value{Type: t, Place: InMemory, Addr: addr}, err
}

func (ev *evaluator) castPointer(v Value, t, s *symbols.Type) (Value, error) {
	from := strip(v.Type)
	n, err := load(ev.ctx, ev.env, v)
	if err != nil {
		return Value{}, err
	}
	lo := n.to(s).lo
	if from.Kind == symbols.Pointer && lo != 0 {
		a, err := ev.shiftClass(arch.Addr(lo), elem(from), elem(s))
		if err != nil {
			return Value{}, err
		}
		lo = uint64(a)
	}
	return ev.rvalue(number{t: t, lo: lo})
}

// shiftClass moves the address of a `from` to its base `to`, or of a base to the
// derived class around it; unrelated types lie at the same place.
func (ev *evaluator) shiftClass(addr arch.Addr, from, to *symbols.Type) (arch.Addr, error) {
	if !from.IsComposite() || !to.IsComposite() {
		return addr, nil
	}
	f, t := completed(from), completed(to)
	if f.Name == t.Name || f.Name == "" || t.Name == "" {
		return addr, nil
	}
	if path, ok := findBase(f, t.Name, maxBases); ok {
		v, err := descend(ev.ctx, ev.env, Value{Type: f, Place: InMemory, Addr: addr}, path)
		return v.Addr, err
	}
	if path, ok := findBase(t, f.Name, maxBases); ok {
		for _, b := range path {
			if b.Virtual {
				return addr, &TypeError{from, "is a virtual base of '" + TypeName(to) + "'"}
			}
			addr -= arch.Addr(b.Offset)
		}
	}
	return addr, nil
}

func (n *callNode) eval(ev *evaluator) (Value, error) {
	want := ev.want
	ev.want = nil
	if v, ok, err := ev.invoke(n); ok || err != nil {
		return v, err
	}
	name, ok := n.callee.(*nameNode)
	if !ok {
		return ev.callDebuggee(n, want)
	}
	if c, ok := ev.env.(Intrinsics); ok {
		args := make([]Value, len(n.args))
		known := c.HasIntrinsic(name.name)
		for i := 0; known && i < len(args); i++ {
			var err error
			if args[i], err = ev.eval(n.args[i]); err != nil {
				return Value{}, err
			}
		}
		if known {
			return c.Intrinsic(ev.ctx, name.name, args)
		}
	}
	if v, ok, err := ev.known(name.name, n.args); ok {
		return v, err
	}
	if t, ok, err := ev.typeNamed(name.name); err != nil {
		return Value{}, err
	} else if ok && (len(n.args) == 1 || completed(t).IsComposite()) {
		args, err := ev.arguments(n.args)
		switch {
		case err != nil:
			return Value{}, err
		case completed(t).IsComposite() && ev.calls:
			return ev.construct(t, args)
		case len(args) == 1:
			return ev.cast(args[0], t)
		}
	}
	return ev.callDebuggee(n, want)
}

// typeNamed is the type called name, where no variable or function hides it; one that
// is written in other case does not.
func (ev *evaluator) typeNamed(name string) (*symbols.Type, bool, error) {
	v, err := ev.env.Lookup(ev.ctx, name)
	if retry(err) {
		return nil, false, err
	}
	if err == nil && (v.Item != nil || v.Type == nil || strip(v.Type).Kind != symbols.Func || strings.Contains(ev.env.Symbol(ev.ctx, v.Addr), name)) {
		return nil, false, nil
	}
	t, ok := findType(ev.ctx, ev.env, name)
	return t, ok, nil
}

func (n *macroNode) eval(ev *evaluator) (Value, error) {
	if n.name == "#RTL_NUMBER_OF" {
		v, err := ev.eval(n.x)
		if err != nil {
			return Value{}, err
		}
		t := strip(v.Type)
		if t.Kind != symbols.Array || t.Count < 0 {
			return Value{}, &TypeError{v.Type, "is not an array of known length"}
		}
		return ev.rvalue(number{t: ev.l.named("unsigned long"), lo: uint64(t.Count)})
	}
	if n.name == "#RTL_CONTAINS_FIELD" {
		return n.containsField(ev)
	}
	t, err := ev.resolve(n.spec)
	if err != nil {
		return Value{}, err
	}
	at := Value{Type: t, Place: InMemory}
	for _, name := range n.path {
		if at, err = Member(ev.ctx, ev.env, at, name); err != nil {
			return Value{}, err
		}
	}
	out := number{t: ev.l.named("unsigned long"), lo: uint64(at.Addr)}
	switch n.name {
	case "#RTL_FIELD_SIZE":
		out.lo = uint64(sizeOf(at.Type))
	case "#RTL_SIZEOF_THROUGH_FIELD":
		out.lo += uint64(sizeOf(at.Type))
	case "#CONTAINING_RECORD":
		x, err := ev.number(n.x)
		if err != nil {
			return Value{}, err
		}
		out = number{t: ev.l.pointer(t), lo: x.lo - out.lo}
	}
	return ev.rvalue(out)
}

// containsField tells whether a structure of so many bytes has a member in full.
func (n *macroNode) containsField(ev *evaluator) (Value, error) {
	p, err := ev.eval(n.x)
	if err != nil {
		return Value{}, err
	}
	at := Value{Type: elem(strip(p.Type)), Place: InMemory}
	if !at.Type.IsComposite() {
		return Value{}, &TypeError{p.Type, "is no pointer to a structure"}
	}
	for _, name := range n.path {
		if at, err = Member(ev.ctx, ev.env, at, name); err != nil {
			return Value{}, err
		}
	}
	size, err := ev.number(n.size)
	if err != nil {
		return Value{}, err
	}
	out := number{t: ev.l.named("bool")}
	if end := uint64(at.Addr) + uint64(sizeOf(at.Type)); size.hi != 0 || end <= size.lo {
		out.lo = 1
	}
	return ev.rvalue(out)
}
