package eval

import (
	"context"
	"fmt"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// Modeler is an Env that knows the session's data model. With it the operators
// [], * and -> work on classes, without calling the debuggee: what they yield is
// what the class's visualiser shows.
type Modeler interface{ Model() *Model }

// SmartPointers is a Visualizer that knows classes which act as pointers.
type SmartPointers interface {
	// SmartPointer returns the plain pointer that v stands for, null when v is
	// empty; ok false when v is no smart pointer.
	SmartPointer(ctx context.Context, env Env, m *Model, v Value) (p Value, ok bool, err error)
}

// IndexError: a container has no such element.
type IndexError struct {
	Type  *symbols.Type
	Index string // as written between the brackets
	Count int    // elements it has
}

func (e *IndexError) Error() string {
	if e.Count == 0 {
		return fmt.Sprintf("'%s' has no elements", TypeName(e.Type))
	}
	return fmt.Sprintf("there is no element [%s] among the %d of '%s'", e.Index, e.Count, TypeName(e.Type))
}

const (
	// maxKeys bounds the elements of an associative container that are looked at for a key.
	maxKeys = 10_000
	// maxKeyText is the longest key that is told from others.
	maxKeyText = 1 << 10
)

// model is the data model, nil when the Env has none that could know v's class.
func (ev *evaluator) model(v Value) *Model {
	if m, ok := ev.env.(Modeler); ok && v.Err == nil && v.Type.IsComposite() && m.Model().Visualizer != nil {
		return m.Model()
	}
	return nil
}

// plainPointer is the pointer that the smart pointer v holds, which is not empty.
func (ev *evaluator) plainPointer(v Value) (number, bool, error) {
	n, ok, err := ev.smart(v)
	if ok && n.lo == 0 {
		return n, false, &TypeError{v.Type, "is empty"}
	}
	return n, ok, err
}

// smart is the plain pointer that v stands for when it is a smart pointer, null
// when that is empty.
func (ev *evaluator) smart(v Value) (number, bool, error) {
	m := ev.model(v)
	if m == nil {
		return number{}, false, nil
	}
	s, ok := m.Visualizer.(SmartPointers)
	if !ok {
		return number{}, false, nil
	}
	p, ok, err := s.SmartPointer(ev.ctx, ev.env, m, v)
	if err != nil || !ok {
		return number{}, false, err
	}
	n, err := load(ev.ctx, ev.env, p)
	return n, err == nil, err
}

// through is what v->name names when v is a smart pointer: a member of what it
// points to.
func (ev *evaluator) through(v Value, name string) (Value, bool, error) {
	p, ok, err := ev.plainPointer(v)
	if err != nil || !ok {
		return Value{}, false, err
	}
	to := Value{Type: elem(strip(p.t)), Place: InMemory, Addr: arch.Addr(p.lo)}
	if !to.Type.IsComposite() {
		return Value{}, false, nil
	}
	x, err := Member(ev.ctx, ev.env, to, name)
	return x, err == nil, err
}

// elementOf is v[i] of a class whose visualiser shows elements, or of a smart
// pointer to an array; ok false when no visualiser knows v's class.
func (ev *evaluator) elementOf(v, i Value) (Value, bool, error) {
	if isGoReference(v.Type) && v.Err == nil { // a pointer, which the language does not show
		var err error
		if v, err = composite(ev.ctx, ev.env, v); err != nil {
			return Value{}, false, err
		}
	}
	m := ev.model(v)
	if m == nil {
		return Value{}, false, nil
	}
	if p, ok, err := ev.plainPointer(v); ok || err != nil {
		if err != nil {
			return Value{}, false, err
		}
		n, err := ev.subscript(i)
		if err != nil {
			return Value{}, false, err
		}
		x, err := ev.object(p, n.lo)
		return x, true, err
	}
	keys := &Model{Visualizer: m.Visualizer, MaxString: maxKeyText}
	o, ok, err := m.Visualizer.Visualize(ev.ctx, ev.env, keys, "", "", v, Format{NoRaw: true})
	if err == nil && ok {
		err = o.Err
	}
	if err != nil || !ok {
		return Value{}, false, err
	}
	x, err := ev.elementIn(keys, o, v, i)
	return x, true, err
}

// elementIn finds the element of v, shown as o, by its key or by its number.
func (ev *evaluator) elementIn(keys *Model, o *Object, v, i Value) (Value, error) {
	if o.Named < 0 || o.Indexed == 0 {
		return Value{}, &IndexError{v.Type, "", 0}
	}
	first, err := o.Children(ev.ctx, ev.env, o.Named, 1)
	if err != nil {
		return Value{}, err
	}
	if len(first) > 0 && first[0].Keyed {
		return ev.atKey(keys, o, v, i)
	}
	n, err := ev.subscript(i)
	if err != nil {
		return Value{}, err
	}
	if n.hi != 0 || n.lo >= uint64(o.Indexed) {
		return Value{}, &IndexError{v.Type, n.big().String(), o.Indexed}
	}
	list, err := o.Children(ev.ctx, ev.env, o.Named+int(n.lo), 1)
	if err != nil {
		return Value{}, err
	}
	return found(list)
}

// atKey finds the element of an associative container whose key reads as i does.
func (ev *evaluator) atKey(keys *Model, o *Object, v, i Value) (Value, error) {
	key, err := keys.Text(ev.ctx, ev.env, i, Format{Style: Plain})
	if err != nil {
		return Value{}, err
	}
	list, err := o.Children(ev.ctx, ev.env, o.Named, min(o.Indexed, maxKeys))
	if err != nil {
		return Value{}, err
	}
	for _, c := range list {
		if !c.Keyed || c.Name != "["+key+"]" {
			continue
		}
		pair, err := found([]*Object{c})
		if err != nil {
			return Value{}, err
		}
		if name, _, _ := strings.Cut(TypeName(completed(pair.Type)), "<"); strings.HasPrefix(name, "std::") && lastName(name) == "pair" {
			return Member(ev.ctx, ev.env, pair, "second")
		}
		return pair, nil
	}
	if o.Indexed > maxKeys {
		return Value{}, fmt.Errorf("[%s] is not among the first %d elements of '%s'", key, maxKeys, TypeName(v.Type))
	}
	return Value{}, &IndexError{v.Type, key, o.Indexed}
}

// found is the value of the one node in list.
func found(list []*Object) (Value, error) {
	switch {
	case len(list) != 1:
		return Value{}, &symbols.UnavailableError{Reason: "the element is not there"}
	case list[0].Err != nil:
		return Value{}, list[0].Err
	case list[0].Value.Type == nil:
		return Value{}, &symbols.UnavailableError{Reason: "the element has no value of its own"}
	}
	v := list[0].Value
	if v.Place == InMemory {
		v.Bytes = nil // as any lvalue: what memory holds when it is used
	}
	return v, nil
}

// subscript is i as the number of an element.
func (ev *evaluator) subscript(i Value) (number, error) {
	if t := strip(i.Type); i.Err == nil && (!isArith(t) || isFloat(t)) {
		return number{}, &TypeError{i.Type, "is not an index"}
	}
	return load(ev.ctx, ev.env, i)
}
