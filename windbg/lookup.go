package windbg

import (
	"context"
	"fmt"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/engine"
	"dap-windbg/eval"
	"dap-windbg/symbols"
)

// This file finds symbols: x and ln.

// examine is x.
func examine(ctx context.Context, c *call) error {
	set, err := c.flags("/", "0 1 2 v f d D t q p a A n N z Z")
	if err != nil {
		return err
	}
	c.skip()
	at := c.base
	pattern := c.all()
	if pattern == "" {
		return c.syntax(0)
	}
	if pattern == "*" {
		c.line, c.name = "", "dv"
		return locals(ctx, c)
	}
	if mod, _, ok := strings.Cut(pattern, "!"); ok && !strings.ContainsAny(mod, "*?[") {
		if _, known := c.v.ModuleByName(mod); !known {
			return &Error{Kind: "Couldn't resolve", Command: c.text, Pos: at, Fix: "lm lists the modules"}
		}
	}
	ptr := pointerSize(c.v)
	var list []engine.Location
	err = c.v.Symbols(ctx, pattern, func(l engine.Location) bool {
		isFunction := l.Symbol.Kind == symbols.Function
		if !(set["f"] && !isFunction || set["d"] && isFunction) {
			list = append(list, l)
		}
		return ctx.Err() == nil
	})
	if err != nil {
		return err
	}
	for _, l := range list {
		c.printf("%s\n", c.symbolRow(ctx, l, set, ptr))
	}
	return ctx.Err()
}

// symbolRow is a line of x with its flags: 0, 1 and 2 are short forms, v a long one.
func (c *call) symbolRow(ctx context.Context, l engine.Location, set map[string]bool, ptr int) string {
	name := symbolText(l.Module, l.Symbol)
	addr := l.Addr.Text(ptr)
	switch {
	case set["0"]:
		return addr
	case set["1"]:
		return name
	case set["2"]:
		return addr + " " + name
	}
	text := addr + " " + name
	if l.Symbol.Kind == symbols.Function {
		text += " (" + parameters(l) + ")"
	}
	if l.Symbol.Kind == symbols.Data && l.Module != nil && l.Module.Image != nil {
		text += c.globalText(ctx, l)
	}
	if set["v"] {
		kind := map[symbols.SymbolKind]string{symbols.Function: "func  ", symbols.Data: "global", symbols.Label: "label "}[l.Symbol.Kind]
		scope := "prv"
		if l.Symbol.Public {
			scope = "pub"
		}
		text = fmt.Sprintf("%s %s %s %4x %s", scope, kind, addr, l.Symbol.Size, strings.TrimPrefix(text, addr+" "))
	}
	return text
}

// parameters are the parameter types of a function as x shows them.
func parameters(l engine.Location) string {
	if l.Symbol.Params != "" {
		return l.Symbol.Params
	}
	if l.Module != nil && l.Module.Image != nil {
		if t, ok := l.Module.Image.(symbols.Typer); ok {
			if f, ok := t.Function(l.Symbol.Offset); ok && f != nil {
				return parameterTypes(f)
			}
		}
	}
	return "<no parameter info>"
}

func parameterTypes(f *symbols.Type) string {
	var list []string
	for _, p := range f.Members().Params {
		if !p.Artificial {
			list = append(list, spacedPointers(eval.TypeName(p.Type)))
		}
	}
	if f.Members().Variadic {
		list = append(list, "...")
	}
	if len(list) == 0 {
		return "void"
	}
	return strings.Join(list, ", ")
}

// globalText is " = value" of a global variable, "" when its type is unknown or large.
func (c *call) globalText(ctx context.Context, l engine.Location) string {
	t, ok := l.Module.Image.(symbols.Typer)
	if !ok {
		return ""
	}
	v, ok := t.Global(l.Symbol.Name)
	if !ok || v.Type == nil || v.Type.IsComposite() {
		return ""
	}
	return " = " + c.valueText(ctx, nil, eval.Value{Type: v.Type, Place: eval.InMemory, Addr: l.Addr})
}

// nearest is ln.
func nearest(ctx context.Context, c *call) error {
	if _, ok := c.option("/"); ok {
		c.skip()
	}
	addr, err := c.address(ctx)
	if err != nil {
		return err
	}
	if err := c.end(); err != nil {
		return err
	}
	ptr := pointerSize(c.v)
	l := c.v.Locate(addr)
	if l.Module == nil {
		return nil
	}
	if p := placeText(l.Line); p != "" {
		c.printf("%s ", p)
	}
	if l.Symbol.Name == "" {
		c.printf("\n")
		return nil
	}
	c.printf("(%s)   %s", (addr - arch.Addr(l.Disp)).Text(ptr), locationText(l))
	if l.Module.Image != nil {
		if next, ok := l.Module.Image.Next(symbols.Offset(addr - l.Module.Base)); ok {
			c.printf("   |  (%s)   %s", (l.Module.Base + arch.Addr(next.Offset)).Text(ptr), symbolText(l.Module, next))
		}
	}
	c.printf("\n")
	if l.Disp == 0 {
		c.printf("Exact matches:\n    %s", symbolText(l.Module, l.Symbol))
		if !l.Symbol.Public {
			c.printf(" (%s)", parameters(l))
		}
		c.printf("\n")
	}
	return nil
}
