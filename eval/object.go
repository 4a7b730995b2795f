package eval

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

const (
	prefetch  = 4096    // bytes of a class value read at once for its members
	pageBytes = 1 << 20 // bytes of an array's page read at once
)

// Object makes the node for v.
func (m *Model) Object(ctx context.Context, env Env, name, expr string, v Value, f Format) (*Object, error) {
	if v.Item != nil {
		return m.item(ctx, env, name, expr, v, f)
	}
	o := &Object{Name: name, Value: v, Type: TypeName(v.Type), Expr: expr, Err: v.Err}
	if v.Plain || v.Type == nil {
		o.Type = ""
	}
	if v.Type == nil || v.Err != nil {
		return o, nil
	}
	if f.LengthExpr != "" {
		if err := f.resolve(ctx, env); err != nil {
			return failed(o, err)
		}
	}
	inner, err := deref(ctx, env, v)
	if err != nil {
		return failed(o, err)
	}
	if strip(inner.Type).Kind == symbols.Pointer {
		return m.pointer(ctx, env, o, inner, f)
	}
	return m.direct(ctx, env, o, inner, f)
}

// resolve evaluates the length expression.
func (f *Format) resolve(ctx context.Context, env Env) error {
	e := f.LengthCode
	if e == nil {
		var err error
		if e, err = Parse(f.LengthExpr, Options{}); err != nil {
			return err
		}
	}
	v, err := e.Eval(ctx, env)
	if err != nil {
		return err
	}
	n, err := Int(ctx, env, v)
	if err != nil {
		return err
	}
	f.LengthExpr, f.LengthCode = "", nil
	if f.Length = int(min(n, 1<<31-1)); n == 0 {
		f.Length = noElements
	}
	return nil
}

// failed puts err into the node, unless the engine must see it.
func failed(o *Object, err error) (*Object, error) {
	if retry(err) {
		return nil, err
	}
	o.Err = err
	return o, nil
}

// direct makes the node of anything but a pointer or reference.
func (m *Model) direct(ctx context.Context, env Env, o *Object, v Value, f Format) (*Object, error) {
	seen, ok, err := m.visualize(ctx, env, o.Name, o.Expr, v, f)
	if err != nil {
		return failed(o, err)
	}
	if ok {
		seen.Type = o.Type
		return seen, nil
	}
	text, err := m.plainText(ctx, env, v, f)
	if err != nil {
		if retry(err) {
			return nil, err
		}
		o.Err = err
	}
	o.Text = text
	if !f.TextOnly {
		m.expandable(env, o, v, f)
	}
	return o, nil
}

// Raw makes the node of v as the language sees it, without visualisers.
func (m *Model) Raw(ctx context.Context, env Env, name, expr string, v Value, f Format) (*Object, error) {
	f.Raw = true
	return m.Object(ctx, env, name, expr, v, f)
}

// expandable gives o the children of v.
func (m *Model) expandable(env Env, o *Object, v Value, f Format) {
	switch t := completed(v.Type); t.Kind {
	case symbols.Struct, symbols.Class, symbols.Union:
		slots := layout(t, 0, maxBases)
		if len(slots) == 0 {
			return
		}
		expr := o.Expr
		o.Named = len(slots)
		o.Expand = func(ctx context.Context, env Env, start, count int) ([]*Object, error) {
			return m.fields(ctx, env, v, slots, expr, ".", f, start, count)
		}
	case symbols.Array:
		n := t.Count
		if f.Length > 0 {
			n = int64(f.Length)
		}
		m.indexed(o, v, t, n, f)
	}
}

// indexed gives o the elements of array v.
func (m *Model) indexed(o *Object, v Value, t *symbols.Type, n int64, f Format) {
	if n <= 0 || stride(t) < 0 {
		return
	}
	f.Length = 0
	expr, all := o.Expr, int(min(n, 1<<31-1))
	o.Indexed = all
	o.Expand = func(ctx context.Context, env Env, start, count int) ([]*Object, error) {
		return m.page(ctx, env, v, t, expr, f, start, count, all)
	}
}

// pointer makes the node of a pointer; its children are what it points to.
func (m *Model) pointer(ctx context.Context, env Env, o *Object, v Value, f Format) (*Object, error) {
	text, err := m.plainText(ctx, env, v, f)
	if err != nil {
		return failed(o, err)
	}
	o.Text = text
	t := strip(v.Type)
	to := completed(elem(t))
	if target, ok, err := follow(ctx, env, v, 0); ok {
		if err != nil {
			return failed(o, err)
		}
		return m.pointed(ctx, env, o, target, to, f)
	}
	n, err := load(ctx, env, v)
	if err != nil || n.lo == 0 {
		return o, err
	}
	target := Value{Type: elem(t), Place: InMemory, Addr: arch.Addr(n.lo)}
	switch {
	case f.Length > 0 && specUnit(f.Spec) == 0 && to.Kind != symbols.Void && to.Kind != symbols.Func:
		a := arrayOf(elem(t), int64(f.Length))
		m.indexed(o, Value{Type: a, Place: InMemory, Addr: arch.Addr(n.lo)}, a, a.Count, f)
		return o, nil
	case !to.IsComposite() && (charUnit(elem(t)) > 0 || specUnit(f.Spec) > 0 || to.Kind == symbols.Void || to.Kind == symbols.Func):
		return o, nil
	}
	target, expr, err := m.derived(ctx, env, o, target, f)
	if err != nil {
		return nil, err
	}
	own := o.Expr
	o.Expr = expr
	o, err = m.pointed(ctx, env, o, target, completed(target.Type), f)
	if o != nil {
		o.Expr = own
	}
	return o, err
}

// derived is the whole object that a pointer's target is a part of, with the
// expression that points to it. The node's type tells both.
func (m *Model) derived(ctx context.Context, env Env, o *Object, target Value, f Format) (Value, string, error) {
	if f.NoDerived || f.Style == DT {
		return target, o.Expr, nil
	}
	d, ok, err := DynamicObject(ctx, env, target)
	if err != nil || !ok {
		return target, o.Expr, err
	}
	name := TypeName(PointerTo(env, d.Type))
	o.Type = name + " (derived from " + o.Type + ")"
	switch {
	case o.Expr == "":
		return d, "", nil
	case d.Addr == target.Addr:
		return d, "((" + name + ")" + wrap(o.Expr) + ")", nil
	}
	return d, fmt.Sprintf("((%s)0x%x)", name, uint64(d.Addr)), nil
}

// pointed gives a pointer what it points to as its children.
func (m *Model) pointed(ctx context.Context, env Env, o *Object, target Value, to *symbols.Type, f Format) (*Object, error) {
	if to.IsComposite() {
		return m.pointee(ctx, env, o, target, to, f)
	}
	o.Named = 1
	name, expr := o.Name, o.Expr
	o.Expand = func(ctx context.Context, env Env, start, count int) ([]*Object, error) {
		if start > 0 || count == 0 {
			return nil, nil
		}
		c, err := m.Object(ctx, env, "*"+name, "*"+wrap(expr), target, f)
		return []*Object{c}, err
	}
	return o, nil
}

// pointee gives a pointer to a class the children and the text of its object.
func (m *Model) pointee(ctx context.Context, env Env, o *Object, target Value, to *symbols.Type, f Format) (*Object, error) {
	seen, ok, err := m.visualize(ctx, env, o.Name, "(*"+wrap(o.Expr)+")", target, f)
	if err != nil && retry(err) {
		return nil, err
	}
	if ok && err == nil {
		f.NoAddress = f.NoAddress || isGoReference(o.Value.Type)
		o.Text = join(o.Text, seen.Text, f)
		o.Named, o.Indexed, o.Expand, o.Whole = seen.Named, seen.Indexed, seen.Expand, seen.Whole
		return o, nil
	}
	slots := layout(to, 0, maxBases)
	if len(slots) == 0 {
		return o, nil
	}
	o.Named = len(slots)
	expr := o.Expr
	o.Expand = func(ctx context.Context, env Env, start, count int) ([]*Object, error) {
		return m.fields(ctx, env, target, slots, expr, "->", f, start, count)
	}
	return o, nil
}

// slot is one row of a class: a member or base, found through anonymous members.
type slot struct {
	path   []symbols.Field
	offset int64
}

func (s slot) field() symbols.Field { return s.path[len(s.path)-1] }

// layout lists the rows of a class, with anonymous members dissolved.
func layout(t *symbols.Type, base int64, depth int) []slot {
	left := maxClasses
	return layoutWithin(t, base, depth, &left)
}

// layoutWithin is layout that looks into so many classes more.
func layoutWithin(t *symbols.Type, base int64, depth int, left *int) []slot {
	var out []slot
	if *left--; depth <= 0 || *left < 0 {
		return nil
	}
	for _, f := range t.Members().Fields {
		switch {
		case f.Base && len(layoutWithin(completed(f.Type), 0, depth-1, left)) == 0: // nothing to see
		case f.Name == "" && !f.Base:
			if f.BitSize > 0 || !f.Type.IsComposite() {
				continue // padding
			}
			for _, s := range layoutWithin(completed(f.Type), base+f.Offset, depth-1, left) {
				out = append(out, slot{append([]symbols.Field{f}, s.path...), s.offset})
			}
		default:
			out = append(out, slot{[]symbols.Field{f}, base + f.Offset})
		}
	}
	return out
}

// bounds cuts a page out of n children.
func bounds(start, count, n int) (int, int) {
	start = min(max(start, 0), n)
	if count < 0 || count > MaxChildren {
		count = MaxChildren
	}
	return start, start + min(count, n-start)
}

// fields makes the nodes of a page of members. Bytes that are not fetched yet
// are all asked for before giving up.
func (m *Model) fields(ctx context.Context, env Env, v Value, slots []slot, expr, dot string, f Format, start, count int) ([]*Object, error) {
	var err error
	if v, err = preload(ctx, env, v); err != nil {
		return nil, err
	}
	lo, hi := bounds(start, count, len(slots))
	out := make([]*Object, 0, hi-lo)
	var need []error
	for _, s := range slots[lo:hi] {
		o, err := m.fieldObject(ctx, env, v, s, expr, dot, f)
		if err != nil {
			if !retry(err) {
				return nil, err
			}
			need = append(need, err)
			continue
		}
		out = append(out, o)
	}
	return out, errors.Join(need...)
}

// preload reads a class value whole when it is small; what cannot be read whole
// is left to its members.
func preload(ctx context.Context, env Env, v Value) (Value, error) {
	if v.Bytes != nil || v.Place != InMemory {
		return v, nil
	}
	if size := sizeOf(v.Type); size > 0 && size <= prefetch {
		b, err := Fetch(ctx, env, v)
		if err != nil {
			if retry(err) {
				return v, err
			}
			return v, nil
		}
		v.Bytes = b
	}
	return v, nil
}

func (m *Model) fieldObject(ctx context.Context, env Env, v Value, s slot, expr, dot string, f Format) (*Object, error) {
	fd := s.field()
	name, child := fd.Name, ""
	if fd.Base {
		name = TypeName(fd.Type)
	}
	if expr != "" {
		child = wrap(expr) + dot + name
	}
	fv, err := descend(ctx, env, v, s.path)
	if err != nil {
		if retry(err) {
			return nil, err
		}
		fv = Value{Type: fd.Type, Err: err}
	}
	f.Spec, f.Length, f.Raw, f.View = "", 0, false, ""
	o, err := m.Object(ctx, env, name, child, fv, f)
	if err != nil {
		return nil, err
	}
	o.Offset, o.HasOffset = s.offset, !fd.Virtual && !fd.Static
	if fd.BitSize > 0 {
		o.Bits, o.BitLow, o.BitHigh = true, fd.BitOffset, fd.BitOffset+fd.BitSize-1
	}
	return o, nil
}

// wrap parenthesises an expression that a postfix operator would tear apart.
func wrap(expr string) string {
	if isPostfix(expr) {
		return expr
	}
	return "(" + expr + ")"
}

// isPostfix reports whether expr is a name or parentheses followed by postfix operators only.
func isPostfix(expr string) bool {
	for i := 0; i < len(expr); i++ {
		switch c := expr[i]; {
		case isIdentByte(c), strings.IndexByte("@!.:", c) >= 0:
		case c == '-' && strings.HasPrefix(expr[i:], "->"):
			i++
		case c == '[':
			end := strings.IndexByte(expr[i:], ']')
			if end < 0 || strings.IndexByte(expr[i+1:i+end], '[') >= 0 {
				return false
			}
			i += end
		case c == '(' && i == 0:
			i = closing(expr, 1)
			if i < 0 || i+1 < len(expr) && strings.IndexByte(".-[", expr[i+1]) < 0 {
				return false
			}
		default:
			return false
		}
	}
	return expr != ""
}

// element is element i of array v.
func element(ctx context.Context, env Env, v Value, i int64) (Value, error) {
	t := strip(v.Type)
	size := stride(t)
	if size < 0 {
		return Value{}, &TypeError{v.Type, "has elements of unknown size"}
	}
	if v.Place == InMemory && v.Bytes == nil {
		return Value{Type: elem(t), Place: InMemory, Addr: v.Addr + arch.Addr(i*size)}, nil
	}
	return field(ctx, env, v, symbols.Field{Type: elem(t), Offset: i * size})
}

// Elements makes the nodes of elements [lo, hi) of the array whose first element
// is first; they are read at once.
func (m *Model) Elements(ctx context.Context, env Env, first Value, expr string, f Format, lo, hi int) ([]*Object, error) {
	t := arrayOf(first.Type, int64(hi))
	return m.page(ctx, env, Value{Type: t, Place: first.Place, Addr: first.Addr, Bytes: first.Bytes}, t, expr, f, lo, hi-lo, hi)
}

// page makes the nodes of elements [start, start+count) of an array.
func (m *Model) page(ctx context.Context, env Env, v Value, t *symbols.Type, expr string, f Format, start, count, n int) ([]*Object, error) {
	lo, hi := bounds(start, count, n)
	size := stride(t)
	var err error
	if v.Place == InMemory && v.Bytes == nil && hi > lo && int64(hi-lo)*size <= pageBytes {
		part := Value{Type: arrayOf(elem(t), int64(hi-lo)), Place: InMemory, Addr: v.Addr + arch.Addr(int64(lo)*size)}
		part.Type.Size, part.Type.Stride, part.Type.Lower = int64(hi-lo)*size, t.Stride, t.Lower
		if part.Bytes, err = Fetch(ctx, env, part); err != nil && retry(err) {
			return nil, err
		}
		return m.elementObjects(ctx, env, part, expr, f, lo, hi, lo)
	}
	return m.elementObjects(ctx, env, v, expr, f, lo, hi, 0)
}

// elementObjects makes nodes for elements [lo, hi); v's first element has index first.
func (m *Model) elementObjects(ctx context.Context, env Env, v Value, expr string, f Format, lo, hi, first int) ([]*Object, error) {
	out := make([]*Object, 0, hi-lo)
	var need []error
	prefix := ""
	if expr != "" {
		prefix = wrap(expr)
	}
	var hole hole
	for i := lo; i < hi; i++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		o, err := m.elementObject(ctx, env, v, i, i-first, prefix, f, &hole)
		if err != nil {
			if !retry(err) {
				return nil, err
			}
			need = append(need, err)
			continue
		}
		out = append(out, o)
	}
	return out, errors.Join(need...)
}

// hole is a page that could not be read: its other elements are not asked for.
type hole struct {
	page arch.Addr
	err  error
}

func (h *hole) covers(a arch.Addr) bool { return h.err != nil && a&^(pageSize-1) == h.page }

func (h *hole) note(err error) {
	var me *MemoryError
	if errors.As(err, &me) {
		h.page, h.err = me.Addr&^(pageSize-1), err
	}
}

func (m *Model) elementObject(ctx context.Context, env Env, v Value, i, at int, prefix string, f Format, h *hole) (*Object, error) {
	name := "[" + strconv.FormatInt(int64(i)+strip(v.Type).Lower, 10) + "]"
	expr := ""
	if prefix != "" {
		expr = prefix + name
	}
	ev, err := element(ctx, env, v, int64(at))
	if err != nil {
		if retry(err) {
			return nil, err
		}
		ev = Value{Type: elem(strip(v.Type)), Err: err}
	}
	if ev.Place == InMemory && ev.Bytes == nil && h.covers(ev.Addr) {
		ev.Err = &MemoryError{Addr: ev.Addr, Err: h.err}
	}
	o, err := m.Object(ctx, env, name, expr, ev, f)
	if err == nil && o.Err != nil && ev.Place == InMemory {
		h.note(o.Err)
	}
	return o, err
}
