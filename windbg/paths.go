package windbg

import (
	"cmp"
	"context"
	"strings"
)

// This file sets where symbols, sources and images are looked for.

// searchPath makes .sympath, .srcpath, .exepath and their appending forms.
func searchPath(kind, title string, plus bool) func(context.Context, *call) error {
	return func(ctx context.Context, c *call) error {
		return c.showPath(kind, title, plus, strings.Trim(c.all(), `"`))
	}
}

// showPath sets the path, unless value is empty, and shows it.
func (c *call) showPath(kind, title string, plus bool, value string) error {
	h := c.i.o.Host
	expanded := ""
	if value != "" {
		if err := c.forOwner(); err != nil {
			return err
		}
		if old := h.Path(kind); plus && old != "" {
			value = strings.TrimRight(old, ";") + ";" + value
		}
		e, err := h.SetPath(kind, value)
		if err != nil {
			return err
		}
		expanded = e
		c.i.sources = sourceCache{}
	}
	now := h.Path(kind)
	if now == "" {
		now = "<empty>"
	}
	c.printf("%s search path is: %s\n", title, now)
	if title == "Source" {
		return nil
	}
	if expanded == "" {
		expanded = expandedPath(now)
	}
	c.printf("Expanded %s search path is: %s\n", title, expanded)
	return nil
}

// expandedPath spells the tags of a path in lower case, as the expanded form does.
func expandedPath(p string) string {
	entries := strings.Split(p, ";")
	for k, e := range entries {
		if tag, tail, ok := strings.Cut(e, "*"); ok {
			entries[k] = strings.ToLower(tag) + "*" + tail
		}
	}
	return strings.Join(entries, ";")
}

func symfix(plus bool) func(context.Context, *call) error {
	return func(ctx context.Context, c *call) error {
		value := cmp.Or(c.i.o.Host.Path("fix"), "srv*")
		if dir := c.all(); dir != "" {
			value = "cache*" + dir + ";" + value
		}
		return c.showPath("sym", "Symbol", plus, value)
	}
}

func noisySymbols(ctx context.Context, c *call) error {
	switch w := strings.ToLower(c.all()); w {
	case "noisy", "quiet":
		c.i.o.Host.Noisy(w == "noisy")
		c.i.noisy = w == "noisy"
	case "", "prompts", "prompts off":
	default:
		return c.syntax(-len(w))
	}
	mode := "quiet"
	if c.i.noisy {
		mode = "noisy"
	}
	c.printf("%s mode - symbol prompts off\n", mode)
	return nil
}

// sourceFix is .srcfix: the places of .symfix that have sources.
func sourceFix(plus bool) func(context.Context, *call) error {
	return func(ctx context.Context, c *call) error {
		value := cmp.Or(c.i.o.Host.Path("fix"), "srv*")
		if more := strings.Trim(c.all(), `"`); more != "" {
			value += ";" + more
		}
		return c.showPath("src", "Source", plus, value)
	}
}
