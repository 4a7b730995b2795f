package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/eval"
	"dap-windbg/symbols"
	"dap-windbg/systems"
)

// The data model's objects for what a process consists of: its memory, its open files,
// what its modules contain; and the debugger's own collections.

// method makes a function that an object has.
func method(name, usage string, call eval.Func) eval.Prop {
	return eval.Known(name, eval.ItemOf(&eval.Item{Class: "method", Text: usage, Func: call}))
}

// modelMemory lists the regions of the process; the key of one is any address in it.
func (l *loop) modelMemory(ctx context.Context, _ eval.Env) (eval.Value, error) {
	list, err := l.regions(ctx)
	if err != nil {
		return eval.Value{}, err
	}
	each := func(_ context.Context, env eval.Env, yield func(eval.Element) bool) error {
		for _, r := range list {
			if !yield(eval.Element{Key: eval.Integer(env, "unsigned __int64", uint64(r.Start)), Value: l.modelRegion(r)}) {
				break
			}
		}
		return nil
	}
	find := func(ctx context.Context, env eval.Env, key eval.Value) (eval.Value, bool, error) {
		n, err := eval.Int(ctx, env, key)
		if err != nil {
			return eval.Value{}, false, err
		}
		for _, r := range list {
			if a := arch.Addr(n); a >= r.Start && a < r.End {
				return l.modelRegion(r), true, nil
			}
		}
		return eval.Value{}, false, nil
	}
	return listed(each, find), nil
}

func (l *loop) modelRegion(r systems.Region) eval.Value {
	address := func(name string, a arch.Addr) eval.Prop {
		return get(name, func(_ context.Context, env eval.Env) (eval.Value, error) {
			return eval.Integer(env, "unsigned __int64", uint64(a)), nil
		})
	}
	text := fmt.Sprintf("0x%x-0x%x %s %s", uint64(r.Start), uint64(r.End), r.Perms, r.Path)
	props := []eval.Prop{address("BaseAddress", r.Start), address("EndAddress", r.End), address("AllocationBase", r.Base),
		figure("Size", uint64(r.End-r.Start)), words("Protection", r.Perms), words("Path", r.Path)}
	if m, ok := l.moduleAt(r.Start); ok {
		props = append(props, get("Module", func(context.Context, eval.Env) (eval.Value, error) { return l.modelModule(m), nil }))
	}
	return object("region", strings.TrimSpace(text), props...)
}

// modelHandles lists what the process has open, by number.
func (l *loop) modelHandles(ctx context.Context, _ eval.Env) (eval.Value, error) {
	list, err := l.openFiles(ctx)
	if err != nil {
		return eval.Value{}, err
	}
	return listed(func(_ context.Context, env eval.Env, yield func(eval.Element) bool) error {
		for _, f := range list {
			v := object("handle", f.Name, figure("Handle", uint64(f.Number)), words("Type", f.Kind()), words("ObjectName", f.Name))
			if !yield(eval.Element{Key: eval.Count(env, uint64(f.Number)), Value: v}) {
				break
			}
		}
		return nil
	}, nil), nil
}

// modelContents is what a module's file tells.
func (l *loop) modelContents(m *Module) eval.Value {
	named := func(kind symbols.SymbolKind) func(context.Context, eval.Env) (eval.Value, error) {
		return func(ctx context.Context, _ eval.Env) (eval.Value, error) {
			if err := l.need(ctx, m); err != nil || m.Image == nil {
				return eval.Value{}, errors.Join(err, m.Err, &symbols.UnavailableError{Reason: "no symbols are loaded for " + m.Name})
			}
			return l.modelSymbols(m, kind), nil
		}
	}
	return object("object", "", words("BuildId", fmt.Sprintf("%x", m.BuildID)),
		get("Functions", named(symbols.Function)), get("Data", named(symbols.Data)))
}

// modelSymbols lists the symbols of a kind; the key of one is its name.
func (l *loop) modelSymbols(m *Module, kind symbols.SymbolKind) eval.Value {
	value := func(s symbols.Symbol) eval.Value {
		return object("symbol", s.Name, words("Name", s.Name), words("Parameters", s.Params),
			get("Address", func(_ context.Context, env eval.Env) (eval.Value, error) {
				return eval.Integer(env, "unsigned __int64", uint64(m.addr(s.Offset))), nil
			}), figure("Size", s.Size))
	}
	each := func(ctx context.Context, _ eval.Env, yield func(eval.Element) bool) error {
		for s := range m.Image.Lookup("*") {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if s.Kind == kind && !yield(eval.Element{Value: value(s)}) {
				break
			}
		}
		return nil
	}
	find := func(ctx context.Context, env eval.Env, key eval.Value) (eval.Value, bool, error) {
		name, err := eval.TextOf(ctx, env, key)
		if err != nil {
			return eval.Value{}, false, err
		}
		for s := range m.Image.Lookup(name) {
			if s.Kind == kind && spelled(s, name) {
				return value(s), true, nil
			}
		}
		return eval.Value{}, false, nil
	}
	return listed(each, find)
}

// modelPseudoRegisters are the pseudo-registers that have a value now.
func (l *loop) modelPseudoRegisters(ctx context.Context, in eval.Env) (eval.Value, error) {
	e, ok := in.(*env)
	if !ok {
		return eval.Value{}, errors.ErrUnsupported
	}
	it := &eval.Item{Class: "object"}
	for _, name := range slices.Sorted(maps.Keys(pseudos)) {
		if n, ok := pseudos[name](ctx, e); ok {
			it.Props = append(it.Props, get(name, func(_ context.Context, env eval.Env) (eval.Value, error) {
				return eval.Integer(env, "unsigned __int64", n), nil
			}))
		}
	}
	return object("object", "", eval.Known("General", eval.ItemOf(it))), ctx.Err()
}

// modelCollections are Debugger.Utility.Collections.
func (l *loop) modelCollections() eval.Value {
	return object("object", "",
		method("CreateArray", "CreateArray(element, ...)", func(_ context.Context, _ eval.Env, args []eval.Value) (eval.Value, error) {
			var out []eval.Element
			for _, a := range args {
				out = append(out, eval.Element{Value: a})
			}
			return eval.ItemOf(&eval.Item{Class: "list", List: eval.ListOf(out)}), nil
		}),
		method("FromListEntry", `FromListEntry(head, "Type", "member")`, fromListEntry))
}

// maxEntries bounds a list that is linked into what it lists.
const maxEntries = 1_000_000

// fromListEntry lists the objects that a ring of links goes through, links that are a
// member of theirs: what hangs on head. The first member of a link that points to its
// own type is the one to follow (Linux's list_head, Windows's LIST_ENTRY).
func fromListEntry(ctx context.Context, env eval.Env, args []eval.Value) (eval.Value, error) {
	if len(args) != 3 {
		return eval.Value{}, errors.New(`FromListEntry takes the head of the list, "Type" and "member"`)
	}
	head, err := linkAt(ctx, env, args[0])
	if err != nil {
		return eval.Value{}, err
	}
	var names [2]string
	for i := range names {
		if names[i], err = eval.TextOf(ctx, env, args[i+1]); err != nil {
			return eval.Value{}, err
		}
	}
	of, err := eval.ResolveType(ctx, env, names[0])
	if err != nil {
		return eval.Value{}, err
	}
	member, err := eval.Member(ctx, env, eval.Value{Type: of, Place: eval.InMemory}, names[1])
	if err != nil {
		return eval.Value{}, err
	}
	next := onward(member.Type)
	if next == "" {
		return eval.Value{}, fmt.Errorf("%s of %s does not lead to a next one", names[1], names[0])
	}
	return listed(func(ctx context.Context, env eval.Env, yield func(eval.Element) bool) error {
		link := eval.Value{Type: member.Type, Place: eval.InMemory, Addr: head}
		for range maxEntries {
			p, err := eval.Member(ctx, env, link, next)
			if err != nil {
				return err
			}
			n, err := eval.Int(ctx, env, p)
			if err != nil || n == 0 || arch.Addr(n) == head {
				return err
			}
			link.Addr = arch.Addr(n)
			if !yield(eval.Element{Value: eval.Value{Type: of, Place: eval.InMemory, Addr: link.Addr - member.Addr}}) {
				return nil
			}
		}
		return fmt.Errorf("the list has more than %d elements, or does not come back to its head", maxEntries)
	}, nil), nil
}

// linkAt is the address of a link, or of what a pointer to one points to.
func linkAt(ctx context.Context, env eval.Env, v eval.Value) (arch.Addr, error) {
	switch {
	case v.Item != nil || v.Type == nil:
		return 0, errors.New("the head of the list is no object of the program")
	case v.Type.IsComposite() && v.Place == eval.InMemory:
		return v.Addr, nil
	}
	n, err := eval.Int(ctx, env, v)
	return arch.Addr(n), err
}

// onward names the member of a link that leads to the next.
func onward(t *symbols.Type) string {
	t = complete(t)
	if t == nil || !t.IsComposite() {
		return ""
	}
	for _, f := range t.Members().Fields {
		if to := f.Type.Strip(); to != nil && to.Kind == symbols.Pointer {
			if of := complete(to.Elem); of == t || of != nil && t.Name != "" && of.Name == t.Name {
				return f.Name
			}
		}
	}
	return ""
}
