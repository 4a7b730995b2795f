package eval

import (
	"context"
	"strings"
	"testing"

	"dap-windbg/symbols"
)

// withClasses adds classes with constructors and functions that take them: Made says
// how it is copied, Outer does not, Fixed cannot be.
func withClasses(e *callEnv) *callEnv {
	class := func(name string, size int64, methods []symbols.Method, fields ...symbols.Field) *symbols.Type {
		t := structure(name, size)
		m := &symbols.Members{Fields: fields, Methods: methods}
		t.Load = func() *symbols.Members { return m }
		e.types[name] = t
		return t
	}
	method := func(linkage string, addr uint64, params ...*symbols.Type) symbols.Method {
		e.addrs[linkage] = addrOf(int64(addr))
		name, _, _ := strings.Cut(linkage, "C1")
		f := function(addr, nil, false, append([]*symbols.Type{ptr(ty("void"))}, params...)...)
		inner := f.Type.Load
		f.Type.Load = func() *symbols.Members {
			m := inner()
			m.Params[0].Artificial = true
			return m
		}
		return symbols.Method{Name: name, Linkage: strings.Replace(linkage, "C1", "C4", 1), Type: f.Type}
	}
	made := class("Made", 4, nil, fld("n", ty("int"), 0))
	ref := func(t *symbols.Type) *symbols.Type {
		return &symbols.Type{Kind: symbols.Reference, Size: 8, Elem: constant(t)}
	}
	end := method("~MadeD1E", 0x1200)
	end.Name, end.Linkage = "~Made", "~MadeD4E"
	made.Members().Methods = []symbols.Method{method("MadeC1Ei", 0x1000, ty("int")), method("MadeC1ERK", 0x1100, ref(made)), end}
	outer := class("Outer", 12, nil, fld("x", ty("int"), 0), fld("in", arrayOf(made, 2), 4))
	fixed := class("Fixed", 4, nil)
	gone := method("FixedC1ERK", 0x1300, ref(fixed))
	gone.Deleted = true
	fixed.Members().Methods = []symbols.Method{gone, method("FixedC1Ei", 0x1400, ty("int"))}
	for name, t := range map[string]*symbols.Type{"made": made, "outer": outer, "fixed": fixed} {
		e.names[name] = Value{Type: t, Place: InMemory, Addr: dataBase + 0x100}
		e.functions["take_"+name] = []Value{function(0x2000, ty("int"), false, t)}
		e.functions["see_"+name] = []Value{function(0x3000, ty("int"), false, ref(t))}
	}
	return e
}

// TestConstructs: which calls it takes to pass objects.
func TestConstructs(t *testing.T) {
	const copied, ended = "Made::Made@1100(Made * &, const Made & &)/2", "Made::~Made@1200(Made * &)/1"
	for _, c := range []struct{ src, want string }{
		{"take_made(made)", copied + "|take_made@2000(Made * &)/1|" + ended},
		{"take_made(Made(7))", "Made::Made@1000(Made * &, int 7)/2|take_made@2000(Made * &)/1|" + ended},
		{"take_made(7)", "Made::Made@1000(Made * &, int 7)/2|take_made@2000(Made * &)/1|" + ended},
		{"see_made(made)", "see_made@3000(const Made & &)/1"},
		{"see_made(7)", "Made::Made@1000(Made * &, int 7)/2|see_made@3000(const Made & &)/1|" + ended},
		{"see_made(Made(7))", "Made::Made@1000(Made * &, int 7)/2|see_made@3000(const Made & &)/1"},
		{"Made(Made(7))", "Made::Made@1000(Made * &, int 7)/2"},
		{"take_outer(outer)", copied + "|" + copied + "|take_outer@2000(Outer * &)/1|" + ended + "|" + ended},
		{"take_fixed(fixed)", "!argument 1 of take_fixed: 'Fixed' cannot be copied"},
		{"take_fixed(Fixed(1))", "Fixed::Fixed@1400(Fixed * &, int 1)/2|take_fixed@2000(Fixed * &)/1"},
		{"Made(1, 2)", "!'Made' takes other arguments: there is"}, {"Outer(1)", "!'Outer' has no constructor to call"},
		{"take_made(\"x\")", "!'take_made' takes other arguments"}, {"see_outer(7)", "!'see_outer' takes other arguments"},
	} {
		e := withClasses(newCalls())
		x, err := Parse(c.src, Options{Calls: true})
		if err != nil {
			t.Fatal(c.src, err)
		}
		got := ""
		if _, err = x.Eval(context.Background(), e); err != nil {
			got = "!" + err.Error()
		} else {
			got = strings.Join(e.made, "|")
		}
		if got != c.want && (c.want[0] != '!' || !strings.HasPrefix(got, c.want)) {
			t.Errorf("%s:\n got %s\nwant %s", c.src, got, c.want)
		}
	}
}
