package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"dap-windbg/arch"
	"dap-windbg/eval"
)

// passable are types that arguments and results have in the generated program: how a
// value is written, and how two are compared.
var passable = []struct{ name, def, value, same string }{
	{"char", "", "(char)%d", "a == b"}, {"uchar", "typedef unsigned char uchar;", "(uchar)%d", "a == b"}, {"short", "", "(short)-%d", "a == b"},
	{"ushort", "typedef unsigned short ushort;", "(ushort)%d", "a == b"}, {"int", "", "-%d", "a == b"}, {"uint", "typedef unsigned uint;", "%du", "a == b"},
	{"long", "", "-%dL", "a == b"}, {"llong", "typedef long long llong;", "%dLL << 33", "a == b"}, {"float", "", "%d.5f", "a == b"}, {"double", "", "-%d.25", "a == b"},
	{"ldouble", "typedef long double ldouble;", "%d.125L", "a == b"}, {"bool_t", "typedef _Bool bool_t;", "%d & 1", "a == b"}, {"chars", "typedef const char *chars;", "\"text\" + %d %% 4", "a == b"},
	{"enum_t", "typedef enum { E0, E1 = 700 } enum_t;", "E1", "a == b"},
	{"s_char", "typedef struct { char c; } s_char;", "{(char)%d}", "a.c == b.c"},
	{"s_ints", "typedef struct { int x, y; } s_ints;", "{%d, -2}", "a.x == b.x && a.y == b.y"},
	{"s_floats", "typedef struct { float x, y; } s_floats;", "{%d.5f, 2.5f}", "a.x == b.x && a.y == b.y"},
	{"s_three", "typedef struct { float x, y, z; } s_three;", "{%d.5f, 2.5f, -1.5f}", "a.x == b.x && a.y == b.y && a.z == b.z"},
	{"s_mixed", "typedef struct { double d; int i; } s_mixed;", "{%d.5, -7}", "a.d == b.d && a.i == b.i"},
	{"s_other", "typedef struct { char c; double d; } s_other;", "{(char)%d, 2.5}", "a.c == b.c && a.d == b.d"},
	{"s_short", "typedef struct { short s; float f; } s_short;", "{%d, 2.5f}", "a.s == b.s && a.f == b.f"},
	{"s_bytes", "typedef struct { char c[3]; } s_bytes;", "{{(char)%d, 2, 3}}", "a.c[0] == b.c[0] && a.c[1] == b.c[1] && a.c[2] == b.c[2]"},
	{"s_longs", "typedef struct { long a, b, c; } s_longs;", "{%d, -2, 3}", "a.a == b.a && a.b == b.b && a.c == b.c"},
	{"s_two", "typedef struct { long a; long b; } s_two;", "{%d, -2}", "a.a == b.a && a.b == b.b"},
	{"s_doubles", "typedef struct { double a, b, c, d; } s_doubles;", "{%d.5, 2, 3, -4}", "a.a == b.a && a.b == b.b && a.c == b.c && a.d == b.d"},
	{"s_double", "typedef struct { double a; } s_double;", "{%d.5}", "a.a == b.a"},
	{"u_both", "typedef union { int i; float f; } u_both;", "{%d}", "a.i == b.i"},
	{"s_packed", "typedef struct __attribute__((packed)) { char c; int i; } s_packed;", "{1, %d}", "a.c == b.c && a.i == b.i"},
	{"cdouble", "typedef _Complex double cdouble;", "%d.5 + 2.0i", "a == b"}, {"cfloat", "typedef _Complex float cfloat;", "%d.5f - 2.0fi", "a == b"},
	{"i128", "#ifdef __SIZEOF_INT128__\ntypedef __int128 i128;\n#else\ntypedef long long i128;\n#endif", "-((i128)%d << 50)", "a == b"},
}

// callProgram writes a program of functions with random signatures. Each counts the
// arguments that are not what they should be and hands back a value.
func callProgram(r *rand.Rand, functions int) (src string, calls []string) {
	var b strings.Builder
	b.WriteString("int bad, called;\n")
	for _, p := range passable {
		fmt.Fprintf(&b, "%s\nstatic int same_%s(%s a, %s b) { return %s; }\n", p.def, p.name, p.name, p.name, p.same)
	}
	value := func(p int) string {
		return strings.NewReplacer("%d", fmt.Sprint(1+r.IntN(60)), "%%", "%").Replace(passable[p].value)
	}
	for f := range functions {
		var params, args, checks []string
		for i := range r.IntN(11) {
			p := r.IntN(len(passable))
			name := fmt.Sprintf("a%d_%d", f, i)
			fmt.Fprintf(&b, "%s %s = %s;\n", passable[p].name, name, value(p))
			params, args = append(params, fmt.Sprintf("%s p%d", passable[p].name, i)), append(args, name)
			checks = append(checks, fmt.Sprintf("bad += !same_%s(p%d, %s);", passable[p].name, i, name))
		}
		if params == nil {
			params = []string{"void"}
		}
		p := r.IntN(len(passable))
		fmt.Fprintf(&b, "%s r%d = %s;\n%s f%d(%s) { called++; %s return r%d; }\n", passable[p].name, f, value(p), passable[p].name, f, strings.Join(params, ", "), strings.Join(checks, " "), f)
		calls = append(calls, fmt.Sprintf("f%d(%s)", f, strings.Join(args, ", ")))
	}
	b.WriteString("void here(void) {}\nint main(void) { here(); return 0; }\n")
	return b.String(), calls
}

// TestCallingConventions calls functions of random signatures on every CPU; the
// program itself says whether its arguments came across, and what it hands back is
// compared with the variable it is taken from.
func TestCallingConventions(t *testing.T) {
	for _, c := range []struct{ name, qemu string }{{"amd64", ""}, {"i386", ""}, {"arm64", "qemu-aarch64"}, {"riscv64", "qemu-riscv64"}} {
		t.Run(c.name, func(t *testing.T) {
			src, calls := callProgram(rand.New(rand.NewPCG(7, 11)), 60)
			dir := t.TempDir()
			file, bin := filepath.Join(dir, "calls.c"), filepath.Join(dir, "calls")
			if err := os.WriteFile(file, []byte(src), 0o600); err != nil {
				t.Fatal(err)
			}
			args := []string{"-g", "-w", "-O0", "-static", "-o", bin, file}
			cc := "gcc"
			switch c.name {
			case "i386":
				args = append(args, "-m32")
			case "arm64":
				cc = cross(t, "aarch64")
			case "riscv64":
				cc = cross(t, "riscv64")
			}
			if out, err := exec.Command(cc, args...).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			var s *session
			if c.qemu == "" {
				s = launch(t, Options{}, bin)
			} else {
				addr, cmd := emulate(t, c.qemu, bin)
				s = connect(t, Options{}, addr, cmd)
			}
			s.stop()
			s.set("t", Breakpoint{Function: "here"})
			s.run(How{})
			s.do(func(ctx context.Context, v *View) error {
				refused := 0
				for i, call := range calls {
					if !s.makeCall(ctx, v, i, call) {
						refused++
					}
				}
				if refused > 0 && (c.name != "amd64" || !losesVectors(t)) || refused == len(calls) {
					t.Errorf("%d calls are said to lose their vector registers", refused)
				}
				calls = calls[refused:]
				return nil
			})
			if n := s.eval("called"); n != uint64(len(calls)) {
				t.Errorf("%d calls arrived", n)
			}
		})
	}
}

// losesVectors reports whether this machine's gdbserver cannot write vector registers, as
// gdb says that version 13 cannot on CPUs with AMX.
func losesVectors(t *testing.T) bool {
	cpu, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		t.Fatal(err)
	}
	version, err := exec.Command("gdbserver", "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Contains(cpu, []byte(" amx_tile")) && regexp.MustCompile(`\) 1[0-3]\.`).Match(version)
}

// makeCall makes a call and compares; false: it was refused, for its vector registers would
// not have arrived.
func (s *session) makeCall(ctx context.Context, v *View, i int, call string) bool {
	s.t.Helper()
	before, err := v.Registers(ctx, v.l.selected)
	if err != nil {
		s.t.Fatal(err)
	}
	was := v.AllowCalls(true)
	got, err := s.written(ctx, v, call)
	v.AllowCalls(was)
	if lost := (*VectorsError)(nil); errors.As(err, &lost) {
		return false
	}
	if err != nil {
		s.t.Errorf("%s: %v", call, err)
		return true
	}
	if want, err := s.written(ctx, v, fmt.Sprintf("r%d", i)); err != nil || got != want {
		s.t.Errorf("%s: got %s, want %s %v", call, got, want, err)
	}
	x, err := v.Eval(ctx, nil, "bad", eval.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	if n, _ := eval.Int(ctx, v.Env(nil), x); n != 0 {
		s.t.Errorf("%s: %d arguments did not come across", call, n)
		_, _ = v.Eval(ctx, nil, "bad = 0", eval.Options{})
	}
	after, err := v.Registers(ctx, v.l.selected)
	if err != nil {
		s.t.Fatal(err)
	}
	if d := differing(before, after); d != "" {
		s.t.Errorf("%s changed %s", call, d)
	}
	return true
}

// differing names the registers that differ.
func differing(a, b *arch.Registers) string {
	var out []string
	for i, r := range a.Set.Regs {
		x, known := a.Bytes(i)
		y, both := b.Bytes(i)
		if known && both && string(x) != string(y) {
			out = append(out, fmt.Sprintf("%s %x %x", r.Name, x, y))
		}
	}
	return strings.Join(out, ", ")
}

// written is the value of src and all that is in it, in one line.
func (s *session) written(ctx context.Context, v *View, src string) (string, error) {
	o, err := v.Object(ctx, nil, "x", src)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	var write func(o *eval.Object) error
	write = func(o *eval.Object) error {
		text, _, _ := strings.Cut(o.Text, " : ")
		fmt.Fprintf(&b, "%s=%s", o.Name, text)
		if o.Err != nil {
			return o.Err
		}
		if o.Leaf() || o.Value.Type.IsPointer() {
			return nil
		}
		kids, err := v.Children(ctx, nil, o, 0, -1)
		for _, k := range kids {
			if err == nil {
				b.WriteByte(' ')
				err = write(k)
			}
		}
		return err
	}
	err = write(o)
	return b.String(), err
}

// TestCallVectors: an argument that lies in its register already, or that lay there at
// the last call, hides no register that is not written.
func TestCallVectors(t *testing.T) {
	dir := t.TempDir()
	file, bin := filepath.Join(dir, "v.c"), filepath.Join(dir, "v")
	src := "double f(double x) { return x; }\nvolatile double x = 2.5;\nvoid here(void) {}\nint main(void) { for (;;) { f(x); here(); } }\n"
	if err := os.WriteFile(file, []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("gcc", "-g", "-O0", "-static", "-o", bin, file).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s := launch(t, Options{}, bin)
	s.stop()
	s.set("t", Breakpoint{Function: "here"})
	s.run(How{})
	s.do(func(ctx context.Context, v *View) error {
		defer v.AllowCalls(v.AllowCalls(true))
		for _, arg := range []string{"2.5", "9.25", "-1.5"} {
			got, err := s.written(ctx, v, "f("+arg+")")
			if lost := (*VectorsError)(nil); errors.As(err, &lost) && losesVectors(t) {
				continue
			}
			if err != nil || !strings.HasSuffix(got, "="+arg) {
				t.Errorf("f(%s): %s, %v", arg, got, err)
			}
		}
		return nil
	})
}

// TestCallsUndone makes calls that do not return: each time the debuggee is as it was.
func TestCallsUndone(t *testing.T) {
	s := launch(t, Options{}, build(t, "calls.cpp"))
	s.stop()
	s.set("t", Breakpoint{File: "calls.cpp", Line: lineOf(t, "calls.cpp", "// here")})
	s.run(How{})
	bp := s.set("u", Breakpoint{Function: "stops"})[0]
	s.set("c", Breakpoint{Function: "passes", Condition: "n == 5"})
	stack := s.stack()
	last := s.lastStop()
	try := func(src string, want string) {
		t.Helper()
		s.do(func(ctx context.Context, v *View) error {
			before, _ := v.Registers(ctx, v.l.selected)
			v.AllowCalls(true)
			_, err := s.written(ctx, v, src)
			v.AllowCalls(false)
			var stopped *CallStopped
			if want == "" && err != nil || want != "" && (!errors.As(err, &stopped) || !strings.Contains(err.Error(), want)) {
				t.Errorf("%s: %v, want %q", src, err, want)
			}
			after, err := v.Registers(ctx, v.l.selected)
			if err != nil {
				return err
			}
			if d := differing(before, after); d != "" {
				t.Errorf("%s changed %s", src, d)
			}
			return nil
		})
		if now := s.stack(); strings.Join(now, "|") != strings.Join(stack, "|") {
			t.Errorf("%s: the stack is %v, was %v", src, now, stack)
		}
		if now := s.lastStop(); now.Number != last.Number || now.Reason != last.Reason {
			t.Errorf("%s: the last stop is %d %v, was %d %v", src, now.Number, now.Reason, last.Number, last.Reason)
		}
	}
	try("stops(1)", fmt.Sprintf("hit breakpoint %d", bp.ID))
	try("passes(4)", "")
	try("passes(5)", "hit breakpoint")
	try("faults(0)", "SIGSEGV")
	try("raises(10)", "SIGUSR1")
	try("throws(3)", "C++ exception")
	try("catches(3)", "")
	try("loads()", "")
	try("threads(2)", "")
	try("object.twice(4)", "")
	try("base->name()", "")
	s.do(func(ctx context.Context, v *View) error {
		ctx, cancel := context.WithCancel(ctx)
		time.AfterFunc(200*time.Millisecond, cancel)
		v.AllowCalls(true)
		_, err := v.Eval(ctx, nil, "forever()", eval.Options{})
		if err == nil || !strings.Contains(err.Error(), "interrupted") {
			t.Errorf("an endless call that is given up: %v", err)
		}
		return nil
	})
	if now := s.stack(); strings.Join(now, "|") != strings.Join(stack, "|") {
		t.Errorf("after an interrupted call: %v", now)
	}
	// The program goes on as if nothing had been.
	s.set("u")
	s.set("c")
	s.set("t")
	s.resume(How{})
	if e := s.ended(); e.Gone.Code != 42 {
		t.Errorf("it ends with %+v", e.Gone)
	}
}

func (s *session) lastStop() Stop {
	var st Stop
	if err := s.Look(s.ctx, func(l *Live) error { st, _ = l.LastStop(); return nil }); err != nil {
		s.t.Fatal(err)
	}
	return st
}

// lineOf is the number of the line of a source that holds text.
func lineOf(t *testing.T, name, text string) int {
	t.Helper()
	src, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range strings.Split(string(src), "\n") {
		if strings.Contains(l, text) {
			return i + 1
		}
	}
	t.Fatalf("%s has no %q", name, text)
	return 0
}

// TestCallsRefused shows where functions are not called.
func TestCallsRefused(t *testing.T) {
	s := launch(t, Options{}, build(t, "calls.cpp"))
	s.stop()
	s.set("t", Breakpoint{File: "calls.cpp", Line: lineOf(t, "calls.cpp", "// here"), Condition: "catches(3)"})
	s.run(How{}) // an error of a condition counts as true
	if !s.said("functions of the debuggee are not called") {
		t.Error("a condition that calls is not told of")
	}
	s.do(func(ctx context.Context, v *View) error {
		_, err := v.Eval(ctx, nil, "catches(3)", eval.Options{})
		var e *eval.CallError
		if !errors.As(err, &e) || e.Hint() == "" {
			t.Errorf("without leave: %v", err)
		}
		return nil
	})
}

// TestCallsWithObjects passes classes by value that only they can copy, and makes
// objects: every copy is ended, save what the user wrote himself.
func TestCallsWithObjects(t *testing.T) {
	for cc, flag := range map[string]string{"g++": "-fno-inline", "clang++": "-fstandalone-debug"} {
		t.Run(cc, func(t *testing.T) {
			prog := filepath.Join(t.TempDir(), "objects")
			if out, err := exec.Command(cc, "-g", "-O0", "-w", flag, "-o", prog, "testdata/objects.cpp").CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			s := launch(t, Options{}, prog)
			s.stop()
			s.set("t", Breakpoint{File: "objects.cpp", Line: lineOf(t, "objects.cpp", "// here")})
			s.run(How{})
			alive, copies := s.eval("alive"), s.eval("copies")
			for _, c := range []struct {
				src    string
				want   string // what is shown, or a part of the error
				alive  uint64 // objects that stay
				copies uint64
			}{
				{"sum(one)", "103", 0, 1}, {"sums(one, 7, one)", "110", 0, 2}, {"fields(holder)", "255", 0, 3}, {"kinds(derived)", "1", 0, 0},
				{"plain(small)", "12", 0, 0}, {"plain(Plain(4, 5))", "45", 0, 0}, {"seen(Plain(4, 5))", "9", 0, 0}, {"pairs(pair)", "2", 0, 1},
				{"pairs(Pair<int>(9, 1))", "8", 0, 0}, {"sum(Counted(3, 5))", "8", 0, 0}, {"sum(Counted(Counted(3, 5)))", "8", 0, 0},
				{"Counted(3, 5).x", "3", 1, 0}, {"one.plus(one).x", "102", 1, 1}, {"sum(one.plus(one))", "106", 0, 1}, {"derived.Base::kind()", "1", 0, 0},
				{"length(text)", "4", 0, 0}, {"count(list)", "3", 0, 0}, {"shared(owned)", "42", 0, 0}, {"shared(owned)", "42", 0, 0}, {"length(twice(text))", "8", 0, 0},
				{`letters("abc")`, "1003", 0, 0}, {`length("a text that is longer than what the object itself holds")`, "55", 0, 0}, {`std::string("abc")._M_string_length`, "3", 0, 0},
				{"only(moved)", "cannot be copied", 0, 0}, {"only(Only(8))", "8", 0, 0}, {"sum(3)", "there is int sum(Counted)", 0, 0}, {"Counted()", "takes other arguments", 0, 0},
				{"Counted(3)", "Counted::Counted(int, int)", 0, 0}, {"Derived(8).kind()", "8", 0, 0},
			} {
				got := ""
				s.do(func(ctx context.Context, v *View) error {
					before, err := v.Registers(ctx, v.l.selected)
					if err != nil {
						return err
					}
					v.AllowCalls(true)
					x, err := v.Eval(ctx, nil, c.src, eval.Options{})
					v.AllowCalls(false)
					if err == nil {
						got, err = (&eval.Model{}).Text(ctx, v.Env(nil), x, eval.Format{Style: eval.Plain})
					}
					if err != nil {
						got = err.Error()
					}
					after, err := v.Registers(ctx, v.l.selected)
					if d := differing(before, after); d != "" {
						t.Errorf("%s changed %s", c.src, d)
					}
					return err
				})
				if cc == "clang++" && (strings.HasSuffix(c.src, "text)") || strings.HasSuffix(c.src, "text))") || strings.Contains(c.src, `"`)) {
					c.want = "has no code of its own" // no linkage name leads to the library's constructor
				}
				if got != c.want && (c.want[0] <= '9' || !strings.Contains(got, c.want)) {
					t.Errorf("%s: %s, want %s", c.src, got, c.want)
				}
				if n, m := s.eval("alive")-alive, s.eval("copies")-copies; n != c.alive || m != c.copies {
					t.Errorf("%s: %d objects stay after %d copies, want %d and %d", c.src, int64(n), m, c.alive, c.copies)
				}
				alive, copies = s.eval("alive"), s.eval("copies")
			}
			s.set("t")
			s.resume(How{})
			if e := s.ended(); e.Gone.Code != 42 {
				t.Errorf("it ends with %+v", e.Gone)
			}
		})
	}
}
