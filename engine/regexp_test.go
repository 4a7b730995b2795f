package engine

import (
	"strings"
	"testing"
)

// TestRegexpBreakpoints: one breakpoint on all functions that an expression
// matches, in images that come later too.
func TestRegexpBreakpoints(t *testing.T) {
	lib := build(t, "plugin.c", "-shared", "-fPIC")
	s := launch(t, Options{}, build(t, "loader.c"), lib)
	toMain(t, s)
	st := s.set("t", Breakpoint{Function: "/^(plug|mai.)$/"}, Breakpoint{Function: "/(/"}, Breakpoint{Expr: `@!"/^begin$/"`, Deferred: true}, Breakpoint{Function: "/^no such$/"})
	if !st[0].Verified || len(st[0].Addrs) != 1 {
		t.Errorf("a match: %+v", st[0])
	}
	for i, want := range map[int]string{1: "regular expression is wrong", 2: "no function that is loaded matches", 3: "no function that is loaded matches"} {
		if st[i].Verified && i != 2 || i != 2 && !strings.Contains(st[i].Message, want) {
			t.Errorf("%q: %+v", want, st[i])
		}
	}
	for round := range 2 {
		for _, want := range []string{"begin:5", "plug:10"} { // the constructor runs behind the load
			if s.run(How{}); s.where() != want {
				t.Fatalf("round %d: at %s, want %s", round, s.where(), want)
			}
		}
	}
}

// TestLinesWithoutCode: the user is told which lines have some.
func TestLinesWithoutCode(t *testing.T) {
	s := launch(t, Options{}, build(t, "walk.c"))
	s.stop()
	for _, x := range []struct {
		file string
		line int
		want string
	}{
		{"walk.c", 9999, "line 9999 of walk.c has no code: its lines with code are from 17 to "},
		{"nofile.c", 3, "no code of nofile.c is loaded"},
		{"walk.c", 1, "line 1 has no code; the breakpoint is on line 17"},
		{"walk.c", 18, ""},
	} {
		st := s.set("t", Breakpoint{File: x.file, Line: x.line})[0]
		if !strings.HasPrefix(st.Message, x.want) || x.want == "" && st.Message != "" {
			t.Errorf("%s:%d: %q", x.file, x.line, st.Message)
		}
	}
}

// TestQuotedNames: names that hold operators, in any spelling.
func TestQuotedNames(t *testing.T) {
	s := launch(t, Options{}, build(t, "names.cpp"))
	s.stop()
	for name, want := range map[string]int{
		"Ring<int,4>::push": 1, "names!Ring<int, 4>::push": 1, "Ring<unsigned long,8>::push": 1, "Ring<long unsigned int, 8>::push": 1, "twice<int>": 1,
		"ns::Op::operator<": 1, "*Ring<*>::push": 2, "Ring<short,4>::push": 0, "twice": 2,
	} {
		st := s.set("t", Breakpoint{Expr: `@!"` + name + `"`, Deferred: true})[0]
		if len(st.Addrs) != want || st.Verified != (want > 0) {
			t.Errorf("%s: %+v", name, st)
		}
	}
}
