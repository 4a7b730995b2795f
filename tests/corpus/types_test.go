package corpus

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"dap-windbg/symbols"
)

// comparer holds types against entries: each pair once, and all that they lead to.
type comparer struct {
	tb    testing.TB
	tree  *tree
	img   image
	done  map[pair]bool
	queue []pending
	count map[string]int // what was compared, by kind of fact
	wrong int

	// In a trial the first difference ends it, and what it compared is done only
	// when it succeeds.
	trial  map[pair]bool
	failed bool
}

type pair struct {
	t *symbols.Type
	n *node
}

type pending struct {
	pair
	path string
}

// image is what is asked.
type image interface {
	symbols.Image
	symbols.Liner
	symbols.Scoper
	symbols.Typer
}

func newComparer(tb testing.TB, t *tree, img image) *comparer {
	return &comparer{tb: tb, tree: t, img: img, done: map[pair]bool{}, count: map[string]int{}}
}

// maxShown bounds what one comparison prints.
const maxShown = 25

func (c *comparer) errorf(format string, args ...any) {
	c.tb.Helper()
	if c.trial != nil {
		c.failed = true
		return
	}
	if c.wrong++; c.wrong > maxShown {
		return
	}
	text := fmt.Sprintf(format, args...)
	c.tb.Error(text[:min(len(text), 600)])
}

// fact compares one thing.
func fact[T comparable](c *comparer, kind, path string, got, want T) bool {
	c.tb.Helper()
	c.count[kind]++
	if got != want {
		c.errorf("%s: %s is %v, want %v", path, kind, got, want)
		return false
	}
	return true
}

// later compares a type with an entry when run is called.
func (c *comparer) later(path string, t *symbols.Type, n *node) {
	n = c.tree.definition(n)
	if n == nil || t == nil {
		if (n == nil) != (t == nil) {
			c.errorf("%s: type is %v, want %v", path, t, n)
		}
		return
	}
	p := pair{t, n}
	if !c.done[p] && !c.trial[p] {
		if c.trial != nil {
			c.trial[p] = true
		} else {
			c.done[p] = true
		}
		c.queue = append(c.queue, pending{p, path})
	}
}

func (c *comparer) run() {
	for len(c.queue) > 0 && !c.failed {
		p := c.queue[len(c.queue)-1]
		c.queue = c.queue[:len(c.queue)-1]
		c.compare(p.path, p.t, p.n)
	}
}

var kinds = map[string]symbols.TypeKind{
	"base_type": symbols.Base, "pointer_type": symbols.Pointer, "reference_type": symbols.Reference, "rvalue_reference_type": symbols.RvalueReference,
	"structure_type": symbols.Struct, "class_type": symbols.Class, "union_type": symbols.Union, "enumeration_type": symbols.Enum,
	"array_type": symbols.Array, "string_type": symbols.Array, "subroutine_type": symbols.Func, "subprogram": symbols.Func, "typedef": symbols.Typedef,
	"const_type": symbols.Const, "volatile_type": symbols.Volatile, "restrict_type": symbols.Restrict, "atomic_type": symbols.Atomic,
	"ptr_to_member_type": symbols.MemberPointer, "unspecified_type": symbols.Unspecified,
}

func (c *comparer) compare(path string, t *symbols.Type, n *node) {
	kind, known := kinds[n.tag]
	if !known {
		c.errorf("%s: DW_TAG_%s is not known to this test", path, n.tag)
		return
	}
	if n.tag == "unspecified_type" && t.Kind == symbols.NullPtr {
		kind = symbols.NullPtr
	}
	if !fact(c, "kind", path, t.Kind, kind) {
		return
	}
	if c.tree.name(n) != "" && kind != symbols.Func {
		fact(c, "type name", path, t.Name, symbols.Spell(c.tree.qualified(n)))
	}
	if size, ok := n.number("DW_AT_byte_size"); ok && n.tag != "string_type" {
		fact(c, "size", path, t.Size, size)
	}
	fact(c, "declaration", path, t.Declaration, n.text("DW_AT_declaration") != "")
	if e := c.tree.from(n, "DW_AT_type"); e == nil {
		if t.Elem != nil && n.tag != "string_type" {
			c.errorf("%s: an element, and should have none", path)
		}
	} else if kind != symbols.Array {
		c.later(path+"*", t.Elem, c.tree.target(e, "DW_AT_type"))
	}
	c.goType(path, t, n)
	switch kind {
	case symbols.Base:
		c.encoding(path, t, n)
	case symbols.Array:
		c.array(path, t, n)
	case symbols.Struct, symbols.Class, symbols.Union:
		c.members(path, t, n)
	case symbols.Enum:
		c.enumerators(path, t, n)
	case symbols.Func:
		c.parameters(path, t, n)
	case symbols.MemberPointer:
		c.later(path+"::", t.Owner, c.tree.target(n, "DW_AT_containing_type"))
	}
}

// goType compares what the Go linker says besides.
func (c *comparer) goType(path string, t *symbols.Type, n *node) {
	kind, ok := n.number("DW_AT_GO_kind")
	if !ok {
		return
	}
	if !fact(c, "Go type", path, t.Go != nil, true) {
		return
	}
	fact(c, "Go kind", path, int64(t.Go.Kind), kind)
	if to := n.text("DW_AT_GO_key"); to != "" {
		c.later(path+" key", t.Go.Key, c.tree.target(n, "DW_AT_GO_key"))
	}
	if to := n.text("DW_AT_GO_elem"); to != "" {
		c.later(path+" element", t.Go.Elem, c.tree.target(n, "DW_AT_GO_elem"))
	}
}

var encodings = map[string]symbols.Encoding{
	"DW_ATE_signed": symbols.Signed, "DW_ATE_unsigned": symbols.Unsigned, "DW_ATE_signed_char": symbols.SignedChar, "DW_ATE_unsigned_char": symbols.UnsignedChar,
	"DW_ATE_UTF": symbols.UTF, "DW_ATE_boolean": symbols.Bool, "DW_ATE_float": symbols.FloatEnc, "DW_ATE_complex_float": symbols.ComplexFloat,
	"DW_ATE_decimal_float": symbols.DecimalFloat, "DW_ATE_address": symbols.Unsigned,
}

func (c *comparer) encoding(path string, t *symbols.Type, n *node) {
	want, ok := encodings[n.text("DW_AT_encoding")]
	if n.text("DW_AT_encoding") == "0x80" { // GCC's for what the standard has no code for
		want, ok = symbols.ComplexInt, true
		if strings.HasPrefix(t.Name, "_Decimal") {
			want = symbols.DecimalFloat
		}
	}
	if !ok {
		c.errorf("%s: encoding %s is not known to this test", path, n.text("DW_AT_encoding"))
		return
	}
	fact(c, "encoding", path, t.Encoding, want)
}

// array compares counts and bounds; those that the program computes are unknown.
func (c *comparer) array(path string, t *symbols.Type, n *node) {
	if n.tag == "string_type" {
		if size, ok := n.number("DW_AT_byte_size"); ok && n.text("DW_AT_string_length") == "" {
			fact(c, "string length", path, t.Count, size)
		}
		return
	}
	var dims []*node
	for _, k := range n.kids {
		if k.tag == "subrange_type" || k.tag == "generic_subrange" || k.tag == "enumeration_type" {
			dims = append(dims, k)
		}
	}
	fortran := strings.Contains(n.unit.root.text("DW_AT_language"), "Fortran")
	if fortran && n.text("DW_AT_ordering") != "DW_ORD_row_major" {
		for i, k := 0, len(dims)-1; i < k; i, k = i+1, k-1 {
			dims[i], dims[k] = dims[k], dims[i]
		}
	}
	fact(c, "vector", path, t.Vector, n.text("DW_AT_GNU_vector") != "")
	for i, d := range dims {
		if t == nil || t.Kind != symbols.Array {
			c.errorf("%s: only %d of %d dimensions", path, i, len(dims))
			return
		}
		fact(c, "count", path, t.Count, c.tree.extent(d, fortran))
		if i == len(dims)-1 {
			c.later(path+"[]", t.Elem, c.tree.target(n, "DW_AT_type"))
		}
		t = t.Elem
	}
}

// extent is the number of elements of a subrange, -1 when it is computed.
func (t *tree) extent(d *node, fortran bool) int64 {
	low := int64(0)
	if fortran {
		low = 1
	}
	for _, name := range []string{"DW_AT_count", "DW_AT_upper_bound", "DW_AT_lower_bound"} {
		s := d.text(name)
		if _, ok := d.number(name); s != "" && !ok {
			return -1 // an expression
		}
		if to := t.target(d, name); to != nil && len(s) == 10 && (to.tag == "variable" || to.tag == "formal_parameter") {
			return -1 // a reference is printed like a number of 8 digits
		}
	}
	if n, ok := d.number("DW_AT_lower_bound"); ok {
		low = n
	}
	if n, ok := d.number("DW_AT_count"); ok {
		return n
	}
	if n, ok := d.number("DW_AT_upper_bound"); ok {
		return max(n-low+1, 0)
	}
	return -1
}

func (c *comparer) members(path string, t *symbols.Type, n *node) {
	var want []*node
	var templates []*node
	methods := 0
	var walk func(n *node)
	walk = func(n *node) {
		for _, k := range n.kids {
			switch k.tag {
			case "member", "inheritance", "variable":
				want = append(want, k)
			case "variant_part":
				walk(k)
			case "variant":
				walk(k)
			case "template_type_parameter", "template_value_parameter", "GNU_template_template_param":
				templates = append(templates, k)
			case "GNU_template_parameter_pack":
				walk(k)
			case "subprogram":
				methods++
			}
		}
	}
	walk(n)
	m := t.Members()
	fact(c, "methods", path, len(m.AllMethods()), methods)
	if fact(c, "fields", path, len(m.Fields), len(want)) {
		for i, k := range want {
			c.field(path, t, &m.Fields[i], k)
		}
	}
	if fact(c, "template arguments", path, len(m.Template), len(templates)) {
		for i, k := range templates {
			c.template(path, &m.Template[i], k)
		}
	}
}

func (c *comparer) field(path string, t *symbols.Type, f *symbols.Field, n *node) {
	path += "." + n.str("DW_AT_name")
	fact(c, "field name", path, f.Name, n.str("DW_AT_name"))
	fact(c, "base", path, f.Base, n.tag == "inheritance")
	static := n.tag == "variable" || n.text("DW_AT_external") != "" || n.text("DW_AT_declaration") != ""
	fact(c, "static", path, f.Static, static)
	c.later(path, f.Type, c.tree.target(n, "DW_AT_type"))
	if static {
		fact(c, "constant", path, f.Const != nil, n.text("DW_AT_const_value") != "")
		return
	}
	virtual := n.tag == "inheritance" && strings.Contains(n.text("DW_AT_virtuality"), "virtual") && !strings.Contains(n.text("DW_AT_virtuality"), "none")
	fact(c, "virtual", path, f.Virtual, virtual)
	if virtual {
		fact(c, "place by vtable", path, f.VOffset != nil, true)
		return
	}
	bits, size := placeOf(n, f.Type)
	fact(c, "bit size", path, int64(f.BitSize), size)
	fact(c, "offset in bits", path, f.Offset*8+int64(f.BitOffset), bits)
	if size > 0 && f.Type.ByteSize() > 0 {
		c.count["bit field"]++
		if end := f.Offset*8 + int64(f.BitOffset) + size; f.BitOffset < 0 || end > t.Size*8 {
			c.errorf("%s: bits %d to %d of a type of %d bytes", path, bits, end, t.Size)
		}
	}
}

// placeOf is where a member lies, in bits from the start, and its bit size.
func placeOf(n *node, t *symbols.Type) (at, size int64) {
	loc := n.text("DW_AT_data_member_location")
	loc = strings.TrimPrefix(loc, "DW_OP_plus_uconst ")
	off, _ := strconv.ParseInt(loc, 0, 64)
	at = off * 8
	size, _ = n.number("DW_AT_bit_size")
	if b, ok := n.number("DW_AT_data_bit_offset"); ok {
		return b, size
	}
	if b, ok := n.number("DW_AT_bit_offset"); ok { // from the storage unit's most significant bit
		storage, ok := n.number("DW_AT_byte_size")
		if !ok {
			storage = t.ByteSize()
		}
		at += storage*8 - b - size
	}
	return at, size
}

func (c *comparer) template(path string, a *symbols.TemplateArg, n *node) {
	path += "<" + n.str("DW_AT_name") + ">"
	fact(c, "argument name", path, a.Name, n.str("DW_AT_name"))
	if n.tag == "GNU_template_template_param" {
		fact(c, "argument template", path, a.Template, n.str("DW_AT_GNU_template_name"))
		return
	}
	fact(c, "argument is a value", path, a.IsValue, n.tag == "template_value_parameter")
	c.later(path, a.Type, c.tree.target(n, "DW_AT_type"))
	if want, ok := n.number("DW_AT_const_value"); ok && a.IsValue {
		fact(c, "argument value", path, a.Value, signExtend(want, a.Type))
	}
}

func (c *comparer) enumerators(path string, t *symbols.Type, n *node) {
	var want []string
	for _, k := range n.kids {
		if k.tag == "enumerator" {
			v, _ := k.number("DW_AT_const_value")
			want = append(want, fmt.Sprintf("%s=%d", k.str("DW_AT_name"), signExtend(v, t.Elem)))
		}
	}
	m := t.Members()
	if !fact(c, "enumerators", path, len(m.Enumerators), len(want)) {
		return
	}
	for i, e := range m.Enumerators {
		fact(c, "enumerator", path, fmt.Sprintf("%s=%d", e.Name, e.Value), want[i])
	}
}

// signExtend is a constant as its type holds it: a form without a sign that fills
// the type may have its sign bit set.
func signExtend(v int64, t *symbols.Type) int64 {
	b := t.Strip()
	if b == nil || b.Kind != symbols.Base {
		return v
	}
	switch {
	case b.Encoding != symbols.Signed && b.Encoding != symbols.SignedChar:
		return v
	case b.Size == 1:
		return int64(int8(v))
	case b.Size == 2:
		return int64(int16(v))
	case b.Size == 4:
		return int64(int32(v))
	}
	return v
}

func (c *comparer) parameters(path string, t *symbols.Type, n *node) {
	has := func(n *node) bool {
		for _, k := range n.kids {
			if k.tag == "formal_parameter" || k.tag == "unspecified_parameters" {
				return true
			}
		}
		return false
	}
	from := n
	if !has(n) {
		if o := c.tree.origin(n); o != nil {
			from = o
		}
	}
	var want []*node
	variadic := false
	var walk func(n *node)
	walk = func(n *node) {
		for _, k := range n.kids {
			switch k.tag {
			case "formal_parameter":
				want = append(want, k)
			case "GNU_formal_parameter_pack":
				walk(k)
			case "unspecified_parameters":
				variadic = true
			}
		}
	}
	walk(from)
	m := t.Members()
	fact(c, "variadic", path, m.Variadic, variadic)
	if !fact(c, "parameters", path, len(m.Params), len(want)) {
		return
	}
	for i, k := range want {
		at := fmt.Sprintf("%s(%d)", path, i)
		fact(c, "parameter name", at, m.Params[i].Name, c.tree.name(k))
		if e := c.tree.from(k, "DW_AT_type"); e != nil {
			c.later(at, m.Params[i].Type, c.tree.target(e, "DW_AT_type"))
		}
	}
}

// namedTypes asks for every type by its name: one of those that have it must come.
func (c *comparer) namedTypes() {
	for name, list := range c.tree.byName {
		if strings.HasPrefix(name, "DW_ATE_") {
			continue // LLVM's, for conversions in expressions: no program has them
		}
		t, ok := c.img.Type(name)
		c.count["type by name"]++
		if !ok {
			c.errorf("type %q is not found", name)
			continue
		}
		if !slices.ContainsFunc(list, func(n *node) bool { return c.equal(t, n) }) {
			c.errorf("type %q of %d bytes, kind %d, is none of the %d of that name", name, t.Size, t.Kind, len(list))
		}
	}
}

// equal tries whether t, and all that it leads to, was made from n: several types
// may have one name, and one of them must be told.
func (c *comparer) equal(t *symbols.Type, n *node) bool {
	if c.done[pair{t, n}] {
		return true
	}
	c.trial, c.failed, c.queue = map[pair]bool{}, false, nil
	c.later("", t, n)
	c.run()
	ok := !c.failed
	if ok {
		maps.Copy(c.done, c.trial)
	}
	c.trial, c.failed, c.queue = nil, false, nil
	return ok
}
