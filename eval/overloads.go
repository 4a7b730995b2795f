package eval

import (
	"fmt"
	"strings"

	"dap-windbg/symbols"
)

// This file decides which function a call means, and what its arguments become.

// choose picks the candidate that fits the arguments best.
func (ev *evaluator) choose(name string, list []candidate, args []Value) (candidate, error) {
	best, cost, same := candidate{}, -1, 0
	for _, c := range list {
		n, ok := ev.fits(c, args)
		switch {
		case !ok:
		case cost < 0 || n < cost:
			best, cost, same = c, n, 1
		case n == cost && c.addr != best.addr:
			same++
		}
	}
	switch {
	case cost < 0:
		e := &CallError{Name: name, Msg: "takes other arguments"}
		for i, c := range list {
			if i == 8 {
				break
			}
			e.Candidates = append(e.Candidates, declare(c.typ, c.name, 0))
		}
		return best, e
	case same > 1:
		return best, &CallError{Name: name, Msg: "is ambiguous for these arguments; cast them"}
	}
	return best, nil
}

// params are the types of the parameters that are written, not of this.
func (c candidate) params() []*symbols.Type {
	var out []*symbols.Type
	for i, p := range c.typ.Members().Params {
		if !p.Artificial && (c.method == nil || i > 0 || c.method.Static || len(c.typ.Members().Params) == 0 || !isThis(c, p)) {
			out = append(out, p.Type)
		}
	}
	return out
}

// isThis reports whether a method's first parameter is its object, where the debug
// information does not say so.
func isThis(c candidate, p symbols.Param) bool { return p.Name == "this" && c.object.Type != nil }

// unprototyped reports whether nothing is known of the parameters.
func (c candidate) unprototyped() bool {
	m := c.typ.Members()
	assembled := c.typ.Elem != nil && c.typ.Elem.Kind == symbols.Unspecified // the assembler's own debug information
	return len(m.Params) == 0 && c.method == nil && (c.typ.Load == nil || assembled)
}

// fits tells whether args can be passed to c, and how much they have to change.
func (ev *evaluator) fits(c candidate, args []Value) (int, bool) {
	params := c.params()
	if len(args) < len(params) && !allocators(params[len(args):]) || len(args) > len(params) && !c.typ.Members().Variadic && !c.unprototyped() {
		return 0, false
	}
	sum := 0
	for i, p := range params[:min(len(params), len(args))] {
		n := ev.conversion(args[i], p)
		if n < 0 {
			return 0, false
		}
		sum += n
	}
	if len(args) > len(params) {
		sum += 100
	}
	return sum + max(len(params)-len(args), 0), true
}

// allocators reports whether parameters are all allocators of the standard library:
// every function that takes one last makes its own when none is given, and all of a
// class are the same, since they have no state.
func allocators(params []*symbols.Type) bool {
	for _, p := range params {
		t := strip(p)
		if t.Kind != symbols.Reference {
			return false
		}
		if c := completed(elem(t)); !c.IsComposite() || !strings.HasPrefix(c.Name, "std::allocator<") {
			return false
		}
	}
	return true
}

// conversion is what passing v as a p costs, -1 when it is impossible.
func (ev *evaluator) conversion(v Value, p *symbols.Type) int {
	to := strip(p)
	if to.Kind == symbols.Reference || to.Kind == symbols.RvalueReference {
		n := ev.conversion(v, elem(to))
		if n >= 0 && (v.Place == NoPlace || ev.isFresh(v)) != (to.Kind == symbols.RvalueReference) {
			n++ // the other kind of reference takes it better
		}
		return n
	}
	from := strip(v.Type)
	switch {
	case to.IsComposite():
		if !from.IsComposite() {
			if _, ok := ev.converting(v, completed(to)); ok {
				return 20
			}
			return -1
		}
		a, b := completed(from), completed(to)
		if a == b || a.Name == b.Name {
			return 0
		}
		if _, ok := findBase(a, b.Name, maxBases); ok {
			return 2
		}
		return -1
	case to.Kind == symbols.Pointer:
		return pointerConversion(from, v, elem(to))
	case isArith(to) && isArith(from):
		return arithConversion(from, to)
	case to.Kind == symbols.Base && to.Encoding == symbols.Bool && (from.Kind == symbols.Pointer || from.Kind == symbols.Array):
		return 6
	case TypeName(from) == TypeName(to):
		return 0
	}
	return -1
}

func arithConversion(from, to *symbols.Type) int {
	switch {
	case from == to, TypeName(from) == TypeName(to), from.Kind == to.Kind && from.Kind == symbols.Base && from.Size == to.Size && from.Encoding == to.Encoding:
		return 0
	case to.Kind == symbols.Enum:
		return 8
	case isFloat(from) != isFloat(to):
		return 4
	case isFloat(to) && to.Size > from.Size, !isFloat(to) && to.Size == 4 && from.Size < 4 && to.Encoding == symbols.Signed:
		return 1
	}
	return 3
}

func pointerConversion(from *symbols.Type, v Value, to *symbols.Type) int {
	switch {
	case from.Kind == symbols.NullPtr:
		return 1
	case isInteger(from):
		if v.Place == NoPlace && len(v.Bytes) > 0 && strings.Trim(string(v.Bytes), "\x00") == "" {
			return 3 // 0
		}
		return -1
	case from.Kind == symbols.Func:
		if strip(to).Kind == symbols.Func {
			return 0
		}
		return -1
	case from.Kind != symbols.Pointer && from.Kind != symbols.Array:
		return -1
	}
	a, b := completed(elem(from)), completed(to)
	switch {
	case a == b, TypeName(a) == TypeName(b):
		return 0
	case b.Kind == symbols.Void:
		return 3
	}
	if _, ok := findBase(a, b.Name, maxBases); ok && b.IsComposite() {
		return 2
	}
	return 7
}

// prepare converts the arguments of the call of c.
func (ev *evaluator) prepare(caller Caller, c candidate, args []Value) (Call, error) {
	out := Call{Name: c.name, Addr: c.addr, Type: c.typ}
	if c.method != nil && c.addr == 0 {
		var err error
		if out.Addr, err = ev.methodAddress(c); err != nil {
			return out, err
		}
	}
	if out.Addr == 0 {
		return out, &CallError{Name: c.name, Msg: "has no code"}
	}
	if c.object.Type != nil {
		out.Args = append(out.Args, Argument{Value: c.object, Type: ev.l.pointer(c.object.Type), ByPlace: true})
	}
	params := c.params()
	for i, v := range args {
		var a Argument
		var err error
		if i < len(params) {
			a, err = ev.passed(caller, v, params[i])
		} else {
			a, err = ev.promoted(v)
		}
		if err != nil {
			return out, fmt.Errorf("argument %d of %s: %w", i+1, c.name, err)
		}
		out.Args = append(out.Args, a)
		if i < len(params) || !c.typ.Members().Variadic {
			out.Fixed = len(out.Args)
		}
	}
	for _, p := range params[min(len(params), len(args)):] { // allocators
		class := completed(elem(strip(p)))
		out.Args = append(out.Args, Argument{Value: Value{Type: class, Bytes: make([]byte, max(sizeOf(class), 1))}, Type: p, ByPlace: true})
		out.Fixed = len(out.Args)
	}
	out.Fixed = max(out.Fixed, len(out.Args)-len(args))
	return out, nil
}

// passed is v as parameter type p takes it.
func (ev *evaluator) passed(caller Caller, v Value, p *symbols.Type) (Argument, error) {
	to := strip(p)
	switch ref := to.Kind == symbols.Reference || to.Kind == symbols.RvalueReference; {
	case to.IsComposite(), ref && strip(elem(to)).IsComposite():
		return ev.passedObject(caller, v, p, ref)
	case ref:
		v, err := ev.referred(v, elem(to))
		return Argument{Value: v, Type: p, ByPlace: true}, err
	case to.Kind == symbols.Pointer && strip(v.Type).Kind == symbols.Array && v.Place != InMemory:
		return Argument{Value: v, Type: p, ByPlace: true}, nil
	}
	x, err := ev.cast(v, p)
	return Argument{Value: x, Type: p}, err
}

// passedObject is v as a parameter takes it that is a class or refers to one: a copy
// where only the class can make one, an object made of v where v is none.
func (ev *evaluator) passedObject(caller Caller, v Value, p *symbols.Type, ref bool) (Argument, error) {
	class := strip(p)
	if ref {
		class = elem(class)
	}
	class = completed(class)
	if !strip(v.Type).IsComposite() {
		x, err := ev.construct(class, []Value{v})
		if !ref && caller.ByReference(class) {
			p, ref = ev.l.pointer(class), true
		}
		return Argument{Value: x, Type: p, ByPlace: ref, own: true}, err
	}
	v, err := ev.referred(v, class)
	if err != nil || ref || !caller.ByReference(class) {
		return Argument{Value: v, Type: p, ByPlace: ref}, err
	}
	v, err = ev.copied(caller, v, class)
	return Argument{Value: v, Type: ev.l.pointer(class), ByPlace: true, own: true}, err
}

// referred is the object of type t that v is or has as its base.
func (ev *evaluator) referred(v Value, t *symbols.Type) (Value, error) {
	if t.IsComposite() {
		return ev.partOf(v, completed(t))
	}
	from, to := strip(v.Type), strip(t)
	if v.Place == InMemory && v.BitSize == 0 && (from == to || TypeName(from) == TypeName(to) || !isScalar(to)) {
		return v, nil
	}
	return ev.cast(v, t)
}

// promoted is v as the default argument promotions make it.
func (ev *evaluator) promoted(v Value) (Argument, error) {
	t := strip(v.Type)
	switch {
	case t.IsComposite():
		return Argument{Value: v, Type: v.Type}, nil
	case t.Kind == symbols.Array && v.Place != InMemory:
		return Argument{Value: v, Type: ev.l.pointer(elem(t)), ByPlace: true}, nil
	}
	n, err := load(ev.ctx, ev.env, v)
	if err != nil {
		return Argument{}, err
	}
	if n.float && n.t.Size < 8 {
		n = n.to(ev.l.named("double"))
	} else if isInteger(strip(n.t)) {
		n = ev.promote(n)
	}
	x, err := ev.rvalue(n)
	return Argument{Value: x, Type: n.t}, err
}
