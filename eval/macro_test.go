package eval

import (
	"context"
	"strings"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// withMacros is an Env whose code sees macros.
type withMacros struct {
	*fakeEnv
	defs map[string]symbols.Macro
}

func (e withMacros) Macro(_ context.Context, name string) (symbols.Macro, bool) {
	m, ok := e.defs[name]
	return m, ok
}

func macroEnv(defs ...string) withMacros {
	e := withMacros{&fakeEnv{a: arch.AMD64, names: map[string]Value{}}, map[string]symbols.Macro{}}
	for _, d := range defs {
		m, _ := symbols.ParseMacro(d)
		e.defs[m.Name] = m
	}
	return e
}

var macroDefs = []string{
	"BUFSIZE 8192", "MAX(a,b) ((a) > (b) ? (a) : (b))", "MIN(a, b) ((a) < (b) ? (a) : (b))", "MINUS -1", "EMPTY", "NONE()  7",
	"SELF SELF + 1", "PING PONG", "PONG PING", "GLUE(a,b) a##b", "XGLUE(a,b) GLUE(a,b)", "ONE 1", "STR(x) #x", "COUNT(...) sizeof(#__VA_ARGS__)",
	"FIRST(x,...) x", "REST(x, args...) (args)", "f(x) x+f(x)", "NULL __null", "BIG BUFSIZE*BUFSIZE", "EXP(x) x x x x x x x x", "SPACED ( 1 +  2 )",
}

func TestExpandMacros(t *testing.T) {
	e := macroEnv(macroDefs...)
	for _, c := range []struct{ in, want string }{
		{"BUFSIZE", "8192"},
		{"buf[BUFSIZE-1]", "buf[ 8192 -1]"},
		{"MAX(3,4)", "((3) > (4) ? (3) : (4))"},
		{"MAX(MIN(1,2), f(3))", "((((1) < (2) ? (1) : (2))) > (3+f(3)) ? (((1) < (2) ? (1) : (2))) : (3+f(3)))"},
		{"MAX", "MAX"},
		{"MAX + 1", "MAX + 1"},
		{"MAX(1)", "MAX(1)"},
		{"-MINUS", "- -1"},
		{"1+EMPTY+2", "1+ +2"},
		{"NONE()", "7"},
		{"NONE", "NONE"},
		{"SELF", "SELF + 1"},
		{"PING", "PING"},
		{"GLUE(BUF,SIZE)", "8192"},
		{"GLUE(ONE,ONE)", "ONEONE"},
		{"XGLUE(ONE,ONE)", "11"},
		{"GLUE(,x)", "x"},
		{`STR(a + "b\n")`, `"a + \"b\\n\""`},
		{"COUNT(a, b)", `sizeof("a, b")`},
		{"FIRST(1)", "1"},
		{"FIRST(1, 2, 3)", "1"},
		{"REST(1, 2, 3)", "(2, 3)"},
		{"NULL", "0"},
		{"mod!BUFSIZE", "mod!BUFSIZE"},
		{"@BUFSIZE + $BUFSIZE + @$BUFSIZE", "@BUFSIZE + $BUFSIZE + @$BUFSIZE"},
		{`"BUFSIZE" 'B'`, `"BUFSIZE" 'B'`},
		{"BIG", "8192 * 8192"},
		{"0x1e+ONE", "0x1e+ 1"},
		{"EXP(EXP(EXP(EXP(EXP(1)))))", "EXP(EXP(EXP(EXP(EXP(1)))))"}, // too long
		{"x->BUFSIZE", "x-> 8192"},
		{"SPACED", "( 1 + 2 )"},
		{"MAX(1,", "MAX(1,"},
	} {
		got, _ := expandMacros(context.Background(), e, c.in)
		if strings.Join(strings.Fields(got), " ") != strings.Join(strings.Fields(c.want), " ") {
			t.Errorf("%s: %q, want %q", c.in, got, c.want)
		}
	}
}

func TestMacrosInExpressions(t *testing.T) {
	e := macroEnv(append(macroDefs, "BROKEN ) + (", "WORD int")...)
	e.names["BROKEN"] = Integer(e, "int", 5)
	e.names["text"] = Value{Type: &symbols.Type{Kind: symbols.Array, Count: 4, Size: 4, Elem: &symbols.Type{Kind: symbols.Base, Name: "char", Size: 1, Encoding: symbols.SignedChar}}, Bytes: []byte{1, 2, 40, 4}}
	for _, c := range []struct {
		src  string
		want int64
	}{
		{"BUFSIZE", 8192}, {"MAX(3, 4) * 2", 8}, {"-MINUS", 1}, {"(WORD)3.5", 3}, {"sizeof(WORD)", 4}, {"MAX(3, text[2])", 40}, {"sizeof(WORD[3])", 12}, {"BROKEN", 5}, {"BIG / BUFSIZE", 8192},
	} {
		x, err := Parse(c.src, Options{})
		if err != nil {
			t.Errorf("%s: %v", c.src, err)
			continue
		}
		v, err := x.Eval(context.Background(), e)
		if err != nil {
			t.Errorf("%s: %v", c.src, err)
			continue
		}
		if n, err := Int(context.Background(), e, v); err != nil || int64(n) != c.want {
			t.Errorf("%s is %d, %v, want %d", c.src, int64(n), err, c.want)
		}
	}
}

func FuzzExpandMacros(f *testing.F) {
	f.Add("MAX(BUFSIZE, STR(x))", "MAX(a,b) a##b #a", "BUFSIZE MAX(1,2)")
	f.Fuzz(func(t *testing.T, src, one, two string) {
		expandMacros(context.Background(), macroEnv(one, two, "MAX(a,b) a b MAX(b,a)"), src)
	})
}
