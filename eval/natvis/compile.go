package natvis

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"dap-windbg/eval"
)

var wildcards = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\$T(\d+)`) })

// compiler turns elements into rules, noting the errors.
type compiler struct {
	file    string
	errs    []*FileError
	strings map[string]string // LocalizedStrings by id
	modules []module          // the file's own Version
}

func (c *compiler) fail(e *element, format string, args ...any) {
	c.errs = append(c.errs, &FileError{File: c.file, Line: e.line, Element: e.name, Msg: fmt.Sprintf(format, args...)})
}

// attempt drops an optional element that cannot be compiled; ok false for one
// that is not to be used.
func (c *compiler) attempt(e *element, compile func()) (ok bool) {
	n := len(c.errs)
	compile()
	if len(c.errs) > n && isTrue(e.attr["Optional"]) {
		c.errs = c.errs[:n]
		return false
	}
	return len(c.errs) == n
}

func (c *compiler) code(e *element, src string) *code {
	src = strings.TrimSpace(src)
	expr, f, err := eval.ParseFormat(src)
	if err != nil {
		c.fail(e, "an expression is missing")
		return nil
	}
	if f.LengthExpr != "" {
		f.LengthExpr = wildcards().ReplaceAllString(f.LengthExpr, placeholder+"$1")
		f.LengthCode, _ = eval.Parse(f.LengthExpr, eval.Options{}) // what is wrong with it is told where it is used
	}
	k := &code{src: wildcards().ReplaceAllString(expr, placeholder+"$1"), format: f}
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
	if name := e.attr["ModuleName"]; name != "" {
		m := c.module(e, name, e.attr["ModuleVersionMin"], e.attr["ModuleVersionMax"])
		g.module = &m
	}
	return g
}

func (c *compiler) guarded(e *element) guarded { return guarded{c.guard(e), c.code(e, e.text)} }

func isTrue(s string) bool { return s == "1" || strings.EqualFold(s, "true") }

func viewsOf(e *element) views {
	list := func(s string) []string {
		return strings.FieldsFunc(s, func(r rune) bool { return r == ';' || r == ' ' || r == ',' })
	}
	return views{list(e.attr["IncludeView"]), list(e.attr["ExcludeView"])}
}

var localized = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`@(\d+);`) })

// parts splits "{{ size={n} }}": doubled braces are themselves, single ones hold
// code; "@7;" is the string of that id.
func (c *compiler) parts(e *element, s string) []part {
	s = localized().ReplaceAllStringFunc(s, func(m string) string {
		if text, ok := c.strings[m[1:len(m)-1]]; ok {
			return text
		}
		return m
	})
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

// ignored are elements that say something to Visual Studio only.
var ignored = map[string]bool{"UIVisualizer": true, "CustomVisualizer": true, "HResult": true, "LocalizedStrings": true, "Version": true}

// rule compiles a Type; nil when it cannot be used.
func (c *compiler) rule(e *element) *rule {
	r := &rule{file: c.file, views: viewsOf(e), modules: c.modules, intrinsics: map[string]*intrinsic{}}
	good := c.attempt(e, func() {
		r.names = append(r.names, c.alternative(e, alternative{priority: medium, inheritable: true}))
	})
	for _, k := range e.kids {
		if !c.attempt(k, func() { c.part(r, k) }) && !isTrue(k.attr["Optional"]) {
			good = false
		}
	}
	for _, k := range e.kids {
		if !known[k.name] && !ignored[k.name] {
			c.fail(k, "is no element of a Type")
		}
	}
	if !good {
		return nil
	}
	return r
}

// known are the elements of a Type that part compiles.
var known = map[string]bool{"AlternativeType": true, "Version": true, "DisplayString": true, "StringView": true,
	"Expand": true, "SmartPointer": true, "MostDerivedType": true, "Intrinsic": true}

// part compiles one child of a Type.
func (c *compiler) part(r *rule, k *element) {
	n := len(c.errs)
	switch k.name {
	case "AlternativeType":
		if len(r.names) > 0 {
			r.names = append(r.names, c.alternative(k, r.names[0]))
		}
	case "Version":
		r.modules = append(r.modules[:len(r.modules):len(r.modules)], c.module(k, k.attr["Name"], k.attr["Min"], k.attr["Max"]))
	case "DisplayString":
		if d := (display{c.guard(k), c.parts(k, k.text)}); len(c.errs) == n {
			r.display = append(r.display, d)
		}
	case "StringView":
		if g := c.guarded(k); len(c.errs) == n {
			r.strings = append(r.strings, g)
		}
	case "Expand":
		r.expand = &expand{hideRaw: isTrue(k.attr["HideRawView"]), items: c.items(k)}
	case "SmartPointer":
		if g := c.guarded(k); len(c.errs) == n {
			r.pointers = append(r.pointers, g)
		}
		r.shell = r.shell || k.attr["DefaultExpansion"] != "" && !isTrue(k.attr["DefaultExpansion"])
	case "MostDerivedType":
		if g := c.guarded(k); len(c.errs) == n {
			r.derived = append(r.derived, g)
		}
	case "Intrinsic":
		c.intrinsic(r.intrinsics, k)
	}
}

// medium is the priority of what names none.
const medium = 3

var priorities = map[string]int{"Low": 1, "MediumLow": 2, "Medium": medium, "MediumHigh": 4, "High": 5}

// alternative compiles a Name with its attributes; like has those not written.
func (c *compiler) alternative(e *element, like alternative) alternative {
	a := like
	name := e.attr["Name"]
	if strings.TrimSpace(name) == "" {
		c.fail(e, "has no Name")
	}
	a.name = parseName(name)
	if s, ok := e.attr["Inheritable"]; ok {
		a.inheritable = isTrue(s)
	}
	if s, ok := e.attr["Priority"]; ok {
		if a.priority, ok = priorities[s]; !ok {
			c.fail(e, "there is no Priority %q", s)
		}
	}
	return a
}

func (c *compiler) intrinsic(into map[string]*intrinsic, e *element) {
	name := e.attr["Name"]
	if e.attr["Expression"] == "" {
		c.fail(e, "%s has no Expression: functions of debugger extensions are not known", name)
		return
	}
	in := &intrinsic{code: c.code(e, e.attr["Expression"]), optional: isTrue(e.attr["Optional"])}
	for _, p := range e.kids {
		if p.name == "Parameter" {
			in.params = append(in.params, param{p.attr["Name"], c.conversion(p, p.attr["Type"], p.attr["Name"])})
		}
	}
	in.result = c.conversion(e, e.attr["ReturnType"], "it")
	if _, twice := into[name]; !twice || !in.optional { // the first that compiles counts
		into[name] = in
	}
}

// conversion compiles "(type)name", nil without a type.
func (c *compiler) conversion(e *element, typ, name string) *code {
	if typ = strings.TrimSpace(typ); typ == "" || name == "" {
		return nil
	}
	return c.code(e, "("+typ+")"+name)
}

// items compiles the children of Expand, Synthetic and CustomListItems.
func (c *compiler) items(e *element) []item {
	var out []item
	for _, k := range e.kids {
		var it item
		use := false
		if c.attempt(k, func() { it, use = c.item(k) }) && use {
			out = append(out, it)
		}
	}
	return out
}

func (c *compiler) item(k *element) (it item, use bool) {
	it = item{guard: c.guard(k), kind: k.name, name: c.parts(k, k.attr["Name"])}
	switch k.name {
	case "Item", "ExpandedItem", "Exec":
		it.code = c.code(k, k.text)
	case "Synthetic":
		if s := k.attr["Expression"]; s != "" {
			it.code = c.code(k, s)
		}
		for _, d := range k.kids {
			switch d.name {
			case "DisplayString":
				it.display = append(it.display, display{c.guard(d), c.parts(d, d.text)})
			case "StringView":
				it.strings = append(it.strings, c.guarded(d))
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
	case "Variable", "Size", "Skip": // of CustomListItems
		return it, false
	default:
		if !ignored[k.name] {
			c.fail(k, "is no element of an Expand")
		}
		return it, false
	}
	return it, true
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
			it.size = append(it.size, c.guarded(k))
		case "ValueNode", "ValuePointer":
			text := k.text
			if text == "" && it.head != nil {
				text = "*this" // the node itself
			}
			it.nodes = append(it.nodes, node{c.guard(k), c.parts(k, k.attr["Name"]), c.code(k, text)})
		}
	}
	linear := it.kind == "ArrayItems" || it.kind == "IndexListItems"
	for _, need := range []struct {
		what string
		ok   bool
	}{
		{"a value", len(it.nodes) > 0},
		{"Size", len(it.size) > 0 || it.head != nil},
		{"HeadPointer", it.head != nil || linear},
		{"NextPointer", it.next != nil || linear || it.kind == "TreeItems"},
		{"LeftPointer", it.next != nil || it.kind != "TreeItems"},
		{"RightPointer", it.right != nil || it.kind != "TreeItems"},
	} {
		if !need.ok {
			c.fail(e, "%s is missing", need.what)
		}
	}
	if it.kind != "TreeItems" {
		it.right = nil
	}
}

func (c *compiler) custom(it *item, e *element) {
	it.max = 5000
	if n, err := strconv.Atoi(strings.TrimSpace(e.attr["MaxItemsPerView"])); err == nil && n > 0 {
		it.max = min(n, 50_000)
	}
	for _, k := range e.kids {
		switch k.name {
		case "Variable":
			it.vars = append(it.vars, variable{k.attr["Name"], c.code(k, k.attr["InitialValue"])})
		case "Size":
			it.size = append(it.size, c.guarded(k))
		case "Skip":
			it.skipVar = k.attr["Value"]
			it.skip = flatten(c.items(k))
			if it.skipVar == "" {
				c.fail(k, "has no Value")
			}
		}
	}
	it.program = flatten(c.items(e))
}
