package eval

import (
	"testing"

	"dap-windbg/symbols"
)

// TestMembersOfCyclicTypes: types that are their own bases and members, as damaged
// files have them, end the search.
func TestMembersOfCyclicTypes(t *testing.T) {
	for name, base := range map[string]bool{"bases": true, "unnamed members": false} {
		a := &symbols.Type{Kind: symbols.Struct, Name: "A", Size: 4}
		a.Load = func() *symbols.Members {
			return &symbols.Members{Fields: []symbols.Field{{Type: a, Base: base}, {Type: a, Base: base}}}
		}
		if path, ok := findMember(a, "x", maxBases); ok {
			t.Errorf("%s: x found: %v", name, path)
		}
		if path, ok := findBase(a, "B", maxBases); ok {
			t.Errorf("%s: B found: %v", name, path)
		}
		if n := len(layout(a, 0, maxBases)); n > 2 {
			t.Errorf("%s: %d rows", name, n)
		}
		if text, ok := memberAtOffset(a, &symbols.Type{Kind: symbols.Enum}, 0, maxBases, new(int)); ok {
			t.Errorf("%s: %s found", name, text)
		}
	}
}
