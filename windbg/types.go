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
	var given *arch.Addr
	if literal(name) && !o.names && c.more() { // the address came first
		n, err := c.value(ctx, name)
		if err != nil {
			return err
		}
		at := arch.Addr(n)
		given, name = &at, c.typeName()
	}
	var words []string
	for c.more() {
		src := c.expression()
		if src == "" {
			return c.syntax(0)
		}
		words = append(words, src)
	}
	return c.showType(ctx, name, given, o, words)
}

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
func (c *call) showType(ctx context.Context, name string, at *arch.Addr, o dtOptions, words []string) error {
	f, err := anyFrame(ctx, c.v)
	if err != nil {
		return err
	}
	env := c.v.Env(f)
	plain := name
	if _, after, ok := strings.Cut(name, "!"); ok {
		plain = after
	}
	for _, prefix := range []string{"struct ", "class ", "union ", "enum "} {
		plain = strings.TrimPrefix(plain, prefix)
	}
	if t, ok := c.findType(ctx, env, name, plain); ok {
		only, at, err := c.fieldsOf(ctx, t, words, at)
		if err != nil {
			return err
		}
		if at != nil {
			return c.instance(ctx, f, eval.Value{Type: t, Place: eval.InMemory, Addr: *at}, o, only)
		}
		return c.layout(ctx, f, t, 1, o, only)
	}
	val, err := env.Lookup(ctx, name)
	if err != nil && strings.ContainsAny(name, "[.>(") {
		val, err = c.v.Eval(ctx, f, name, eval.Options{Dialect: eval.CPP})
	}
	if err != nil || val.Type == nil {
		return &Error{Text: fmt.Sprintf("Symbol %s not found.", name), Err: err, Fix: "types and variables need debug information"}
	}
	kind := "Local var"
	if _, static := c.v.ModuleAt(val.Addr); static && val.Place == eval.InMemory {
		kind = "Global var"
	}
	if val.Place == eval.InMemory {
		c.printf("%s @ 0x%x Type %s\n", kind, uint64(val.Addr), eval.TypeName(val.Type))
	} else {
		c.printf("%s Type %s\n", kind, eval.TypeName(val.Type))
	}
	if val.Type.IsPointer() && val.Type.Strip().Elem.IsComposite() {
		if val, err = eval.Indirect(ctx, env, val); err != nil {
			return expressionError(name, err)
		}
		c.printf("0x%s \n", val.Addr.Text(pointerSize(c.v)))
	}
	only, _, err := c.fieldsOf(ctx, val.Type, words, nil)
	if err != nil {
		return err
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
func (c *call) layout(ctx context.Context, f *engine.Frame, t *symbols.Type, depth int, o dtOptions, only fieldFilter) error {
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
		if !only.shows(m, depth) {
			continue
		}
		row := fieldHead(depth, m)
		if m.Static {
			_, row = c.memberOf(ctx, f, eval.Value{Type: s}, m, depth)
		}
		c.printf("%s : %s\n", row, fieldType(m, ptr))
		if (o.depth >= depth || only.named(m) || m.Name == "") && !m.Static && m.Type.IsComposite() && depth < dtMaxDepth {
			if err := c.layout(ctx, f, m.Type, depth+1, o, only.below(m)); err != nil {
				return err
			}
		}
	}
	return nil
}

// fieldHead begins a row of dt: three blanks a level, offset, name.
func fieldHead(depth int, m symbols.Field) string {
	name := m.Name
	if m.Base || name == "" {
		name = baseName(m)
	}
	offset := fmt.Sprintf("%03x", m.Offset)
	if m.Virtual { // another one in each class that has it
		offset = "???"
	}
	return fmt.Sprintf("%s+0x%s %-16s", strings.Repeat("   ", depth), offset, name)
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
func (c *call) instance(ctx context.Context, f *engine.Frame, val eval.Value, o dtOptions, only fieldFilter) error {
	if !val.Type.IsComposite() {
		c.printf("%s\n", c.valueText(ctx, f, val))
		return nil
	}
	return c.fields(ctx, f, val, 1, o, only)
}

// fields prints the members of a composite value.
func (c *call) fields(ctx context.Context, f *engine.Frame, val eval.Value, depth int, o dtOptions, only fieldFilter) error {
	ptr := pointerSize(c.v)
	for _, m := range val.Type.Strip().Members().Fields {
		if !only.shows(m, depth) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		mv, row := c.memberOf(ctx, f, val, m, depth)
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
		c.printf("%s : %s\n", row, text)
		if composite && mv.Err == nil && depth < dtMaxDepth && (o.depth >= depth || inner(m) || only.matches(m.Name)) {
			if err := c.fields(ctx, f, mv, depth+1, o, only.below(m)); err != nil {
				return err
			}
		}
	}
	return nil
}

// memberOf is the value of a member and how its row of dt begins: by its offset, or by
// the address of what is static.
func (c *call) memberOf(ctx context.Context, f *engine.Frame, val eval.Value, m symbols.Field, depth int) (eval.Value, string) {
	if !m.Static && !m.Virtual {
		return memberValue(val, m), fieldHead(depth, m)
	}
	mv, err := eval.FieldOf(ctx, c.v.Env(f), val, m)
	switch {
	case err != nil:
		mv = eval.Value{Type: m.Type, Err: err}
	case m.Static:
		return mv, c.staticHead(depth, m, mv)
	case mv.Place == eval.InMemory && val.Place == eval.InMemory:
		m.Virtual, m.Offset = false, int64(mv.Addr-val.Addr)
	}
	return mv, fieldHead(depth, m)
}

// staticHead begins the row of a static member: "=0x00005555`55558010 count".
func (c *call) staticHead(depth int, m symbols.Field, v eval.Value) string {
	where := "=constant"
	if v.Place == eval.InMemory {
		where = "=0x" + v.Addr.Text(pointerSize(c.v))
	}
	return fmt.Sprintf("%s%s %-16s", strings.Repeat("   ", depth), where, m.Name)
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
