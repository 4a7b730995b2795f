package systems

import (
	"slices"
	"testing"
)

func TestFields(t *testing.T) {
	for args, want := range map[string][]string{
		"":                   nil,
		"0 7":                {"0", "7"},
		" /s  1,2 ":          {"/s", "1", "2"},
		`poi(a + 8) "x y" z`: {"poi(a + 8)", `"x y"`, "z"},
		"(a, b) [c d":        {"(a, b)", "[c d"},
		"a) b":               {"a)", "b"},
	} {
		if got := Fields(args); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", args, got, want)
		}
	}
}
