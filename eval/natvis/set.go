package natvis

import (
	"context"
	"embed"
	"sort"
	"sync"

	"dap-windbg/arch"
	"dap-windbg/eval"
	"dap-windbg/symbols"
)

//go:embed *.natvis
var embedded embed.FS

// Set is a collection of loaded files. It is an eval.Visualizer and safe for
// many goroutines.
type Set struct {
	mu         sync.Mutex
	late       []string // embedded files, read when the first rule is asked for
	files      []string
	rules      []*rule
	intrinsics map[string]*intrinsic // global ones
	order      int
	byHead     map[string][]entry // by the first part of the name
	found      map[string][]candidate
	pairs      map[pair]pairing
}

// pair is a type and a rule for it, and pairing what was found out about the two.
type pair struct {
	typ  *symbols.Type
	rule *rule
	args *string // the first of what one pattern's wildcards stand for; nil: of any pattern
}

type pairing struct {
	args []*symbols.Type // what the wildcards stand for, as far as known
	fits bool            // an object was shown by it, with all its children
}

type entry struct {
	alternative
	rule *rule
}

// candidate is a rule for a type, with what its wildcards matched.
type candidate struct {
	rule   *rule
	args   []string // what the wildcards stand for
	weight int
	alternative
}

// New returns a Set without any file.
func New() *Set {
	return &Set{byHead: map[string][]entry{}, found: map[string][]candidate{}, intrinsics: map[string]*intrinsic{}}
}

// Default returns a new Set that knows the containers of libstdc++ and libc++.
// The embedded files are read when they are first needed, which a debugger that
// shows no value never does.
func Default() (*Set, error) {
	s := New()
	list, err := embedded.ReadDir(".")
	if err != nil {
		return nil, err
	}
	for _, f := range list {
		s.late = append(s.late, f.Name())
	}
	return s, nil
}

// lock is mu.Lock, with the embedded files read. They are ours and tested: an
// error in one is a defect, and leaves its rules out.
func (s *Set) lock() {
	s.mu.Lock()
	late := s.late
	s.late = nil
	for _, name := range late {
		data, err := embedded.ReadFile(name)
		if err != nil {
			continue
		}
		if c, err := compile(name, data); err == nil {
			s.add(c)
		}
	}
}

// compiled is what a file holds.
type compiled struct {
	file       string
	rules      []*rule
	intrinsics map[string]*intrinsic
}

// compile reads a file; with a *LoadError there is what can be used of it.
func compile(file string, data []byte) (*compiled, error) {
	root, err := readTree(file, data)
	if err != nil {
		return nil, err
	}
	out := &compiled{file: file, intrinsics: map[string]*intrinsic{}}
	c := &compiler{file: file, strings: map[string]string{}}
	for _, e := range root.kids {
		switch e.name {
		case "LocalizedStrings":
			for _, k := range e.kids {
				c.strings[k.attr["Id"]] = k.text
			}
		case "Version":
			c.modules = []module{c.module(e, e.attr["Name"], e.attr["Min"], e.attr["Max"])}
		}
	}
	for _, e := range root.kids {
		switch {
		case e.name == "Type":
			if r := c.rule(e); r != nil {
				out.rules = append(out.rules, r)
			}
		case e.name == "Intrinsic":
			c.attempt(e, func() { c.intrinsic(out.intrinsics, e) })
		case !ignored[e.name]:
			c.fail(e, "is no element of an AutoVisualizer")
		}
	}
	if len(c.errs) > 0 {
		return out, &LoadError{File: file, Errs: c.errs, Types: len(out.rules)}
	}
	return out, nil
}

// Load adds the text of a NatVis file, which replaces one of the same name. Its
// rules come before those loaded earlier. A file that is no NatVis file adds
// nothing; of one with errors in some elements all others are loaded, and the
// error is a *LoadError.
func (s *Set) Load(file string, data []byte) error {
	c, err := compile(file, data)
	if c == nil {
		return err
	}
	s.lock()
	defer s.mu.Unlock()
	s.add(c)
	return err
}

// add is called with mu held.
func (s *Set) add(c *compiled) {
	s.remove(c.file)
	s.order++
	for _, r := range c.rules {
		r.order = s.order
		s.rules = append(s.rules, r)
	}
	for name, in := range c.intrinsics {
		s.intrinsics[name] = in
	}
	s.files = append(s.files, c.file)
	s.reindex()
}

// Unload removes a file; false when it is not loaded.
func (s *Set) Unload(file string) bool {
	s.lock()
	defer s.mu.Unlock()
	ok := s.remove(file)
	s.reindex()
	return ok
}

// Embedded reports whether file is one of ours.
func (s *Set) Embedded(file string) bool {
	_, err := embedded.Open(file)
	return err == nil
}

// Files lists what is loaded, in the order of loading.
func (s *Set) Files() []string {
	s.lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.files...)
}

func (s *Set) remove(file string) bool {
	ok := false
	var files []string
	for _, f := range s.files {
		if f == file {
			ok = true
			continue
		}
		files = append(files, f)
	}
	var rules []*rule
	for _, r := range s.rules {
		if r.file != file {
			rules = append(rules, r)
		}
	}
	s.files, s.rules = files, rules
	return ok
}

func (s *Set) reindex() {
	s.byHead, s.found, s.pairs = map[string][]entry{}, map[string][]candidate{}, nil
	for _, r := range s.rules {
		for _, n := range r.names {
			if len(n.name) > 0 {
				head := n.name[0].text
				s.byHead[head] = append(s.byHead[head], entry{n, r})
			}
		}
	}
}

func (s *Set) intrinsic(name string) (*intrinsic, bool) {
	s.lock()
	defer s.mu.Unlock()
	in, ok := s.intrinsics[name]
	return in, ok
}

// entries are the patterns that may match a name that begins with head.
func (s *Set) entries(head string) []entry {
	own, wild := s.byHead[head], s.byHead["*"]
	return append(own[:len(own):len(own)], wild...)
}

// maxFound bounds the cache of matched type names.
const maxFound = 10_000

// candidates returns the rules for a type name, best first: how much the pattern
// spells out, the file loaded last, priority, then as written.
func (s *Set) candidates(name string) []candidate {
	s.lock()
	defer s.mu.Unlock()
	if c, ok := s.found[name]; ok {
		return c
	}
	t := parseName(name)
	var out []candidate
	if len(t) > 0 {
		for _, e := range s.entries(t[0].text) {
			var args []typeName
			if e.name.wild() || e.name.match(t, &args) {
				out = append(out, candidate{e.rule, spelled(args), e.name.weight(), e.alternative})
			}
		}
	}
	sort.SliceStable(out, func(i, j int) bool {
		a, b := out[i], out[j]
		switch {
		case a.weight != b.weight:
			return a.weight > b.weight
		case a.rule.order != b.rule.order:
			return a.rule.order > b.rule.order
		}
		return a.priority > b.priority
	})
	if len(s.found) < maxFound {
		s.found[name] = out
	}
	return out
}

// Visualize makes the node of v by the first rule that fits it, its own type's
// or an inheritable one of a base class.
func (s *Set) Visualize(ctx context.Context, env eval.Env, m *eval.Model, name, expr string, v eval.Value, f eval.Format) (*eval.Object, bool, error) {
	if !ruled(v.Type.Strip()) {
		return nil, false, nil
	}
	var o *eval.Object
	ok, err := s.each(s.scopeOf(env, m, expr, v, f), v.Type.Strip(), false, func(sc *scope) (ok bool, err error) {
		o, ok, err = sc.object(ctx, name, sc.self)
		return ok, err
	})
	if !ok || err != nil {
		return nil, false, err
	}
	o.Value, o.Type, o.Expr = v, eval.TypeName(v.Type), expr // a base's rule saw the base
	return o, true, nil
}

// SmartPointer evaluates the SmartPointer element of the first rule for v's type
// that has one that fits.
func (s *Set) SmartPointer(ctx context.Context, env eval.Env, m *eval.Model, v eval.Value) (eval.Value, bool, error) {
	if !ruled(v.Type.Strip()) {
		return eval.Value{}, false, nil
	}
	var p eval.Value
	ok, err := s.each(s.scopeOf(env, m, "", v, eval.Format{}), v.Type.Strip(), false, func(sc *scope) (ok bool, err error) {
		p, ok, err = sc.pointer(ctx)
		return ok, err
	})
	return p, ok && err == nil, err
}

// ruled reports whether there may be rules for objects of type t.
func ruled(t *symbols.Type) bool {
	return t != nil && t.Name != "" && (t.IsComposite() || t.Language == symbols.Go)
}

// scopeOf is the context of the rules for v.
func (s *Set) scopeOf(env eval.Env, m *eval.Model, expr string, v eval.Value, f eval.Format) *scope {
	depth, found := 0, map[string]*symbols.Type{}
	if outer, ok := env.(*scope); ok {
		depth, found = outer.depth+1, outer.found
		if uint64(v.Addr)-scratchBase >= scratchSize {
			env = outer.Env
		}
	}
	return &scope{Env: env, model: m, self: v, expr: expr, format: f, depth: depth, set: s, found: found}
}

// each offers the rules for t, the type of base's object, best first, and then
// the inheritable ones of its base classes, until use takes one.
func (s *Set) each(base *scope, t *symbols.Type, inherited bool, use func(*scope) (bool, error)) (bool, error) {
	left := maxParts
	return s.offer(base, t, inherited, use, &left)
}

// maxParts bounds the base classes that are looked at for one object: types may be
// their own bases in files that are damaged.
const maxParts = 1 << 10

func (s *Set) offer(base *scope, t *symbols.Type, inherited bool, use func(*scope) (bool, error), left *int) (bool, error) {
	v := base.self
	if *left--; *left < 0 || !ruled(t) || base.depth > maxNesting || v.Place != eval.InMemory && v.Bytes == nil {
		return false, nil
	}
	for _, c := range s.candidates(goName(t)) {
		if !c.rule.views.allow(base.format.View) || inherited && !c.inheritable || !anyFits(c.rule.modules, t) {
			continue
		}
		sc := *base
		sc.rule, sc.args, sc.types, sc.owner = c.rule, c.args, s.argTypes(t, c), t
		if ok, err := use(&sc); err != nil || ok {
			return ok, err
		}
	}
	for _, f := range t.Members().Fields {
		if !f.Base || f.Virtual {
			continue
		}
		part, err := basePart(v, f)
		if err != nil {
			continue
		}
		sc := *base
		sc.self = part
		sc.depth++
		if ok, err := s.offer(&sc, f.Type.Strip(), true, use, left); err != nil || ok {
			return ok, err
		}
	}
	return false, nil
}

// basePart is the base class f within v.
func basePart(v eval.Value, f symbols.Field) (eval.Value, error) {
	out := eval.Value{Type: f.Type, Place: v.Place}
	size := f.Type.ByteSize()
	if v.Place == eval.InMemory {
		out.Addr = v.Addr + arch.Addr(f.Offset)
	}
	if v.Bytes != nil {
		if size < 0 || f.Offset < 0 || f.Offset+size > int64(len(v.Bytes)) {
			return out, &symbols.UnavailableError{Reason: "only part of the value is known"}
		}
		out.Bytes = v.Bytes[f.Offset : f.Offset+size]
	}
	return out, nil
}

// maxPairs bounds what is remembered of types and rules.
const maxPairs = 10_000

// argTypes are the template arguments of t that the wildcards of c stand for.
func (s *Set) argTypes(t *symbols.Type, c candidate) []*symbols.Type {
	if len(c.args) == 0 {
		return nil
	}
	k := pair{t, c.rule, &c.args[0]}
	s.mu.Lock()
	p, ok := s.pairs[k]
	s.mu.Unlock()
	if ok {
		return p.args
	}
	p.args = argTypes(t, c.args) // reads types: not with mu held
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remember(k, p)
	return p.args
}

// Forget drops what is remembered of types, which are their images': one was unloaded.
func (s *Set) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pairs = nil
}

// remember is called with mu held.
func (s *Set) remember(k pair, p pairing) {
	if s.pairs == nil || len(s.pairs) >= maxPairs {
		s.pairs = map[pair]pairing{}
	}
	s.pairs[k] = p
}

// fitted notes that sc's rule has shown an object of sc's type.
func (s *Set) fitted(sc *scope) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k := (pair{sc.owner, sc.rule, nil}); !s.pairs[k].fits {
		s.remember(k, pairing{fits: true})
	}
}

// knownToFit reports whether sc's rule fits sc's type as far as is known, and whether
// the text does without the children: they are not another object's.
func (s *Set) knownToFit(sc *scope) bool {
	if sc.rule.expand == nil || len(sc.rule.pointers) > 0 {
		return false
	}
	for i := range sc.rule.expand.items {
		switch sc.rule.expand.items[i].kind {
		case "Item", "Synthetic", "ArrayItems":
		default:
			return false
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pairs[pair{sc.owner, sc.rule, nil}].fits
}

// argTypes finds the template arguments of t that the wildcards stand for, when
// the pattern's wildcards are the type's own arguments in order.
func argTypes(t *symbols.Type, args []string) []*symbols.Type {
	list := t.Members().Template
	out := make([]*symbols.Type, len(args))
	next := 0
	for i, want := range args {
		for j := next; j < len(list); j++ {
			if i == j || !list[j].IsValue && parseName(eval.TypeName(list[j].Type)).String() == want {
				if !list[j].IsValue {
					out[i] = list[j].Type
				}
				next = j + 1
				break
			}
		}
	}
	return out
}
