package eval

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// This file makes objects for calls: T(args), and the copies that functions take of
// classes which only their own constructors can copy (Itanium C++ ABI, 3.1.2.3). They
// lie on the debuggee's stack until it runs on. What a call took a copy of is destroyed
// behind it, as a caller does; what the user wrote, T(args), stays to be looked at.
//
// Default arguments must be written, save allocators: no compiler's debug information
// tells them (DW_AT_default_value is not used for them).

// maxParts bounds the members that are copied one by one.
const maxParts = 256

// caller is the Env as one that calls functions, which this expression may.
func (ev *evaluator) caller(name string) (Caller, error) {
	if c, ok := ev.env.(Caller); ok && ev.calls {
		return c, nil
	}
	return nil, &CallError{Name: name}
}

// ownName is the name by which a class calls its constructors: without scope and
// template arguments.
func ownName(t *symbols.Type) string {
	name, _, _ := strings.Cut(t.Name, "<")
	return lastName(name)
}

// constructors are those of a class that can be called, for an object yet to be
// made; deleted: there are some that cannot.
func constructors(t *symbols.Type) (list []candidate, deleted bool) {
	own := ownName(t)
	ms := t.Members().AllMethods()
	for i := range ms {
		m := &ms[i]
		if name, _, _ := strings.Cut(m.Name, "<"); own == "" || name != own || m.Type == nil {
			continue
		}
		if m.Deleted {
			deleted = true
			continue
		}
		list = append(list, candidate{name: t.Name + "::" + own, typ: strip(m.Type), method: m, class: t, object: Value{Type: t}})
	}
	return list, deleted
}

// construct makes an object of class t as T(args) does.
func (ev *evaluator) construct(t *symbols.Type, args []Value) (Value, error) {
	class := completed(t)
	caller, err := ev.caller(TypeName(class))
	if err != nil {
		return Value{}, err
	}
	if len(args) == 1 && ev.sameObject(args[0], class) {
		return ev.copied(caller, args[0], class)
	}
	list, _ := constructors(class)
	if len(list) == 0 {
		return Value{}, &CallError{Name: TypeName(class), Msg: "has no constructor to call"}
	}
	c, err := ev.choose(TypeName(class), list, args)
	if err != nil {
		return Value{}, err
	}
	object, err := caller.Room(ev.ctx, class)
	if err != nil {
		return Value{}, err
	}
	object.Type = t
	return object, ev.constructAt(caller, c, object, args)
}

// constructAt has the constructor c make an object where object lies.
func (ev *evaluator) constructAt(caller Caller, c candidate, object Value, args []Value) error {
	c.object = object
	if _, err := ev.makeCall(caller, c, args); err != nil {
		return err
	}
	if ev.fresh == nil {
		ev.fresh = map[arch.Addr]*symbols.Type{}
	}
	ev.fresh[object.Addr] = completed(object.Type)
	return nil
}

// sameObject reports whether v is an object of class t.
func (ev *evaluator) sameObject(v Value, t *symbols.Type) bool {
	from := strip(v.Type)
	return from.IsComposite() && (completed(from) == t || t.Name != "" && completed(from).Name == t.Name)
}

// isFresh reports whether v is an object that this expression has made and that
// nothing else names.
func (ev *evaluator) isFresh(v Value) bool {
	t := ev.fresh[v.Addr]
	return t != nil && v.Place == InMemory && ev.sameObject(v, t)
}

// copied is a copy of v for a function that takes class t by value. An object that
// was made for it is handed over as it is.
func (ev *evaluator) copied(caller Caller, v Value, t *symbols.Type) (Value, error) {
	if ev.isFresh(v) {
		return v, nil
	}
	if v.Place != InMemory {
		return Value{}, &TypeError{t, "has no address to copy it from"}
	}
	object, err := caller.Room(ev.ctx, t)
	if err != nil {
		return Value{}, err
	}
	parts := maxParts
	return object, ev.copyTo(caller, object, v, t, &parts)
}

// copyTo makes a copy of src at dst: by the copy constructor, else, where the class
// does not say how it is copied, as the one that the compiler would make does.
func (ev *evaluator) copyTo(caller Caller, dst, src Value, t *symbols.Type, parts *int) error {
	if *parts--; *parts < 0 {
		return &TypeError{t, "has too many members to copy it"}
	}
	list, deleted := constructors(t)
	list = slices.DeleteFunc(list, func(c candidate) bool { return !copies(c, t) })
	if len(list) > 0 {
		err := ev.constructAt(caller, list[0], dst, []Value{src})
		var none *CallError
		if !list[0].method.Implicit || !errors.As(err, &none) {
			return err
		}
	} else if deleted {
		return &TypeError{t, "cannot be copied; pass it by reference"}
	}
	b, err := Fetch(ev.ctx, ev.env, Value{Type: t, Place: InMemory, Addr: src.Addr})
	if err != nil {
		return err
	}
	if err := ev.env.WriteMemory(ev.ctx, dst.Addr, b); err != nil {
		return err
	}
	return ev.eachPart(caller, t, func(f symbols.Field, of *symbols.Type, at arch.Addr) error {
		return ev.copyTo(caller, Value{Type: of, Place: InMemory, Addr: dst.Addr + at}, Value{Type: of, Place: InMemory, Addr: src.Addr + at}, of, parts)
	})
}

// copies reports whether a constructor copies objects of t.
func copies(c candidate, t *symbols.Type) bool {
	params := c.params()
	if len(params) != 1 {
		return false
	}
	to := strip(params[0])
	if to.Kind != symbols.Reference {
		return false
	}
	of := completed(elem(to))
	return of == t || t.Name != "" && of.Name == t.Name
}

// eachPart calls f with the bases and members of t that are not copied byte by byte.
func (ev *evaluator) eachPart(caller Caller, t *symbols.Type, f func(symbols.Field, *symbols.Type, arch.Addr) error) error {
	for _, m := range t.Members().Fields {
		if m.Static || m.BitSize > 0 {
			continue
		}
		if m.Virtual {
			return &TypeError{t, "has virtual bases and no copy constructor to call"}
		}
		of, n := completed(m.Type), int64(1)
		for of.Kind == symbols.Array {
			n, of = n*max(of.Count, 0), completed(of.Elem)
		}
		if !of.IsComposite() || !caller.ByReference(of) {
			continue
		}
		for i := range min(n, maxParts) {
			if err := f(m, of, arch.Addr(int64(m.Offset)+i*of.ByteSize())); err != nil {
				return err
			}
		}
	}
	return nil
}

// destroy ends the life of an object: by its destructor, else by those of what it is
// made of. One without code of its own is left as it is: its memory is not given back.
func (ev *evaluator) destroy(caller Caller, v Value, parts *int) error {
	t := completed(v.Type)
	delete(ev.fresh, v.Addr)
	if *parts--; *parts < 0 {
		return nil
	}
	ms := t.Members().AllMethods()
	i := slices.IndexFunc(ms, func(m symbols.Method) bool { return m.Name == "~"+ownName(t) })
	if i < 0 || ms[i].Type == nil {
		return ev.eachPart(caller, t, func(f symbols.Field, of *symbols.Type, at arch.Addr) error {
			return ev.destroy(caller, Value{Type: of, Place: InMemory, Addr: v.Addr + at}, parts)
		})
	}
	_, err := ev.makeCall(caller, candidate{name: t.Name + "::" + ms[i].Name, typ: strip(ms[i].Type), method: &ms[i], class: t, object: v}, nil)
	var none *CallError
	if errors.As(err, &none) {
		return nil
	}
	return err
}

// makeCall calls c and ends what was made for it alone.
func (ev *evaluator) makeCall(caller Caller, c candidate, args []Value) (Value, error) {
	call, err := ev.prepare(caller, c, args)
	if err != nil {
		return Value{}, err
	}
	out, err := caller.Call(ev.ctx, call)
	if err != nil {
		return Value{}, err
	}
	for _, a := range slices.Backward(call.Args) {
		if a.own {
			parts := maxParts
			if err := ev.destroy(caller, a.Value, &parts); err != nil {
				return Value{}, fmt.Errorf("destroying what %s took: %w", call.Name, err)
			}
		}
	}
	if t := strip(call.Type.Elem); out.Place == InMemory && t.IsComposite() { // not a reference: an object that nothing names
		if ev.fresh == nil {
			ev.fresh = map[arch.Addr]*symbols.Type{}
		}
		ev.fresh[out.Addr] = completed(t)
	}
	return out, nil
}

// converting is the constructor of class t that takes v, where one does.
func (ev *evaluator) converting(v Value, t *symbols.Type) (candidate, bool) {
	if ev.within {
		return candidate{}, false // one conversion by constructor in a row
	}
	ev.within = true
	defer func() { ev.within = false }()
	list, _ := constructors(t)
	c, err := ev.choose("", list, []Value{v})
	return c, err == nil && len(list) > 0
}

// linkages are the names under which the code of a method may lie. Constructors and
// destructors have one name for all their kinds (C4, D4); called is that for complete
// objects, or that for bases, which classes without virtual ones share with it (Itanium
// C++ ABI, 5.1.4.4).
func linkages(m *symbols.Method) []string {
	var out []string
	for i := 0; i+2 < len(m.Linkage) && len(out) < 16; i++ {
		if s := m.Linkage[i:]; s[1] == '4' && (s[0] == 'C' || s[0] == 'D') && (s[2] == 'E' || s[2] == 'I') {
			out = append(out, m.Linkage[:i+1]+"1"+s[2:], m.Linkage[:i+1]+"2"+s[2:])
		}
	}
	return append(out, m.Linkage)
}
