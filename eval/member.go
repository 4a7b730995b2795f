package eval

import (
	"context"
	"errors"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// maxBases bounds how deep members are searched, and maxClasses in how many classes,
// against cyclic type graphs.
const (
	maxBases   = 32
	maxClasses = 1 << 12
)

// Member returns the member called name of v, a class value or a pointer to one:
// its own, of an anonymous member, or of a base. "Base::x" picks a base's.
func Member(ctx context.Context, env Env, v Value, name string) (Value, error) {
	v, err := composite(ctx, env, v)
	if err != nil {
		return Value{}, err
	}
	scope, last := splitScope(name)
	if scope != "" {
		t := strip(v.Type)
		if !sameClass(t.Name, scope) {
			path, ok := findBase(completed(t), scope, maxBases)
			if !ok {
				return Value{}, &NameError{Name: name, Rest: name}
			}
			if v, err = descend(ctx, env, v, path); err != nil {
				return Value{}, err
			}
		}
		name = last
	}
	t := completed(v.Type)
	path, ok := findMember(t, name, maxBases)
	if !ok {
		return Value{}, &NameError{Name: name, Rest: name}
	}
	return descend(ctx, env, v, path)
}

// completed strips t and finds the definition of what is only declared.
func completed(t *symbols.Type) *symbols.Type {
	s := strip(t)
	if d, ok := definition(s); ok {
		return d
	}
	return s
}

// composite follows references and one pointer to a class value.
func composite(ctx context.Context, env Env, v Value) (Value, error) {
	if v.Err != nil {
		return v, v.Err
	}
	v, err := deref(ctx, env, v)
	if err != nil {
		return v, err
	}
	if t := strip(v.Type); t.Kind == symbols.Pointer {
		if to, ok, err := follow(ctx, env, v, 0); ok {
			if err == nil && !to.Type.IsComposite() {
				err = &TypeError{to.Type, "has no members"}
			}
			return to, err
		}
		n, err := load(ctx, env, v)
		if err != nil {
			return v, err
		}
		v = Value{Type: elem(t), Place: InMemory, Addr: arch.Addr(n.lo)}
	}
	if !v.Type.IsComposite() {
		return v, &TypeError{v.Type, "has no members"}
	}
	return v, nil
}

func descend(ctx context.Context, env Env, v Value, path []symbols.Field) (Value, error) {
	for _, f := range path {
		var err error
		if v, err = field(ctx, env, v, f); err != nil {
			return Value{}, err
		}
	}
	return v, nil
}

// findMember returns the fields to walk to the member called name; the one in
// the nearest class hides those further up.
func findMember(t *symbols.Type, name string, depth int) ([]symbols.Field, bool) {
	left := maxClasses
	for up := range depth {
		path, deeper, ok := memberAt(t, name, up, &left)
		if ok || !deeper {
			return path, ok
		}
	}
	return nil, false
}

// memberAt looks for name exactly up base classes away; deeper tells that there are further ones,
// left how many classes may still be looked into.
func memberAt(t *symbols.Type, name string, up int, left *int) (path []symbols.Field, deeper, ok bool) {
	if *left--; t == nil || name == "" || *left < 0 {
		return nil, false, false
	}
	fields := t.Members().Fields
	for i := range fields {
		f := &fields[i]
		switch {
		case f.Base && up > 0:
			rest, more, ok := memberAt(completed(f.Type), name, up-1, left)
			if ok {
				return append([]symbols.Field{*f}, rest...), false, true
			}
			deeper = deeper || more
		case f.Base:
			deeper = true
		case f.Name == name && up == 0:
			return fields[i : i+1 : i+1], false, true
		case f.Name == "" && f.Type.IsComposite():
			rest, _, ok := memberAt(completed(f.Type), name, up, left)
			if ok {
				return append([]symbols.Field{*f}, rest...), false, true
			}
		}
	}
	return nil, deeper, false
}

// findBase returns the fields to walk to the base class called name.
func findBase(t *symbols.Type, name string, depth int) ([]symbols.Field, bool) {
	left := maxClasses
	return baseWithin(t, name, depth, &left)
}

func baseWithin(t *symbols.Type, name string, depth int, left *int) ([]symbols.Field, bool) {
	if *left--; depth == 0 || t == nil || *left < 0 {
		return nil, false
	}
	for _, f := range t.Members().Fields {
		if !f.Base {
			continue
		}
		b := completed(f.Type)
		if sameClass(b.Name, name) {
			return []symbols.Field{f}, true
		}
		if rest, ok := baseWithin(b, name, depth-1, left); ok {
			return append([]symbols.Field{f}, rest...), true
		}
	}
	return nil, false
}

// sameClass compares a class name with one that may leave out enclosing scopes
// and trailing template arguments: "std::_Head_base<1, int, false>" is "_Head_base<1>".
func sameClass(full, name string) bool {
	if full == name || strings.HasSuffix(full, "::"+name) {
		return true
	}
	open, ok := strings.CutSuffix(name, ">")
	if !ok {
		return false
	}
	i := strings.Index(full, open)
	if i < 0 || i > 0 && (!strings.HasSuffix(full[:i], "::") || strings.Contains(full[:i], "<")) {
		return false
	}
	rest := strings.TrimLeft(full[i+len(open):], "uUlL") // clang writes 0UL where g++ has 0
	return strings.HasPrefix(rest, ",") || rest == ">"
}

// field derives the value of a member from that of the whole.
func field(ctx context.Context, env Env, v Value, f symbols.Field) (Value, error) {
	if f.Static {
		return staticField(ctx, env, v, f)
	}
	off := f.Offset
	if f.Virtual {
		var err error
		if off, err = virtualOffset(ctx, env, v, f); err != nil {
			return Value{}, err
		}
	}
	out := Value{Type: f.Type, BitSize: f.BitSize, Err: v.Err}
	if f.BitSize > 0 {
		unit := sizeOf(f.Type) * 8
		out.BitOffset = f.BitOffset
		if unit > 0 && int64(f.BitOffset+f.BitSize) > unit {
			off += int64(f.BitOffset / 8)
			out.BitOffset = f.BitOffset % 8
		}
	}
	size := unitSize(out)
	if v.Bytes == nil && v.Place == InRegister {
		b, err := storage(ctx, env, v)
		if err != nil {
			return Value{}, err
		}
		v.Bytes = b
	}
	if v.Place == InMemory {
		out.Place, out.Addr = InMemory, v.Addr+arch.Addr(off)
		if f.Type != nil && f.Type.Dynamic != nil {
			return resolve(ctx, objectFrame{env: env, addr: out.Addr}, 0, out)
		}
	}
	if v.Bytes != nil {
		if off < 0 || size < 0 || off+size > int64(len(v.Bytes)) {
			if v.Place == InMemory {
				return out, nil
			}
			return Value{}, &symbols.UnavailableError{Reason: "only part of the value is known"}
		}
		out.Bytes = v.Bytes[off : off+size : off+size]
		if v.Missing != nil {
			out.Missing = v.Missing[off : off+size]
		}
		for _, p := range v.Pointees {
			if p.Off >= off && p.Off+p.Size <= off+size {
				p.Off -= off
				out.Pointees = append(out.Pointees, p)
			}
		}
	}
	return out, nil
}

// unitSize is how many bytes hold v: its type's, or what its bits span.
func unitSize(v Value) int64 {
	size := sizeOf(v.Type)
	if span := int64(v.BitOffset+v.BitSize+7) / 8; v.BitSize > 0 && span > size {
		return span
	}
	return size
}

func staticField(ctx context.Context, env Env, v Value, f symbols.Field) (Value, error) {
	if f.Const != nil {
		return Value{Type: f.Type, Bytes: lowOrder(f.Const, sizeOf(f.Type), env.Arch().BigEndian)}, nil
	}
	out, err := env.Lookup(ctx, strip(v.Type).Name+"::"+f.Name)
	var ne *NameError
	if errors.As(err, &ne) {
		return Value{}, &symbols.UnavailableError{Reason: "it is declared, and defined nowhere"}
	}
	return out, err
}

// FieldOf is the value of a field of v, a class value: a member wherever it is, a
// base, a static member.
func FieldOf(ctx context.Context, env Env, v Value, f symbols.Field) (Value, error) {
	return field(ctx, env, v, f)
}

// virtualOffset finds a virtual base. Its distance lies in the vtable; f.VOffset
// computes it for the object, which it sees as the frame's CFA.
func virtualOffset(ctx context.Context, env Env, v Value, f symbols.Field) (int64, error) {
	if v.Place != InMemory {
		return 0, &symbols.UnavailableError{Reason: "a virtual base of a value without an address"}
	}
	if f.VOffset == nil {
		return f.Offset, nil
	}
	pieces, err := f.VOffset.Pieces(ctx, objectFrame{env: env, addr: v.Addr}, 0)
	if err != nil {
		return 0, err
	}
	if len(pieces) != 1 || pieces[0].Kind != symbols.InMemory {
		return 0, &symbols.UnavailableError{Reason: "the place of a virtual base"}
	}
	return int64(pieces[0].Addr - v.Addr), nil
}

// objectFrame is the frame in which a member's location is evaluated: the CFA is the object.
type objectFrame struct {
	env  Env
	addr arch.Addr
}

func (o objectFrame) Registers() *arch.Registers { return arch.NewRegisters(o.env.Arch().DefaultSet()) }
func (o objectFrame) Memory() symbols.Memory     { return o.env }
func (o objectFrame) Base() arch.Addr            { return 0 }
func (o objectFrame) CFA(context.Context) (arch.Addr, error) {
	return o.addr, nil
}
func (o objectFrame) TLS(context.Context, uint64) (arch.Addr, error) {
	return 0, &symbols.UnavailableError{Reason: "thread-local storage of a member"}
}
func (o objectFrame) Caller(context.Context) (symbols.Frame, error) { return nil, nil }

func (n *memberNode) eval(ev *evaluator) (Value, error) {
	x, err := ev.eval(n.x)
	if err != nil {
		var ne *NameError
		if v, ok := n.dotted(ev); ok && errors.As(err, &ne) {
			return v, nil
		}
		return Value{}, err
	}
	if x.Item != nil {
		return ev.itemMember(x, n.name)
	}
	if strip(x.Type).Kind == symbols.Func { // package main has a function main
		if v, ok := n.dotted(ev); ok {
			return v, nil
		}
	}
	if n.arrow {
		if v, ok, err := ev.through(x, n.name); ok || err != nil {
			return v, err
		}
	}
	v, err := Member(ev.ctx, ev.env, x, n.name)
	if err == nil || retry(err) {
		return v, err
	}
	if base, ok := n.base(ev, x); ok {
		return base, nil
	}
	if v, ok, err := n.ofDerived(ev, x); ok || err != nil {
		return v, err
	}
	if s, ok, _ := ev.textOf(x); ok && n.name == "Length" && !n.arrow {
		return ev.itemMember(Text(s), n.name)
	}
	return v, err
}

// base reads "x.Base" as the base-class part of x, which C++ lacks and watches need.
func (n *memberNode) base(ev *evaluator, x Value) (Value, bool) {
	x, err := composite(ev.ctx, ev.env, x)
	if err != nil {
		return Value{}, false
	}
	path, ok := findBase(completed(x.Type), n.name, maxBases)
	if !ok {
		return Value{}, false
	}
	v, err := descend(ev.ctx, ev.env, x, path)
	return v, err == nil
}

// ofDerived is the member of the whole object that x is a part of.
func (n *memberNode) ofDerived(ev *evaluator, x Value) (Value, bool, error) {
	x, err := composite(ev.ctx, ev.env, x)
	if err != nil {
		return Value{}, false, onlyRetry(err)
	}
	d, ok, err := DynamicObject(ev.ctx, ev.env, x)
	if err != nil || !ok {
		return Value{}, false, err
	}
	v, err := Member(ev.ctx, ev.env, d, n.name)
	return v, err == nil, onlyRetry(err)
}

// dotted reads "main.x" as one name, as Go has them, when no "main" has an x.
func (n *memberNode) dotted(ev *evaluator) (Value, bool) {
	name, ok := dottedName(n)
	if !ok {
		return Value{}, false
	}
	v, err := ev.env.Lookup(ev.ctx, name)
	return v, err == nil
}

func dottedName(x node) (string, bool) {
	switch x := x.(type) {
	case *nameNode:
		return x.name, true
	case *memberNode:
		if left, ok := dottedName(x.x); ok && !x.arrow {
			return left + "." + x.name, true
		}
	}
	return "", false
}
