package windbg

import (
	"bytes"
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"dap-windbg/arch"
	"dap-windbg/engine"
	"dap-windbg/eval"
	"dap-windbg/symbols"
	"dap-windbg/targets"
)

func TestProfile(t *testing.T) {
	var b bytes.Buffer
	p := newProfile(&b, "orders!Submit")
	steps := func(n int) {
		for range n {
			p.step(arch.Other)
		}
	}
	steps(9)
	p.call("libc_so!_malloc")
	steps(13)
	p.step(arch.Syscall)
	if !p.leave() {
		t.Fatal("the root was left")
	}
	steps(3)
	if p.leave() {
		t.Fatal("the root was not left")
	}
	b.WriteString(p.summary(false))
	want := `    9     0 [  0] orders!Submit
   14     0 [  1]   libc_so!_malloc
   12    14 [  0] orders!Submit

26 instructions were executed in 25 events (0 from other threads)

Function Name                               Invocations MinInst MaxInst AvgInst
libc_so!_malloc                                       1      14      14      14
orders!Submit                                         1      12      12      12

1 system calls were executed

`
	if got := b.String(); got != want {
		t.Error(difference(want, got))
	}
}

func TestGrid(t *testing.T) {
	got := gridText([]string{"", "Name", "Size"}, [][]string{{"[0]", "orders", "21184"}, {"[1]", "libc_so", "2256464"}}, 0)
	lines := strings.Split(got, "\n")
	width := len(lines[0])
	for _, l := range lines[:len(lines)-1] {
		if len(l) != width {
			t.Errorf("%q is not %d wide", l, width)
		}
	}
	if lines[1] != "=     = Name    = Size    =" || lines[3] != "= [0] - orders  - 21184   =" {
		t.Errorf("%s", got)
	}
}

func TestSmallTexts(t *testing.T) {
	berlin := time.FixedZone("", 3600)
	for got, want := range map[string]string{
		clock(time.Date(2026, 1, 4, 10, 15, 17, 807e6, time.UTC)):            "Sun Jan  4 10:15:17.807 2026 (UTC + 0:00)",
		clock(time.Date(2026, 1, 14, 10, 15, 17, 0, berlin)):                 "Wed Jan 14 10:15:17.000 2026 (UTC + 1:00)",
		clock(time.Date(2026, 1, 14, 0, 0, 0, 0, time.FixedZone("", -5400))): "Wed Jan 14 00:00:00.000 2026 (UTC - 1:30)",
		uptime(91*time.Minute + 58*time.Second + 931*time.Millisecond):       "0 days 1:31:58.931",
		uptime(25 * time.Hour):    "1 days 1:00:00.000",
		sizeText(4096):            "   4.000 kB",
		sizeText(100):             " 100.000   B",
		general(1e-44):            "1e-044",
		general(2.5):              "2.5",
		evaluation(0xffffffff, 4): "Evaluate expression: -1 = ffffffff",
		symbols.Symbol{Name: "__select", Public: true}.Shown():                        "_select",
		symbols.Symbol{Name: "__select"}.Shown():                                      "__select",
		stamped("run.txt", 0x2d5, time.Date(2026, 1, 4, 10, 15, 17, 807e6, time.UTC)): "run_02D5_2026-01-04_10-15-17-807.txt",
		stamped("a.b/run", 1, time.Date(2026, 1, 4, 10, 15, 17, 0, time.UTC)):         "a.b/run_0001_2026-01-04_10-15-17-000",
		spacedPointers("char*"):                               "char *",
		spacedPointers("char *"):                              "char *",
		expandedPath("/a;SRV*https://x;DebugInfoD*https://Y"): "/a;srv*https://x;debuginfod*https://Y",
		modLoad(engine.Module{Module: targets.Module{Path: "/lib/libc.so.6", Base: 0x7ffff7c00000, Size: 0x226e50}}, 8): "ModLoad: 00007fff`f7c00000 00007fff`f7e26e50   /lib/libc.so.6\n",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if f := extended([]byte{0, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0x3f}); f != 1 {
		t.Error(f)
	}
	if f := extended([]byte{0, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0xff}); !math.IsInf(f, -1) {
		t.Error(f)
	}
}

func TestTaken(t *testing.T) {
	r := arch.NewRegisters(arch.AMD64.DefaultSet())
	set := func(flags uint64) { r.PutName("eflags", flags) }
	i, ok := r.Set.Index("eflags")
	if !ok {
		t.Fatal("no flags")
	}
	if _, known := taken("e", r); known {
		t.Error("the flags are not known yet")
	}
	r.SetUint(i, 0)
	for _, test := range []struct {
		cond  string
		flags uint64
		want  int
	}{
		{"e", 0x40, 1}, {"e", 0, 0}, {"ne", 0x40, 0}, {"nz", 0, 1}, {"l", 0x80, 1}, {"l", 0x880, 0}, {"ge", 0x880, 1}, {"g", 0, 1}, {"g", 0x40, 0},
		{"le", 0x40, 1}, {"a", 0, 1}, {"a", 1, 0}, {"be", 1, 1}, {"b", 1, 1}, {"ae", 1, 0}, {"s", 0x80, 1}, {"np", 4, 0}, {"o", 0x800, 1},
	} {
		set(test.flags)
		if got, ok := taken(test.cond, r); got != test.want || !ok {
			t.Errorf("%s with %x: %d %v", test.cond, test.flags, got, ok)
		}
	}
	if _, ok := taken("cxz", r); ok {
		t.Error("cxz is no flag condition")
	}
}

func TestErrorText(t *testing.T) {
	for _, test := range []struct {
		err  error
		want string
	}{
		{&Error{Kind: "Syntax", Command: "hello", Pos: 2}, "         ^ Syntax error in 'hello'"},
		{&Error{Kind: "Couldn't resolve", Rest: "xyz"}, "Couldn't resolve error at 'xyz'"},
		{&Error{Kind: "Operand"}, "Operand error"},
		{&Error{Text: "plain", Fix: "do this"}, "plain (do this)"},
		{context.Canceled, "Interrupted"},
		{&symbols.NotFoundError{What: "libc"}, "libc: not found in 0 places (" + (&symbols.NotFoundError{}).Hint() + ")"},
		{expressionError("poi(0)", &targets.FaultError{Addr: 0}), "Memory access error at 'poi(0)' (unable to read memory at 0x0)"},
		{&eval.NameError{Name: "x", Rest: "x)"}, "Couldn't resolve error at 'x)'"},
	} {
		if got := errorText(test.err, 7); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
	if !errors.Is(&Error{Err: targets.ErrGone}, targets.ErrGone) {
		t.Error("the cause is lost")
	}
}

func TestEnded(t *testing.T) {
	for _, test := range []struct {
		e    engine.Ended
		want string
	}{
		{engine.Ended{Text: "The debuggee exited with status 0."}, "The debuggee exited with status 0.\n"},
		{engine.Ended{Gone: targets.Gone{Exited: true, Code: 3}}, "The process exited with code 3 (0x3)\n"},
		{engine.Ended{Gone: targets.Gone{Signal: 11}}, "The process was killed by signal 11\n"},
		{engine.Ended{Text: "lost. Traps may remain at 00000000`00401000.", Traps: []arch.Addr{0x401000}}, "lost. Traps may remain at 00000000`00401000.\n"},
	} {
		if got := endedText(test.e); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

func TestModuleRow(t *testing.T) {
	m := &engine.Module{Module: targets.Module{Base: 0x8048000, Size: 0x2000}, Name: "prog", Tried: true, Err: &symbols.MismatchError{}}
	if got, want := moduleRow(m, 4), "08048000 0804a000   prog     # (no symbols)             "; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTypeWord(t *testing.T) {
	for _, test := range []struct {
		typ  *symbols.Type
		want string
	}{
		{intType, "Int4B"}, {uintType, "Uint4B"}, {charPtr, "Ptr64 Char"}, {tagType, "[4] Char"}, {listType, "list_head"}, {nil, "Void"},
		{&symbols.Type{Kind: symbols.Const, Elem: charType}, "Char"},
		{&symbols.Type{Kind: symbols.Base, Name: "wchar_t", Size: 4, Encoding: symbols.Signed}, "Wchar4B"},
		{&symbols.Type{Kind: symbols.Base, Name: "double", Size: 8, Encoding: symbols.FloatEnc}, "Double"},
		{&symbols.Type{Kind: symbols.Base, Name: "bool", Size: 1, Encoding: symbols.Bool}, "Bool"},
		{&symbols.Type{Kind: symbols.Pointer, Size: 8}, "Ptr64 Void"},
		{&symbols.Type{Kind: symbols.Struct}, "<anonymous-tag>"},
	} {
		if got := typeWord(test.typ, 8); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

func TestObjectLine(t *testing.T) {
	for _, test := range []struct {
		o     eval.Object
		depth int
		want  string
	}{
		{eval.Object{Name: "greeting", Text: "{ size=50 }", Type: "std::array<wchar_t, 50>"}, 0, "greeting                 : { size=50 } [Type: std::array<wchar_t, 50>]"},
		{eval.Object{Name: "[<Raw View>]", Type: "T"}, 1, "    [<Raw View>]     [Type: T]"},
		{eval.Object{Name: "[0]", Text: "72 'H'", Type: "wchar_t"}, 1, "    [0]              : 72 'H' [Type: wchar_t]"},
		{eval.Object{Name: "Id", Text: "42", Type: "int", HasOffset: true}, 1, "    [+0x000] Id               : 42 [Type: int]"},
		{eval.Object{Name: "Link", Type: "list_head", HasOffset: true, Offset: 16}, 1, "    [+0x010] Link             [Type: list_head]"},
		{eval.Object{Name: "Urgent", Text: "0x1", Type: "unsigned int", HasOffset: true, Offset: 0x24, Bits: true}, 1, "    [+0x024 ( 0: 0)] Urgent           : 0x1 [Type: unsigned int]"},
		{eval.Object{Name: "Top", Text: "orders!Submit + 0x4"}, 2, "        Top              : orders!Submit + 0x4"},
		{eval.Object{Name: "x", Err: &symbols.UnavailableError{}, Type: "int"}, 0, "x                 : <value unavailable> [Type: int]"},
	} {
		if got := objectLine(&test.o, test.depth, true); got != test.want {
			t.Errorf("got  %q\nwant %q", got, test.want)
		}
	}
}

func TestRegionWords(t *testing.T) {
	if _, name := (region{perms: "r-xp"}).protection(); name != "PAGE_EXECUTE_READ" {
		t.Error(name)
	}
	if _, kind, usage := (region{perms: "rw-p", path: "[stack]"}).kind(false); kind != "MEM_PRIVATE" || usage != "Stack" {
		t.Error(kind, usage)
	}
}

func TestCommandLine(t *testing.T) {
	got := commandLine(`/bin/x "a b" c"d"e ""`)
	if len(got) != 4 || got[1] != "a b" || got[2] != "cde" || got[3] != "" {
		t.Errorf("%q", got)
	}
}
