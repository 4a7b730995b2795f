package windbg

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/engine"
	"dap-windbg/eval"
	"dap-windbg/symbols"
)

// dtOptions are those of dt.
type dtOptions struct {
	depth   int  // -r
	brief   bool // -b: one block, nothing of arrays
	verbose bool // -v
	names   bool // -n: what follows is a name though it looks like a number
}

const dtMaxDepth = 8

// displayType is dt: a type's layout, an instance, or the names that match.
func displayType(ctx context.Context, c *call) error {
	var o dtOptions
	for {
		opt, ok := c.option("-")
		if !ok {
			break
		}
		switch opt[0] {
		case 'r':
			o.depth = dtMaxDepth
			if len(opt) > 1 {
				o.depth = int(min(opt[1]-'0', dtMaxDepth))
			}
		case 'v':
			o.verbose = true
		case 'n', 'y':
			o.names = true
		case 'b':
			o.brief = true
		case 'a', 'c', 'd', 'e', 'i', 'o', 'p', 't':
		default:
			return c.syntax(-len(opt) - 1)
		}
	}
	name := c.typeName()
	if name == "" {
		return c.syntax(0)
	}
	if strings.ContainsAny(name, "*?") && !strings.HasSuffix(name, " *") {
		return c.typeNames(ctx, name)
	}
	var fields []string
	addr, given := arch.Addr(0), false
	if literal(name) && !o.names && c.more() { // the address came first
		n, err := c.value(ctx, name)
		if err != nil {
			return err
		}
		addr, given, name = arch.Addr(n), true, c.typeName()
	}
	for c.more() {
		src := c.expression()
		if src == "" {
			return c.syntax(0)
		}
		if n, err := c.value(ctx, src); err == nil && !isField(src) {
			addr, given = arch.Addr(n), true
			continue
		}
		fields = append(fields, src)
	}
	return c.showType(ctx, name, addr, given, o, fields)
}

func isField(s string) bool { return strings.HasSuffix(s, ".") }

// typeName takes a type or variable name, which may hold template arguments.
func (c *call) typeName() string {
	c.skip()
	depth := 0
	n := 0
	for ; n < len(c.line); n++ {
		switch b := c.line[n]; {
		case b == '<':
			depth++
		case b == '>':
			depth--
		case isSpace(b) && depth <= 0:
			return strings.TrimPrefix(c.drop(n), "@!")
		}
	}
	return c.drop(n)
}

// showType finds name as a type, then as a variable.
func (c *call) showType(ctx context.Context, name string, addr arch.Addr, given bool, o dtOptions, fields []string) error {
	f, err := anyFrame(ctx, c.v)
	if err != nil {
		return err
	}
	env := c.v.Env(f)
	only := ""
	if len(fields) > 0 {
		only = fields[0]
	}
	plain := name
	if _, after, ok := strings.Cut(name, "!"); ok {
		plain = after
	}
	for _, prefix := range []string{"struct ", "class ", "union ", "enum "} {
		plain = strings.TrimPrefix(plain, prefix)
	}
	if t, ok := c.findType(ctx, env, name, plain); ok {
		if given {
			return c.instance(ctx, f, eval.Value{Type: t, Place: eval.InMemory, Addr: addr}, o, only)
		}
		return c.layout(t, 1, o, only)
	}
	val, err := env.Lookup(ctx, name)
	if err != nil || val.Type == nil {
		return &Error{Text: fmt.Sprintf("Symbol %s not found.", name), Err: err, Fix: "types and variables need debug information"}
	}
	kind := "Local var"
	if strings.Contains(name, "!") {
		kind = "Global var"
	}
	if val.Place == eval.InMemory {
		c.printf("%s @ 0x%x Type %s\n", kind, uint64(val.Addr), eval.TypeName(val.Type))
	} else {
		c.printf("%s Type %s\n", kind, eval.TypeName(val.Type))
	}
	if val.Type.IsPointer() && val.Type.Strip().Elem.IsComposite() {
		at, err := eval.Int(ctx, env, val)
		if err != nil {
			return expressionError(name, err)
		}
		c.printf("0x%s \n", arch.Addr(at).Text(pointerSize(c.v)))
		val = pointee(val, at)
	}
	return c.instance(ctx, f, val, o, only)
}

func (c *call) findType(ctx context.Context, env eval.Env, names ...string) (*symbols.Type, bool) {
	for _, n := range names {
		if t, ok := env.Type(ctx, n); ok {
			return t, true
		}
	}
	return nil, false
}

// pointee is what a pointer with value at points to.
func pointee(v eval.Value, at uint64) eval.Value {
	return eval.Value{Type: v.Type.Strip().Elem, Place: eval.InMemory, Addr: arch.Addr(at)}
}

// layout prints the members of a type.
func (c *call) layout(t *symbols.Type, depth int, o dtOptions, only string) error {
	s := t.Strip()
	ptr := pointerSize(c.v)
	switch {
	case s == nil:
		c.printf("Void\n")
		return nil
	case s.Kind == symbols.Enum:
		for _, e := range s.Members().Enumerators {
			c.printf("   %s = 0n%d\n", e.Name, e.Value)
		}
		return nil
	case !s.IsComposite():
		c.printf("%s\n", typeWord(t, ptr))
		return nil
	}
	if depth == 1 && o.verbose {
		c.printf("struct %s, %d elements, 0x%x bytes\n", s.Name, len(s.Members().Fields), s.Size)
	}
	for _, m := range s.Members().Fields {
		if m.Static || !fieldMatches(m.Name, only) {
			continue
		}
		c.printf("%s\n", fieldLine(depth, m, fieldType(m, ptr)))
		if (o.depth >= depth || only == m.Name && only != "" || m.Name == "") && m.Type.IsComposite() && depth < dtMaxDepth {
			if err := c.layout(m.Type, depth+1, o, ""); err != nil {
				return err
			}
		}
	}
	return nil
}

// fieldMatches applies a field argument: a name, or a prefix with a dot at its end.
func fieldMatches(name, only string) bool {
	switch {
	case only == "" || name == "":
		return true
	case strings.HasSuffix(only, "."):
		return strings.HasPrefix(name, strings.TrimRight(only, "."))
	case strings.ContainsAny(only, "*?["):
		ok, _ := path.Match(only, name)
		return ok
	}
	return name == only
}

// fieldLine is a row of dt: three blanks a level, offset, name, value.
func fieldLine(depth int, m symbols.Field, value string) string {
	name := m.Name
	if m.Base || name == "" {
		name = baseName(m)
	}
	return fmt.Sprintf("%s+0x%03x %-16s : %s", strings.Repeat("   ", depth), m.Offset, name, value)
}

func baseName(m symbols.Field) string {
	if m.Base && m.Type != nil {
		return "__baseclass " + m.Type.Name
	}
	return "<unnamed>"
}

func fieldType(m symbols.Field, ptr int) string {
	if m.BitSize > 0 {
		unit := "Bits"
		if m.BitSize == 1 {
			unit = "Bit"
		}
		return fmt.Sprintf("Pos %d, %d %s", m.BitOffset, m.BitSize, unit)
	}
	return typeWord(m.Type, ptr)
}

// typeWord spells a type as dt does: Int4B, Ptr64 Char, [4] Char.
func typeWord(t *symbols.Type, ptr int) string {
	s := t
	for k := 0; s != nil && k < 64 && (s.Kind == symbols.Const || s.Kind == symbols.Volatile || s.Kind == symbols.Restrict ||
		s.Kind == symbols.Atomic || s.Kind == symbols.Typedef); k++ {
		s = s.Elem
	}
	if s == nil {
		return "Void"
	}
	switch s.Kind {
	case symbols.Void:
		return "Void"
	case symbols.Base:
		return baseWord(s)
	case symbols.Pointer, symbols.Reference, symbols.RvalueReference:
		return fmt.Sprintf("Ptr%d %s", 8*ptr, typeWord(s.Elem, ptr))
	case symbols.Array:
		return fmt.Sprintf("[%d] %s", s.Count, typeWord(s.Elem, ptr))
	case symbols.Func:
		return typeWord(s.Elem, ptr)
	case symbols.MemberPointer:
		return "Ptr64 member"
	}
	if s.Name == "" {
		return "<anonymous-tag>"
	}
	return s.Name
}

// baseWord is dt's word for an arithmetic type.
func baseWord(t *symbols.Type) string {
	switch t.Encoding {
	case symbols.Bool:
		return "Bool"
	case symbols.FloatEnc:
		if t.Size == 4 {
			return "Float"
		}
		if t.Size == 8 {
			return "Double"
		}
		return fmt.Sprintf("Float%dB", t.Size)
	case symbols.SignedChar:
		return "Char"
	case symbols.UnsignedChar:
		return "UChar"
	case symbols.UTF:
		if t.Size == 1 {
			return "Char"
		}
		return fmt.Sprintf("Char%dB", t.Size)
	}
	if t.Name == "wchar_t" {
		return fmt.Sprintf("Wchar%dB", t.Size)
	}
	if t.Encoding == symbols.Unsigned {
		return fmt.Sprintf("Uint%dB", t.Size)
	}
	return fmt.Sprintf("Int%dB", t.Size)
}

// instance prints a value with its members.
func (c *call) instance(ctx context.Context, f *engine.Frame, val eval.Value, o dtOptions, only string) error {
	if !val.Type.IsComposite() {
		c.printf("%s\n", c.valueText(ctx, f, val))
		return nil
	}
	return c.fields(ctx, f, val, 1, o, only)
}

// fields prints the members of a composite value.
func (c *call) fields(ctx context.Context, f *engine.Frame, val eval.Value, depth int, o dtOptions, only string) error {
	ptr := pointerSize(c.v)
	for _, m := range val.Type.Strip().Members().Fields {
		if m.Static || m.Virtual || !fieldMatches(m.Name, only) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		mv := memberValue(val, m)
		composite := m.Type.IsComposite()
		text := typeWord(m.Type, ptr)
		switch {
		case composite:
		case m.BitSize > 0:
			text = c.bitText(ctx, f, mv, m)
		case m.Type.Strip() != nil && m.Type.Strip().Kind == symbols.Array:
			text = c.arrayText(ctx, f, mv)
		default:
			text = c.valueText(ctx, f, mv)
		}
		c.printf("%s\n", fieldLine(depth, m, text))
		if composite && depth < dtMaxDepth && (o.depth >= depth || m.Name == "" || m.Base || only != "" && fieldMatches(m.Name, only)) {
			if err := c.fields(ctx, f, mv, depth+1, o, ""); err != nil {
				return err
			}
		}
	}
	return nil
}

// memberValue is a member of a value, by place or by bytes.
func memberValue(v eval.Value, m symbols.Field) eval.Value {
	out := eval.Value{Type: m.Type, Place: v.Place, Addr: v.Addr + arch.Addr(m.Offset), Register: v.Register, Err: v.Err}
	if m.BitSize > 0 {
		out.BitOffset, out.BitSize = m.BitOffset, m.BitSize
	}
	if size := m.Type.ByteSize(); len(v.Bytes) > 0 && size >= 0 && m.Offset >= 0 && m.Offset+size <= int64(len(v.Bytes)) {
		out.Bytes = v.Bytes[m.Offset : m.Offset+size]
		if v.Missing != nil {
			out.Missing = v.Missing[m.Offset : m.Offset+size]
		}
		if m.BitSize > 0 && v.Place == eval.InMemory {
			out.Bytes, out.Missing = nil, nil
		}
	}
	return out
}

// bitText is a bit field's value, 0y101.
func (c *call) bitText(ctx context.Context, f *engine.Frame, v eval.Value, m symbols.Field) string {
	n, err := eval.Int(ctx, c.v.Env(f), v)
	if err != nil {
		return unknownText(err)
	}
	return fmt.Sprintf("0y%0*b", m.BitSize, n&(1<<m.BitSize-1))
}

// arrayText is "[4]  "text"" of characters, "[4] 0n1" of others.
func (c *call) arrayText(ctx context.Context, f *engine.Frame, v eval.Value) string {
	a := v.Type.Strip()
	head := fmt.Sprintf("[%d] ", a.Count)
	e := a.Elem.Strip()
	if e != nil && e.Kind == symbols.Base && (e.Encoding == symbols.SignedChar || e.Encoding == symbols.UnsignedChar) {
		p, err := eval.Fetch(ctx, c.v.Env(f), v)
		if err != nil {
			return head + unknownText(err)
		}
		text, _ := textOf(p, 1)
		return head + ` "` + text + `"`
	}
	if a.Count == 0 || e == nil || e.IsComposite() {
		return head + typeWord(a.Elem, pointerSize(c.v))
	}
	first := eval.Value{Type: a.Elem, Place: v.Place, Addr: v.Addr}
	if n := a.Elem.ByteSize(); len(v.Bytes) >= int(n) && n > 0 {
		first.Bytes = v.Bytes[:n]
	}
	return head + c.valueText(ctx, f, first)
}

// typeNames lists the types and variables that match a pattern.
func (c *call) typeNames(ctx context.Context, pattern string) error {
	mod, name, ok := strings.Cut(pattern, "!")
	if !ok {
		mod, name = "*", pattern
	}
	var found []string
	for _, m := range c.v.Live().Modules() {
		if ok, _ := path.Match(strings.ToLower(mod), strings.ToLower(m.Name)); !ok {
			continue
		}
		if m.Image == nil && mod != "*" {
			m, _ = c.v.LoadSymbols(ctx, m.Base, false, false)
		}
		if m == nil || m.Image == nil {
			continue
		}
		if t, ok := m.Image.(symbols.Typer); ok {
			for n := range t.Types(name) {
				if err := ctx.Err(); err != nil {
					return err
				}
				found = append(found, m.Name+"!"+n)
			}
		}
	}
	slices.Sort(found)
	for _, n := range slices.Compact(found) {
		c.printf("          %s\n", n)
	}
	if len(found) == 0 {
		return &Error{Text: fmt.Sprintf("Symbol %s not found.", pattern)}
	}
	return nil
}
