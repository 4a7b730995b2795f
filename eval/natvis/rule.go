package natvis

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"dap-windbg/eval"
)

// rule is a Type element.
type rule struct {
	names       []typeName
	priority    int
	inheritable bool
	views       views
	display     []display
	expand      *expand
	pointers    []guarded // SmartPointer
	intrinsics  map[string]*intrinsic
	file        string
	order       int // of loading
}

// views are the IncludeView and ExcludeView attributes.
type views struct{ include, exclude []string }

func (v views) allow(view string) bool {
	has := func(list []string) bool {
		for _, s := range list {
			if s == view {
				return true
			}
		}
		return false
	}
	return (len(v.include) == 0 || has(v.include)) && !has(v.exclude)
}

// guard is what decides whether an element counts: its condition and views.
type guard struct {
	cond     *code
	optional bool
	views    views
}

// display is a DisplayString: literal texts and expressions in turn.
type display struct {
	guard
	parts []part
}

type part struct {
	text string
	code *code
}

type expand struct {
	hideRaw bool
	items   []item
}

// item is one element of Expand.
type item struct {
	guard
	kind    string // the element's name
	name    []part
	code    *code // Item, ExpandedItem, ValuePointer, Exec
	nodes   []node
	size    []guarded
	head    *code
	next    *code // NextPointer, LeftPointer
	right   *code
	rank    *code
	lower   *code
	back    bool // Direction Backward
	display []display
	kids    []item // Synthetic, CustomListItems, Loop, If ...
	vars    []variable
	max     int
}

// node is a ValueNode or ValuePointer with its condition and name.
type node struct {
	guard
	name []part
	code *code
}

// guarded is an expression that counts under a condition: a Size, a SmartPointer.
type guarded struct {
	guard
	code *code
}

type variable struct {
	name string
	init *code
}

type intrinsic struct {
	params []string
	code   *code
}

// code is an expression with its format. "$T1" has become a name in it that the
// scope knows as a type or as a number.
type code struct {
	src    string
	format eval.Format
	expr   eval.Expr
}

var wildcards = regexp.MustCompile(`\$T(\d+)`)

// compiler turns elements into rules, noting the first error.
type compiler struct {
	file string
	err  error
}

func (c *compiler) fail(e *element, format string, args ...any) {
	if c.err == nil {
		c.err = &FileError{File: c.file, Line: e.line, Msg: fmt.Sprintf(format, args...)}
	}
}

func (c *compiler) code(e *element, src string) *code {
	src = strings.TrimSpace(src)
	expr, f, err := eval.ParseFormat(src)
	if err != nil {
		c.fail(e, "%s has no expression", e.name)
		return nil
	}
	f.LengthExpr = wildcards.ReplaceAllString(f.LengthExpr, placeholder+"$1")
	k := &code{src: wildcards.ReplaceAllString(expr, placeholder+"$1"), format: f}
	if k.expr, err = eval.Parse(k.src, eval.Options{}); err != nil {
		c.fail(e, "%v", err)
	}
	return k
}

// optional compiles the text of the child called name, nil when it is not there.
func (c *compiler) optional(e *element, name string) *code {
	if k := e.child(name); k != nil {
		return c.code(k, k.text)
	}
	return nil
}

func (c *compiler) guard(e *element) guard {
	g := guard{views: viewsOf(e), optional: isTrue(e.attr["Optional"])}
	if s := strings.TrimSpace(e.attr["Condition"]); s != "" {
		g.cond = c.code(e, s)
	}
	return g
}

func isTrue(s string) bool { return s == "1" || strings.EqualFold(s, "true") }

func viewsOf(e *element) views {
	list := func(s string) []string {
		return strings.FieldsFunc(s, func(r rune) bool { return r == ';' || r == ' ' || r == ',' })
	}
	return views{list(e.attr["IncludeView"]), list(e.attr["ExcludeView"])}
}

// parts splits "{{ size={n} }}": doubled braces are themselves, single ones hold code.
func (c *compiler) parts(e *element, s string) []part {
	var out []part
	var text strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case strings.HasPrefix(s[i:], "{{") || strings.HasPrefix(s[i:], "}}"):
			text.WriteByte(s[i])
			i++
		case s[i] == '{':
			end := braceEnd(s, i)
			if end < 0 {
				c.fail(e, "'{' without '}' in %q", s)
				return nil
			}
			if text.Len() > 0 {
				out = append(out, part{text: text.String()})
				text.Reset()
			}
			out = append(out, part{code: c.code(e, s[i+1:end])})
			i = end
		default:
			text.WriteByte(s[i])
		}
	}
	if text.Len() > 0 {
		out = append(out, part{text: text.String()})
	}
	return out
}

func braceEnd(s string, i int) int {
	depth := 0
	for ; i < len(s); i++ {
		switch s[i] {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

func (c *compiler) rule(e *element) *rule {
	r := &rule{file: c.file, views: viewsOf(e), inheritable: true, intrinsics: map[string]*intrinsic{}}
	if s, ok := e.attr["Inheritable"]; ok {
		r.inheritable = isTrue(s)
	}
	r.priority = map[string]int{"Low": 1, "MediumLow": 2, "Medium": 3, "MediumHigh": 4, "High": 5}[e.attr["Priority"]]
	if r.priority == 0 {
		r.priority = 3
	}
	r.names = append(r.names, c.typeName(e, e.attr["Name"]))
	for _, k := range e.kids {
		switch k.name {
		case "AlternativeType":
			r.names = append(r.names, c.typeName(k, k.attr["Name"]))
		case "DisplayString":
			r.display = append(r.display, display{c.guard(k), c.parts(k, k.text)})
		case "Expand":
			r.expand = &expand{hideRaw: isTrue(k.attr["HideRawView"]), items: c.items(k)}
		case "SmartPointer":
			r.pointers = append(r.pointers, guarded{c.guard(k), c.code(k, k.text)})
		case "Intrinsic":
			c.intrinsic(r.intrinsics, k)
		}
	}
	return r
}

func (c *compiler) typeName(e *element, name string) typeName {
	if strings.TrimSpace(name) == "" {
		c.fail(e, "%s without a Name", e.name)
	}
	return parseName(name)
}

func (c *compiler) intrinsic(into map[string]*intrinsic, e *element) {
	in := &intrinsic{code: c.code(e, e.attr["Expression"])}
	for _, p := range e.kids {
		if p.name == "Parameter" {
			in.params = append(in.params, p.attr["Name"])
		}
	}
	into[e.attr["Name"]] = in
}

// items compiles the children of Expand, Synthetic and CustomListItems.
func (c *compiler) items(e *element) []item {
	var out []item
	for _, k := range e.kids {
		it := item{guard: c.guard(k), kind: k.name, name: c.parts(k, k.attr["Name"])}
		switch k.name {
		case "Item":
			it.code = c.code(k, k.text)
		case "ExpandedItem", "Exec":
			it.code = c.code(k, k.text)
		case "Synthetic":
			for _, d := range k.kids {
				switch d.name {
				case "DisplayString":
					it.display = append(it.display, display{c.guard(d), c.parts(d, d.text)})
				case "Expand":
					it.kids = c.items(d)
				}
			}
		case "ArrayItems", "IndexListItems", "LinkedListItems", "TreeItems":
			c.list(&it, k)
		case "CustomListItems":
			c.custom(&it, k)
		case "Loop", "If", "Elseif", "Else", "Break":
			it.kids = c.items(k)
		default:
			continue
		}
		out = append(out, it)
	}
	return out
}

// list compiles the parts the four list elements have in common.
func (c *compiler) list(it *item, e *element) {
	it.back = strings.EqualFold(strings.TrimSpace(e.value("Direction")), "Backward")
	it.rank, it.lower = c.optional(e, "Rank"), c.optional(e, "LowerBound")
	it.head, it.right = c.optional(e, "HeadPointer"), c.optional(e, "RightPointer")
	it.next = c.optional(e, "NextPointer")
	if it.next == nil {
		it.next = c.optional(e, "LeftPointer")
	}
	for _, k := range e.kids {
		switch k.name {
		case "Size":
			it.size = append(it.size, guarded{c.guard(k), c.code(k, k.text)})
		case "ValueNode", "ValuePointer":
			it.nodes = append(it.nodes, node{c.guard(k), c.parts(k, k.attr["Name"]), c.code(k, k.text)})
		}
	}
	need := map[string]bool{"a value": len(it.nodes) > 0, "Size": len(it.size) > 0 || it.head != nil,
		"HeadPointer":  it.head != nil || it.kind == "ArrayItems" || it.kind == "IndexListItems",
		"NextPointer":  it.next != nil || it.kind == "ArrayItems" || it.kind == "IndexListItems",
		"RightPointer": it.right != nil || it.kind != "TreeItems"}
	for _, what := range []string{"a value", "Size", "HeadPointer", "NextPointer", "RightPointer"} {
		if !need[what] {
			c.fail(e, "%s without %s", e.name, what)
		}
	}
}

func (c *compiler) custom(it *item, e *element) {
	it.max = 5000
	if n, err := strconv.Atoi(strings.TrimSpace(e.attr["MaxItemsPerView"])); err == nil && n > 0 {
		it.max = min(n, 20000)
	}
	for _, k := range e.kids {
		switch k.name {
		case "Variable":
			it.vars = append(it.vars, variable{k.attr["Name"], c.code(k, k.attr["InitialValue"])})
		case "Size":
			it.size = append(it.size, guarded{c.guard(k), c.code(k, k.text)})
		}
	}
	it.kids = c.items(e)
}
