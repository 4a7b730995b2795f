package windbg

import (
	"strings"
	"testing"

	"dap-windbg/eval"
)

func TestNext(t *testing.T) {
	r := newRegistry(families())
	for _, test := range []struct {
		text string
		want string // name|args, separated by " ; "
	}{
		{"g; k; g", "g| ; k| ; g|"},
		{"bp0 main", "bp|0 main"},
		{"r$t0=5", "r|$t0=5"},
		{"db@rsp", "db|@rsp"},
		{"lmvm libc*", "lm|vm libc*"},
		{".frame1", ".frame|1"},
		{"foo", "f|oo"},
		{"DB 1", "DB| 1"},
		{"dd 1;dD 1", "dd| 1 ; dD| 1"},
		{`bp main ".echo a; gc"; k`, `bp| main ".echo a; gc" ; k|`},
		{"j (1) 'k; g'; 'gc'", "j| (1) 'k; g'; 'gc'"},
		{".if (1) {k; g} .else {gc}; g", ".if| (1) {k; g} .else {gc} ; g|"},
		{".for (r $t0=0; @$t0<3; r $t0=@$t0+1) {k}", ".for| (r $t0=0; @$t0<3; r $t0=@$t0+1) {k}"},
		{"* a; b\nk", "*| a; b ; k|"},
		{"$$ a; k", "$$| a ; k|"},
		{"$$<a b", "$$<|a b"},
		{"$<a;b", "$<|a;b"},
		{"~*e k; g", "~|*e k; g"},
		{"~1s; k", "~|1s ; k|"},
		{"~*k; g", "~|*k ; g|"},
		{"as x k; g", "as| x k; g"},
		{"aS x k; g", "aS| x k ; g|"},
		{`.echo "a;b" ;; k`, `.echo| "a;b" ; k|`},
		{`.echo "a`, `.echo| "a`},
		{" ; ;", ""},
		{"!sym noisy", "!sym| noisy"},
		{"!error 2;k", "!error| 2 ; k|"},
		{".create a; b", ".create| a; b"},
		{"kpL", "kp|L"},
		{"kP", "kP|"},
		{"?? a", "??| a"},
		{"? a", "?| a"},
		{"bsc 0 1", "bsc| 0 1"},
		{".sympath+ a;b; k", ".sympath+| a;b ; k|"},
		{".sympath a;.reload;k", ".sympath| a ; .reload| ; k|"},
		{".srcpath ./x;./y", ".srcpath| ./x;./y"},
	} {
		var got []string
		for pos := 0; ; {
			s, ok := r.next(test.text, pos)
			if !ok {
				break
			}
			if s.next <= pos {
				t.Fatalf("%q: no progress at %d", test.text, pos)
			}
			args, _ := s.args()
			got = append(got, s.name+"|"+args)
			pos = s.next
		}
		if s := strings.Join(got, " ; "); s != test.want {
			t.Errorf("%q:\n got %s\nwant %s", test.text, s, test.want)
		}
	}
}

func TestExpressionEnd(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"7fffffffe0b0 L20", "7fffffffe0b0"},
		{"main L 5", "main"},
		{"a + b c", "a + b"},
		{"poi(@rsp + 8) L1", "poi(@rsp + 8)"},
		{"poi @rsp L1", "poi @rsp"},
		{"a,b", "a"},
		{"`x.c:12` \"k\"", "`x.c:12`"},
		{"7fff`f7c00000 L1", "7fff`f7c00000"},
		{"mod!f+4 3", "mod!f+4"},
		{"a and b L1", "a and b"},
		{"@@c++(a ? b : c) L1", "@@c++(a ? b : c)"},
		{"std::f L1", "std::f"},
		{". L3", "."},
		{"a != b c", "a != b"},
		{"eb 1", "eb"},
		{"", ""},
		{"(a", "(a"},
		{"a) b", "a"},
		{"mod!S::~S L1", "mod!S::~S"},
		{"@$t0 @$t1", "@$t0"},
	} {
		if got := test.text[:expressionEnd(test.text)]; got != test.want {
			t.Errorf("%q: got %q, want %q", test.text, got, test.want)
		}
	}
}

func TestIsLength(t *testing.T) {
	for text, want := range map[string]bool{
		"L20": true, "l5": true, "L 0n100": true, "L?100000": true, "L-8": true, "L@rcx": true, "L(4)": true, "L0n10": true,
		"L": false, "list": false, "libc_so!puts": false, "20": false, "Lx": false, "L_a": false,
	} {
		if got := isLength(text); got != want {
			t.Errorf("%q: got %v", text, got)
		}
	}
}

func TestPlainNumber(t *testing.T) {
	masm := eval.Options{Dialect: eval.MASM, Radix: 16}
	cpp := eval.Options{Dialect: eval.CPP}
	for _, test := range []struct {
		text string
		o    eval.Options
		want uint64
		ok   bool
	}{
		{"10", masm, 16, true}, {"10", cpp, 10, true}, {"0x10", cpp, 16, true}, {"0n10", masm, 10, true}, {"0n10", cpp, 0, false},
		{"010", cpp, 0, false}, {"add", masm, 0, false}, {"1add", masm, 0x1add, true}, {"ffffffffffffffff", masm, 0, false},
		{"0ffffffffffffffff", masm, 1<<64 - 1, true}, {"10000000000000000", masm, 0, false}, {"", masm, 0, false}, {"8", eval.Options{Dialect: eval.MASM, Radix: 8}, 0, false},
		{"1+1", masm, 0, false}, {"0x", masm, 0, false}, {"18446744073709551616", cpp, 0, false}, {"18446744073709551615", cpp, 1<<64 - 1, true},
	} {
		if got, ok := plainNumber(test.text, test.o); got != test.want || ok != test.ok {
			t.Errorf("%q: got %d %v, want %d %v", test.text, got, ok, test.want, test.ok)
		}
	}
}

func TestAliases(t *testing.T) {
	a := aliases{user: map[string]string{"foo": "bar baz", "x": "1"}}
	a.fixed[0] = "ZZ"
	for _, test := range []struct{ text, want string }{
		{".echo foo", ".echo bar baz"},
		{".echo foox", ".echo foox"},
		{".echo ${foo}x", ".echo bar bazx"},
		{`.echo "foo"`, `.echo "bar baz"`},
		{"foo;foo", "bar baz;bar baz"},
		{"as q foo", "as q foo"},
		{" as q foo", " as q bar baz"},
		{".echo $u0a", ".echo ZZa"},
		{".echo ${/d:foo}${/d:no}", ".echo 10"},
		{".echo ${/f:no}.", ".echo ."},
		{".echo ${/n:foo} ${/n:no}", ".echo foo ${/n:no}"},
		{".echo ${/v:foo}", ".echo ${/v:foo}"},
		{".echo ${no}", ".echo ${no}"},
		{".echo ${", ".echo ${"},
		{"? x+x", "? x+x"},
		{"? x + x", "? 1 + 1"},
	} {
		if got := a.expand(test.text); got != test.want {
			t.Errorf("%q: got %q, want %q", test.text, got, test.want)
		}
	}
}

func TestSelector(t *testing.T) {
	for _, test := range []struct {
		text string
		kind selectorKind
		arg  string
		n    int
		ok   bool
	}{
		{"", selectAll, "", 0, true}, {"*k", selectAll, "*", 1, true}, {".", selectCurrent, ".", 1, true}, {"#s", selectEvent, "#", 1, true},
		{"12s", selectNumber, "12", 2, true}, {"[1+1]s", selectExpr, "1+1", 5, true}, {"~[2d5]s", selectID, "2d5", 6, true},
		{"[1", selectAll, "", 0, false}, {"~[1", selectAll, "", 0, false}, {" k", selectAll, "", 0, true},
	} {
		sel, n, ok := parseSelector(test.text)
		if sel.kind != test.kind || sel.text != test.arg || n != test.n || ok != test.ok {
			t.Errorf("%q: got %v %d %v", test.text, sel, n, ok)
		}
	}
}

func TestIsCommand(t *testing.T) {
	i := New(Options{})
	for text, want := range map[string]bool{
		"": true, "g": true, "k 5": true, "kpL": true, "kvn": true, "lm": true, "lmvm libc*": true, "lm1m": true, "bp0 main": true,
		"r$t0=5": true, "recx": true, "db@rsp": true, ".echo x": true, "!sym noisy": true, "? 1": true, "?? x": true, "~*k": true, "| ": true,
		"* note": true, "bp main": true, "dx greeting": true, "r rax=5": true,
		"greeting": false, "greeting[0]": false, "p->next": false, "s.field": false, "n = 5": false, "total": false, "x::y": false,
		"i++": false, "order": false, "(int)x": false, "strlen(name)": false, "foo": false, "count": false,
	} {
		if got := i.IsCommand(text); got != want {
			t.Errorf("%q: got %v", text, got)
		}
	}
}

func TestModuleLetters(t *testing.T) {
	for _, test := range []struct {
		text string
		want lmOptions
		ok   bool
	}{
		{"", lmOptions{}, true},
		{"v m libc*", lmOptions{verbose: true, pattern: "libc*"}, true},
		{"vm libc*", lmOptions{verbose: true, pattern: "libc*"}, true},
		{"1m", lmOptions{one: true}, true},
		{"1m m a*", lmOptions{one: true, pattern: "a*"}, true},
		{"a @rip", lmOptions{addr: "@rip"}, true},
		{"M /lib/*", lmOptions{path: "/lib/*"}, true},
		{"f", lmOptions{full: true}, true},
		{"n", lmOptions{names: true}, true},
		{"z", lmOptions{}, false},
		{"m", lmOptions{}, false},
		{"a", lmOptions{}, false},
	} {
		got, ok := lmLetters(test.text)
		if ok != test.ok || ok && got != test.want {
			t.Errorf("%q: got %+v %v", test.text, got, ok)
		}
	}
}

func TestRows(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range families() {
		for _, c := range f.Commands {
			if c.Name == "" || c.Usage == "" || c.Help == "" || c.Run == nil {
				t.Errorf("%s: the row of %q is incomplete", f.Title, c.Name)
			}
			if seen[c.Name] {
				t.Errorf("%s is there twice", c.Name)
			}
			seen[c.Name] = true
		}
	}
	page := Reference()
	for name := range seen {
		if !strings.Contains(page, cell(name)) {
			t.Errorf("the reference page lacks %s", name)
		}
	}
}

func TestUnescape(t *testing.T) {
	for text, want := range map[string]string{`a\nb`: "a\nb", `\\n`: `\n`, `\"`: `"`, `\q`: `\q`, "plain": "plain", `\t`: "\t"} {
		if got := unescape(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
