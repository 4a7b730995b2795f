package windbg

import "testing"

// TestConditions: of several conditions each has to hold, and those of a task alone need
// no variables.
func TestConditions(t *testing.T) {
	const proc, thread = ofTask + "proc == 0x10", ofTask + "thread == 0xffff"
	for _, tt := range []struct {
		conditions []string
		want       string
		inside     bool
	}{
		{nil, "", false},
		{[]string{"a || b"}, "a || b", true},
		{[]string{"a || b", "c"}, "(a || b) && (c)", true},
		{[]string{proc}, proc, false},
		{[]string{proc, thread}, "(" + proc + ") && (" + thread + ")", false},
		{[]string{proc, thread, "c"}, "((" + proc + ") && (" + thread + ")) && (c)", true},
	} {
		got := ""
		for _, c := range tt.conditions {
			got = both(got, c)
		}
		if got != tt.want || inside(got) != tt.inside {
			t.Errorf("%q: %s, inside %v", tt.conditions, got, inside(got))
		}
	}
}
