package natvis

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"

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
	if ok && s.format.TextOnly && s.set.knownToFit(s) {
		return o, true, s.intact(ctx, o)
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
	if o.Err == nil {
		s.set.fitted(s)
	}
	return o, true, nil
}

// intact makes sure that the sizes of a container whose text alone is wanted can be.
func (s *scope) intact(ctx context.Context, o *eval.Object) error {
	for i := range s.rule.expand.items {
		it := &s.rule.expand.items[i]
		ok, err := s.allow(ctx, it.guard)
		var n int64
		if err == nil && ok {
			if n, err = s.size(ctx, it.size); err == nil && it.kind == "ArrayItems" {
				err = s.fits(ctx, it, n)
			}
		}
		if err == nil || it.optional && !retry(err) {
			continue
		}
		if _, _, err := failed(o, err); err != nil {
			return err
		}
		return nil
	}
	return nil
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

var memberPath = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(this->)?[A-Za-z_]\w*((\.|->)[A-Za-z_]\w*|\[\d+\])*$`)
})

// path is an expression that yields v in the frame: through the object where the
// rule's expression is a member of it, else by address.
func (s *scope) path(src string, v eval.Value) string {
	if s.expr != "" && memberPath().MatchString(src) {
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

var simple = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[\w$@!.:\[\]]+$`) })

func postfix(expr string) string {
	if simple().MatchString(expr) || strings.HasPrefix(expr, "(") && strings.HasSuffix(expr, ")") && !strings.Contains(expr[1:], "(") {
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
	if it.code != nil && s.expr != "" && memberPath().MatchString(it.code.src) {
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
