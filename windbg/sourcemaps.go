package windbg

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"dap-windbg/engine"
	"dap-windbg/targets"
)

// This file maps compile-time paths to folders and URLs: !addsourcemap and its kin.

var sourceMapCommands = []command{
	{"!addsourcemap", "!addsourcemap Module From/* To/*", "find the sources below a compile-time path in a folder or at a URL", anytime, addSourceMap},
	{"!removesourcemaps", "!removesourcemaps Module [From/* [To/*]]", "drop such maps", anytime, removeSourceMaps},
	{"!sourcemaps", "!sourcemaps [Module]", "list them", anytime, listSourceMaps},
	{"!sourcemap", "!sourcemap [Module]", "as !sourcemaps", anytime, listSourceMaps},
}

// sourceMapper is a Host whose sources can be mapped. Maps hold for every module: a
// path that a compiler recorded is one place.
type sourceMapper interface {
	SourceMap() map[string]string
	SetSourceMap(map[string]string)
}

// mappedSource is a map as it was typed, for the module it was given with.
type mappedSource struct{ module, from, to string }

// head is a path as maps keep it, without the "/*" at its end.
func head(p string) string { return strings.TrimRight(strings.TrimSuffix(p, "*"), `/\`) }

func (c *call) sourceMapper() (sourceMapper, error) {
	m, ok := c.i.o.Host.(sourceMapper)
	if !ok {
		return nil, &Error{Text: "Sources cannot be mapped here", Err: errors.ErrUnsupported}
	}
	return m, nil
}

// knownModule is the name of the module that an argument names.
func (c *call) knownModule(ctx context.Context, arg string) (name string, err error) {
	if c.s == nil {
		return "", targets.ErrGone
	}
	err = c.s.Look(ctx, func(l *engine.Live) error {
		for _, m := range l.Modules() {
			if strings.EqualFold(m.Name, arg) || strings.HasSuffix(m.Path, "/"+arg) {
				name = m.Name
				return nil
			}
		}
		return notInList(arg)
	})
	return name, err
}

// mapping reads `Module ["From" ["To"]]`, all of which must be there when whole.
func (c *call) mapping(ctx context.Context, whole bool) (h sourceMapper, name, from, to string, err error) {
	module := c.word()
	from, to = strings.Trim(c.word(), `"`), strings.Trim(c.word(), `"`)
	if module == "" || whole && (from == "" || to == "") {
		return nil, "", "", "", c.syntax(0)
	}
	if err = c.end(); err != nil {
		return nil, "", "", "", err
	}
	if name, err = c.knownModule(ctx, module); err != nil {
		return nil, "", "", "", err
	}
	h, err = c.sourceMapper()
	return h, name, from, to, err
}

func addSourceMap(ctx context.Context, c *call) error {
	h, name, from, to, err := c.mapping(ctx, true)
	if err != nil {
		return err
	}
	if strings.HasSuffix(from, "*") != strings.HasSuffix(to, "*") {
		return fail("Either both paths end in * or none does")
	}
	set := h.SourceMap()
	set[head(from)] = head(to)
	h.SetSourceMap(set)
	c.i.sources = sourceCache{}
	c.i.mapped = slices.DeleteFunc(c.i.mapped, func(m mappedSource) bool { return head(m.from) == head(from) })
	c.i.mapped = append(c.i.mapped, mappedSource{name, from, to})
	c.printf("Source map %s -> %s successfully added\n", from, to)
	return nil
}

// sourceMaps are those there are: what commands added, then what the configuration did.
func (i *Interpreter) sourceMaps(h sourceMapper) []mappedSource {
	set := h.SourceMap()
	var out []mappedSource
	for _, m := range i.mapped {
		if to, ok := set[head(m.from)]; ok && to == head(m.to) {
			out = append(out, m)
			delete(set, head(m.from))
		}
	}
	for _, from := range slices.Sorted(maps.Keys(set)) {
		out = append(out, mappedSource{"", from + "/*", set[from] + "/*"})
	}
	return out
}

func removeSourceMaps(ctx context.Context, c *call) error {
	h, name, from, to, err := c.mapping(ctx, false)
	if err != nil {
		return err
	}
	set := h.SourceMap()
	n := 0
	for _, m := range c.i.sourceMaps(h) {
		if m.module == name && (from == "" || head(m.from) == head(from)) && (to == "" || head(m.to) == head(to)) {
			delete(set, head(m.from))
			n++
		}
	}
	h.SetSourceMap(set)
	c.i.sources = sourceCache{}
	c.printf("%d source maps successfully removed\n", n)
	return nil
}

func listSourceMaps(ctx context.Context, c *call) error {
	want := c.all()
	h, err := c.sourceMapper()
	if err != nil {
		return err
	}
	if want != "" {
		if want, err = c.knownModule(ctx, want); err != nil {
			return err
		}
	}
	list := c.i.sourceMaps(h)
	slices.SortStableFunc(list, func(a, b mappedSource) int { return strings.Compare(a.module, b.module) })
	last, shown := "\x00", false
	for _, m := range list {
		if want != "" && m.module != want && m.module != "" {
			continue
		}
		if shown = true; m.module != last {
			last = m.module
			if last == "" {
				c.printf("Source maps for all modules:\n")
			} else {
				c.printf("Source maps for %s:\n", last)
			}
		}
		c.printf("    %s -> %s\n", m.from, m.to)
	}
	if !shown {
		c.printf("No source maps\n")
	}
	return nil
}
