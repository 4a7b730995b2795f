package eval

import (
	"context"
	"testing"
)

// show evaluates and formats as `??` would: type and value.
func show(t *testing.T, env Env, src string, o Options) string {
	t.Helper()
	e, err := Parse(src, o)
	if err != nil {
		return err.Error()
	}
	v, err := e.Eval(context.Background(), env)
	if err != nil {
		return err.Error()
	}
	text, err := (&Model{}).Text(context.Background(), env, v, Format{})
	if err != nil {
		return err.Error()
	}
	return TypeName(v.Type) + " " + text
}

func TestCPP(t *testing.T) {
	tests := []struct{ src, want string }{
		{"1+2*3", "int 7"},
		{"0x10", "int 16"},
		{"010", "int 8"},
		{"0b101", "int 5"},
		{"1'000", "int 1000"},
		{"4000000000", "long 4000000000"},
		{"0xffffffff", "unsigned int 0xffffffff"},
		{"5u", "unsigned int 0x5"},
		{"5ull", "unsigned long long 0x5"},
		{"18446744073709551615", "unsigned long 0xffffffffffffffff"},
		{"99999999999999999999", "Overflow error at '99999999999999999999'"},
		{"0x7fff`ffffe0b0", "long 140737488347312"},
		{"1.5e3", "double 1500"},
		{"1.5f", "float 1.5"},
		{"0x1p4", "double 16"},
		{"0n10", "Syntax error at '0n10'"},
		{"'A'", "char 65 'A'"},
		{`'\n'`, `char 10 '\n'`},
		{"L'h'", "wchar_t 104 'h'"},
		{"u'h'", "char16_t 104 'h'"},
		{`"ab" "c"`, `const char [4] "abc"`},
		{`"abc"[1]`, "const char 98 'b'"},
		{`L"hi"`, `const wchar_t [3] "hi"`},
		{"true", "bool true"},
		{"nullptr", "std::nullptr_t 0x0"},
		{"7/2", "int 3"},
		{"-7/2", "int -3"},
		{"-7%3", "int -1"},
		{"7/2.0", "double 3.5"},
		{"1/0", "Operand error"},
		{"1%0", "Operand error"},
		{"1<<4", "int 16"},
		{"1<<40", "int 0"},
		{"1l<<40", "long 1099511627776"},
		{"-16>>2", "int -4"},
		{"~0", "int -1"},
		{"!5", "bool false"},
		{"1 ? 2 : 3", "int 2"},
		{"1 ? 2 : 2.5", "double 2"}, {"0 ? 1ul : i", "unsigned long 0xfffffffffffffffb"}, {"1 ? i : 2.5f", "float -5"}, {"1 ? c : 0", "int 104"},
		{"0 ? 2 : 1 ? 4 : 5", "int 4"},
		{"1, 2", "int 2"},
		{"1 < 2 && 3 >= 3 || 0", "bool true"},
		{"-1 < 0u", "bool false"},
		{"i < u", "bool false"},
		{"i", "int -5"},
		{"i * 2 + u", "unsigned int 0xfffffffd"},
		{"uc + 1", "int 201"},
		{"neg1", "long -1"},
		{"(unsigned char)300", "unsigned char 0x2c ','"},
		{"(int)3.9", "int 3"},
		{"int(3.9)", "int 3"},
		{"unsigned(-1)", "unsigned int 0xffffffff"},
		{"static_cast<double>(1)", "double 1"},
		{"(const char*)po->Name", `const char * 0x555555558200 : "bolt"`},
		{"(char const * const)0", "const char * const 0x0"},
		{"(const int)5 + 1", "int 6"},
		{"(void)1", "void "},
		{"sizeof(int)", "unsigned long 0x4"},
		{"sizeof(Order)", "unsigned long 0x30"},
		{"sizeof(order)", "unsigned long 0x30"},
		{"sizeof a", "unsigned long 0x14"},
		{"sizeof(Order*)", "unsigned long 0x8"},
		{"sizeof(int[3])", "unsigned long 0xc"},
		{"order.id", "int 42"},
		{"order.kind", "Color Green (2)"},
		{"order.kind == Color::Green", "bool true"},
		{"Color::Blue", "Color Blue (4)"},
		{"(Color)3", "Color Red | Green (3)"},
		{"(Color)9", "Color 9"},
		{"order.f", "float 1.5"},
		{"order.low", "unsigned int 0x5"},
		{"order.sgn", "int -2"},
		{"order.Tag", `char [4] "AB"`},
		{"order.Base::id", "int 42"},
		{"order.Base.id", "int 42"},
		{"po->pi", "double 3.25"},
		{"po.pi", "double 3.25"},
		{"po->Link->Link->id", "int 42"},
		{"(*po).id", "int 42"},
		{"*po->Name", "char 98 'b'"},
		{"po->Name", `char * 0x555555558200 : "bolt"`},
		{"ws", `wchar_t * 0x555555558280 : "hi"`},
		{"po->nope", "Couldn't resolve error at 'nope'"},
		{"order.*pm", "double 3.25"},
		{"po->*pm", "double 3.25"},
		{"a[2]", "int 30"},
		{"2[a]", "int 30"},
		{"*(a+1)", "int 20"},
		{"*a", "int 10"},
		{"&a[3]", "int * 0x55555555823c : 40"},
		{"&a[3] - a", "long 3"},
		{"pi[-1]", "int 10"},
		{"pi + 1", "int * 0x555555558238 : 30"},
		{"m[1][2]", "int 6"},
		{"&i == pi", "bool false"},
		{"!null", "bool true"},
		{"null->id", "Unable to read memory at Address 0x0"},
		{"*null", "Order "},
		{"ri", "int -5"},
		{"ri + 1", "int -4"},
		{"&ri", "int * 0x555555558220 : -5"},
		{"fp", "int (*)(char, void *) 0x555555555169 : orders!main"},
		{"big", "__int128 18446744073709551616"},
		{"big / 2", "__int128 9223372036854775808"},
		{"ld", "long double 3.1415926535897932385"},
		{"d * 2", "double 5"},
		{"@rax", "unsigned __int64 0x3039"},
		{"@rax + 1", "unsigned __int64 0x303a"},
		{"@nope", "Bad register error at '@nope'"},
		{"@$t0", "unsigned __int64 0x7"},
		{"$t0", "unsigned __int64 0x7"},
		{"reg", "int 12345"},
		{"&reg", "'int' lies in register rax and has no address"},
		{"gone", "value unavailable: optimised away"},
		{"gone + 1", "value unavailable: optimised away"},
		{"half.id", "value unavailable: optimised away"},
		{"half.pi", "double 0"},
		{"orders!g", "int -5"},
		{"::i", "int -5"},
		{"nope", "Couldn't resolve error at 'nope'"},
		{"nope + 1", "Couldn't resolve error at 'nope + 1'"},
		// what is a type decides the shape
		{"(i)-1", "int -6"},
		{"(Color)-1", "Color -1"},
		{"(i)*2", "int -10"},
		{"(Order*)&order == po", "bool true"},
		{"((Order*)po)->id", "int 42"},
		{"(Base*)po", "Base * 0x555555558100"},
		{"((Base*)po)->id", "int 42"},
		{"Color(1)", "Color Red (1)"},
		{`strcmp(name, "bolt")`, "int 0"},
		{`strcmp(name, "bold") > 0 && strcmp(name, "zinc") < 0`, "bool true"},
		{`strncmp(name, "bogus", 2)`, "int 0"},
		{`_stricmp(name, "BOLT") == 0`, "bool true"},
		{"strlen(po->Name)", "unsigned long 0x4"},
		{"strlen(order.Tag)", "unsigned long 0x2"},
		{`wcscmp(ws, L"hi")`, "int 0"},
		{"wcslen(ws)", "unsigned long 0x2"},
		{"strlen(wild)", "Unable to read memory at Address 0x38"},
		{"strlen(i)", "'int' is not a string"},
		{"main(1)", "'main' is a function; functions of the debuggee are not called unless you ask for it"},
		{"sizeof(std::vector<int, std::allocator<int>>)", "unsigned long 0x18"},
		{"(std::vector<int, std::allocator<int> >*)0", "std::vector<int, std::allocator<int> > * 0x0"},
		{"i < u > (0)", "bool false"},
		{"(int(*)(int))0", "int (*)() 0x0"},
		{"@@masm(poi(@rsp)+0n10)", "unsigned __int64 0x200000034"},
		{"#FIELD_OFFSET(Order, pi)", "unsigned long 0x28"},
		{"#CONTAINING_RECORD(&order.pi, Order, pi)->id", "int 42"},
		{"#RTL_NUMBER_OF(a)", "unsigned long 0x5"},
		{"#RTL_CONTAINS_FIELD(po, 0x30, pi)", "bool true"}, {"#RTL_CONTAINS_FIELD(po, sizeof(Order) - 1, pi)", "bool false"}, {"#RTL_CONTAINS_FIELD(po, 24, Tag)", "bool true"},
		// errors of form
		{"", "Numeric expression missing from '<EOL>'"},
		{"1 +", "Numeric expression missing from '<EOL>'"},
		{"1 2", "Extra character error at '2'"},
		{"(1", "Syntax error at '<EOL>'"},
		{"a[1", "Syntax error at '<EOL>'"},
		{"1 ` 2", "Syntax error at '` 2'"},
		{"'x", "Syntax error at ''x'"},
		{"order + 1", "'Order' is not a number or pointer"},
		{"i.x", "'int' has no members"},
		{"*i", "'int' is not a pointer"},
		{"5 = 6", "'int' is not a place that can be assigned"},
		{"@rax = 5", "Register assignment: use the r command; error at '@rax'"},
	}
	env := newFake()
	for _, tt := range tests {
		if got := show(t, env, tt.src, Options{}); got != tt.want {
			t.Errorf("%s\n got %s\nwant %s", tt.src, got, tt.want)
		}
	}
}

func TestCPPWrites(t *testing.T) {
	tests := []struct{ src, then, want string }{
		{"i = 7", "i", "int 7"},
		{"i += 2.6", "i", "int -2"},
		{"i++", "i", "int -4"},
		{"--i", "i", "int -6"},
		{"a[1] = a[2] = 9", "a[1]", "int 9"},
		{"po->id <<= 1", "order.id", "int 84"},
		{"order.low = 2", "order.low", "unsigned int 0x2"},
		{"order.low = 2", "order.sgn", "int -2"},
		{"order.sgn = -3", "order.sgn", "int -3"},
		{"pi++", "*pi", "int 30"},
		{"d = 1", "d", "double 1"},
		{"ld = 0.5", "ld", "long double 0.5"},
		{"order.kind = Color::Blue", "order.kind", "Color Blue (4)"},
		{"order.kind = Red", "order.kind", "Color Red (1)"},
		{`order.Tag = "xy"`, "order.Tag", `char [4] "xy"`},
		{"@$t0 = i", "@$t0", "int -5"},
		{"b = 2", "b", "bool true"},
		{"*po = order", "order.id", "int 42"},
		{"ri = 1", "i", "int 1"},
		{"reg = 1", "@rax", "unsigned __int64 0x1"},
	}
	for _, tt := range tests {
		env := newFake().clone()
		e, err := Parse(tt.src, Options{})
		if err != nil {
			t.Errorf("%s: %v", tt.src, err)
			continue
		}
		if !e.Effects() {
			t.Errorf("%s: has no effects", tt.src)
		}
		show(t, env, tt.src, Options{})
		if got := show(t, env, tt.then, Options{}); got != tt.want {
			t.Errorf("%s; %s\n got %s\nwant %s", tt.src, tt.then, got, tt.want)
		}
	}
}
