package eval

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"dap-windbg/symbols"
)

// callEnv is a fakeEnv whose functions can be called: a call returns 1 and is noted.
type callEnv struct {
	*fakeEnv
	functions map[string][]Value
	made      []string
	room      int64
}

func (e *callEnv) Functions(_ context.Context, name string) ([]Value, error) {
	return e.functions[name], nil
}

func (e *callEnv) Call(ctx context.Context, c Call) (Value, error) {
	var args []string
	for _, a := range c.Args {
		text := "&"
		if !a.ByPlace {
			var err error
			if text, err = (&Model{}).Text(ctx, e, a.Value, Format{Style: Plain}); err != nil {
				return Value{}, err
			}
		}
		args = append(args, TypeName(a.Type)+" "+text)
	}
	e.made = append(e.made, fmt.Sprintf("%s@%x(%s)/%d", c.Name, uint64(c.Addr), strings.Join(args, ", "), c.Fixed))
	if len(e.made) > 1000 {
		return Value{}, errors.New("too many calls")
	}
	return Integer(e, "int", 1), nil
}

func (e *callEnv) Room(_ context.Context, t *symbols.Type) (Value, error) {
	if e.room += 0x20; e.room > 0x800 {
		return Value{}, errors.New("there is no room")
	}
	return Value{Type: t, Place: InMemory, Addr: dataBase + 0x2000 + addrOf(e.room)}, nil
}

func (e *callEnv) ByReference(t *symbols.Type) bool {
	return t.Name == "Made" || t.Name == "Outer" || t.Name == "Fixed"
}

func function(addr uint64, ret *symbols.Type, variadic bool, params ...*symbols.Type) Value {
	return Value{Place: InMemory, Addr: addrOf(int64(addr)), Type: &symbols.Type{Kind: symbols.Func, Size: 1, Elem: ret, Load: func() *symbols.Members {
		m := &symbols.Members{Variadic: variadic}
		for _, p := range params {
			m.Params = append(m.Params, symbols.Param{Type: p})
		}
		return m
	}}}
}

func newCalls() *callEnv {
	e := &callEnv{fakeEnv: newFake().clone(), functions: map[string][]Value{}}
	order := e.types["Order"]
	ref := &symbols.Type{Kind: symbols.Reference, Size: 8, Elem: constant(order)}
	e.functions["f"] = []Value{function(0x100, ty("int"), false, ty("int")), function(0x200, ty("int"), false, ty("double")), function(0x300, ty("int"), false, ptr(constant(ty("char")))),
		function(0x400, ty("int"), false, ref), function(0x500, ty("int"), false, ty("int"), ty("int"))}
	e.functions["base"] = []Value{function(0x600, ty("void"), false, ptr(e.types["Base"]))}
	e.functions["printf"] = []Value{function(0x700, ty("int"), true, ptr(constant(ty("char"))))}
	e.functions["paint"] = []Value{function(0x800, ty("int"), false, e.types["Color"])}
	e.functions["plain"] = []Value{{Place: InMemory, Addr: 0x900, Type: &symbols.Type{Kind: symbols.Func, Size: 1, Elem: ty("int")}}}
	e.functions["two"] = []Value{function(0xa00, ty("int"), false, ty("int"), ty("long")), function(0xb00, ty("int"), false, ty("long"), ty("int"))}
	return e
}

func TestCalls(t *testing.T) {
	for _, c := range []struct{ src, want string }{
		{"f(1)", "f@100(int 1)/1"}, {"f(1.5f)", "f@200(double 1.5)/1"}, {"f(c)", "f@100(int 104)/1"}, {"f(\"x\")", "f@300(const char * &)/1"}, {"f(name)", ""},
		{"f(order)", "f@400(const Order & &)/1"}, {"f(*po)", "f@400(const Order & &)/1"}, {"f(1, 2)", "f@500(int 1, int 2)/2"}, {"f(f(1))", "f@100(int 1)/1|f@100(int 1)/1"},
		{"base(po)", ""}, {"printf(\"%d\", 1.5f, 'a')", "printf@700(const char * &, double 1.5, int 97)/1"}, {"paint(color)", "paint@800(Color Green (2))/1"},
		{"(*fp)('a', 0)", ""}, {"f()", "!'f' takes other arguments"}, {"f(1, 2, 3)", "!'f' takes other arguments"}, {"nope(1)", "!Couldn't resolve error at 'nope(1)'"},
		{"plain(1)", "!'plain' has no debug information"}, {"(int)plain(1, 2.5f)", "plain@900(int 1, double 2.5)/2"}, {"two(1, 2)", "!'two' is ambiguous"}, {"two(1, 2l)", "two@a00(int 1, long 2)/2"},
		{"f(@$t0)", "f@100(int 7)/1"}, {"f(new {a = 1})", "!a object cannot be passed to a function"}, {"strlen(\"abc\")", ""}, {"int(f(1)) + f(2)", "f@100(int 1)/1|f@100(int 2)/1"},
	} {
		e := newCalls()
		x, err := Parse(c.src, Options{Calls: true})
		if err != nil {
			t.Fatal(c.src, err)
		}
		if _, err = x.Eval(context.Background(), e); err != nil {
			if !strings.HasPrefix("!"+err.Error(), c.want) || c.want == "" {
				t.Errorf("%s: %v, want %s", c.src, err, c.want)
			}
			continue
		}
		if got := strings.Join(e.made, "|"); c.want != "" && got != c.want {
			t.Errorf("%s: got %s, want %s", c.src, got, c.want)
		}
	}
}

// TestCallsNeedLeave evaluates without Options.Calls: nothing is called.
func TestCallsNeedLeave(t *testing.T) {
	e := newCalls()
	for _, src := range []string{"f(1)", "a.Select(x => f(x)).First()", "f(1) ? 1 : 2"} {
		x, err := Parse(src, Options{})
		if err != nil {
			t.Fatal(src, err)
		}
		v, err := x.Eval(context.Background(), e)
		var refused *CallError
		if !errors.As(errors.Join(err, v.Err), &refused) || len(e.made) > 0 {
			t.Errorf("%s: %v, calls %v", src, err, e.made)
		}
	}
	x, err := Parse("f(1)", Options{Calls: true})
	if err != nil || !x.Effects() {
		t.Error("a call has no effects", err)
	}
}

// FuzzCalls evaluates expressions that may call.
func FuzzCalls(f *testing.F) {
	for _, s := range []string{"f(1)+f(2.5)", "f(f(f(\"x\")))", "base(po)", "printf(\"%d\", order, ld, big, 'a')", "(*fp)(1, 2)", "a.Select(x => f(x)).Sum()", "po->f(1)", "(int)plain(ri)",
		"(x => f(x))(order)", "paint((Color)1)", "two(a[0], a[1])", "order.Base::g()", "fp(fp)", "(po->*pm)()", "f({1})", "take_made(made)+see_made(7)", "take_outer(outer)", "take_fixed(Fixed(Made(1).n))", "Outer()"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		e := withClasses(newCalls())
		x, err := Parse(src, Options{Calls: true})
		if err != nil {
			return
		}
		x.Effects()
		v, err := x.Eval(context.Background(), e)
		if err != nil || !v.has() {
			return
		}
		if o, err := (&Model{}).Object(context.Background(), e, "x", src, v, Format{}); err == nil {
			o.Children(context.Background(), e, 0, 3)
		}
	})
}
