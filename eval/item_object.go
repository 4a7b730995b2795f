package eval

import (
	"context"
	"strings"
)

// item makes the node of a value of the data model.
func (m *Model) item(ctx context.Context, env Env, name, expr string, v Value, f Format) (*Object, error) {
	it := v.Item
	o := &Object{Name: name, Value: v, Expr: expr, Text: it.Text}
	if it.IsText && f.Style == Plain {
		o.Text = `"` + it.Text + `"`
	}
	if len(it.Props) == 0 && it.List == nil {
		return o, nil
	}
	if o.Named = len(it.Props); it.List != nil {
		o.Named = -1 // how many elements there are is found out when they are asked for
	}
	inner := Format{Style: f.Style, Radix: f.Radix, Upper: f.Upper, Bare: f.Bare}
	o.Expand = func(ctx context.Context, env Env, start, count int) ([]*Object, error) {
		return m.itemRows(ctx, env, it, expr, inner, start, count)
	}
	return o, nil
}

// itemRows makes the nodes of rows [start, start+count): properties, then elements.
func (m *Model) itemRows(ctx context.Context, env Env, it *Item, expr string, f Format, start, count int) ([]*Object, error) {
	var out []*Object
	lo, hi := bounds(start, count, len(it.Props)+MaxChildren)
	for i := lo; i < min(hi, len(it.Props)); i++ {
		p := it.Props[i]
		v, err := p.Get(ctx, env)
		if err != nil {
			if retry(err) {
				return nil, err
			}
			v = Value{Err: err}
		}
		o, err := m.row(ctx, env, p.Name, childExpr(expr, "."+p.Name), v, f)
		if err != nil {
			return nil, err
		}
		out = append(out, o)
	}
	if it.List == nil || hi <= len(it.Props) {
		return out, nil
	}
	rows, err := m.elementRows(ctx, env, it.List, expr, f, max(lo-len(it.Props), 0), hi-len(it.Props))
	return append(out, rows...), err
}

// elementRows makes the nodes of elements [lo, hi) of l. An error of the query
// itself is the last row.
func (m *Model) elementRows(ctx context.Context, env Env, l *List, expr string, f Format, lo, hi int) ([]*Object, error) {
	var out []*Object
	ev := newEvaluator(ctx, env)
	n := 0
	err := ev.walk(l, func(e Element) (bool, error) {
		if n++; n <= lo {
			return true, nil
		}
		key, err := ev.keyText(e.Key)
		if err != nil {
			return false, err
		}
		o, err := m.row(ctx, env, "["+key+"]", childExpr(expr, "["+key+"]"), e.Value, f)
		if err != nil {
			return false, err
		}
		o.Keyed = e.Key.Item != nil
		out = append(out, o)
		return n < hi, nil
	})
	if err != nil && !retry(err) {
		return append(out, &Object{Name: "[...]", Err: err}), nil
	}
	return out, err
}

func childExpr(expr, tail string) string {
	if expr == "" {
		return ""
	}
	return wrap(expr) + tail
}

// row is a child of an Item.
func (m *Model) row(ctx context.Context, env Env, name, expr string, v Value, f Format) (*Object, error) {
	if !v.has() {
		return &Object{Name: name, Expr: expr, Value: v, Err: v.Err}, nil
	}
	if strings.HasPrefix(name, "[") && v.Item == nil && v.Place == InMemory {
		v.Bytes = nil
	}
	return m.Object(ctx, env, name, expr, v, f)
}
