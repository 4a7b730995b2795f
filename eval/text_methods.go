package eval

import (
	"context"
	"slices"
	"strings"
)

// itemMethod is a function of the data model that many values have.
type itemMethod struct {
	least, most int // arguments
	usage       string
	run         func(ev *evaluator, x Value, args []Value) (Value, error)
}

// bind makes the method of x.
func (m itemMethod) bind(x Value, name string) Func {
	return func(ctx context.Context, env Env, args []Value) (Value, error) {
		if len(args) < m.least || len(args) > m.most {
			return Value{}, &ItemError{"call of " + name, "needs other arguments: " + m.usage}
		}
		return m.run(newEvaluator(ctx, env), x, args)
	}
}

// generalMethods are those of every value.
var generalMethods = map[string]itemMethod{
	"ToDisplayString": {0, 1, "ToDisplayString([\"format\"])", func(ev *evaluator, x Value, args []Value) (Value, error) {
		var f Format
		if len(args) == 1 {
			s, err := ev.textArgument(args[0])
			if err != nil {
				return Value{}, err
			}
			if _, f, err = ParseFormat("x," + s); err != nil {
				return Value{}, err
			}
		}
		s, err := ev.display(x, f)
		return Text(s), err
	}},
}

// textMethod makes a method of the text s and the text of its arguments.
func textMethod(args int, usage string, run func(ev *evaluator, s string, a []string) Value) itemMethod {
	return itemMethod{args, args, usage, func(ev *evaluator, x Value, values []Value) (Value, error) {
		s, err := ev.textArgument(x)
		if err != nil {
			return Value{}, err
		}
		a := make([]string, len(values))
		for i, v := range values {
			if a[i], err = ev.textArgument(v); err != nil {
				return Value{}, err
			}
		}
		return run(ev, s, a), nil
	}}
}

// predicate is a method that is true or false of two texts.
func predicate(name string, is func(s, a string) bool) itemMethod {
	return textMethod(1, name+"(text)", func(ev *evaluator, s string, a []string) Value { return truthOf(ev.env, is(s, a[0])) })
}

// change is a method that makes another text of a text.
func change(name string, f func(string) string) itemMethod {
	return textMethod(0, name+"()", func(_ *evaluator, s string, _ []string) Value { return Text(f(s)) })
}

// place is a method that finds a text within one; -1 is nowhere.
func place(name string, f func(s, a string) int) itemMethod {
	return textMethod(1, name+"(text)", func(ev *evaluator, s string, a []string) Value {
		return Index(ev.env, int64(f(s, a[0])))
	})
}

// textMethods are those of text.
var textMethods = map[string]itemMethod{
	"Length": textMethod(0, "Length()", func(ev *evaluator, s string, _ []string) Value {
		return Count(ev.env, uint64(len([]rune(s))))
	}),
	"Contains":    predicate("Contains", strings.Contains),
	"StartsWith":  predicate("StartsWith", strings.HasPrefix),
	"EndsWith":    predicate("EndsWith", strings.HasSuffix),
	"IndexOf":     place("IndexOf", strings.Index),
	"LastIndexOf": place("LastIndexOf", strings.LastIndex),
	"ToUpper":     change("ToUpper", strings.ToUpper),
	"ToLower":     change("ToLower", strings.ToLower),
	"Trim":        change("Trim", strings.TrimSpace),
	"TrimStart":   change("TrimStart", func(s string) string { return strings.TrimLeft(s, " \t\r\n") }),
	"TrimEnd":     change("TrimEnd", func(s string) string { return strings.TrimRight(s, " \t\r\n") }),
	"Replace": textMethod(2, "Replace(old, new)", func(_ *evaluator, s string, a []string) Value {
		if a[0] == "" || len(s)*max(len(a[1]), 1) > maxCompared {
			return Text(s)
		}
		return Text(strings.ReplaceAll(s, a[0], a[1]))
	}),
	"Split": {1, 8, "Split(separator, ...)", splitText},
	"Substring": {1, 2, "Substring(start[, length])", func(ev *evaluator, x Value, args []Value) (Value, error) {
		s, err := ev.textArgument(x)
		if err != nil {
			return Value{}, err
		}
		r := []rune(s)
		from, err := ev.countArgument(args[0])
		if err != nil {
			return Value{}, err
		}
		from, to := min(from, len(r)), len(r)
		if len(args) == 2 {
			n, err := ev.countArgument(args[1])
			if err != nil {
				return Value{}, err
			}
			to = from + min(n, to-from)
		}
		return Text(string(r[from:to])), nil
	}},
}

func splitText(ev *evaluator, x Value, args []Value) (Value, error) {
	s, err := ev.textArgument(x)
	if err != nil {
		return Value{}, err
	}
	parts := []string{s}
	for _, a := range args {
		sep, err := ev.textArgument(a)
		if err != nil {
			return Value{}, err
		}
		if sep == "" {
			continue
		}
		var next []string
		for _, p := range parts {
			next = append(next, strings.Split(p, sep)...)
		}
		parts = next
	}
	parts = slices.DeleteFunc(parts, func(p string) bool { return p == "" })
	list := make([]Element, len(parts))
	for i, p := range parts {
		list[i] = Element{Value: Text(p)}
	}
	return ItemOf(&Item{Class: "list", List: ListOf(list)}), nil
}

// textArgument is v as text, or an error.
func (ev *evaluator) textArgument(v Value) (string, error) {
	s, ok, err := ev.textOf(v)
	if err == nil && !ok {
		err = &ItemError{className(v), "is no text"}
	}
	return s, err
}

// countArgument is v as a number of things.
func (ev *evaluator) countArgument(v Value) (int, error) {
	if v.Item != nil {
		return 0, &ItemError{className(v), "is no number"}
	}
	n, err := ev.subscript(v)
	if err == nil && (n.hi != 0 || n.lo > 1<<31) {
		err = &ItemError{"count", "may not be below zero or that large"}
	}
	return int(n.lo), err
}
