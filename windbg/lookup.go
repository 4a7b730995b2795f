package windbg

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/engine"
	"dap-windbg/eval"
	"dap-windbg/symbols"
)

// This file finds symbols: x and ln.

// symbolQuery is what the options of x ask for.
type symbolQuery struct {
	set   map[string]bool
	size  uint64 // of /s, 0 any
	order byte   // a address, n name, z size; capital downwards
}

func (c *call) symbolQuery(ctx context.Context) (q symbolQuery, err error) {
	q.set = map[string]bool{}
	for {
		o, ok := c.option("/")
		switch {
		case !ok:
			return q, nil
		case o == "s":
			if q.size, err = c.value(ctx, c.word()); err != nil {
				return q, err
			}
		case len(o) == 1 && strings.Contains("aAnNzZ", o):
			q.order = o[0]
		case len(o) == 1 && strings.Contains("012vfdDtqp", o):
			q.set[o] = true
		default:
			return q, c.syntax(-len(o) - 1)
		}
	}
}

// short reports whether rows have no types and values.
func (q symbolQuery) short() bool { return q.set["0"] || q.set["1"] || q.set["2"] }

// picks tells whether a symbol is asked for.
func (q symbolQuery) picks(l engine.Location) bool {
	function := l.Symbol.Kind == symbols.Function
	return !(q.set["f"] && !function || q.set["d"] && function) && (q.size == 0 || l.Symbol.Size == q.size)
}

func (q symbolQuery) sort(list []engine.Location) {
	compare := map[byte]func(a, b engine.Location) int{
		'a': func(a, b engine.Location) int { return cmp.Compare(a.Addr, b.Addr) },
		'n': func(a, b engine.Location) int { return strings.Compare(a.Symbol.Name, b.Symbol.Name) },
		'z': func(a, b engine.Location) int { return cmp.Compare(a.Symbol.Size, b.Symbol.Size) },
	}[q.order|0x20]
	if q.order == 0 {
		return
	}
	slices.SortStableFunc(list, func(a, b engine.Location) int {
		if q.order < 'a' {
			a, b = b, a
		}
		return compare(a, b)
	})
}

// moduleFix says where names of modules are to be had; who writes nt! or kernel! means
// the first one of a machine.
func moduleFix(l *engine.Live) string {
	if m := l.Modules(); l.Info().Machine && len(m) > 0 {
		return "the kernel is " + m[0].Name + "; lm lists the modules"
	}
	return "lm lists the modules"
}

// examine is x.
func examine(ctx context.Context, c *call) error {
	q, err := c.symbolQuery(ctx)
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
			return &Error{Kind: "Couldn't resolve", Command: c.text, Pos: at, Fix: moduleFix(c.v.Live())}
		}
	}
	ptr := pointerSize(c.v)
	var list []engine.Location
	err = c.v.Symbols(ctx, pattern, func(l engine.Location) bool {
		if q.picks(l) {
			list = append(list, l)
		}
		return ctx.Err() == nil
	})
	if err != nil {
		return err
	}
	q.sort(list)
	for some := range slices.Chunk(list, variablesAtOnce) {
		values := make([]string, len(some))
		if !q.short() {
			c.globalTexts(ctx, some, values)
		}
		for k, l := range some {
			c.printf("%s\n", c.symbolRow(l, values[k], q.set, ptr))
		}
		if ctx.Err() != nil {
			break
		}
	}
	return ctx.Err()
}

// symbolRow is a line of x with its flags: 0, 1 and 2 are short forms, v a long one, t
// has the type, q quotes the name, p has no blank before the parameters. value is what
// stands behind the name of a variable.
func (c *call) symbolRow(l engine.Location, value string, set map[string]bool, ptr int) string {
	name := symbolText(l.Module, l.Symbol)
	if set["q"] {
		name = `@!"` + name + `"`
	}
	addr := l.Addr.Text(ptr)
	switch {
	case set["0"]:
		return addr
	case set["1"]:
		return name
	case set["2"]:
		return addr + " " + name
	}
	if set["t"] {
		name = c.symbolType(l) + " " + name
	}
	text := name + value
	if l.Symbol.Kind == symbols.Function {
		if !set["p"] {
			text += " "
		}
		text += "(" + parameters(l) + ")"
	}
	if set["v"] {
		kind := map[symbols.SymbolKind]string{symbols.Function: "func  ", symbols.Data: "global", symbols.Label: "label "}[l.Symbol.Kind]
		scope := "prv"
		if l.Symbol.Public {
			scope = "pub"
		}
		return fmt.Sprintf("%s %s %s %4x %s", scope, kind, addr, l.Symbol.Size, text)
	}
	return addr + " " + text
}

// symbolType is a variable's type, or what the symbol is.
func (c *call) symbolType(l engine.Location) string {
	if l.Symbol.Kind == symbols.Function {
		return "<function>"
	}
	if t := globalType(l); t != nil {
		return dtTypeName(t)
	}
	return "<NoType>"
}

// globalType is the type of the variable that a symbol of data stands for, nil unknown.
// Several files may have a variable of the name: the place decides where the names are
// indexed by it.
func globalType(l engine.Location) *symbols.Type {
	if l.Symbol.Kind == symbols.Function || l.Module == nil || l.Module.Image == nil {
		return nil
	}
	t, ok := l.Module.Image.(symbols.Typer)
	if !ok {
		return nil
	}
	if x, ok := t.(symbols.Indexer); (!ok || x.Indexed()) && l.Symbol.Size > 0 {
		if v, ok := t.GlobalAt(l.Symbol.Offset); ok && v.Type != nil && uint64(v.Type.ByteSize()) == l.Symbol.Size {
			return v.Type
		}
	}
	plain, _, _ := strings.Cut(l.Symbol.Name, "[abi:")
	if v, ok := t.Global(plain); ok {
		return v.Type
	}
	return nil
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

// variablesAtOnce is how many variables x reads in one flight.
const variablesAtOnce = 512

// globalTexts fills in " = value" for the variables in list: the type of what has
// members, which is not read. What is read is so in one flight, and what strings are
// pointed to in the next ones.
func (c *call) globalTexts(ctx context.Context, list []engine.Location, texts []string) {
	scalars := map[int]eval.Value{}
	for k, l := range list {
		switch t := globalType(l); {
		case t == nil:
		case t.IsComposite():
			texts[k] = " = " + dtTypeName(t)
		default:
			scalars[k] = eval.Value{Type: t, Place: eval.InMemory, Addr: l.Addr}
		}
	}
	_ = c.v.Gather(ctx, func(ctx context.Context, mem symbols.Memory) error { // what cannot be read is a text of its own
		env := c.v.EnvOver(nil, mem)
		for k, v := range scalars {
			texts[k] = " = " + c.textIn(ctx, env, v)
		}
		return nil
	})
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
