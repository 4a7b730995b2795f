package eval

import (
	"context"
	"testing"

	"dap-windbg/arch"
)

func masm(t *testing.T, env Env, src string, radix int) any {
	t.Helper()
	e, err := Parse(src, Options{Dialect: MASM, Radix: radix})
	if err != nil {
		return err.Error()
	}
	v, err := e.Eval(context.Background(), env)
	if err != nil {
		return err.Error()
	}
	n, err := Int(context.Background(), env, v)
	if err != nil {
		return err.Error()
	}
	return n
}

func TestMASM(t *testing.T) {
	tests := []struct {
		src   string
		radix int
		want  any
	}{
		{"10", 16, 0x10}, {"10", 10, 10}, {"10", 8, 8}, {"0n10", 16, 10}, {"0t17", 16, 15}, {"0y101", 16, 5}, {"0x10", 10, 16},
		{"0x", 16, 0}, {"10h", 10, 16}, {"7fff`f7c00000", 16, 0x7ffff7c00000}, {"fffffffff", 16, 0xfffffffff},
		{"80000000", 16, 0x80000000},
		{"2+3*4", 16, 14}, {"(2+3)*4", 16, 20}, {"-1", 16, -1}, {"1<<4", 16, 16}, {"f0>>4", 16, 15},
		{"-10>>>4", 16, -1}, {"-10>>4", 16, 0x0fffffffffffffff},
		{"5 mod 3", 16, 2}, {"7%4", 16, 3}, {"1=1", 16, 1}, {"1==2", 16, 0}, {"3!=4", 16, 1}, {"2<3", 16, 1}, {"2>=3", 16, 0},
		{"6 and 3", 16, 2}, {"6 or 3", 16, 7}, {"6 xor 3", 16, 5}, {"6&3", 16, 2}, {"6|3", 16, 7}, {"6^3", 16, 5},
		{"1 or 2 and 3 = 3", 16, 1}, {"not 0", 16, 1}, {"not(5)", 16, 0}, {"hi(12345678)", 16, 0x1234}, {"lo 12345678", 16, 0x5678},
		{"1/0", 16, "Operand error"},
		{"'a'", 16, 0x61}, {"'ab'", 16, 0x6162},
		{"main", 16, 0x555555555169}, {"orders!main+5", 16, 0x55555555516e}, {"!dead", 16, 0x2000}, {"dead", 16, 0xdead},
		{"dead", 10, 0x2000}, {"beef2", 16, 0xbeef2}, {"Class__m", 16, 0x3000}, {"Class::m", 16, 0x3000},
		{`@!"mod!f<int> x"`, 16, 0x4000}, {"`orders!main.c:12`", 16, 0x40100c}, {"i", 16, dataBase + 0x220}, {"$!i", 16, dataBase + 0x220},
		{"@rax", 16, 0x3039}, {"rax", 16, 0x3039}, {"@$t0+1", 16, 8}, {"$t0", 16, 7}, {".", 16, 0x555555555169}, {"@$ip", 16, 0x555555555169},
		{"poi(name)", 16, dataBase + 0x200}, {"by(poi(name))", 16, 0x62}, {"wo poi(name)", 16, 0x6f62}, {"dwo(i)", 16, 0xfffffffb},
		{"qwo(name)-poi(name)", 16, 0},
		{"poi(0)", 16, "Memory access error at ')'"}, {"poi(0)+1", 16, "Memory access error at ')+1'"}, {"poi 0", 16, "Memory access error at '<EOL>'"},
		{"@@(i*2)", 16, -10}, {"@@c++(order.id)+1", 16, 43}, {"@@masm(i)", 16, dataBase + 0x220},
		{`$scmp("a","b")`, 16, -1}, {`$sicmp("Ab","aB")`, 16, 0}, {`$spat("main.c","*.C")`, 16, 1}, {`$spat("aab","a#b")`, 16, 1}, {`$spat("b","a+b")`, 16, 0},
		{`$spat(@"x\y","x\\\\y")`, 16, 1}, {"$vvalid(i,4)", 16, 1}, {"$vvalid(0,4)", 16, 0},
		{"$fnsucc(main,1,0)", 16, 1}, {"$fnsucc(main,0,0)", 16, 0}, {"$fnsucc(main,0,1)", 16, 1}, {"$fnsucc(main,5,1)", 16, 0},
		{"nope", 16, "Couldn't resolve error at 'nope'"}, {"1+nope+2", 16, "Couldn't resolve error at 'nope+2'"},
		{"1+", 16, "Numeric expression missing from '<EOL>'"}, {"", 16, "Numeric expression missing from '<EOL>'"},
		{"1 2", 16, "Extra character error at '2'"}, {"(1", 16, "Syntax error at '<EOL>'"}, {"12zz", 16, "Syntax error at '12zz'"},
		{"12345678123456789", 16, "Overflow error at '12345678123456789'"}, {"@nope", 16, "Bad register error at '@nope'"},
	}
	env := newFake()
	for _, tt := range tests {
		want := tt.want
		if n, ok := want.(int); ok {
			want = uint64(n)
		}
		if got := masm(t, env, tt.src, tt.radix); got != want {
			t.Errorf("%s (radix %d)\n got %#x\nwant %#x", tt.src, tt.radix, got, want)
		}
	}
}

func TestMASM32(t *testing.T) {
	env := newFake()
	env.a = arch.I386
	for src, want := range map[string]uint64{"80000000": 0xffffffff80000000, "0`80000000": 0x80000000, "7fffffff": 0x7fffffff} {
		if got := masm(t, env, src, 16); got != want {
			t.Errorf("%s: got %#x, want %#x", src, got, want)
		}
	}
}

func TestParsePrefix(t *testing.T) {
	tests := []struct{ src, expr string }{
		{"@rsp L20", "@rsp"}, {`main+5 3 "cmds"`, "main+5"}, {"main + 5 3", "main + 5"}, {"1000 -4", "1000"}, {"1000 - 4 2", "1000 - 4"},
		{"(1 -4) 5", "(1 -4)"}, {"poi(@rsp) L4", "poi(@rsp)"}, {"1,2", "1"}, {"a; g", "a"}, {". L5", "."}, {"poi @rsp+8 L1", "poi @rsp+8"},
		{"`orders!main.c:12` 3", "`orders!main.c:12`"}, {"1 and 3 4", "1 and 3"}, {"main \"x\"", "main"},
	}
	for _, tt := range tests {
		e, n, err := ParsePrefix(tt.src, Options{Dialect: MASM})
		if err != nil || tt.src[:n] != tt.expr || e.String() != tt.expr {
			t.Errorf("%q: took %q, %v; want %q", tt.src, tt.src[:n], err, tt.expr)
		}
	}
	for src, want := range map[string]string{"i+1, u": "i+1", "i \"x\"": "i", "(i) \"x\"": "(i)", "f(1, 2), 3": "f(1, 2)"} {
		_, n, err := ParsePrefix(src, Options{})
		if err != nil || src[:n] != want {
			t.Errorf("C++ %q: took %q, %v; want %q", src, src[:n], err, want)
		}
	}
}
