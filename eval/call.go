package eval

import (
	"context"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// Caller is an Env that can call functions of the debuggee. An expression calls
// only when it was parsed with Options.Calls.
type Caller interface {
	Call(ctx context.Context, c Call) (Value, error)
	// Room is a place for an object of type t on the debuggee's stack; it is the
	// object's until the debuggee runs on.
	Room(ctx context.Context, t *symbols.Type) (Value, error)
	// ByReference reports whether functions that take a class by value take the
	// address of a copy that its own constructor has made (Itanium C++ ABI, 3.1.2.3).
	ByReference(t *symbols.Type) bool
}

// Functions is an Env that knows all functions of a name: overloads.
type Functions interface {
	Functions(ctx context.Context, name string) ([]Value, error)
}

// Call is a call of a function of the debuggee.
type Call struct {
	Name  string        // for messages
	Addr  arch.Addr     // where its code begins
	Type  *symbols.Type // stripped, Kind Func: Elem is what it returns
	Args  []Argument
	Fixed int // arguments before the dots of a variadic function
}

// Argument is what a call passes. Its Value has Type already, except that ByPlace
// asks for the address of Value: a reference, the object of a method, an array. The
// Caller gives a Value without a place one for the time of the call.
type Argument struct {
	Value   Value
	Type    *symbols.Type
	ByPlace bool
	own     bool // Value was made for the call
}

// Void is the type of no value.
func Void() *symbols.Type { return lp64().byName["void"] }

// maxArguments bounds those of one call.
const maxArguments = 64

// candidate is a function that a call may mean.
type candidate struct {
	name   string
	addr   arch.Addr
	typ    *symbols.Type
	method *symbols.Method
	class  *symbols.Type // of a method
	object Value         // of a method that has one
}

// callDebuggee makes the call that n spells; want is the type that it is cast to,
// nil none.
func (ev *evaluator) callDebuggee(n *callNode, want *symbols.Type) (Value, error) {
	caller, err := ev.caller(calleeName(n.callee))
	if err != nil {
		return Value{}, err
	}
	if len(n.args) > maxArguments {
		return Value{}, &CallError{Name: calleeName(n.callee), Msg: "takes too many arguments"}
	}
	list, err := ev.candidates(n.callee)
	if err != nil {
		return Value{}, err
	}
	args, err := ev.arguments(n.args)
	if err != nil {
		return Value{}, err
	}
	c, err := ev.choose(calleeName(n.callee), list, args)
	if err != nil {
		return Value{}, err
	}
	if c.typ.Elem != nil && (c.typ.Load != nil || c.typ.Language == symbols.C) && c.unprototyped() {
		if want == nil {
			return Value{}, &CallError{Name: c.name, Msg: "has no debug information; cast the call to what it returns, as in (int)" + c.name + "(...)"}
		}
		c.typ = &symbols.Type{Kind: symbols.Func, Size: 1, Elem: want}
	}
	return ev.makeCall(caller, c, args)
}

// arguments evaluates those of a call.
func (ev *evaluator) arguments(list []node) ([]Value, error) {
	args := make([]Value, len(list))
	for i, a := range list {
		var err error
		if args[i], err = ev.eval(a); err != nil {
			return nil, err
		}
		if args[i].Item != nil {
			return nil, &ItemError{className(args[i]), "cannot be passed to a function"}
		}
		if args[i].Err != nil {
			return nil, args[i].Err
		}
	}
	return args, nil
}

// calleeName spells what is called, for messages.
func calleeName(n node) string {
	switch n := n.(type) {
	case *nameNode:
		return n.name
	case *memberNode:
		return n.name
	}
	return ""
}

// candidates are the functions that callee may mean.
func (ev *evaluator) candidates(callee node) ([]candidate, error) {
	switch n := callee.(type) {
	case *parenNode:
		if pointsToMember(n.x) {
			return ev.memberFunction(n.x.(*binaryNode))
		}
	case *memberNode:
		x, err := ev.eval(n.x)
		if err != nil {
			return nil, err
		}
		if list, err := ev.methods(x, n); list != nil || err != nil {
			return list, err
		}
	case *nameNode:
		if list, err := ev.functions(n.name); list != nil || err != nil {
			return list, err
		}
	}
	v, err := ev.eval(callee)
	if err != nil {
		return nil, err
	}
	return ev.pointed(v, calleeName(callee))
}

// pointsToMember reports whether n is x.*p or x->*p.
func pointsToMember(n node) bool {
	b, ok := n.(*binaryNode)
	return ok && (b.op == ".*" || b.op == "->*")
}

// pointed is the function that v is or points to.
func (ev *evaluator) pointed(v Value, name string) ([]candidate, error) {
	t := strip(v.Type)
	if v.Err == nil && t.Kind == symbols.Func && v.Place == InMemory {
		return []candidate{{name: name, addr: v.Addr, typ: t}}, nil
	}
	if f := strip(elem(t)); t.Kind == symbols.Pointer && f.Kind == symbols.Func {
		n, err := load(ev.ctx, ev.env, v)
		return []candidate{{name: name, addr: arch.Addr(n.lo), typ: f}}, err
	}
	return nil, &TypeError{v.Type, "is no function"}
}

// functions are those of a name: in the class of this, else those that the Env
// knows. Nil when the name is a variable.
func (ev *evaluator) functions(name string) ([]candidate, error) {
	if this, err := ev.env.Local(ev.ctx, "this"); err == nil && this.Err == nil && this.Type != nil && !strings.Contains(name, "::") {
		if list, err := ev.methods(this, &memberNode{name: name, arrow: true}); list != nil || err != nil {
			return list, err
		}
	} else if err != nil && retry(err) {
		return nil, err
	}
	if v, err := ev.env.Lookup(ev.ctx, name); err == nil && (v.Item != nil || strip(v.Type).Kind != symbols.Func) {
		return nil, nil
	}
	f, ok := ev.env.(Functions)
	if !ok {
		return nil, nil
	}
	list, err := f.Functions(ev.ctx, name)
	if err != nil {
		return nil, err
	}
	var out []candidate
	for _, v := range list {
		out = append(out, candidate{name: name, addr: v.Addr, typ: strip(v.Type)})
	}
	return out, nil
}

// methods are those of x that n names, nil when its class has none of that name.
func (ev *evaluator) methods(x Value, n *memberNode) ([]candidate, error) {
	if n.arrow {
		if p, ok, err := ev.plainPointer(x); err != nil {
			return nil, err
		} else if ok {
			if x, err = ev.object(p, 0); err != nil {
				return nil, err
			}
		}
	}
	x, err := composite(ev.ctx, ev.env, x)
	if err != nil {
		if retry(err) {
			return nil, err
		}
		return nil, nil
	}
	scope, name := splitScope(n.name)
	static, class, ms := x, completed(x.Type), []symbols.Method(nil)
	if scope == "" {
		if dynamic, ok, err := DynamicObject(ev.ctx, ev.env, x); err != nil {
			return nil, err
		} else if ok && len(methodsOf(completed(dynamic.Type), name)) > 0 && overrides(methodsOf(class, name)) {
			static = dynamic
		}
	}
	holder, ms := methodHolder(completed(static.Type), name, scope)
	var out []candidate
	for i := range ms {
		m := &ms[i]
		if m.Type == nil || m.Deleted {
			continue
		}
		c := candidate{name: holder.Name + "::" + name, typ: strip(m.Type), method: m, class: holder}
		if !m.Static {
			if c.object, err = ev.partOf(static, holder); err != nil {
				return nil, err
			}
		}
		out = append(out, c)
	}
	return out, nil
}

// overrides reports whether calls of one of the methods are dispatched.
func overrides(ms []symbols.Method) bool {
	for _, m := range ms {
		if m.Virtual {
			return true
		}
	}
	return false
}

// methodHolder finds the class, t or a base of it, that declares methods of a name.
func methodHolder(t *symbols.Type, name, scope string) (*symbols.Type, []symbols.Method) {
	left := maxClasses
	return holderWithin(t, name, scope, maxBases, &left)
}

func holderWithin(t *symbols.Type, name, scope string, depth int, left *int) (*symbols.Type, []symbols.Method) {
	if *left--; depth == 0 || *left < 0 || t == nil {
		return nil, nil
	}
	var ms []symbols.Method
	for _, m := range t.Members().AllMethods() {
		if m.Name == name && (scope == "" || sameClass(t.Name, scope)) {
			ms = append(ms, m)
		}
	}
	if ms != nil {
		return t, ms
	}
	for _, f := range t.Members().Fields {
		if f.Base {
			if h, ms := holderWithin(completed(f.Type), name, scope, depth-1, left); ms != nil {
				return h, ms
			}
		}
	}
	return nil, nil
}

// partOf is v as its base class to.
func (ev *evaluator) partOf(v Value, to *symbols.Type) (Value, error) {
	f := completed(v.Type)
	if f == to || f.Name == to.Name {
		return v, nil
	}
	path, ok := findBase(f, to.Name, maxBases)
	if !ok {
		return v, nil
	}
	return descend(ev.ctx, ev.env, v, path)
}

// memberFunction is what (x.*p) and (x->*p) call (Itanium C++ ABI, 2.3).
func (ev *evaluator) memberFunction(n *binaryNode) ([]candidate, error) {
	x, err := ev.eval(n.x)
	if err != nil {
		return nil, err
	}
	if x, err = composite(ev.ctx, ev.env, x); err != nil {
		return nil, err
	}
	p, err := ev.eval(n.y)
	if err != nil {
		return nil, err
	}
	t := strip(p.Type)
	f := strip(elem(t))
	if t.Kind != symbols.MemberPointer || f.Kind != symbols.Func || x.Place != InMemory {
		return nil, &TypeError{p.Type, "is no pointer to a method of it"}
	}
	b, err := Fetch(ev.ctx, ev.env, p)
	if err != nil {
		return nil, err
	}
	size := ev.env.Arch().PtrSize
	if len(b) < 2*size {
		return nil, &TypeError{p.Type, "has no known layout"}
	}
	word := ev.l.named("unsigned long")
	at, err := decode(word, b[:size], 0, ev.env.Arch())
	if err != nil {
		return nil, err
	}
	adjust, err := decode(word, b[size:2*size], 0, ev.env.Arch())
	if err != nil {
		return nil, err
	}
	virtual, slot, by := at.lo&1 != 0, at.lo&^1, int64(adjust.lo)
	if strings.HasPrefix(ev.env.Arch().Name, "arm") {
		virtual, slot, by = adjust.lo&1 != 0, at.lo, int64(adjust.lo)>>1
	}
	x.Addr, x.Bytes = ev.address(uint64(x.Addr)+uint64(by)), nil
	if virtual {
		table, err := Int(ev.ctx, ev.env, Value{Type: word, Place: InMemory, Addr: x.Addr})
		if err != nil {
			return nil, err
		}
		if at.lo, err = Int(ev.ctx, ev.env, Value{Type: word, Place: InMemory, Addr: ev.address(table + slot)}); err != nil {
			return nil, err
		}
	}
	return []candidate{{name: "a method", addr: arch.Addr(at.lo), typ: f, object: x, method: &symbols.Method{Type: f}, class: completed(x.Type)}}, nil
}

// methodAddress finds the code of a method.
func (ev *evaluator) methodAddress(c candidate) (arch.Addr, error) {
	for _, name := range linkages(c.method) {
		if name == "" {
			continue
		}
		a, err := ev.env.Address(ev.ctx, name)
		if err == nil || retry(err) {
			return a, err
		}
	}
	if f, ok := ev.env.(Functions); ok {
		list, err := f.Functions(ev.ctx, c.name)
		if err != nil {
			return 0, err
		}
		want := declare(c.typ, "", 0)
		for _, v := range list {
			if len(list) == 1 || declare(strip(v.Type), "", 0) == want {
				return v.Addr, nil
			}
		}
	}
	return 0, &CallError{Name: c.name, Msg: "has no code of its own that debug information tells of: it was inlined wherever it is used, or lies in a library without debug information"}
}

// CallError: an expression calls a function of the debuggee, and cannot.
type CallError struct {
	Name       string
	Msg        string // "" when calls are not allowed
	Candidates []string
}

func (e *CallError) Error() string {
	switch {
	case len(e.Candidates) > 0:
		return "'" + e.Name + "' " + e.Msg + ": there is " + strings.Join(e.Candidates, "; ")
	case e.Msg != "":
		return "'" + e.Name + "' " + e.Msg
	case e.Name == "":
		return "functions of the debuggee are not called unless you ask for it"
	}
	return "'" + e.Name + "' is a function; functions of the debuggee are not called unless you ask for it"
}

// Hint says what the user can do.
func (e *CallError) Hint() string {
	if e.Msg != "" {
		return ""
	}
	return "dx -f calls functions, as does .call; \"allowCalls\" in the launch configuration lets every watch do so"
}
