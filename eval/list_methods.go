package eval

import (
	"slices"
	"strings"
)

// The methods of collections, as WinDbg's data model has them. Those that select
// are lazy: they look at no more elements than are asked for.

var listMethods map[string]itemMethod

func init() { // the table's functions use the table
	listMethods = map[string]itemMethod{
		"Where":             {1, 1, "Where(x => condition)", lazily(where)},
		"Select":            {1, 1, "Select(x => value)", lazily(selected)},
		"Flatten":           {0, 1, "Flatten([x => list])", lazily(flatten)},
		"Take":              {1, 1, "Take(count)", lazily(take)},
		"Skip":              {1, 1, "Skip(count)", lazily(skip)},
		"TakeWhile":         {1, 1, "TakeWhile(x => condition)", lazily(takeWhile)},
		"SkipWhile":         {1, 1, "SkipWhile(x => condition)", lazily(skipWhile)},
		"Concat":            {1, 1, "Concat(list)", lazily(concat)},
		"Zip":               {2, 2, "Zip(list, (x, y) => value)", lazily(zip)},
		"OrderBy":           {1, 1, "OrderBy(x => key)", lazily(ordered(1))},
		"OrderByDescending": {1, 1, "OrderByDescending(x => key)", lazily(ordered(-1))},
		"Reverse":           {0, 0, "Reverse()", lazily(reversed)},
		"Distinct":          {0, 1, "Distinct([x => key])", lazily(distinct)},
		"Union":             {1, 1, "Union(list)", lazily(union)},
		"Except":            {1, 1, "Except(list)", lazily(inOther(false))},
		"Intersect":         {1, 1, "Intersect(list)", lazily(inOther(true))},
		"GroupBy":           {1, 1, "GroupBy(x => key)", lazily(grouped)},
		"First":             {0, 1, "First([x => condition])", first},
		"FirstNonError":     {0, 1, "FirstNonError([x => condition])", first},
		"Last":              {0, 1, "Last([x => condition])", last},
		"Single":            {0, 1, "Single([x => condition])", single},
		"Count":             {0, 1, "Count([x => condition])", count},
		"Any":               {0, 1, "Any([x => condition])", anyOf},
		"All":               {1, 1, "All(x => condition)", allOf},
		"AllNonError":       {1, 1, "AllNonError(x => condition)", allOf},
		"Contains":          {1, 1, "Contains(value)", contains},
		"SequenceEqual":     {1, 1, "SequenceEqual(list)", sequenceEqual},
		"Sum":               {0, 1, "Sum([x => number])", sum},
		"Average":           {0, 1, "Average([x => number])", average},
		"Min":               {0, 1, "Min([x => value])", extreme(-1)},
		"Max":               {0, 1, "Max([x => value])", extreme(1)},
	}
}

// walk goes over the elements of l; visit says whether to go on.
func (ev *evaluator) walk(l *List, visit func(Element) (bool, error)) error {
	var bad error
	n := int64(0)
	err := l.Each(ev.ctx, ev.env, func(e Element) bool {
		if bad = ev.step(); bad != nil {
			return false
		}
		if !e.Key.has() {
			e.Key = Index(ev.env, n)
		}
		n++
		more, err := visit(e)
		bad = err
		return more && err == nil
	})
	if bad != nil {
		return bad
	}
	return err
}

// call applies a function of the data model.
func (ev *evaluator) call(f Value, args ...Value) (Value, error) {
	if f.Item == nil || f.Item.Func == nil {
		return Value{}, &ItemError{className(f), "is no function; write x => ..."}
	}
	return f.Item.Func(ev.ctx, ev.env, args)
}

// test applies a condition; without one everything passes.
func (ev *evaluator) test(args []Value, v Value) (bool, error) {
	if len(args) == 0 {
		return true, nil
	}
	r, err := ev.call(args[0], v)
	if err != nil {
		return false, err
	}
	return ev.truthy(r)
}

// key applies a selector; without one it is the value itself.
func (ev *evaluator) key(args []Value, v Value) (Value, error) {
	if len(args) == 0 {
		return v, v.Err
	}
	return ev.call(args[0], v)
}

// pick is the elements that pass args, seen one at a time.
func (ev *evaluator) pick(x Value, args []Value, visit func(Value) bool) error {
	l, err := ev.listOf(x)
	if err != nil {
		return err
	}
	return where(ev, l, args, func(e Element) bool { return visit(e.Value) })
}

var errEmpty = &ItemError{"list", "has no such element"}

func first(ev *evaluator, x Value, args []Value) (Value, error) {
	var out Value
	found := false
	err := ev.pick(x, args, func(v Value) bool { out, found = v, true; return false })
	if err == nil && !found {
		err = errEmpty
	}
	return out, err
}

func last(ev *evaluator, x Value, args []Value) (Value, error) {
	var out Value
	found := false
	err := ev.pick(x, args, func(v Value) bool { out, found = v, true; return true })
	if err == nil && !found {
		err = errEmpty
	}
	return out, err
}

func single(ev *evaluator, x Value, args []Value) (Value, error) {
	var out Value
	n := 0
	err := ev.pick(x, args, func(v Value) bool { out = v; n++; return n < 2 })
	switch {
	case err != nil:
		return Value{}, err
	case n == 0:
		return Value{}, errEmpty
	case n > 1:
		return Value{}, &ItemError{"list", "has more than one such element"}
	}
	return out, nil
}

func count(ev *evaluator, x Value, args []Value) (Value, error) {
	n := uint64(0)
	err := ev.pick(x, args, func(Value) bool { n++; return true })
	return Count(ev.env, n), err
}

func anyOf(ev *evaluator, x Value, args []Value) (Value, error) {
	found := false
	err := ev.pick(x, args, func(Value) bool { found = true; return false })
	return truthOf(ev.env, found), err
}

func allOf(ev *evaluator, x Value, args []Value) (Value, error) {
	l, err := ev.listOf(x)
	if err != nil {
		return Value{}, err
	}
	all := true
	err = ev.walk(l, func(e Element) (bool, error) {
		ok, err := ev.test(args, e.Value)
		all = all && ok
		return all, err
	})
	return truthOf(ev.env, all), err
}

func contains(ev *evaluator, x Value, args []Value) (Value, error) {
	l, err := ev.listOf(x)
	if err != nil {
		return Value{}, err
	}
	found := false
	err = ev.walk(l, func(e Element) (bool, error) {
		found, err = ev.same(e.Value, args[0])
		return !found, err
	})
	return truthOf(ev.env, found), err
}

func sequenceEqual(ev *evaluator, x Value, args []Value) (Value, error) {
	l, err := ev.listOf(x)
	if err != nil {
		return Value{}, err
	}
	m, err := ev.listOf(args[0])
	if err != nil {
		return Value{}, err
	}
	right, err := ev.all(m)
	if err != nil {
		return Value{}, err
	}
	i, same := 0, true
	err = ev.walk(l, func(e Element) (bool, error) {
		if same = i < len(right); same {
			same, err = ev.same(e.Value, right[i].Value)
		}
		i++
		return same, err
	})
	return truthOf(ev.env, same && i == len(right)), err
}

// add sums what args select of x, and counts it.
func (ev *evaluator) add(x Value, args []Value) (sum Value, n uint64, err error) {
	l, err := ev.listOf(x)
	if err != nil {
		return Value{}, 0, err
	}
	err = ev.walk(l, func(e Element) (bool, error) {
		v, err := ev.key(args, e.Value)
		if err != nil {
			return false, err
		}
		if n++; n == 1 {
			sum = v
			_, err = load(ev.ctx, ev.env, v)
			return err == nil, err
		}
		a, err := load(ev.ctx, ev.env, sum)
		if err != nil {
			return false, err
		}
		b, err := load(ev.ctx, ev.env, v)
		if err != nil {
			return false, err
		}
		sum, err = ev.binary("+", a, b)
		return err == nil, err
	})
	if n == 0 {
		sum = Count(ev.env, 0)
	}
	sum.Place, sum.Plain = NoPlace, true
	return sum, n, err
}

func sum(ev *evaluator, x Value, args []Value) (Value, error) {
	v, n, err := ev.add(x, args)
	if err != nil || n != 1 {
		return v, err
	}
	a, err := load(ev.ctx, ev.env, v)
	if err != nil {
		return Value{}, err
	}
	out, err := ev.rvalue(a)
	out.Plain = true
	return out, err
}

func average(ev *evaluator, x Value, args []Value) (Value, error) {
	v, n, err := ev.add(x, args)
	if err != nil {
		return Value{}, err
	}
	if n == 0 {
		return Value{}, errEmpty
	}
	a, err := load(ev.ctx, ev.env, v)
	if err != nil {
		return Value{}, err
	}
	out, err := ev.rvalue(number{t: ev.l.named("double"), float: true, f: a.asFloat() / float64(n)})
	out.Plain = true
	return out, err
}

func extreme(sign int) func(ev *evaluator, x Value, args []Value) (Value, error) {
	return func(ev *evaluator, x Value, args []Value) (Value, error) {
		l, err := ev.listOf(x)
		if err != nil {
			return Value{}, err
		}
		var best Value
		found := false
		err = ev.walk(l, func(e Element) (bool, error) {
			v, err := ev.key(args, e.Value)
			if err != nil {
				return false, err
			}
			c := sign
			if found {
				if c, err = ev.order(v, best); err != nil {
					return false, err
				}
			}
			if c*sign > 0 {
				best, found = v, true
			}
			return true, nil
		})
		if err == nil && !found {
			err = errEmpty
		}
		return best, err
	}
}

// Methods lists what can be called on v, a value of the data model.
func Methods(v Value) []string {
	var out []string
	add := func(m map[string]itemMethod) {
		for _, x := range m {
			out = append(out, x.usage)
		}
	}
	add(generalMethods)
	if it := v.Item; it != nil {
		for _, m := range it.Methods {
			out = append(out, m.Usage)
		}
		if it.IsText {
			add(textMethods)
		}
		if it.List != nil {
			add(listMethods)
		}
	}
	slices.SortFunc(out, strings.Compare)
	return out
}
