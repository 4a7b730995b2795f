package eval

import (
	"context"
	"errors"
	"math/big"
	"slices"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// Bounds of what one expression may take: nodes evaluated, and functions of the
// data model within each other.
const (
	maxSteps  = 1_000_000
	maxNested = 100
)

// node is a construct of C++.
type node interface {
	eval(ev *evaluator) (Value, error)
	kids() []node
}

type (
	intNode struct {
		typ string // a built-in type
		v   uint64
	}
	floatNode struct {
		typ string
		f   float64
		x   *big.Float // of a long double
	}
	stringNode struct {
		char  string
		size  int
		units []rune
	}
	nameNode   struct{ name, rest string }
	regNode    struct{ name string }
	pseudoNode struct{ name string }
	switchNode struct{ e Expr }
	parenNode  struct{ x node }
	unaryNode  struct {
		op string
		x  node
	}
	stepNode struct { // postfix ++ and --
		op string
		x  node
	}
	binaryNode struct {
		op   string
		x, y node
		pos  int
	}
	assignNode struct {
		op   string // "" or that of a compound assignment
		x, y node
	}
	condNode   struct{ x, yes, no node }
	indexNode  struct{ x, y node }
	memberNode struct {
		x     node
		name  string
		arrow bool
	}
	callNode struct {
		callee node
		args   []node
	}
	castNode struct {
		spec    *typeSpec
		x       node
		dynamic bool // dynamic_cast
	}
	sizeofNode struct {
		spec *typeSpec
		x    node
	}
	macroNode struct {
		name string
		x    node
		size node // of #RTL_CONTAINS_FIELD
		spec *typeSpec
		path []string
	}
)

func (n *intNode) kids() []node    { return nil }
func (n *floatNode) kids() []node  { return nil }
func (n *stringNode) kids() []node { return nil }
func (n *nameNode) kids() []node   { return nil }
func (n *regNode) kids() []node    { return nil }
func (n *pseudoNode) kids() []node { return nil }
func (n *switchNode) kids() []node { return nil }
func (n *parenNode) kids() []node  { return []node{n.x} }
func (n *unaryNode) kids() []node  { return []node{n.x} }
func (n *stepNode) kids() []node   { return []node{n.x} }
func (n *binaryNode) kids() []node { return []node{n.x, n.y} }
func (n *assignNode) kids() []node { return []node{n.x, n.y} }
func (n *condNode) kids() []node   { return []node{n.x, n.yes, n.no} }
func (n *indexNode) kids() []node  { return []node{n.x, n.y} }
func (n *memberNode) kids() []node { return []node{n.x} }
func (n *callNode) kids() []node   { return append([]node{n.callee}, n.args...) }
func (n *castNode) kids() []node   { return []node{n.x} }
func (n *sizeofNode) kids() []node { return nil } // not evaluated
func (n *macroNode) kids() []node {
	switch {
	case n.x == nil:
		return nil
	case n.size == nil:
		return []node{n.x}
	}
	return []node{n.x, n.size}
}

// changing are the methods of the data model that change something.
var changing = map[string]bool{"ExecuteCommand": true, "SwitchTo": true}

// effects reports whether evaluating n may write.
func effects(n node) bool {
	switch n := n.(type) {
	case *assignNode, *stepNode:
		return true
	case *unaryNode:
		if n.op == "++" || n.op == "--" {
			return true
		}
	case *switchNode:
		return n.e.Effects()
	case *callNode:
		if m, ok := n.callee.(*memberNode); ok && changing[m.name] {
			return true
		}
	}
	for _, k := range n.kids() {
		if effects(k) {
			return true
		}
	}
	return false
}

// cppExpr is a parsed C++ expression. Without a root its shape depends on which
// names are types, and it is parsed when evaluated.
type cppExpr struct {
	src    string
	root   node
	writes bool
	calls  bool // functions of the debuggee may be called
	plain  bool // its macros are replaced
}

func (e *cppExpr) String() string { return e.src }

func (e *cppExpr) Effects() bool {
	return e.writes || e.root != nil && effects(e.root) || e.calls && (e.root == nil || calls(e.root))
}

// calls reports whether n may call a function.
func calls(n node) bool {
	_, is := n.(*callNode)
	return is || slices.ContainsFunc(n.kids(), calls)
}

func (e *cppExpr) Eval(ctx context.Context, env Env) (Value, error) {
	root, err := e.tree(ctx, env)
	if err != nil {
		return Value{}, err
	}
	ev := newEvaluator(ctx, env)
	ev.calls = e.calls
	return ev.eval(root)
}

// Settle is e as the code of env's frame means it, for who evaluates it there more than
// once: its macros are replaced.
func Settle(ctx context.Context, e Expr, env Env) Expr {
	x, ok := e.(*cppExpr)
	if !ok {
		return e
	}
	plain := x.expanded(ctx, env)
	if plain.root == nil { // types may come with images
		return e
	}
	return &cppExpr{src: plain.src, root: plain.root, calls: x.calls, plain: true}
}

// expanded is e with its macros replaced.
func (e *cppExpr) expanded(ctx context.Context, env Env) *cppExpr {
	if e.plain {
		return e
	}
	if src, ok := expandMacros(ctx, env, e.src); ok {
		if x, _, err := parseCPP(src, false); err == nil {
			return x
		}
	}
	return e
}

// tree returns the syntax tree, asking env which names are types when it matters.
func (e *cppExpr) tree(ctx context.Context, env Env) (node, error) {
	return e.expanded(ctx, env).resolve(ctx, env)
}

func (e *cppExpr) resolve(ctx context.Context, env Env) (node, error) {
	if e.root != nil {
		return e.root, nil
	}
	var failed error
	root, _, err := runParser(e.src, false, func(name string) bool {
		if _, err := env.Lookup(ctx, name); err == nil {
			return false
		} else if retry(err) {
			failed = err
		}
		_, ok := findType(ctx, env, name)
		return ok
	})
	if failed != nil {
		return nil, failed
	}
	return root, err
}

// evaluator carries one evaluation.
type evaluator struct {
	ctx    context.Context
	env    Env
	l      *language
	spent  *spent
	vars   map[string]Value            // parameters of the lambdas around
	calls  bool                        // functions of the debuggee may be called
	want   *symbols.Type               // what the call at hand is cast to
	fresh  map[arch.Addr]*symbols.Type // objects that the expression made
	within bool                        // a conversion by constructor is looked for
}

// spent is what an evaluation has taken so far, with all that it evaluates in turn.
type spent struct{ steps, nested int }

type spentKey struct{}

func newEvaluator(ctx context.Context, env Env) *evaluator {
	s, ok := ctx.Value(spentKey{}).(*spent)
	if !ok {
		s = &spent{}
		ctx = context.WithValue(ctx, spentKey{}, s)
	}
	return &evaluator{ctx: ctx, env: env, l: languageOf(env.Arch()), spent: s}
}

// step counts a step of the evaluation.
func (ev *evaluator) step() error {
	if ev.spent.steps++; ev.spent.steps > maxSteps {
		return ErrTooLong
	}
	return ev.ctx.Err()
}

// enter and leave bracket a function of the data model.
func (ev *evaluator) enter() error {
	if ev.spent.nested++; ev.spent.nested > maxNested {
		ev.spent.nested--
		return ErrTooLong
	}
	return nil
}

func (ev *evaluator) leave() { ev.spent.nested-- }

// ErrTooLong: the evaluation was given up after its limit of steps.
var ErrTooLong = errors.New("the expression takes too long to evaluate")

func (ev *evaluator) eval(n node) (Value, error) {
	if err := ev.step(); err != nil {
		return Value{}, err
	}
	v, err := n.eval(ev)
	if err != nil || v.Type == nil || v.Err != nil {
		return v, err
	}
	return deref(ev.ctx, ev.env, v)
}

// number evaluates n to a scalar.
func (ev *evaluator) number(n node) (number, error) {
	v, err := ev.eval(n)
	if err != nil {
		return number{}, err
	}
	return load(ev.ctx, ev.env, v)
}

// rvalue makes a value of a number.
func (ev *evaluator) rvalue(n number) (Value, error) {
	size := sizeOf(n.t)
	b, ok := encode(n, strip(n.t), size, ev.env.Arch())
	if !ok {
		return Value{}, &TypeError{n.t, "is not a type to compute with"}
	}
	return Value{Type: n.t, Bytes: b}, nil
}

// deref follows references to what they refer to.
func deref(ctx context.Context, env Env, v Value) (Value, error) {
	for range 8 {
		t := strip(v.Type)
		if t.Kind != symbols.Reference && t.Kind != symbols.RvalueReference {
			break
		}
		if to, ok, err := follow(ctx, env, v, 0); ok {
			if err != nil || to.Err != nil {
				return v, errors.Join(err, to.Err)
			}
			v = to
			continue
		}
		b, err := Fetch(ctx, env, v)
		if err != nil {
			return v, err
		}
		n, err := decode(t, b, 0, env.Arch())
		if err != nil {
			return v, err
		}
		v = Value{Type: elem(t), Place: InMemory, Addr: arch.Addr(n.lo)}
	}
	return v, nil
}

func (n *intNode) eval(ev *evaluator) (Value, error) {
	x := number{t: ev.l.named(n.typ), lo: n.v}
	return ev.rvalue(x.wrap(int(x.t.Size)*8, signed(x.t)))
}

func (n *floatNode) eval(ev *evaluator) (Value, error) {
	return ev.rvalue(number{t: ev.l.named(n.typ), float: true, f: n.f, x: n.x})
}

func (n *stringNode) eval(ev *evaluator) (Value, error) {
	return n.value(ev.l, ev.env.Arch().BigEndian), nil
}

func (n *parenNode) eval(ev *evaluator) (Value, error) { return ev.eval(n.x) }

func (n *switchNode) eval(ev *evaluator) (Value, error) { return n.e.Eval(ev.ctx, ev.env) }

func (n *nameNode) eval(ev *evaluator) (Value, error) {
	if v, ok := ev.vars[n.name]; ok {
		return v, nil
	}
	var v Value
	var err error
	if len(n.name) > 2 && n.name[:2] == "$!" {
		v, err = ev.env.Local(ev.ctx, n.name[2:])
	} else {
		v, err = ev.env.Lookup(ev.ctx, n.name)
	}
	if err == nil {
		return v, nil
	}
	if retry(err) {
		return v, err
	}
	if c, ok := enumConstant(ev.ctx, ev.env, n.name); ok {
		return c, nil
	}
	var ne *NameError
	if errors.As(err, &ne) && ne.Rest == "" {
		return v, &NameError{Name: n.name, Rest: n.rest}
	}
	return v, err
}

// enumConstant resolves "Color::Red" for an Env that knows only the type.
func enumConstant(ctx context.Context, env Env, name string) (Value, bool) {
	scope, last := splitScope(name)
	if scope == "" {
		return Value{}, false
	}
	t, ok := env.Type(ctx, scope)
	if !ok {
		return Value{}, false
	}
	s := strip(t)
	for _, e := range s.Members().Enumerators {
		if s.Kind == symbols.Enum && e.Name == last {
			return enumValue(t, e, env.Arch())
		}
	}
	return Value{}, false
}

// enumValue is an enumerator of t.
func enumValue(t *symbols.Type, e symbols.Enumerator, a *arch.Arch) (Value, bool) {
	s := strip(t)
	b, ok := encode(number{t: s, lo: uint64(e.Value), hi: uint64(e.Value >> 63)}, s, s.ByteSize(), a)
	return Value{Type: t, Bytes: b}, ok
}

// splitScope cuts "a::b<c::d>::e" into "a::b<c::d>" and "e".
func splitScope(name string) (scope, last string) {
	depth := 0
	for i := len(name) - 1; i > 0; i-- {
		switch name[i] {
		case '>':
			depth++
		case '<':
			depth--
		case ':':
			if depth == 0 && name[i-1] == ':' {
				return name[:i-1], name[i+1:]
			}
		}
	}
	return "", name
}

func (n *regNode) eval(ev *evaluator) (Value, error) {
	b, ok := ev.env.Register(ev.ctx, n.name)
	if !ok {
		return Value{}, &SyntaxError{Text: "@" + n.name, Msg: "Bad register"}
	}
	return Value{Type: registerType(ev.l, ev.env.Arch(), n.name, len(b)), Place: InRegister, Register: n.name, Bytes: b}, nil
}

// registerType is the type a register has in an expression.
func registerType(l *language, a *arch.Arch, name string, size int) *symbols.Type {
	for _, r := range a.Core {
		if r.Name == name && r.Group == arch.Float && size >= 10 {
			t := *l.named("long double")
			return &symbols.Type{Kind: symbols.Base, Name: t.Name, Size: int64(size), Encoding: symbols.FloatEnc}
		}
	}
	switch size {
	case 1:
		return l.named("unsigned char")
	case 2:
		return l.named("unsigned short")
	case 4:
		return l.named("unsigned int")
	case 8:
		return l.named("unsigned __int64")
	case 16:
		return l.named("unsigned __int128")
	}
	return arrayOf(l.named("unsigned char"), int64(size))
}

func (n *pseudoNode) eval(ev *evaluator) (Value, error) {
	v, ok := ev.env.Pseudo(ev.ctx, n.name)
	if !ok {
		return Value{}, &SyntaxError{Text: "@$" + n.name, Msg: "Bad register"}
	}
	if v.Type == nil && v.Err == nil {
		v.Type = ev.l.named("unsigned __int64")
	}
	return v, nil
}

func (n *sizeofNode) eval(ev *evaluator) (Value, error) {
	var t *symbols.Type
	var err error
	if n.spec != nil {
		t, err = ev.resolve(n.spec)
	} else {
		var v Value
		if v, err = ev.eval(n.x); err == nil && v.Item != nil {
			err = &ItemError{className(v), "has no size"}
		}
		t = v.Type
	}
	if err != nil {
		return Value{}, err
	}
	if s := strip(t); s.Kind == symbols.Reference || s.Kind == symbols.RvalueReference {
		t = elem(s)
	}
	size := sizeOf(t)
	if size < 0 {
		return Value{}, &TypeError{t, "has no known size"}
	}
	return ev.rvalue(number{t: ev.l.named("unsigned long"), lo: uint64(size)})
}
