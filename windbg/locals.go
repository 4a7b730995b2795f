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

// This file is dv.

// localStyle is what the options of dv ask for.
type localStyle struct {
	types, places, relative, kinds bool
	order                          byte // a, n, z; capital downwards
	function                       string
}

func (c *call) localStyle() (st localStyle, err error) {
	for {
		o, ok := c.option("/-")
		if !ok {
			return st, nil
		}
		for _, l := range o {
			switch l {
			case 't':
				st.types = true
			case 'v':
				st.places = true
			case 'V':
				st.places, st.relative = true, true
			case 'i':
				st.kinds = true
			case 'f':
				if st.function = c.expression(); st.function == "" {
					return st, c.syntax(0)
				}
			case 'a', 'n', 'z', 'A', 'N', 'Z':
				st.order = byte(l)
			case 'r': // places by register where there is an address: /V does
				st.relative = true
			default:
				return st, c.syntax(-len(o) - 1)
			}
		}
	}
}

// locals is dv.
func locals(ctx context.Context, c *call) error {
	st, err := c.localStyle()
	if err != nil {
		return err
	}
	match := func(string) bool { return true }
	if pattern := c.all(); pattern != "" {
		match = wildcard(pattern)
	}
	if st.function != "" {
		return c.functionLocals(ctx, st, match)
	}
	f, err := c.v.Frame(ctx)
	if err != nil {
		return err
	}
	if f.Scope == nil {
		return noLocals()
	}
	vars, err := c.v.Locals(ctx, f)
	if err != nil {
		return err
	}
	c.variables(ctx, f, vars, st, match)
	return nil
}

func noLocals() error {
	return fail("Unable to enumerate locals, HRESULT 0x80004005\nPrivate symbols (symbols.pri) are required for locals.\nType \".hh dbgerr005\" for details.")
}

// functionLocals is dv /f: the variables of a function that no frame is in, without values.
func (c *call) functionLocals(ctx context.Context, st localStyle, match func(string) bool) error {
	n, err := c.value(ctx, st.function)
	if err != nil {
		return err
	}
	l := c.v.Locate(arch.Addr(n))
	if l.Module == nil || l.Module.Image == nil {
		return noLocals()
	}
	s, ok := l.Module.Image.(symbols.Scoper)
	if !ok {
		return noLocals()
	}
	scopes, err := s.Scopes(symbols.Offset(arch.Addr(n) - l.Module.Base))
	if err != nil || len(scopes) == 0 {
		return noLocals()
	}
	var vars []engine.Local
	for _, x := range scopes[0].Variables {
		vars = append(vars, engine.Local{Variable: x, Value: eval.Value{Type: x.Type, Err: &symbols.UnavailableError{Reason: "no frame is in the function"}}})
	}
	c.variables(ctx, nil, vars, st, match)
	return nil
}

// variables writes the rows of dv.
func (c *call) variables(ctx context.Context, f *engine.Frame, vars []engine.Local, st localStyle, match func(string) bool) {
	ptr := pointerSize(c.v)
	sortLocals(vars, st.order)
	for _, l := range vars {
		if !match(l.Name) {
			continue
		}
		head := ""
		if st.kinds {
			head = "prv " + pad(localKind(l.Variable), 7) + " "
		}
		if st.places {
			head += pad(valuePlace(l.Value, ptr), 17) + " "
		}
		if st.relative {
			head += pad(relativePlace(l.Value, f), 12) + " "
		}
		name := fmt.Sprintf("%16s", l.Name)
		if st.types {
			name = declare(l.Type, l.Name)
		}
		c.printf("%s%s = %s\n", head, name, c.valueText(ctx, f, l.Value))
	}
}

// sortLocals orders by address (a), name (n) or size (z), a capital downwards.
func sortLocals(vars []engine.Local, order byte) {
	size := func(l engine.Local) int64 {
		if l.Type == nil {
			return 0
		}
		return l.Type.ByteSize()
	}
	compare := map[byte]func(a, b engine.Local) int{
		'a': func(a, b engine.Local) int { return cmp.Compare(a.Value.Addr, b.Value.Addr) },
		'n': func(a, b engine.Local) int { return strings.Compare(a.Name, b.Name) },
		'z': func(a, b engine.Local) int { return cmp.Compare(size(a), size(b)) },
	}[order|0x20]
	if compare == nil {
		return
	}
	slices.SortStableFunc(vars, func(a, b engine.Local) int {
		if order < 'a' {
			return compare(b, a)
		}
		return compare(a, b)
	})
}

// relativePlace is where a value lies, from the frame's stack pointer.
func relativePlace(v eval.Value, f *engine.Frame) string {
	if f == nil || v.Err != nil || v.Place != eval.InMemory {
		return ""
	}
	sp := "@" + f.Regs.Set.Arch.SP
	if d := int64(v.Addr - f.ChildSP); d < -1<<20 || d > 1<<30 {
		return ""
	} else if d < 0 {
		return fmt.Sprintf("%s-0x%04x", sp, -d)
	} else {
		return fmt.Sprintf("%s+0x%04x", sp, d)
	}
}

func localKind(v symbols.Variable) string {
	switch {
	case v.Param:
		return "param"
	case v.Static:
		return "global"
	}
	return "local"
}

// valuePlace says where a value lies, for dv /v.
func valuePlace(v eval.Value, ptr int) string {
	switch {
	case v.Err != nil:
		return "<unavailable>"
	case v.Place == eval.InMemory:
		return v.Addr.Text(ptr)
	case v.Place == eval.InRegister:
		return "@" + v.Register
	}
	return "<unavailable>"
}
