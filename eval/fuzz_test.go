package eval

import (
	"context"
	"strings"
	"testing"
)

// evaluate parses and evaluates whatever it is given; it must return.
func evaluate(t *testing.T, src string, o Options) {
	env := newFake().clone()
	e, err := Parse(src, o)
	if err != nil {
		if err.Error() == "" {
			t.Fatal("an error without text")
		}
		return
	}
	e.Effects()
	v, err := e.Eval(context.Background(), env)
	if err != nil || v.Type == nil {
		return
	}
	for style := DX; style <= Plain; style++ {
		ob, err := (&Model{}).Object(context.Background(), env, src, src, v, Format{Style: style})
		if err == nil {
			ob.Children(context.Background(), env, 0, 3)
		}
	}
	Agent(context.Background(), e, env)
}

func FuzzCPP(f *testing.F) {
	for _, s := range []string{"po->Link->id + a[2]*3", "(Order*)&order", "sizeof(std::vector<int>)", `L"x\x41\n"[0]`, "i = u <<= 2", "a<b<c>>::d",
		"((((1))))", "(int(*)(char))main", "#FIELD_OFFSET(Order, pi)", "@@masm(poi(@rsp))", "1.5e+3f", "'ab'", "order.Base::id", "-9223372036854775807l/-1",
		"*(int[2][3]*)&m", "big*big/big%7", "a[-99999999999]", "&*&*po", "operator new(1)", "x.~T()", "mod!f", "$!i", "ri++"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) { evaluate(t, src, Options{}) })
}

func FuzzMASM(f *testing.F) {
	for _, s := range []string{"poi(@rsp)+0n10", "`orders!main.c:12`", `$spat("aaaaaaaaaaaaa","*a*a*a*a*b")`, "@@c++(i)", "not hi lo by wo dwo qwo poi 5", "1`2", "@!\"x y\"", "'abc'",
		"12h", "a>>>b>>c<<d", "$vvalid(i,4)", "$iment(orders!main)", "0x 0n 0t 0y", "- - -1"} {
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, src string, whole bool) {
		if whole {
			evaluate(t, src, Options{Dialect: MASM})
			return
		}
		_, n, err := ParsePrefix(src, Options{Dialect: MASM, Radix: 10})
		if n < 0 || n > len(src) || err == nil && strings.Trim(src[:n], " \t\r\n") == "" {
			t.Fatalf("took %d bytes, %v", n, err)
		}
	})
}

func FuzzFormat(f *testing.F) {
	for _, s := range []string{"a,x", "p,[10]s32b,na", "f(a,b),view(x)", "a,[b[1],2]", ",", "a,,x", `"a,x"`, "a,[0]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		expr, fm, err := ParseFormat(src)
		if err == nil && !strings.HasPrefix(src, expr) || fm.Length < noElements {
			t.Fatalf("%q %+v", expr, fm)
		}
	})
}
