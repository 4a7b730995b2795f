package natvis

import (
	"slices"
	"strings"
	"testing"

	"dap-windbg/eval"
	"dap-windbg/symbols"
)

// TestTextInPieces: text that comments cut to pieces is read in one go.
func TestTextInPieces(t *testing.T) {
	const n = 900_000
	root, err := readTree("a", []byte("<AutoVisualizer>"+strings.Repeat("a<!---->", n)+"</AutoVisualizer>"))
	if err != nil || len(root.text) != n {
		t.Fatal(err)
	}
}

// TestCyclicBases: a type that is its own base many times over ends the search for
// a rule.
func TestCyclicBases(t *testing.T) {
	a := &symbols.Type{Kind: symbols.Struct, Name: "A", Size: 4}
	a.Load = func() *symbols.Members {
		f := symbols.Field{Type: a, Base: true}
		return &symbols.Members{Fields: []symbols.Field{f, f, f, f, f, f, f, f, f, f}}
	}
	s := New()
	ok, err := s.each(&scope{set: s, self: eval.Value{Type: a, Place: eval.InMemory}}, a, false, func(*scope) (bool, error) { return true, nil })
	if ok || err != nil {
		t.Error(ok, err)
	}
}

// TestArgTypes: a rule with two patterns for a type has for each what its own wildcards
// stand for.
func TestArgTypes(t *testing.T) {
	float, integer := &symbols.Type{Kind: symbols.Base, Name: "float"}, &symbols.Type{Kind: symbols.Base, Name: "int"}
	pair := &symbols.Type{Kind: symbols.Struct, Name: "Pair<float,int>"}
	pair.Load = func() *symbols.Members {
		return &symbols.Members{Template: []symbols.TemplateArg{{Type: float}, {Type: integer}}}
	}
	s, r := New(), &rule{}
	for range 2 {
		for want, args := range map[*symbols.Type][]string{float: {"float"}, integer: {"int", "other"}} {
			if got := s.argTypes(pair, candidate{rule: r, args: args}); len(got) != len(args) || !slices.Contains(got, want) {
				t.Errorf("%v: %v", args, got)
			}
		}
	}
}

// TestForget: what is remembered of types is found out without the set's lock, which
// whoever reads a type may need, and is dropped with their image.
func TestForget(t *testing.T) {
	s := New()
	name := "float"
	pair := &symbols.Type{Kind: symbols.Struct, Name: "One<float>"}
	pair.Load = func() *symbols.Members {
		s.Files()
		return &symbols.Members{Template: []symbols.TemplateArg{{Type: &symbols.Type{Kind: symbols.Base, Name: name}}}}
	}
	c := candidate{rule: &rule{}, args: []string{name}}
	if got := s.argTypes(pair, c); len(got) != 1 || got[0] == nil || len(s.pairs) != 1 {
		t.Errorf("%v, %d remembered", got, len(s.pairs))
	}
	eval.Forgetter(s).Forget()
	if len(s.pairs) != 0 {
		t.Error("types are remembered")
	}
}
