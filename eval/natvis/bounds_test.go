package natvis

import (
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
