package eval

import (
	"context"
	"fmt"
	"strconv"

	"dap-windbg/symbols"
)

// Item is a value of the data model that no type of the debuggee's program tells:
// text, a list, an object with properties, a function. It is immutable; what it
// yields is computed when it is asked for, over the Env of that moment.
type Item struct {
	Class   string // what it is, in the user's words: "process", "list"
	Text    string // what is shown as its value, or the text itself
	IsText  bool   // it is text
	Props   []Prop
	Methods []Method
	List    *List // its elements, nil: it is no collection
	Func    Func  // it can be called
}

// Prop is a property of an Item.
type Prop struct {
	Name string
	Get  func(ctx context.Context, env Env) (Value, error)
}

// Func is a function of the data model: a lambda or a method.
type Func func(ctx context.Context, env Env, args []Value) (Value, error)

// Method is a function that an Item has besides those of collections and text.
type Method struct {
	Name  string
	Usage string // "ExecuteCommand(command)"
	Call  Func
}

// List yields the elements of a collection.
type List struct {
	// Each calls yield for every element in order until that returns false.
	Each func(ctx context.Context, env Env, yield func(Element) bool) error
	// Find finds the element of a key; nil: the elements' keys are compared.
	Find func(ctx context.Context, env Env, key Value) (Value, bool, error)
}

// Element is an element of a List. Its Key is shown in brackets and finds it
// again; a Key without a value stands for the element's number.
type Element struct {
	Key   Value
	Value Value
}

// ItemError: the data model has no such property or method, or it does not fit.
type ItemError struct {
	Class string
	Msg   string
}

func (e *ItemError) Error() string { return fmt.Sprintf("a %s %s", e.Class, e.Msg) }

// maxItems bounds the elements that are kept at once, for sorting and grouping.
const maxItems = 200_000

// Text makes a value of the data model that is text.
func Text(s string) Value { return Value{Item: &Item{Class: "text", Text: s, IsText: true}} }

// Count makes a value of the data model that is a number of the debugger's own.
func Count(env Env, n uint64) Value {
	v := Integer(env, "unsigned __int64", n)
	v.Plain = true
	return v
}

// Index makes a value of the data model that counts elements.
func Index(env Env, n int64) Value {
	v := Integer(env, "__int64", uint64(n))
	v.Plain = true
	return v
}

// truthOf makes a value of the data model that is true or false.
func truthOf(env Env, b bool) Value {
	n := uint64(0)
	if b {
		n = 1
	}
	v := Integer(env, "bool", n)
	v.Plain = true
	return v
}

// ItemOf makes a value of an Item.
func ItemOf(it *Item) Value { return Value{Item: it} }

// Known makes a property whose value is there already.
func Known(name string, v Value) Prop {
	return Prop{name, func(context.Context, Env) (Value, error) { return v, nil }}
}

// ListOf makes a list of elements that are there already.
func ListOf(elements []Element) *List {
	return &List{Each: func(_ context.Context, _ Env, yield func(Element) bool) error {
		for _, e := range elements {
			if !yield(e) {
				break
			}
		}
		return nil
	}}
}

// has reports whether v is anything at all.
func (v Value) has() bool { return v.Type != nil || v.Item != nil }

// prop finds a property.
func (it *Item) prop(name string) (Prop, bool) {
	for _, p := range it.Props {
		if p.Name == name {
			return p, true
		}
	}
	return Prop{}, false
}

// className is what v is, for messages.
func className(v Value) string {
	switch {
	case v.Item != nil && v.Item.Class != "":
		return v.Item.Class
	case v.Item != nil:
		return "object"
	}
	return TypeName(v.Type)
}

// listOf is v as a collection: an Item's elements, an array's, or what the
// visualiser of a class shows as its elements.
func (ev *evaluator) listOf(v Value) (*List, error) {
	if v.Err != nil {
		return nil, v.Err
	}
	if v.Item != nil {
		if v.Item.List == nil {
			return nil, &ItemError{className(v), "has no elements"}
		}
		return v.Item.List, nil
	}
	v, err := deref(ev.ctx, ev.env, v)
	if err != nil {
		return nil, err
	}
	if t := strip(v.Type); t.Kind == symbols.Array {
		return arrayList(v, t), nil
	}
	if p, ok, err := ev.smart(v); ok && p.lo != 0 || err != nil {
		if err != nil {
			return nil, err
		}
		if v, err = ev.object(p, 0); err != nil {
			return nil, err
		}
	} else if strip(v.Type).Kind == symbols.Pointer {
		if v, err = composite(ev.ctx, ev.env, v); err != nil {
			return nil, err
		}
	}
	if m := ev.model(v); m != nil {
		o, ok, err := m.Visualizer.Visualize(ev.ctx, ev.env, m, "", "", v, Format{NoRaw: true})
		switch {
		case err != nil:
			return nil, err
		case ok && o.Err != nil:
			return nil, o.Err
		case ok && (o.Indexed > 0 || o.Named == 0 || o.Expand == nil):
			return objectList(v), nil
		}
	}
	return nil, &TypeError{v.Type, "has no elements"}
}

// arrayPage is how many elements of the debuggee's are looked at in one go.
const arrayPage = 512

// arrayList is an array of the debuggee as a list.
func arrayList(v Value, t *symbols.Type) *List {
	return &List{Each: func(ctx context.Context, env Env, yield func(Element) bool) error {
		size := stride(t)
		for i := int64(0); i < t.Count && size >= 0; i++ {
			if i%arrayPage == 0 && v.Place == InMemory && v.Bytes == nil && size > 0 && size <= 64 {
				n := min(t.Count-i, arrayPage)
				if err := readMemory(ctx, env, v.Addr+addrOf(i*size), make([]byte, n*size)); err != nil && retry(err) {
					return err
				}
			}
			e, err := element(ctx, env, v, i)
			if err != nil {
				return err
			}
			if !yield(Element{Key: Index(env, i+t.Lower), Value: e}) {
				return nil
			}
		}
		return nil
	}}
}

// objectList is a class whose visualiser shows elements as a list.
func objectList(v Value) *List {
	return &List{Each: func(ctx context.Context, env Env, yield func(Element) bool) error {
		ev := newEvaluator(ctx, env)
		m := ev.model(v)
		if m == nil {
			return &TypeError{v.Type, "has no elements"}
		}
		o, ok, err := m.Visualizer.Visualize(ctx, env, m, "", "", v, Format{NoRaw: true})
		if err != nil || !ok {
			return err
		}
		for at := 0; at < o.Indexed; at += arrayPage {
			page, err := o.Children(ctx, env, max(o.Named, 0)+at, min(arrayPage, o.Indexed-at))
			if err != nil {
				return err
			}
			for i, c := range page {
				e := Element{Value: shown(c)}
				if c.Keyed && len(c.Name) > 2 {
					e.Key = shownKey(c.Name[1 : len(c.Name)-1])
				} else {
					e.Key = Index(env, int64(at+i))
				}
				if !yield(e) {
					return nil
				}
			}
			if len(page) == 0 {
				break
			}
		}
		return nil
	}}
}

// keyClass is the Class of a key that is known by how it is shown alone.
const keyClass = "key"

// shownKey is a key of which only the text is known that a visualiser shows.
func shownKey(text string) Value {
	if s, err := strconv.Unquote(text); err == nil && text[0] == '"' {
		return Text(s)
	}
	return ItemOf(&Item{Class: keyClass, Text: text})
}

// shown is the value of a node that a visualiser made: its own where it has one.
func shown(o *Object) Value {
	switch {
	case o.Value.Type != nil || o.Value.Item != nil:
		v := o.Value
		if v.Place == InMemory {
			v.Bytes = nil
		}
		return v
	case o.Err != nil:
		return Value{Err: o.Err}
	}
	it := &Item{Class: "object", Text: o.Text}
	if o.Expand != nil {
		it.List = &List{Each: func(ctx context.Context, env Env, yield func(Element) bool) error {
			kids, err := o.Children(ctx, env, 0, MaxChildren)
			for _, k := range kids {
				if !yield(Element{Key: Text(k.Name), Value: shown(k)}) {
					break
				}
			}
			return err
		}}
	}
	return ItemOf(it)
}

// methodsOf lists the methods of this name that class t and its bases declare.
func methodsOf(t *symbols.Type, name string) []symbols.Method {
	left := maxClasses
	return methodsWithin(t, name, maxBases, &left)
}

func methodsWithin(t *symbols.Type, name string, depth int, left *int) []symbols.Method {
	if *left--; depth == 0 || *left < 0 || t == nil {
		return nil
	}
	var out []symbols.Method
	for _, m := range t.Members().AllMethods() {
		if m.Name == name {
			out = append(out, m)
		}
	}
	if out != nil {
		return out // it hides those of bases
	}
	for _, f := range t.Members().Fields {
		if f.Base {
			out = append(out, methodsWithin(completed(f.Type), name, depth-1, left)...)
		}
	}
	return out
}

// TextOf is v as text: the data model's, or a string of the debuggee's program.
func TextOf(ctx context.Context, env Env, v Value) (string, error) {
	return newEvaluator(ctx, env).textArgument(v)
}
