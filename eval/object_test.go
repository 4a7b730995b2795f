package eval

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/symbols"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

// dump writes a tree of Objects, to a depth.
func dump(t *testing.T, env Env, b *strings.Builder, o *Object, depth, level int) {
	t.Helper()
	fmt.Fprintf(b, "%s", strings.Repeat("    ", level))
	if o.HasOffset {
		fmt.Fprintf(b, "[+0x%03x", o.Offset)
		if o.Bits {
			fmt.Fprintf(b, " (%2d:%2d)", o.BitHigh, o.BitLow)
		}
		b.WriteString("] ")
	}
	fmt.Fprintf(b, "%s : %s [Type: %s]", o.Name, o.Text, o.Type)
	if o.Err != nil {
		fmt.Fprintf(b, " error: %v", o.Err)
	}
	if o.Expr != "" && level > 0 {
		fmt.Fprintf(b, " <%s>", o.Expr)
	}
	if o.Named+o.Indexed > 0 {
		fmt.Fprintf(b, " %d+%d", o.Named, o.Indexed)
	}
	b.WriteByte('\n')
	if level >= depth {
		return
	}
	kids, err := o.Children(context.Background(), env, 0, 20)
	if err != nil {
		fmt.Fprintf(b, "%s! %v\n", strings.Repeat("    ", level+1), err)
	}
	for _, k := range kids {
		dump(t, env, b, k, depth, level+1)
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Error(d)
	}
}

// TestObjects writes every kind of value in the three styles; each child's
// expression must yield the child's text again.
func TestObjects(t *testing.T) {
	env := newFake()
	exprs := []string{"order", "po", "null", "name", "wild", "ws", "i", "u", "c", "uc", "w", "b", "color", "a", "m", "fp", "main",
		"pi", "pm", "d", "ld", "ri", "reg", "gone", "half", "&po", "a,x", "a,2", "pi,3", "u,d", "u,b", "u,o", "i,x", "uc,c", "uc,X", "name,sb", "name,s", "color,en", "po,!",
		"u,[i+7]"}
	for style, file := range map[Style]string{DX: "dx.golden", DT: "dt.golden", Plain: "plain.golden"} {
		var b strings.Builder
		for _, src := range exprs {
			text, f, err := ParseFormat(src)
			if err != nil {
				t.Fatal(err)
			}
			f.Style = style
			e, err := Parse(text, Options{})
			if err != nil {
				t.Fatal(err)
			}
			v, err := e.Eval(context.Background(), env)
			if err != nil {
				t.Fatal(src, err)
			}
			o, err := (&Model{}).Object(context.Background(), env, src, text, v, f)
			if err != nil {
				t.Fatal(src, err)
			}
			dump(t, env, &b, o, 1, 0)
			again(t, env, o, style)
		}
		golden(t, file, b.String())
	}
}

// again evaluates each child's expression.
func again(t *testing.T, env Env, o *Object, style Style) {
	t.Helper()
	kids, err := o.Children(context.Background(), env, 0, 8)
	if err != nil {
		return
	}
	for _, k := range kids {
		if k.Err != nil {
			continue
		}
		e, err := Parse(k.Expr, Options{})
		if err != nil {
			t.Errorf("%s: %v", k.Expr, err)
			continue
		}
		v, err := e.Eval(context.Background(), env)
		if err != nil || v.Addr != k.Value.Addr {
			t.Errorf("%s: %#x, %v; want %#x", k.Expr, v.Addr, err, k.Value.Addr)
		}
	}
}

// TestNeedAll: what is missing for siblings is asked for in one round.
func TestNeedAll(t *testing.T) {
	env := newFake()
	s := structure("S", 16, fld("a", ptr(ty("char")), 0), fld("b", ptr(ty("char")), 8))
	env.put(dataBase+0x10, uint64(dataBase+0x1000), uint64(dataBase+0x2000))
	env.missing = map[arch.Addr]bool{dataBase + 0x1000: true, dataBase + 0x2000: true}
	o, err := (&Model{}).Object(context.Background(), env, "s", "s", Value{Type: s, Place: InMemory, Addr: dataBase + 0x10}, Format{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = o.Children(context.Background(), env, 0, -1)
	var need *symbols.NeedError
	if !errors.As(err, &need) || strings.Count(err.Error(), "not read yet") != 2 || need.Size != defaultString {
		t.Fatalf("got %v", err)
	}
}

func TestParseFormat(t *testing.T) {
	tests := []struct {
		src, expr string
		f         Format
	}{
		{"x", "x", Format{}},
		{"x,x", "x", Format{Radix: 16}},
		{"x, d", "x", Format{Radix: 10}},
		{"p,10", "p", Format{Length: 10}},
		{"p,[10]x", "p", Format{Length: 10, Radix: 16}},
		{"p,[a[1]]s", "p", Format{LengthExpr: "a[1]", Spec: "s"}},
		{"p,[10]zz", "p,[10]zz", Format{}},
		{"p,[0x10]", "p", Format{Length: 16}},
		{"p,[n+1]", "p", Format{LengthExpr: "n+1"}},
		{"p,[10],x", "p", Format{Length: 10, Radix: 16}},
		{"p,!", "p", Format{Raw: true}},
		{"p,s32", "p", Format{Spec: "s32"}},
		{"p,en,!", "p", Format{Spec: "en", Raw: true}},
		{"f(a,x)", "f(a,x)", Format{}},
		{"a,b", "a", Format{Radix: 2}},
		{`","`, `","`, Format{}},
		{"p,view(simple)na", "p,view(simple)na", Format{}},
		{"p,view(simple),na", "p", Format{View: "simple", NoAddress: true}},
	}
	for _, tt := range tests {
		expr, f, err := ParseFormat(tt.src)
		if err != nil || expr != tt.expr || f != tt.f {
			t.Errorf("%s: %q %+v %v", tt.src, expr, f, err)
		}
	}
}

func TestTypeName(t *testing.T) {
	fn := &symbols.Type{Kind: symbols.Func, Elem: ty("int")}
	tests := map[string]*symbols.Type{
		"char *":        ptr(ty("char")),
		"char * *":      ptr(ptr(ty("char"))),
		"int [2][3]":    arrayOf(arrayOf(ty("int"), 3), 2),
		"int * [2]":     arrayOf(ptr(ty("int")), 2),
		"int (*)[3]":    ptr(arrayOf(ty("int"), 3)),
		"int (*)()":     ptr(fn),
		"int (* [2])()": arrayOf(ptr(fn), 2),
		"const char *":  ptr(constant(ty("char"))),
		"char * const":  constant(ptr(ty("char"))),
		"void *":        ptr(nil),
		"int Order::*":  {Kind: symbols.MemberPointer, Owner: structure("Order", 1), Elem: ty("int")},
		"<unnamed-tag>": structure("", 1),
		"void":          nil,
		"int &":         {Kind: symbols.Reference, Elem: ty("int")},
	}
	for want, typ := range tests {
		if got := TypeName(typ); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func BenchmarkVector100k(b *testing.B) {
	env := newFake()
	env.mem = make([]byte, 400_000)
	v := Value{Type: arrayOf(ty("int"), 100_000), Place: InMemory, Addr: env.base}
	for b.Loop() {
		o, err := (&Model{}).Object(context.Background(), env, "v", "v", v, Format{})
		if err != nil {
			b.Fatal(err)
		}
		kids, err := o.Children(context.Background(), env, 0, -1)
		if err != nil || len(kids) != 100_000 {
			b.Fatal(len(kids), err)
		}
	}
}
