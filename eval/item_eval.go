package eval

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

func addrOf(n int64) arch.Addr { return arch.Addr(n) }

// itemMember is x.name of the data model: a property.
func (ev *evaluator) itemMember(x Value, name string) (Value, error) {
	if p, ok := x.Item.prop(name); ok {
		return p.Get(ev.ctx, ev.env)
	}
	if x.Item.IsText && name == "Length" {
		return Count(ev.env, uint64(len([]rune(x.Item.Text)))), nil
	}
	if f, ok := ev.method(x, name); ok {
		return ItemOf(&Item{Class: "method", Text: "<function>", Func: f}), nil
	}
	return Value{}, &NameError{Name: name, Rest: name}
}

// method finds a method of x by name: its own, that of collections, that of text.
func (ev *evaluator) method(x Value, name string) (Func, bool) {
	if x.Item != nil {
		for _, m := range x.Item.Methods {
			if m.Name == name {
				return m.Call, true
			}
		}
		if p, ok := x.Item.prop(name); ok {
			return func(ctx context.Context, env Env, args []Value) (Value, error) {
				f, err := p.Get(ctx, env)
				if err != nil || f.Item == nil || f.Item.Func == nil {
					return Value{}, errors.Join(err, &ItemError{className(f), "is no function"})
				}
				return f.Item.Func(ctx, env, args)
			}, true
		}
	}
	if m, ok := generalMethods[name]; ok {
		return m.bind(x, name), true
	}
	text := x.Item != nil && x.Item.IsText || x.Item == nil && ev.isText(x)
	if m, ok := textMethods[name]; ok && text {
		return m.bind(x, name), true
	}
	m, ok := listMethods[name]
	return m.bind(x, name), ok
}

// isText reports whether v is a string of the debuggee's program.
func (ev *evaluator) isText(v Value) bool {
	_, ok, err := ev.stringOf(v)
	return ok && err == nil
}

// itemIndex is x[i] of the data model.
func (ev *evaluator) itemIndex(x, i Value) (Value, error) {
	l, err := ev.listOf(x)
	if err != nil {
		return Value{}, err
	}
	return ev.find(l, x, i)
}

func (ev *evaluator) find(l *List, x, key Value) (Value, error) {
	if l.Find != nil {
		v, ok, err := l.Find(ev.ctx, ev.env, key)
		if err == nil && !ok {
			err = ev.noElement(x, key)
		}
		return v, err
	}
	var out Value
	found := false
	err := ev.walk(l, func(e Element) (bool, error) {
		same, err := ev.same(e.Key, key)
		if same {
			out, found = e.Value, true
		}
		return !same, err
	})
	switch {
	case err != nil:
		return Value{}, err
	case !found:
		return Value{}, ev.noElement(x, key)
	}
	return out, nil
}

func (ev *evaluator) noElement(x, key Value) error {
	text, err := ev.keyText(key)
	if err != nil {
		return err
	}
	return &ItemError{className(x), "has no element [" + text + "]"}
}

// keyText is how a key is written between brackets.
func (ev *evaluator) keyText(key Value) (string, error) {
	if s, ok, err := ev.textOf(key); ok || err != nil {
		return `"` + s + `"`, err
	}
	if key.Item != nil {
		return key.Item.Text, nil
	}
	if !key.has() {
		return "", key.Err
	}
	return (&Model{}).Text(ev.ctx, ev.env, key, Format{})
}

// textOf is v as text when it is: the data model's, or a string of the program's.
func (ev *evaluator) textOf(v Value) (string, bool, error) {
	if v.Item != nil {
		return v.Item.Text, v.Item.IsText, nil
	}
	if v.Err != nil || v.Type == nil {
		return "", false, v.Err
	}
	t := strip(v.Type)
	if t.Kind == symbols.Reference {
		t = strip(elem(t))
	}
	if t.Kind != symbols.Array && t.Kind != symbols.Pointer && !t.IsComposite() {
		return "", false, nil
	}
	return ev.stringOf(v)
}

// order compares two values: as numbers, or as text.
func (ev *evaluator) order(x, y Value) (int, error) {
	a, text, err := ev.textOf(x)
	if err != nil {
		return 0, err
	}
	b, text2, err := ev.textOf(y)
	if err != nil {
		return 0, err
	}
	if text && text2 {
		return strings.Compare(a, b), nil
	}
	if text != text2 {
		return 0, &ItemError{className(x), "cannot be compared with a " + className(y)}
	}
	n, err := load(ev.ctx, ev.env, x)
	if err != nil {
		return 0, err
	}
	m, err := load(ev.ctx, ev.env, y)
	if err != nil {
		return 0, err
	}
	switch {
	case n.float || m.float:
		return cmp.Compare(n.asFloat(), m.asFloat()), nil
	case n.hi == m.hi && n.lo == m.lo:
		return 0, nil
	}
	return n.big().Cmp(m.big()), nil
}

// same reports whether two values are equal; those that cannot be compared are not.
func (ev *evaluator) same(x, y Value) (bool, error) {
	if x.Item != nil && x.Item == y.Item {
		return true, nil
	}
	if x.Item != nil && x.Item.Class == keyClass && y.Item == nil {
		text, err := (&Model{}).Text(ev.ctx, ev.env, y, Format{Style: Plain})
		return text == x.Item.Text, err
	}
	c, err := ev.order(x, y)
	if err != nil {
		if retry(err) {
			return false, err
		}
		return false, nil
	}
	return c == 0, nil
}

// truthy is v as a condition.
func (ev *evaluator) truthy(v Value) (bool, error) {
	if v.Item != nil {
		return false, &ItemError{className(v), "is neither true nor false"}
	}
	n, err := load(ev.ctx, ev.env, v)
	return n.truth(), err
}

// itemBinary applies an operator where a side is the data model's own.
func (ev *evaluator) itemBinary(op string, x, y Value) (Value, error) {
	a, text, err := ev.textOf(x)
	if err != nil {
		return Value{}, err
	}
	b, text2, err := ev.textOf(y)
	if err != nil {
		return Value{}, err
	}
	switch {
	case op == "+" && (text || text2):
		for _, s := range []struct {
			v    Value
			text bool
			to   *string
		}{{x, text, &a}, {y, text2, &b}} {
			if !s.text {
				if *s.to, err = ev.display(s.v, Format{Radix: 10}); err != nil {
					return Value{}, err
				}
			}
		}
		if len(a)+len(b) > maxCompared {
			return Value{}, &ItemError{"text", "is too long"}
		}
		return Text(a + b), nil
	case op == "==" || op == "!=":
		same, err := ev.same(x, y)
		return truthOf(ev.env, same == (op == "==")), err
	case isCompare(op):
		c, err := ev.order(x, y)
		if err != nil {
			return Value{}, err
		}
		return truthOf(ev.env, holds(op, c)), nil
	}
	if x.Item == nil {
		x = y
	}
	return Value{}, &ItemError{className(x), "has no operator " + op}
}

// holds reports whether a comparison is true of what Compare functions return.
func holds(op string, c int) bool {
	switch op {
	case "==":
		return c == 0
	case "!=":
		return c != 0
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	}
	return c >= 0
}

// display is v as dx shows its value.
func (ev *evaluator) display(v Value, f Format) (string, error) {
	m := &Model{}
	if k, ok := ev.env.(Modeler); ok && k.Model() != nil {
		m = k.Model()
	}
	if s, ok := v.Item, v.Item != nil; ok && s.IsText {
		return s.Text, nil
	}
	return m.Text(ev.ctx, ev.env, v, f)
}

// invoke calls a function of the data model. ok is false when the callee is none.
func (ev *evaluator) invoke(n *callNode) (v Value, ok bool, err error) {
	switch c := n.callee.(type) {
	case *nameNode:
		f, is := ev.vars[c.name]
		if !is {
			return Value{}, false, nil
		}
		v, err = ev.apply(f, n.args)
		return v, true, err
	case *memberNode:
		return ev.invokeMethod(c, n.args)
	case *pseudoNode, *parenNode, *callNode, *indexNode:
		if p, ok := c.(*parenNode); ok && pointsToMember(p.x) {
			return Value{}, false, nil
		}
		f, err := ev.eval(c)
		if err != nil || f.Item == nil {
			return Value{}, false, err
		}
		v, err = ev.apply(f, n.args)
		return v, true, err
	}
	return Value{}, false, nil
}

func (ev *evaluator) invokeMethod(c *memberNode, args []node) (v Value, ok bool, err error) {
	_, list := listMethods[c.name]
	_, text := textMethods[c.name]
	_, general := generalMethods[c.name]
	x, err := ev.eval(c.x)
	if err != nil {
		return Value{}, false, err
	}
	if x.Item == nil && (c.arrow || !list && !text && !general || ev.declares(x, c.name)) {
		return Value{}, false, nil
	}
	f, ok := ev.method(x, c.name)
	if !ok {
		return Value{}, true, &NameError{Name: c.name, Rest: c.name}
	}
	v, err = ev.apply(ItemOf(&Item{Class: "method", Func: f}), args)
	return v, true, err
}

// declares reports whether v's class has a method of this name itself.
func (ev *evaluator) declares(v Value, name string) bool {
	v, err := deref(ev.ctx, ev.env, v)
	return err == nil && v.Type.IsComposite() && len(methodsOf(completed(v.Type), name)) > 0
}

// apply calls f with the values of args.
func (ev *evaluator) apply(f Value, args []node) (Value, error) {
	if f.Item == nil || f.Item.Func == nil {
		return Value{}, &ItemError{className(f), "is no function"}
	}
	values := make([]Value, len(args))
	for i, a := range args {
		var err error
		if values[i], err = ev.eval(a); err != nil {
			return Value{}, err
		}
	}
	return f.Item.Func(ev.ctx, ev.env, values)
}
