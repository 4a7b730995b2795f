package eval

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// This file shows what C++ has not: records of which one shape at a time is live,
// such as Rust's enums, and Rust's tuples.

// visualize makes the node of v in another form than that of its members: by the
// Visualizer's rules, or as what its language means by it.
func (m *Model) visualize(ctx context.Context, env Env, name, expr string, v Value, f Format) (*Object, bool, error) {
	if f.Raw {
		return nil, false, nil
	}
	if m.Visualizer != nil {
		if o, ok, err := m.Visualizer.Visualize(ctx, env, m, name, expr, v, f); ok || err != nil {
			return o, ok, err
		}
	}
	t := completed(v.Type)
	o := &Object{Name: name, Value: v, Type: TypeName(v.Type), Expr: expr}
	switch {
	case len(t.Members().Parts) > 0:
		return m.variant(ctx, env, o, v, t, f)
	case t.Language == symbols.Rust && t.Kind == symbols.Struct && isTuple(t):
		text, err := m.payload(ctx, env, v, f)
		if err != nil {
			return nil, false, err
		}
		o.Text = text
		m.members(o, v, layout(t, 0, maxBases), f)
		return o, true, nil
	case t.Language == symbols.Rust && isTraitObject(t):
		return m.traitObject(ctx, env, o, v, f)
	}
	return nil, false, nil
}

// isTraitObject recognises a pointer to dyn: to the data, and to their methods.
func isTraitObject(t *symbols.Type) bool {
	fields := t.Members().Fields
	return len(fields) == 2 && fields[0].Name == "pointer" && fields[1].Name == "vtable"
}

// traitObject shows what a pointer to dyn points to as what it is. rustc calls the
// table of methods "<Dog as Animal>::{vtable}".
func (m *Model) traitObject(ctx context.Context, env Env, o *Object, v Value, f Format) (*Object, bool, error) {
	g, ok := env.(Globals)
	if !ok {
		return nil, false, nil
	}
	var at [2]uint64
	for i, name := range []string{"pointer", "vtable"} {
		x, err := Member(ctx, env, v, name)
		if err == nil {
			at[i], err = Int(ctx, env, x)
		}
		if err != nil {
			return nil, false, err
		}
	}
	table, ok := g.GlobalAt(ctx, arch.Addr(at[1]))
	if !ok {
		return nil, false, nil
	}
	name := implementer(table.Name)
	t, ok := ownType(v.Type.Strip(), name)
	if !ok {
		return nil, false, nil
	}
	pointer := languageOf(env.Arch()).pointer(t)
	p := Integer(env, "unsigned long", at[0])
	p.Type = pointer
	expr := ""
	if !strings.ContainsAny(name, "{(") {
		expr = fmt.Sprintf("(%s *)0x%x", name, at[0])
	}
	seen, err := m.Object(ctx, env, o.Name, expr, p, f)
	if err != nil {
		return nil, false, err
	}
	seen.Type, seen.Expr, seen.Value = o.Type, o.Expr, v
	if seen.Text != "" {
		seen.Text += " "
	}
	seen.Text += "as " + name
	return seen, true, nil
}

// implementer is Dog in "<Dog as Animal>::{vtable}".
func implementer(table string) string {
	i := strings.Index(table, "<")
	depth := 0
	for k := max(i, 0); i >= 0 && k < len(table); k++ {
		switch {
		case table[k] == '<':
			depth++
		case table[k] == '>':
			depth--
		case depth == 1 && strings.HasPrefix(table[k:], " as "):
			return table[i+1 : k]
		}
	}
	return ""
}

// ownType finds a type in the image that t comes from.
func ownType(t *symbols.Type, name string) (*symbols.Type, bool) {
	ty, ok := t.Image.(symbols.Typer)
	if !ok || name == "" {
		return nil, false
	}
	return ty.Type(name)
}

// variant shows the shape of v that is live. What carries nothing is its name.
func (m *Model) variant(ctx context.Context, env Env, o *Object, v Value, t *symbols.Type, f Format) (*Object, bool, error) {
	v, err := preload(ctx, env, v)
	if err != nil {
		return nil, false, err
	}
	live := map[*symbols.Variant]bool{}
	var only *symbols.Variant
	for i := range t.Members().Parts {
		part := &t.Members().Parts[i]
		x, err := liveVariant(ctx, env, v, part)
		if err != nil {
			if retry(err) {
				return nil, false, err
			}
			o.Err = err
			return o, true, nil
		}
		live[x], only = true, x
	}
	if t.Language != symbols.Rust || len(only.Fields) != 1 || !only.Fields[0].Type.IsComposite() {
		m.members(o, v, liveSlots(t, live), f)
		return o, true, nil
	}
	fd := only.Fields[0]
	inner, err := field(ctx, env, v, fd)
	if err != nil {
		return nil, false, err
	}
	text, err := m.payload(ctx, env, inner, f)
	if err != nil {
		return nil, false, err
	}
	o.Text = fd.Name + text
	if o.Expr != "" {
		o.Expr = wrap(o.Expr) + "." + fd.Name
	}
	m.members(o, inner, layout(completed(fd.Type), 0, maxBases), f)
	o.Expr = strings.TrimSuffix(o.Expr, "."+fd.Name)
	return o, true, nil
}

// liveVariant reads the discriminant of a variant part.
func liveVariant(ctx context.Context, env Env, v Value, part *symbols.VariantPart) (*symbols.Variant, error) {
	if part.Discr == nil {
		if len(part.Variants) == 1 {
			return part.Variants[0], nil
		}
		return nil, &symbols.UnavailableError{Reason: "nothing tells which variant is live"}
	}
	d, err := field(ctx, env, v, *part.Discr)
	if err != nil {
		return nil, err
	}
	n, err := load(ctx, env, d)
	if err != nil {
		return nil, err
	}
	if x := part.Live(n.lo); x != nil {
		return x, nil
	}
	return nil, fmt.Errorf("no variant has the discriminant %s", n.big())
}

// liveSlots are the members of t that are there: those of no variant, and of live ones.
func liveSlots(t *symbols.Type, live map[*symbols.Variant]bool) []slot {
	var out []slot
	for _, s := range layout(t, 0, maxBases) {
		if x := s.path[0].Variant; x == nil || live[x] {
			out = append(out, s)
		}
	}
	return out
}

// members makes slots the children of o. Those of a tuple are called by their number.
func (m *Model) members(o *Object, v Value, slots []slot, f Format) {
	if len(slots) == 0 {
		return
	}
	expr := o.Expr
	o.Named = len(slots)
	o.Expand = func(ctx context.Context, env Env, start, count int) ([]*Object, error) {
		kids, err := m.fields(ctx, env, v, slots, expr, ".", f, start, count)
		for _, k := range kids {
			if n, ok := position(k.Name); ok {
				k.Name = n
			}
		}
		return kids, err
	}
}

var positional = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^__(\d+)$`) })

// position is the number of a tuple's member, which rustc calls "__0".
func position(name string) (string, bool) {
	m := positional().FindStringSubmatch(name)
	if m == nil {
		return "", false
	}
	return m[1], true
}

func isTuple(t *symbols.Type) bool {
	fields := t.Members().Fields
	for _, f := range fields {
		if _, ok := position(f.Name); !ok {
			return false
		}
	}
	return len(fields) > 0
}

// payload writes members as Rust does: "(1, 2)" of a tuple, "{a: 1, b: 2}" of a
// record, nothing when there are none.
func (m *Model) payload(ctx context.Context, env Env, v Value, f Format) (string, error) {
	t := completed(v.Type)
	if !t.IsComposite() || len(t.Members().Fields) == 0 {
		return "", nil
	}
	var parts []string
	var need error
	tuple := isTuple(t)
	for _, s := range layout(t, 0, maxBases) {
		if len(parts) == summary {
			parts = append(parts, "...")
			break
		}
		fv, err := descend(ctx, env, v, s.path)
		text := ""
		if err == nil {
			text, err = m.Text(ctx, env, fv, Format{Style: f.Style, Radix: f.Radix, Upper: f.Upper})
		}
		switch {
		case err != nil && retry(err):
			need = err
		case err != nil:
			text = fmt.Sprintf("<%v>", err)
		case text == "":
			text = "{...}"
		}
		if !tuple {
			text = s.field().Name + ": " + text
		}
		parts = append(parts, text)
	}
	list := strings.Join(parts, ", ")
	if tuple {
		return "(" + list + ")", need
	}
	return "{" + list + "}", need
}
