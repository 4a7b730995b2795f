package eval

import (
	"context"
	"errors"
	"slices"
	"strconv"
)

// The lazy methods of collections.

// stage is one step of a query: it passes on elements of l.
type stage func(ev *evaluator, l *List, args []Value, yield func(Element) bool) error

// lazily makes a method of a stage.
func lazily(s stage) func(ev *evaluator, x Value, args []Value) (Value, error) {
	return func(ev *evaluator, x Value, args []Value) (Value, error) {
		l, err := ev.listOf(x)
		if err != nil {
			return Value{}, err
		}
		return ItemOf(&Item{Class: "list", List: &List{Each: func(ctx context.Context, env Env, yield func(Element) bool) error {
			return s(newEvaluator(ctx, env), l, args, yield)
		}}}), nil
	}
}

func where(ev *evaluator, l *List, args []Value, yield func(Element) bool) error {
	return ev.walk(l, func(e Element) (bool, error) {
		ok, err := ev.test(args, e.Value)
		return err == nil && (!ok || yield(e)), err
	})
}

// selected keeps the error of an element as the element: others are shown.
func selected(ev *evaluator, l *List, args []Value, yield func(Element) bool) error {
	return ev.walk(l, func(e Element) (bool, error) {
		v, err := ev.call(args[0], e.Value)
		if err != nil {
			if retry(err) || errors.Is(err, ErrTooLong) {
				return false, err
			}
			v = Value{Err: err}
		}
		return yield(Element{e.Key, v}), nil
	})
}

func flatten(ev *evaluator, l *List, args []Value, yield func(Element) bool) error {
	return ev.walk(l, func(e Element) (bool, error) {
		v, err := ev.key(args, e.Value)
		if err != nil {
			return false, err
		}
		inner, err := ev.listOf(v)
		if err != nil {
			if retry(err) {
				return false, err
			}
			return yield(Element{Value: v}), nil
		}
		more := true
		err = ev.walk(inner, func(e Element) (bool, error) {
			more = yield(Element{Value: e.Value})
			return more, nil
		})
		return more, err
	})
}

func take(ev *evaluator, l *List, args []Value, yield func(Element) bool) error {
	n, err := ev.countArgument(args[0])
	if err != nil || n == 0 {
		return err
	}
	return ev.walk(l, func(e Element) (bool, error) {
		n--
		return yield(e) && n > 0, nil
	})
}

func skip(ev *evaluator, l *List, args []Value, yield func(Element) bool) error {
	n, err := ev.countArgument(args[0])
	if err != nil {
		return err
	}
	return ev.walk(l, func(e Element) (bool, error) {
		n--
		return n >= 0 || yield(e), nil
	})
}

func takeWhile(ev *evaluator, l *List, args []Value, yield func(Element) bool) error {
	return ev.walk(l, func(e Element) (bool, error) {
		ok, err := ev.test(args, e.Value)
		return err == nil && ok && yield(e), err
	})
}

func skipWhile(ev *evaluator, l *List, args []Value, yield func(Element) bool) error {
	skipping := true
	return ev.walk(l, func(e Element) (bool, error) {
		if skipping {
			ok, err := ev.test(args, e.Value)
			if err != nil || ok {
				return err == nil, err
			}
			skipping = false
		}
		return yield(e), nil
	})
}

func concat(ev *evaluator, l *List, args []Value, yield func(Element) bool) error {
	other, err := ev.listOf(args[0])
	if err != nil {
		return err
	}
	more := true
	for _, l := range []*List{l, other} {
		err := ev.walk(l, func(e Element) (bool, error) {
			more = yield(Element{Value: e.Value})
			return more, nil
		})
		if err != nil || !more {
			return err
		}
	}
	return nil
}

func zip(ev *evaluator, l *List, args []Value, yield func(Element) bool) error {
	other, err := ev.listOf(args[0])
	if err != nil {
		return err
	}
	right, err := ev.all(other)
	if err != nil {
		return err
	}
	i := 0
	return ev.walk(l, func(e Element) (bool, error) {
		if i >= len(right) {
			return false, nil
		}
		v, err := ev.call(args[1], e.Value, right[i].Value)
		i++
		return err == nil && yield(Element{Value: v}), err
	})
}

// all reads the whole of l.
func (ev *evaluator) all(l *List) ([]Element, error) {
	var out []Element
	err := ev.walk(l, func(e Element) (bool, error) {
		if out = append(out, e); len(out) > maxItems {
			return false, &ItemError{"list", "is too long to be sorted or grouped"}
		}
		return true, nil
	})
	return out, err
}

func ordered(sign int) stage {
	return func(ev *evaluator, l *List, args []Value, yield func(Element) bool) error {
		list, err := ev.all(l)
		if err != nil {
			return err
		}
		type row struct {
			e   Element
			key Value
		}
		rows := make([]row, len(list))
		for i, e := range list {
			key, err := ev.key(args, e.Value)
			if err != nil {
				return err
			}
			rows[i] = row{e, key}
		}
		var bad error
		slices.SortStableFunc(rows, func(a, b row) int {
			if bad != nil {
				return 0
			}
			c, err := ev.order(a.key, b.key)
			bad = err
			return sign * c
		})
		for _, r := range rows {
			if bad != nil || !yield(r.e) {
				break
			}
		}
		return bad
	}
}

func reversed(ev *evaluator, l *List, _ []Value, yield func(Element) bool) error {
	list, err := ev.all(l)
	for i := len(list) - 1; i >= 0 && err == nil && yield(list[i]); i-- {
	}
	return err
}

// identity is a text that equal values share.
func (ev *evaluator) identity(v Value) (string, error) {
	if s, ok, err := ev.textOf(v); ok || err != nil {
		return "t" + s, err
	}
	if v.Item != nil {
		return "i" + v.Item.Class + v.Item.Text, nil
	}
	n, err := load(ev.ctx, ev.env, v)
	if err != nil {
		return "", err
	}
	if n.float {
		return "n" + strconv.FormatFloat(n.f, 'g', -1, 64), nil
	}
	return "n" + n.big().String(), nil
}

// seen passes on what is new to the set.
func (ev *evaluator) seen(set map[string]bool, v Value) (bool, error) {
	id, err := ev.identity(v)
	if err != nil || set[id] {
		return true, err
	}
	set[id] = true
	return false, nil
}

func distinct(ev *evaluator, l *List, args []Value, yield func(Element) bool) error {
	set := map[string]bool{}
	return ev.walk(l, func(e Element) (bool, error) {
		key, err := ev.key(args, e.Value)
		if err != nil {
			return false, err
		}
		old, err := ev.seen(set, key)
		return err == nil && (old || yield(e)), err
	})
}

func union(ev *evaluator, l *List, args []Value, yield func(Element) bool) error {
	both := &List{Each: func(ctx context.Context, env Env, yield func(Element) bool) error {
		return concat(newEvaluator(ctx, env), l, args, yield)
	}}
	return distinct(ev, both, nil, yield)
}

func inOther(wanted bool) stage {
	return func(ev *evaluator, l *List, args []Value, yield func(Element) bool) error {
		other, err := ev.listOf(args[0])
		if err != nil {
			return err
		}
		set := map[string]bool{}
		if err := ev.walk(other, func(e Element) (bool, error) {
			_, err := ev.seen(set, e.Value)
			return len(set) < maxItems, err
		}); err != nil {
			return err
		}
		return ev.walk(l, func(e Element) (bool, error) {
			id, err := ev.identity(e.Value)
			return err == nil && (set[id] != wanted || yield(e)), err
		})
	}
}

func grouped(ev *evaluator, l *List, args []Value, yield func(Element) bool) error {
	list, err := ev.all(l)
	if err != nil {
		return err
	}
	type group struct {
		key     Value
		members []Element
	}
	var groups []*group
	byID := map[string]*group{}
	for _, e := range list {
		key, err := ev.key(args, e.Value)
		if err != nil {
			return err
		}
		id, err := ev.identity(key)
		if err != nil {
			return err
		}
		if byID[id] == nil {
			byID[id] = &group{key: key}
			groups = append(groups, byID[id])
		}
		byID[id].members = append(byID[id].members, e)
	}
	for _, g := range groups {
		if !yield(Element{g.key, ItemOf(&Item{Class: "group", List: ListOf(g.members)})}) {
			break
		}
	}
	return nil
}
