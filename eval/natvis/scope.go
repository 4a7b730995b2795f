package natvis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/eval"
	"dap-windbg/symbols"
)

const (
	// scratchBase is where a rule's own variables live: addresses that no
	// debuggee has (not canonical on any 64-bit CPU).
	scratchBase = 0x7eee_0000_0000_0000
	scratchSize = 4096
	// placeholder stands for $T in expressions; "$" is no letter of C++ names.
	placeholder = "natvis_T"
	// maxNesting bounds visualisers that show themselves.
	maxNesting = 12
)

// scope is the Env of a rule: members of the object are names, $Tn are types.
type scope struct {
	eval.Env // the frame's
	model    *eval.Model
	rule     *rule
	self     eval.Value
	expr     string // of self, in the frame
	args     []string
	types    []*symbols.Type // of args, as far as known
	owner    *symbols.Type   // the type the rule was found for
	format   eval.Format
	index    *uint64 // $i
	vars     map[string]eval.Value
	scratch  []byte
	depth    int
	set      *Set
	found    map[string]*symbols.Type // the frame's types looked up so far, nil: not there
}

// in is the same rule with another object as context: a list's node.
func (s *scope) in(v eval.Value) *scope {
	c := *s
	c.self, c.expr = v, ""
	return &c
}

func (s *scope) at(i uint64) *scope {
	c := *s
	c.index = &i
	return &c
}

func (s *scope) Lookup(ctx context.Context, name string) (eval.Value, error) {
	if v, ok := s.vars[name]; ok {
		return v, nil
	}
	if name == "this" {
		return eval.Value{Type: eval.PointerTo(s.Env, s.self.Type), Bytes: s.address()}, nil
	}
	if n, ok := s.wildcard(name); ok {
		return s.constant(ctx, n)
	}
	name = s.spell(name)
	v, err := eval.Member(ctx, s.Env, s.self, name)
	var ne *eval.NameError
	if err == nil || !errors.As(err, &ne) || reserved(name) {
		return v, err
	}
	return s.Env.Lookup(ctx, name)
}

// reserved reports whether name belongs to the library's implementation, which
// has no global variables a rule could mean: not to be searched in all modules.
func reserved(name string) bool {
	return len(name) > 1 && name[0] == '_' && (name[1] == '_' || name[1] >= 'A' && name[1] <= 'Z')
}

// address is the object's as the bytes of a pointer.
func (s *scope) address() []byte {
	v := eval.Integer(s.Env, "unsigned long", uint64(s.self.Addr))
	return v.Bytes
}

func (s *scope) Type(ctx context.Context, name string) (*symbols.Type, bool) {
	if n, ok := s.wildcard(name); ok {
		if n < len(s.types) && s.types[n] != nil {
			return s.types[n], true
		}
		if t, ok := s.native(s.args[n]); ok {
			return t, true
		}
		t, err := eval.ResolveType(ctx, s, s.args[n])
		return t, err == nil
	}
	if t := s.self.Type.Strip(); t != nil && !strings.Contains(name, "::") && strings.HasSuffix(t.Name, "::"+name) {
		return t, true
	}
	name = s.spell(name)
	t, ok := s.found[name]
	if !ok {
		t, _ = s.Env.Type(ctx, name)
		s.found[name] = t
	}
	return t, t != nil
}

// native finds a type of Go or Rust in the image the object's type comes from,
// where "int" and "char" are not those of C++.
func (s *scope) native(name string) (*symbols.Type, bool) {
	if s.owner == nil || s.owner.Language != symbols.Go && s.owner.Language != symbols.Rust {
		return nil, false
	}
	ty, ok := s.owner.Image.(symbols.Typer)
	if !ok {
		return nil, false
	}
	return ty.Type(name)
}

// wildcard is the index of the match that a placeholder stands for.
func (s *scope) wildcard(name string) (int, bool) {
	rest, ok := strings.CutPrefix(name, placeholder)
	if !ok {
		return 0, false
	}
	n, err := strconv.Atoi(rest)
	return n - 1, err == nil && n >= 1 && n <= len(s.args)
}

// constant evaluates a template argument that is a value.
func (s *scope) constant(ctx context.Context, n int) (eval.Value, error) {
	text := s.args[n]
	if !isLiteral(text) {
		return eval.Value{}, &eval.NameError{Name: text, Rest: text}
	}
	e, err := eval.Parse(text, eval.Options{})
	if err != nil {
		return eval.Value{}, err
	}
	return e.Eval(ctx, s.Env)
}

// spell puts what the wildcards matched in place of $Tn within a longer name.
func (s *scope) spell(name string) string {
	if !strings.Contains(name, placeholder) {
		return name
	}
	for i := len(s.args); i >= 1; i-- {
		name = strings.ReplaceAll(name, placeholder+strconv.Itoa(i), s.args[i-1])
	}
	return name
}

func (s *scope) Pseudo(ctx context.Context, name string) (eval.Value, bool) {
	if name == "i" && s.index != nil {
		return eval.Integer(s.Env, "unsigned long", *s.index), true
	}
	return s.Env.Pseudo(ctx, name)
}

func (s *scope) ReadMemory(ctx context.Context, a arch.Addr, p []byte) (int, error) {
	if off := uint64(a) - scratchBase; off < scratchSize {
		if off >= uint64(len(s.scratch)) {
			return 0, errors.New("no such variable")
		}
		return copy(p, s.scratch[off:]), nil
	}
	return s.Env.ReadMemory(ctx, a, p)
}

// ErrWrites: a visualiser must not change the debuggee.
var ErrWrites = errors.New("a visualiser may not write to the debuggee")

func (s *scope) WriteMemory(_ context.Context, a arch.Addr, p []byte) error {
	off := uint64(a) - scratchBase
	if off >= scratchSize || off+uint64(len(p)) > uint64(len(s.scratch)) {
		return ErrWrites
	}
	copy(s.scratch[off:], p)
	return nil
}

func (s *scope) SetRegister(context.Context, string, []byte) error { return ErrWrites }

func (s *scope) SetPseudo(context.Context, string, eval.Value) error { return ErrWrites }

// declare makes a variable of a CustomListItems.
func (s *scope) declare(ctx context.Context, v variable) error {
	x, err := s.eval(ctx, v.init)
	if err != nil {
		return err
	}
	b, err := eval.Fetch(ctx, s, x)
	if err != nil {
		return err
	}
	return s.place(v.name, x.Type, b)
}

func (s *scope) HasIntrinsic(name string) bool {
	_, ok := s.rule.intrinsics[name]
	if !ok {
		_, ok = s.set.intrinsic(name)
	}
	return ok || native[name] != nil
}

func (s *scope) Intrinsic(ctx context.Context, name string, args []eval.Value) (eval.Value, error) {
	in := s.rule.intrinsics[name]
	if in == nil {
		in, _ = s.set.intrinsic(name)
	}
	if in == nil {
		return native[name](ctx, s, args)
	}
	if len(args) != len(in.params) {
		return eval.Value{}, fmt.Errorf("intrinsic %s takes %d arguments", name, len(in.params))
	}
	if s.depth > maxNesting {
		return eval.Value{}, errors.New("intrinsics call each other too deeply")
	}
	c := *s
	c.depth++
	c.vars = map[string]eval.Value{}
	for i, p := range in.params {
		c.vars[p.name] = args[i]
		if p.cast == nil {
			continue
		}
		v, err := c.eval(ctx, p.cast)
		if err != nil {
			return v, err
		}
		c.vars[p.name] = v
	}
	v, err := c.eval(ctx, in.code)
	if err == nil && in.result != nil {
		c.vars["it"] = v
		v, err = c.eval(ctx, in.result)
	}
	return v, err
}

// eval evaluates a rule's expression in the object.
func (s *scope) eval(ctx context.Context, k *code) (eval.Value, error) {
	v, err := k.expr.Eval(ctx, s)
	if err == nil && v.Err != nil {
		err = v.Err
	}
	return v, err
}

// isLiteral reports whether a template argument is a value.
func isLiteral(s string) bool {
	return s != "" && (s[0] >= '0' && s[0] <= '9' || s[0] == '-' || s[0] == '\'') || s == "true" || s == "false"
}

// truth evaluates a guard; errors of an optional element mean no.
func (s *scope) allow(ctx context.Context, g guard) (bool, error) {
	if !g.views.allow(s.format.View) || g.module != nil && !g.module.fits(s.owner) {
		return false, nil
	}
	if g.cond == nil {
		return true, nil
	}
	v, err := s.eval(ctx, g.cond)
	if err == nil {
		var n uint64
		if n, err = eval.Int(ctx, s, v); err == nil {
			return n != 0, nil
		}
	}
	if g.optional && !retry(err) {
		return false, nil
	}
	return false, err
}

// count evaluates a number of elements.
func (s *scope) count(ctx context.Context, k *code) (int64, error) {
	v, err := s.eval(ctx, k)
	if err != nil {
		return 0, err
	}
	n, err := eval.Int(ctx, s, v)
	return int64(n), err
}

// retry reports whether the caller must see err as it is.
func retry(err error) bool {
	var need *symbols.NeedError
	return errors.As(err, &need) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// GlobalAt is the frame's.
func (s *scope) GlobalAt(ctx context.Context, a arch.Addr) (symbols.Variable, bool) {
	if g, ok := s.Env.(eval.Globals); ok {
		return g.GlobalAt(ctx, a)
	}
	return symbols.Variable{}, false
}
