package natvis

import (
	"context"
	"errors"
	"slices"

	"dap-windbg/eval"
	"dap-windbg/symbols"
)

// segment is a run of children: n of them, -1 when only walking tells.
type segment struct {
	n     int
	index bool
	page  func(ctx context.Context, s *scope, lo, hi int) ([]*eval.Object, error)
}

// expandInto gives o the children of the rule.
func (s *scope) expandInto(ctx context.Context, o *eval.Object) error {
	x := s.rule.expand
	if x == nil {
		x = &expand{}
	}
	var list []segment
	if !x.hideRaw && !s.format.NoRaw {
		list = append(list, segment{n: 1, page: rawView(o.Value, o.Expr)})
	}
	more, err := s.segments(ctx, x.items)
	if err != nil {
		return err
	}
	s.attach(o, append(list, more...))
	return nil
}

// attach makes segments the children of o, the named ones first.
func (s *scope) attach(o *eval.Object, list []segment) {
	slices.SortStableFunc(list, func(a, b segment) int {
		switch {
		case a.index == b.index:
			return 0
		case b.index:
			return -1
		}
		return 1
	})
	for _, g := range list {
		switch {
		case g.n < 0:
			o.Named = -1
		case g.index && o.Named >= 0:
			o.Indexed += g.n
		case o.Named >= 0:
			o.Named += g.n
		}
	}
	if o.Named < 0 {
		o.Indexed = 0
	}
	if o.Named == 0 && o.Indexed == 0 {
		return
	}
	o.Expand = func(ctx context.Context, env eval.Env, start, count int) ([]*eval.Object, error) {
		c := *s
		if outer, ok := env.(*scope); ok {
			env = outer.Env
		}
		c.Env, c.found = env, map[string]*symbols.Type{}
		return c.pages(ctx, list, max(start, 0), count)
	}
}

// pages collects children [start, start+count) over the segments.
func (s *scope) pages(ctx context.Context, list []segment, start, count int) ([]*eval.Object, error) {
	var out []*eval.Object
	var need []error
	if count < 0 || count > eval.MaxChildren {
		count = eval.MaxChildren
	}
	end := start + count
	at := 0
	for _, g := range list {
		lo, hi := max(start-at, 0), g.n
		if hi < 0 || at+hi > end {
			hi = max(end-at, 0)
		}
		if g.n >= 0 && (lo >= g.n || hi <= lo) {
			at += g.n
			continue
		}
		if hi <= lo {
			break
		}
		kids, err := g.page(ctx, s, lo, hi)
		if err != nil {
			if !retry(err) {
				return out, err
			}
			need = append(need, err)
		}
		out = append(out, kids...)
		if g.n >= 0 {
			at += g.n
		} else {
			at += lo + len(kids)
		}
	}
	return out, errors.Join(need...)
}

// rawView is the child that shows the object as the language sees it.
func rawView(v eval.Value, expr string) func(context.Context, *scope, int, int) ([]*eval.Object, error) {
	return func(ctx context.Context, s *scope, _, _ int) ([]*eval.Object, error) {
		f := s.format
		f.Raw = true
		raw, err := s.model.Object(ctx, s.Env, "[<Raw View>]", expr, v, f)
		if err != nil {
			return nil, err
		}
		raw.Text = ""
		if expr != "" {
			raw.Expr = expr + ",!"
		}
		return []*eval.Object{raw}, nil
	}
}

// segments evaluates conditions and sizes of the items of an Expand.
func (s *scope) segments(ctx context.Context, items []item) ([]segment, error) {
	var out []segment
	for i := range items {
		it := &items[i]
		ok, err := s.allow(ctx, it.guard)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		g, ok, err := s.segment(ctx, it)
		if err != nil {
			if it.optional && !retry(err) {
				continue
			}
			return nil, err
		}
		if ok {
			out = append(out, g...)
		}
	}
	return out, nil
}

func one(g segment) []segment { return []segment{g} }

func (s *scope) segment(ctx context.Context, it *item) ([]segment, bool, error) {
	switch it.kind {
	case "Item":
		if _, err := s.eval(ctx, it.code); err != nil && (it.optional || misfit(err)) {
			return nil, false, err
		}
		return one(segment{n: 1, page: func(ctx context.Context, s *scope, _, _ int) ([]*eval.Object, error) {
			o, err := s.child(ctx, it.name, it.code, "")
			return list(o, err)
		}}), true, nil
	case "Synthetic":
		return one(segment{n: 1, page: func(ctx context.Context, s *scope, _, _ int) ([]*eval.Object, error) {
			return s.synthetic(ctx, it)
		}}), true, nil
	case "ExpandedItem":
		return s.spliced(ctx, it)
	case "CustomListItems":
		g, err := s.customSegment(ctx, it)
		return one(g), err == nil && g.n != 0, err
	case "ArrayItems", "IndexListItems", "LinkedListItems", "TreeItems":
		g, err := s.listSegment(ctx, it)
		return one(g), err == nil && g.n != 0, err
	}
	return nil, false, nil
}

func list(o *eval.Object, err error) ([]*eval.Object, error) {
	if o == nil {
		return nil, err
	}
	return []*eval.Object{o}, err
}

// spliced puts the children of an ExpandedItem among the object's own.
func (s *scope) spliced(ctx context.Context, it *item) ([]segment, bool, error) {
	o, err := s.splice(ctx, it)
	if err == nil && o.Expand == nil {
		err = o.Err
	}
	if err != nil || o.Expand == nil {
		return nil, false, err
	}
	part := func(from int) func(context.Context, *scope, int, int) ([]*eval.Object, error) {
		return func(ctx context.Context, s *scope, lo, hi int) ([]*eval.Object, error) {
			count := -1
			if hi >= 0 {
				count = hi - lo
			}
			return o.Children(ctx, s.Env, from+lo, count)
		}
	}
	if o.Named < 0 {
		return one(segment{n: -1, page: part(0)}), true, nil
	}
	return []segment{{n: o.Named, page: part(0)}, {n: o.Indexed, index: true, page: part(o.Named)}}, true, nil
}

func (s *scope) splice(ctx context.Context, it *item) (*eval.Object, error) {
	v, err := s.eval(ctx, it.code)
	if err != nil {
		return nil, err
	}
	f := s.inner(it.code.format)
	f.NoRaw = true
	return s.model.Object(ctx, s, "", s.path(it.code.src, v), v, f)
}
