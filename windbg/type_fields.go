package windbg

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/eval"
	"dap-windbg/symbols"
)

// This file tells what follows a type's name in dt: members and an address.

// fieldsOf parts what follows a type's name: what names members of t, and the
// address. A word that could be either is the member: "a" is a number too.
func (c *call) fieldsOf(ctx context.Context, t *symbols.Type, words []string, at *arch.Addr) (fieldFilter, *arch.Addr, error) {
	var out fieldFilter
	for _, w := range words {
		if (fieldFilter{w}).within(t, 1) {
			out = append(out, w)
			continue
		}
		a, err := c.instanceAt(ctx, w)
		switch {
		case err == nil:
			at = &a
		case strings.Trim(w, nameBytes+"*?.") == "":
			return nil, nil, &Error{Text: "Cannot find specified field members.", Err: err, Fix: fmt.Sprintf("'%s' is no member of %s and no address", w, eval.TypeName(t))}
		default:
			return nil, nil, err
		}
	}
	return out, at, nil
}

// nameBytes are what plain names are made of.
const nameBytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_$"

// instanceAt is the address that src stands for: of the default evaluator, else what a
// C++ expression points to or where its value lies.
func (c *call) instanceAt(ctx context.Context, src string) (arch.Addr, error) {
	n, err := c.value(ctx, src)
	if err == nil {
		return arch.Addr(n), nil
	}
	v, cppErr := c.v.Eval(ctx, nil, src, eval.Options{Dialect: eval.CPP})
	switch {
	case cppErr != nil && strings.ContainsAny(src, "[.>&"): // nothing that MASM knows
		return 0, expressionError(src, cppErr)
	case cppErr != nil:
		return 0, err
	case v.Type != nil && v.Type.IsComposite() && v.Place == eval.InMemory:
		return v.Addr, nil
	}
	n, err = eval.Int(ctx, c.v.Env(nil), v)
	return arch.Addr(n), expressionError(src, err)
}

// fieldFilter are the fields that dt shall show: names, patterns, or the beginnings
// of names with a dot at their end. None means all.
type fieldFilter []string

func (w fieldFilter) matches(name string) bool {
	return name != "" && slices.ContainsFunc(w, func(only string) bool {
		switch {
		case strings.HasSuffix(only, "."):
			return strings.HasPrefix(name, strings.TrimRight(only, "."))
		case strings.ContainsAny(only, "*?["):
			ok, _ := path.Match(only, name)
			return ok
		}
		return name == only
	})
}

// shows reports whether m is a row: it is wanted, or its members are its parent's
// too and one of them is.
func (w fieldFilter) shows(m symbols.Field, depth int) bool {
	return len(w) == 0 || w.matches(m.Name) || inner(m) && w.within(m.Type, depth+1)
}

// within reports whether a member of t is wanted.
func (w fieldFilter) within(t *symbols.Type, depth int) bool {
	if !t.IsComposite() || depth > dtMaxDepth {
		return false
	}
	return slices.ContainsFunc(t.Strip().Members().Fields, func(m symbols.Field) bool { return w.shows(m, depth) })
}

// named reports whether m was asked for in so many letters.
func (w fieldFilter) named(m symbols.Field) bool { return slices.Contains(w, m.Name) && m.Name != "" }

// below is the filter of m's own members.
func (w fieldFilter) below(m symbols.Field) fieldFilter {
	if w.matches(m.Name) || !inner(m) {
		return nil
	}
	return w
}

// inner reports whether m's members are its parent's too.
func inner(m symbols.Field) bool { return m.Name == "" || m.Base }
