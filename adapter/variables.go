package adapter

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/engine"
	"dap-windbg/eval"
	"dap-windbg/symbols"

	"github.com/google/go-dap"
)

// rawView is the name of the child that shows a value without its visualiser.
const rawView = "[<Raw View>]"

const (
	// maxChildren bounds one variables answer.
	maxChildren = 100_000
	// rangeSize is how many elements a client that cannot page gets at a time, and
	// how many ranges.
	rangeSize = 1000
	// maxWhole is how many elements come at once when a client that can page does not.
	maxWhole = 10_000
)

func (s *session) variables(r *request, a *dap.VariablesArguments) (any, error) {
	if a.Start < 0 || a.Count < 0 {
		return nil, &argumentError{"start, count", "must not be negative"}
	}
	hex := a.Format != nil && a.Format.Hex
	body := variablesBody{Variables: []variable{}}
	err := s.stopped(r.ctx, func(v *inspection) error {
		n, ok := s.ids.nodes[a.VariablesReference]
		if !ok {
			return s.ids.unknown("variable", a.VariablesReference)
		}
		list, err := v.list(n, a, hex)
		if list != nil {
			body.Variables = list
		}
		return err
	})
	return body, err
}

// list is the answer to a variables request.
func (v *inspection) list(n *node, a *dap.VariablesArguments, hex bool) ([]variable, error) {
	switch n.kind {
	case registersNode, groupNode:
		list, err := v.registers(n, hex)
		return page(list, a.Start, a.Count), err
	case localsNode, argumentsNode, staticsNode, returnNode:
		objects, err := v.members(n)
		if err != nil || a.Filter == "indexed" {
			return nil, err
		}
		return v.render(n, page(objects, a.Start, a.Count), a.Start, hex)
	case rangeNode:
		if n.count > rangeSize {
			return v.ranges(n.parent, n.start, n.count, n.first), nil
		}
		objects, err := v.children(n.parent, n.start, n.count)
		if err != nil {
			return nil, err
		}
		return v.render(n.parent, objects, n.start, hex)
	}
	o, err := v.object(n)
	if err != nil {
		return nil, err
	}
	start, count := span(o, a)
	if count == 0 {
		return nil, nil
	}
	named, whole := max(o.Named, 0), rangeSize
	if v.s.client.SupportsVariablePaging {
		whole = maxWhole
	}
	pieces := a.Count == 0 && o.Indexed-a.Start > whole && a.Filter != "named"
	if pieces && a.Filter == "indexed" {
		return v.ranges(n, start, o.Indexed-a.Start, a.Start), nil
	}
	if pieces { // after the named ones
		count = max(named-start, 0)
	}
	objects, err := v.children(n, start, count)
	if err != nil {
		return nil, err
	}
	list, err := v.render(n, objects, start, hex)
	if err == nil && pieces {
		first := max(start-named, 0)
		list = append(list, v.ranges(n, named+first, o.Indexed-first, first)...)
	}
	return list, err
}

// span turns filter, start and count into a span of an object's children: the
// named ones followed by the indexed ones.
func span(o *eval.Object, a *dap.VariablesArguments) (start, count int) {
	count = a.Count
	if count == 0 || count > maxChildren {
		count = maxChildren
	}
	named := max(o.Named, 0)
	switch a.Filter {
	case "indexed":
		if a.Start >= o.Indexed {
			return 0, 0
		}
		return named + a.Start, min(count, o.Indexed-a.Start)
	case "named":
		if o.Named >= 0 {
			if a.Start >= named {
				return 0, 0
			}
			count = min(count, named-a.Start)
		}
	}
	return a.Start, count
}

// page cuts [start, start+count) out of list; count 0 is all.
func page[T any](list []T, start, count int) []T {
	start = min(start, len(list))
	list = list[start:]
	if count > 0 {
		list = list[:min(count, len(list))]
	}
	return list
}

// ranges are nodes that share out count children of n from start, the first of which
// is element number first: at most rangeSize of them, with ranges of their own if need be.
func (v *inspection) ranges(n *node, start, count, first int) []variable {
	size := rangeSize
	for (count-1)/size >= rangeSize {
		size *= rangeSize
	}
	var list []variable
	for lo := 0; lo < count; lo += size {
		k := min(size, count-lo)
		id := v.s.ids.node(&node{kind: rangeNode, frame: n.frame, parent: n, start: start + lo, count: k, first: first + lo})
		list = append(list, variable{Variable: dap.Variable{Name: fmt.Sprintf("[%d..%d]", first+lo, first+lo+k-1), VariablesReference: id}})
	}
	return list
}

// nodeFrame is the frame n's expressions are evaluated in.
func (v *inspection) nodeFrame(n *node) (*engine.Frame, error) {
	if n.frame == nil {
		return nil, nil
	}
	return v.frameAt(*n.frame)
}

// object is n's data-model object, made anew when something was changed since.
func (v *inspection) object(n *node) (*eval.Object, error) {
	if n.object != nil && n.generation == v.s.ids.generation {
		return n.object, nil
	}
	f, err := v.nodeFrame(n)
	if err != nil {
		return nil, err
	}
	var o *eval.Object
	if n.parent == nil {
		o, err = v.Object(v.ctx, f, "", n.source)
	} else {
		var list []*eval.Object
		if list, err = v.children(n.parent, n.index, 1); err == nil {
			if len(list) == 0 {
				return nil, fmt.Errorf("the variable is no more")
			}
			o = list[0]
		}
	}
	if err != nil {
		return nil, err
	}
	n.object, n.generation = o, v.s.ids.generation
	return o, nil
}

// children are objects [start, start+count) below n.
func (v *inspection) children(n *node, start, count int) ([]*eval.Object, error) {
	if n.kind != objectNode {
		list, err := v.members(n)
		return page(list, start, count), err
	}
	o, err := v.object(n)
	if err != nil {
		return nil, err
	}
	f, err := v.nodeFrame(n)
	if err != nil {
		return nil, err
	}
	return v.Children(v.ctx, f, o, start, count)
}

// members are the variables of a scope: Locals has them all, but for the static
// ones, as `dv` does; Arguments those that the caller gave.
func (v *inspection) members(n *node) ([]*eval.Object, error) {
	f, err := v.nodeFrame(n)
	if err != nil {
		return nil, err
	}
	if n.kind == returnNode {
		o, err := v.returned(f)
		return []*eval.Object{o}, err
	}
	all, err := v.LocalObjects(v.ctx, f)
	if err != nil || f.Scope == nil {
		return nil, err
	}
	wanted := map[string]bool{}
	for _, x := range f.Scope.Variables {
		wanted[x.Name] = n.kind == staticsNode && x.Static || n.kind == localsNode && !x.Static ||
			n.kind == argumentsNode && x.Param && !x.Static
	}
	return slices.DeleteFunc(slices.Clone(all), func(o *eval.Object) bool { return !wanted[o.Name] }), nil
}

// handedBack is what the function that the last step left gave to f.
func (v *inspection) handedBack(f *engine.Frame) (engine.Returned, bool) {
	stop, ok := v.Live().LastStop()
	if !ok || f == nil || f.Index != 0 || f.Thread != stop.Thread {
		return engine.Returned{}, false
	}
	return v.Returned()
}

// returned is the node of what was handed back.
func (v *inspection) returned(f *engine.Frame) (o *eval.Object, err error) {
	r, ok := v.handedBack(f)
	if !ok {
		return nil, errors.New("nothing was handed back")
	}
	err = v.Gather(v.ctx, func(ctx context.Context, mem symbols.Memory) error {
		o, err = v.Model().Object(ctx, v.EnvOver(f, mem), r.Function+"()", "", r.Value, eval.Format{})
		return err
	})
	return o, err
}

// render turns objects, children of n from position start on, into variables.
func (v *inspection) render(n *node, objects []*eval.Object, start int, hex bool) ([]variable, error) {
	f, err := v.nodeFrame(n)
	if err != nil {
		return nil, err
	}
	list := make([]variable, 0, len(objects))
	for i, o := range objects {
		child := &node{kind: objectNode, frame: n.frame, parent: n, index: start + i, object: o, generation: v.s.ids.generation}
		x := v.variable(f, o, child, hex)
		if n.kind != objectNode {
			x.DeclarationLocationReference = v.declared(f, o.Name)
		}
		list = append(list, x)
	}
	return list, v.ctx.Err()
}

// declared refers to the declaration of a variable of f, 0 when unknown.
func (v *inspection) declared(f *engine.Frame, name string) int {
	if f == nil || f.Scope == nil {
		return 0
	}
	for _, x := range f.Scope.Variables {
		if x.Name == name && x.Decl.File != "" {
			return v.s.ids.place(codePlace{x.Decl, f.Module})
		}
	}
	return 0
}

// variable shows an object.
func (v *inspection) variable(f *engine.Frame, o *eval.Object, n *node, hex bool) variable {
	x := variable{Variable: dap.Variable{Name: o.Name, Type: o.Type, EvaluateName: o.Expr, Value: v.text(f, o, hex)}}
	if !o.Leaf() {
		x.VariablesReference = v.s.ids.node(n)
		if v.s.client.SupportsVariablePaging {
			x.NamedVariables, x.IndexedVariables = max(o.Named, 0), o.Indexed
		}
	}
	x.MemoryReference, x.ValueLocationReference = v.places(f, o)
	x.PresentationHint = hintOf(o)
	return x
}

// hintOf tells what kind of thing an object is and what cannot be done with it; nil
// for plain data.
func hintOf(o *eval.Object) *dap.VariablePresentationHint {
	var h dap.VariablePresentationHint
	switch {
	case o.Name == rawView:
		h.Kind, h.Visibility = "virtual", "internal"
	case o.Value.Type == nil && o.Expr == "":
		h.Kind = "virtual" // a visualiser's, without a value of its own
	}
	if o.Value.Type != nil && o.Value.Place == eval.NoPlace {
		h.Attributes = append(h.Attributes, "readOnly")
	}
	if t := o.Value.Type; t != nil && t.Kind == symbols.Const {
		h.Attributes = append(h.Attributes, "constant")
	}
	if o.Whole != nil {
		h.Attributes = append(h.Attributes, "rawString")
	}
	if h.Kind == "" && h.Visibility == "" && h.Attributes == nil {
		return nil
	}
	return &h
}

// text is an object's value as one line; why there is none, in angle brackets.
func (v *inspection) text(f *engine.Frame, o *eval.Object, hex bool) string {
	text := o.Text
	if hex && o.Value.Type != nil && o.Err == nil && !o.Value.Type.IsComposite() {
		v.Gather(v.ctx, func(ctx context.Context, mem symbols.Memory) error {
			h, err := v.Model().Object(ctx, v.EnvOver(f, mem), o.Name, o.Expr, o.Value, eval.Format{Radix: 16, Style: eval.Plain})
			if err == nil {
				text = h.Text
			}
			return err
		})
	}
	switch {
	case text != "":
		return text
	case o.Err != nil:
		return "<" + o.Err.Error() + ">"
	case o.Leaf():
		return ""
	case o.Indexed > 0 && o.Named <= 0:
		return fmt.Sprintf("[%d]", o.Indexed)
	}
	return "{...}"
}

// places are the memory reference of a value (of a pointer: what it points to)
// and the location of the function it points to.
func (v *inspection) places(f *engine.Frame, o *eval.Object) (memory string, code int) {
	t := o.Value.Type
	if t == nil || o.Err != nil || o.Value.Err != nil {
		return "", 0
	}
	if !t.IsPointer() {
		if o.Value.Place == eval.InMemory {
			return reference(o.Value.Addr), 0
		}
		return "", 0
	}
	p, ok := v.pointer(f, o.Value)
	if !ok {
		return "", 0
	}
	if e := t.Strip().Elem.Strip(); e != nil && e.Kind == symbols.Func {
		if l := v.Locate(p); l.Line.File != "" {
			code = v.s.ids.place(codePlace{l.Line, l.Module})
		}
	}
	return reference(p), code
}

// pointer is the address in a pointer, which was read for its text.
func (v *inspection) pointer(f *engine.Frame, val eval.Value) (p arch.Addr, ok bool) {
	err := v.Gather(v.ctx, func(ctx context.Context, mem symbols.Memory) error {
		b, err := eval.Fetch(ctx, v.EnvOver(f, mem), val)
		if err == nil {
			val.Bytes = b
		}
		return err
	})
	n := len(val.Bytes)
	if err != nil || n == 0 || n > 8 || len(val.Missing) > 0 {
		return 0, false
	}
	big := val.Type.Image != nil && val.Type.Image.Arch() != nil && val.Type.Image.Arch().BigEndian
	for i, b := range val.Bytes {
		if big {
			p = p<<8 | arch.Addr(b)
		} else {
			p |= arch.Addr(b) << (8 * i)
		}
	}
	return p, true
}

// childNamed finds the child of n that a client calls name.
func (v *inspection) childNamed(n *node, name string) (*eval.Object, *node, error) {
	find := func(objects []*eval.Object, start int) (*eval.Object, *node) {
		for i, o := range objects {
			if o.Name == name {
				return o, &node{kind: objectNode, frame: n.frame, parent: n, index: start + i, object: o, generation: v.s.ids.generation}
			}
		}
		return nil, nil
	}
	if n.kind == rangeNode {
		n = n.parent
	}
	if n.kind == objectNode {
		o, err := v.object(n)
		if err != nil {
			return nil, nil, err
		}
		if i, err := strconv.Atoi(strings.Trim(name, "[]")); err == nil && i >= 0 && i < o.Indexed {
			at := max(o.Named, 0) + i
			if list, err := v.children(n, at, 1); err == nil {
				if c, cn := find(list, at); c != nil {
					return c, cn, nil
				}
			}
		}
	}
	list, err := v.children(n, 0, rangeSize)
	if err != nil {
		return nil, nil, err
	}
	if c, cn := find(list, 0); c != nil {
		return c, cn, nil
	}
	return nil, nil, fmt.Errorf("there is no variable %q here", name)
}
