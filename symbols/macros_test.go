package symbols

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseMacro(t *testing.T) {
	for _, x := range []struct {
		def, name, params, text string
		function, ok            bool
	}{
		{"N", "N", "", "", false, true},
		{"N 1", "N", "", "1", false, true},
		{"N (a)", "N", "", "(a)", false, true},
		{"F()", "F", "", "", true, true},
		{"F(a,b) a+b", "F", "a|b", "a+b", true, true},
		{"F(a, b...)  (a)", "F", "a|b...", "(a)", true, true},
		{"F(größe) größe", "F", "größe", "größe", true, true},
		{"F(a", "F", "", "", false, false},
		{"", "", "", "", false, false},
		{"(a)", "", "", "", false, false},
	} {
		m, ok := ParseMacro(x.def)
		if ok != x.ok || m.Name != x.name || m.Function != x.function || m.Text != x.text || strings.Join(m.Params, "|") != x.params {
			t.Errorf("%q: %+v, %v", x.def, m, ok)
		}
	}
}

// TestParseMacroLong: a definition takes time by its length.
func TestParseMacroLong(t *testing.T) {
	done := make(chan Macro, 1)
	go func() {
		m, _ := ParseMacro("F(" + strings.Repeat("p", 16<<20) + ") 1")
		done <- m
	}()
	select {
	case m := <-done:
		if !slices.Equal([]int{len(m.Params), len(m.Text)}, []int{1, 1}) {
			t.Errorf("%d parameters, text %q", len(m.Params), m.Text)
		}
	case <-time.After(time.Minute):
		t.Fatal("no end")
	}
}
