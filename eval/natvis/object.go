package natvis

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/eval"
	"dap-windbg/symbols"
)

// object applies the scope's rule to its object; ok false when the rule does not
// fit. A value that cannot be read is a node with an error.
func (s *scope) object(ctx context.Context, name string, v eval.Value) (*eval.Object, bool, error) {
	if o, ok, err := s.mostDerived(ctx, name); ok || err != nil {
		return o, ok, err
	}
	o := &eval.Object{Name: name, Value: v, Type: eval.TypeName(v.Type), Expr: s.expr}
	text, ok, err := s.display(ctx, s.rule.display)
	switch {
	case err != nil && retry(err):
		return nil, false, err
	case err != nil && misfit(err):
		return nil, false, nil
	case err != nil:
		o.Err = err
	case ok:
		o.Text = text
	case len(s.rule.display) > 0 && s.rule.expand == nil && len(s.rule.pointers) == 0:
		return nil, false, nil
	}
	o.Whole = s.whole(s.rule.strings)
	if len(s.rule.pointers) > 0 && (!ok && err == nil || s.rule.expand == nil && !s.rule.shell) {
		if err := s.behind(ctx, o, ok || err != nil); err != nil {
			return failed(o, err)
		}
	}
	if o.Expand != nil {
		return o, true, nil
	}
	if err := s.expandInto(ctx, o); err != nil {
		return failed(o, err)
	}
	return o, true, nil
}

// failed puts err into the node, unless it says that the rule does not fit or
// that the caller must see it.
func failed(o *eval.Object, err error) (*eval.Object, bool, error) {
	switch {
	case retry(err):
		return nil, false, err
	case misfit(err):
		return nil, false, nil
	}
	o.Err = err
	var corrupt *CorruptError
	if errors.As(err, &corrupt) {
		o.Text = "" // it would tell a size that cannot be
	}
	return o, true, nil
}

// mostDerived shows what a MostDerivedType yields in place of the object.
func (s *scope) mostDerived(ctx context.Context, name string) (*eval.Object, bool, error) {
	for _, d := range s.rule.derived {
		ok, err := s.allow(ctx, d.guard)
		if err != nil && retry(err) {
			return nil, false, err
		}
		if err != nil || !ok {
			continue
		}
		v, err := s.eval(ctx, d.code)
		if err == nil {
			v, err = s.pointed(ctx, v)
		}
		if err != nil {
			if retry(err) {
				return nil, false, err
			}
			continue
		}
		if eval.TypeName(v.Type.Strip()) == eval.TypeName(s.self.Type.Strip()) || s.depth >= maxNesting {
			continue
		}
		sc := *s
		sc.depth++
		o, err := s.model.Object(ctx, &sc, name, s.path(d.code.src, v), v, s.format)
		return o, err == nil, err
	}
	return nil, false, nil
}

// pointed is what v points to, or v.
func (s *scope) pointed(ctx context.Context, v eval.Value) (eval.Value, error) {
	t := v.Type.Strip()
	if t == nil || t.Kind != symbols.Pointer || t.Elem == nil {
		return v, nil
	}
	p, err := eval.Int(ctx, s, v)
	return eval.Value{Type: t.Elem, Place: eval.InMemory, Addr: arch.Addr(p)}, err
}

// behind gives a smart pointer the text and the children of its plain pointer,
// where the rule has none of its own.
func (s *scope) behind(ctx context.Context, o *eval.Object, hasText bool) error {
	p, ok, err := s.pointer(ctx)
	if err != nil || !ok {
		return err
	}
	f := s.format
	f.NoRaw = true
	inner, err := s.model.Object(ctx, s, "", s.path("", p), p, f)
	if err != nil {
		return err
	}
	if !hasText {
		o.Text, o.Err = inner.Text, inner.Err
		if o.Whole == nil {
			o.Whole = inner.Whole
		}
	}
	if s.rule.expand == nil && !s.rule.shell {
		o.Named, o.Indexed, o.Expand = inner.Named, inner.Indexed, inner.Expand
	}
	return nil
}

// maxWhole bounds the text of a StringView.
const maxWhole = 1 << 20

// whole evaluates the first StringView whose condition holds.
func (s *scope) whole(list []guarded) func(context.Context, eval.Env) (string, error) {
	if len(list) == 0 {
		return nil
	}
	return func(ctx context.Context, env eval.Env) (string, error) {
		c := *s
		if outer, ok := env.(*scope); ok {
			env = outer.Env
		}
		c.Env, c.found = env, map[string]*symbols.Type{}
		c.model = &eval.Model{Visualizer: s.model.Visualizer, MaxString: maxWhole}
		for _, g := range list {
			ok, err := c.allow(ctx, g.guard)
			if err != nil {
				return "", err
			}
			if !ok {
				continue
			}
			k := *g.code
			if k.format.Spec != "" && !strings.HasSuffix(k.format.Spec, "b") {
				k.format.Spec += "b" // a viewer shows no quotes
			}
			return c.text(ctx, []part{{code: &k}})
		}
		return "", nil
	}
}

// pointer evaluates the rule's first SmartPointer whose condition holds.
func (s *scope) pointer(ctx context.Context) (eval.Value, bool, error) {
	for _, p := range s.rule.pointers {
		ok, err := s.allow(ctx, p.guard)
		if err == nil && ok {
			var v eval.Value
			if v, err = s.eval(ctx, p.code); err == nil {
				return v, true, nil
			}
		}
		if err != nil && (retry(err) || !p.optional && !misfit(err)) {
			return eval.Value{}, false, err
		}
	}
	return eval.Value{}, false, nil
}

// misfit tells that a rule was written for another layout of the type.
func misfit(err error) bool {
	var ne *eval.NameError
	var te *eval.TypeError
	var se *eval.SyntaxError
	return errors.As(err, &ne) || errors.As(err, &te) || errors.As(err, &se)
}

// display writes the first DisplayString whose condition holds.
func (s *scope) display(ctx context.Context, list []display) (string, bool, error) {
	for _, d := range list {
		ok, err := s.allow(ctx, d.guard)
		if err != nil {
			return "", false, err
		}
		if !ok {
			continue
		}
		text, err := s.text(ctx, d.parts)
		if err != nil && d.optional && !retry(err) {
			continue
		}
		return text, err == nil, err
	}
	return "", false, nil
}

// text writes literal texts and expressions.
func (s *scope) text(ctx context.Context, parts []part) (string, error) {
	var b strings.Builder
	for _, p := range parts {
		if p.code == nil {
			b.WriteString(p.text)
			continue
		}
		v, err := s.eval(ctx, p.code)
		if err != nil {
			return "", err
		}
		f := s.inner(p.code.format)
		f.Style = eval.Plain
		if f.Spec != "" && f.Spec != "en" && f.Spec != "c" {
			f.NoAddress = true // a string is shown without where it lies
		}
		text, err := s.model.Text(ctx, s, v, f)
		if err != nil {
			return "", err
		}
		if text == "" && v.Type.IsComposite() {
			text = "{...}"
		}
		b.WriteString(text)
	}
	return b.String(), nil
}

// inner is the format of an expression in a rule: its own, over the radix the user asked for.
func (s *scope) inner(own eval.Format) eval.Format {
	if own.Radix == 0 {
		own.Radix, own.Upper = s.format.Radix, s.format.Upper
	}
	own.Style = s.format.Style
	return own
}

// segment is a run of children: n of them, -1 when only walking tells.
type segment struct {
	n     int
	index bool
	page  func(ctx context.Context, s *scope, lo, hi int) ([]*eval.Object, error)
}

// expandInto gives o the children of the rule.
func (s *scope) expandInto(ctx context.Context, o *eval.Object) error {
	x := s.rule.expand
	if x == nil {
		x = &expand{}
	}
	var list []segment
	if !x.hideRaw && !s.format.NoRaw {
		list = append(list, segment{n: 1, page: rawView(o.Value, o.Expr)})
	}
	more, err := s.segments(ctx, x.items)
	if err != nil {
		return err
	}
	s.attach(o, append(list, more...))
	return nil
}

// attach makes segments the children of o, the named ones first.
func (s *scope) attach(o *eval.Object, list []segment) {
	slices.SortStableFunc(list, func(a, b segment) int {
		return map[bool]int{true: 1}[a.index] - map[bool]int{true: 1}[b.index]
	})
	for _, g := range list {
		switch {
		case g.n < 0:
			o.Named = -1
		case g.index && o.Named >= 0:
			o.Indexed += g.n
		case o.Named >= 0:
			o.Named += g.n
		}
	}
	if o.Named < 0 {
		o.Indexed = 0
	}
	if o.Named == 0 && o.Indexed == 0 {
		return
	}
	o.Expand = func(ctx context.Context, env eval.Env, start, count int) ([]*eval.Object, error) {
		c := *s
		if outer, ok := env.(*scope); ok {
			env = outer.Env
		}
		c.Env, c.found = env, map[string]*symbols.Type{}
		return c.pages(ctx, list, max(start, 0), count)
	}
}

// pages collects children [start, start+count) over the segments.
func (s *scope) pages(ctx context.Context, list []segment, start, count int) ([]*eval.Object, error) {
	var out []*eval.Object
	var need []error
	if count < 0 || count > eval.MaxChildren {
		count = eval.MaxChildren
	}
	end := start + count
	at := 0
	for _, g := range list {
		lo, hi := max(start-at, 0), g.n
		if hi < 0 || at+hi > end {
			hi = max(end-at, 0)
		}
		if g.n >= 0 && (lo >= g.n || hi <= lo) {
			at += g.n
			continue
		}
		if hi <= lo {
			break
		}
		kids, err := g.page(ctx, s, lo, hi)
		if err != nil {
			if !retry(err) {
				return out, err
			}
			need = append(need, err)
		}
		out = append(out, kids...)
		if g.n >= 0 {
			at += g.n
		} else {
			at += lo + len(kids)
		}
	}
	return out, errors.Join(need...)
}

// rawView is the child that shows the object as the language sees it.
func rawView(v eval.Value, expr string) func(context.Context, *scope, int, int) ([]*eval.Object, error) {
	return func(ctx context.Context, s *scope, _, _ int) ([]*eval.Object, error) {
		f := s.format
		f.Raw = true
		raw, err := s.model.Object(ctx, s.Env, "[<Raw View>]", expr, v, f)
		if err != nil {
			return nil, err
		}
		raw.Text = ""
		if expr != "" {
			raw.Expr = expr + ",!"
		}
		return []*eval.Object{raw}, nil
	}
}

// segments evaluates conditions and sizes of the items of an Expand.
func (s *scope) segments(ctx context.Context, items []item) ([]segment, error) {
	var out []segment
	for i := range items {
		it := &items[i]
		ok, err := s.allow(ctx, it.guard)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		g, ok, err := s.segment(ctx, it)
		if err != nil {
			if it.optional && !retry(err) {
				continue
			}
			return nil, err
		}
		if ok {
			out = append(out, g...)
		}
	}
	return out, nil
}

func one(g segment) []segment { return []segment{g} }

func (s *scope) segment(ctx context.Context, it *item) ([]segment, bool, error) {
	switch it.kind {
	case "Item":
		if _, err := s.eval(ctx, it.code); err != nil && (it.optional || misfit(err)) {
			return nil, false, err
		}
		return one(segment{n: 1, page: func(ctx context.Context, s *scope, _, _ int) ([]*eval.Object, error) {
			o, err := s.child(ctx, it.name, it.code, "")
			return list(o, err)
		}}), true, nil
	case "Synthetic":
		return one(segment{n: 1, page: func(ctx context.Context, s *scope, _, _ int) ([]*eval.Object, error) {
			return s.synthetic(ctx, it)
		}}), true, nil
	case "ExpandedItem":
		return s.spliced(ctx, it)
	case "CustomListItems":
		g, err := s.customSegment(ctx, it)
		return one(g), err == nil && g.n != 0, err
	case "ArrayItems", "IndexListItems", "LinkedListItems", "TreeItems":
		g, err := s.listSegment(ctx, it)
		return one(g), err == nil && g.n != 0, err
	}
	return nil, false, nil
}

func list(o *eval.Object, err error) ([]*eval.Object, error) {
	if o == nil {
		return nil, err
	}
	return []*eval.Object{o}, err
}

// spliced puts the children of an ExpandedItem among the object's own.
func (s *scope) spliced(ctx context.Context, it *item) ([]segment, bool, error) {
	o, err := s.splice(ctx, it)
	if err == nil && o.Expand == nil {
		err = o.Err
	}
	if err != nil || o.Expand == nil {
		return nil, false, err
	}
	part := func(from int) func(context.Context, *scope, int, int) ([]*eval.Object, error) {
		return func(ctx context.Context, s *scope, lo, hi int) ([]*eval.Object, error) {
			count := -1
			if hi >= 0 {
				count = hi - lo
			}
			return o.Children(ctx, s.Env, from+lo, count)
		}
	}
	if o.Named < 0 {
		return one(segment{n: -1, page: part(0)}), true, nil
	}
	return []segment{{n: o.Named, page: part(0)}, {n: o.Indexed, index: true, page: part(o.Named)}}, true, nil
}

func (s *scope) splice(ctx context.Context, it *item) (*eval.Object, error) {
	v, err := s.eval(ctx, it.code)
	if err != nil {
		return nil, err
	}
	f := s.inner(it.code.format)
	f.NoRaw = true
	return s.model.Object(ctx, s, "", s.path(it.code.src, v), v, f)
}

// child makes the node of an expression. An error is shown in the node.
func (s *scope) child(ctx context.Context, name []part, k *code, fallback string) (*eval.Object, error) {
	label, err := s.text(ctx, name)
	if err != nil {
		if retry(err) {
			return nil, err
		}
		label = fallback
	}
	if label == "" {
		label = fallback
	}
	v, err := s.eval(ctx, k)
	if err != nil {
		if retry(err) {
			return nil, err
		}
		return &eval.Object{Name: label, Err: err}, nil
	}
	o, err := s.model.Object(ctx, s, label, s.path(k.src, v), v, s.inner(k.format))
	if err == nil && o.Expr != "" && k.format.View != "" {
		o.Expr += ",view(" + k.format.View + ")"
	}
	return o, err
}

var memberPath = regexp.MustCompile(`^(this->)?[A-Za-z_]\w*((\.|->)[A-Za-z_]\w*|\[\d+\])*$`)

// path is an expression that yields v in the frame: through the object where the
// rule's expression is a member of it, else by address.
func (s *scope) path(src string, v eval.Value) string {
	if s.expr != "" && memberPath.MatchString(src) {
		return postfix(s.expr) + "." + strings.TrimPrefix(src, "this->")
	}
	if v.Place != eval.InMemory || v.BitSize > 0 || v.Addr >= scratchBase && v.Addr < scratchBase+scratchSize {
		return ""
	}
	return atAddress(v.Type, v.Addr)
}

// atAddress is the expression for a value of type t at a.
func atAddress(t *symbols.Type, a arch.Addr) string {
	name := eval.TypeName(t)
	switch k := t.Strip(); {
	case k == nil || k.Kind == symbols.Array || k.Kind == symbols.Func || strings.ContainsAny(name, "({"):
		return ""
	}
	return fmt.Sprintf("*(%s *)0x%x", name, uint64(a))
}

var simple = regexp.MustCompile(`^[\w$@!.:\[\]]+$`)

func postfix(expr string) string {
	if simple.MatchString(expr) || strings.HasPrefix(expr, "(") && strings.HasSuffix(expr, ")") && !strings.Contains(expr[1:], "(") {
		return expr
	}
	return "(" + expr + ")"
}

func (s *scope) synthetic(ctx context.Context, it *item) ([]*eval.Object, error) {
	name, err := s.text(ctx, it.name)
	if err != nil {
		if retry(err) {
			return nil, err
		}
		name = "?"
	}
	o := &eval.Object{Name: name, Whole: s.whole(it.strings)}
	if it.code != nil && s.expr != "" && memberPath.MatchString(it.code.src) {
		o.Expr = postfix(s.expr) + "." + strings.TrimPrefix(it.code.src, "this->")
	}
	text, _, err := s.display(ctx, it.display)
	if err != nil && retry(err) {
		return nil, err
	}
	o.Text, o.Err = text, err
	more, err := s.segments(ctx, it.kids)
	if err != nil {
		if retry(err) {
			return nil, err
		}
		o.Err = err
	}
	s.attach(o, more)
	return []*eval.Object{o}, nil
}
