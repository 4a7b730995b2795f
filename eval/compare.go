package eval

import (
	"context"
	"strings"

	"dap-windbg/symbols"
)

// Comparisons of classes that act as strings or pointers, by what their
// visualisers show.

// maxCompared bounds the text of a string that is compared.
const maxCompared = 1 << 20

// compareClasses compares when a side is a class that is a string or a smart
// pointer; ok false when none is.
func (ev *evaluator) compareClasses(op string, x, y Value) (Value, bool, error) {
	if _, knows := ev.env.(Modeler); !knows || x.Err != nil || y.Err != nil || !isClass(x) && !isClass(y) {
		return Value{}, false, nil
	}
	a, isPtr, err := ev.pointerOf(x)
	if err == nil && isPtr {
		var b number
		if b, isPtr, err = ev.pointerOf(y); err == nil && isPtr {
			v, err := ev.binary(op, a, b)
			return v, true, err
		}
	}
	if err != nil {
		return Value{}, false, err
	}
	s, ok, err := ev.stringOf(x)
	if err != nil || !ok {
		return Value{}, false, err
	}
	t, ok, err := ev.stringOf(y)
	if err != nil || !ok {
		return Value{}, false, err
	}
	v, err := ev.truth(holds(op, strings.Compare(s, t)))
	return v, true, err
}

func isClass(v Value) bool {
	t := strip(v.Type)
	if t.Kind == symbols.Reference || t.Kind == symbols.RvalueReference {
		t = strip(elem(t))
	}
	return t.IsComposite()
}

// pointerOf is v as a plain pointer: a smart pointer's, which may be null, a
// pointer's own, or the constant 0.
func (ev *evaluator) pointerOf(v Value) (number, bool, error) {
	if isClass(v) {
		v, err := deref(ev.ctx, ev.env, v)
		if err != nil {
			return number{}, false, err
		}
		return ev.smart(v)
	}
	t := strip(v.Type)
	if t.Kind != symbols.Pointer && t.Kind != symbols.NullPtr && !isArith(t) {
		return number{}, false, nil
	}
	n, err := load(ev.ctx, ev.env, v)
	return n, err == nil, err
}

// stringOf is the text of v: of a class what its StringView yields, of characters
// these up to the terminator.
func (ev *evaluator) stringOf(v Value) (string, bool, error) {
	v, err := deref(ev.ctx, ev.env, v)
	if err != nil {
		return "", false, err
	}
	if m := ev.model(v); m != nil {
		o, ok, err := m.Visualizer.Visualize(ev.ctx, ev.env, m, "", "", v, Format{NoRaw: true})
		if err != nil || !ok || o.Whole == nil {
			return "", false, err
		}
		text, err := o.Whole(ev.ctx, ev.env)
		return text, err == nil, err
	}
	return Characters(ev.ctx, ev.env, v, maxCompared)
}

// Characters is the text of v, an array of characters or a pointer to some, up to the
// terminator and at most limit of them, without quotes; ok tells whether v is such.
func Characters(ctx context.Context, env Env, v Value, limit int) (text string, ok bool, err error) {
	t := strip(v.Type)
	if t == nil || t.Kind != symbols.Pointer && t.Kind != symbols.Array {
		return "", false, nil
	}
	spec := map[int]string{1: "sb", 2: "sub", 4: "s32b"}[charUnit(elem(t))]
	if spec == "" {
		return "", false, nil
	}
	text, err = (&Model{MaxString: limit}).plainText(ctx, env, v, Format{Spec: spec, NoAddress: true})
	return text, err == nil, err
}
