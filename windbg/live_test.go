package windbg_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"dap-windbg/engine"
	"dap-windbg/launch"
	"dap-windbg/targets"
	"dap-windbg/windbg"

	"go.uber.org/goleak"
)

// patience bounds the life of one live test.
const patience = 60 * time.Second

// window is an interpreter over a real gdbserver, with everything it shows.
type window struct {
	t    *testing.T
	ctx  context.Context
	i    *windbg.Interpreter
	d    *launch.Debugger
	wire string // the trace of the connection

	mu   sync.Mutex
	text bytes.Buffer
	quit bool
}

func (w *window) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

// take returns what was shown since the last call.
func (w *window) take() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.text.String()
	w.text.Reset()
	return s
}

// built are the programs of testdata, made once a run of the tests.
var built struct {
	sync.Mutex
	dir string
	bin map[string]string
}

// compile builds testdata/NAME.
func compile(t *testing.T, name string) string {
	t.Helper()
	built.Lock()
	defer built.Unlock()
	if bin := built.bin[name]; bin != "" {
		return bin
	}
	src, err := filepath.Abs(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(built.dir, strings.TrimSuffix(name, filepath.Ext(name)))
	cc := map[string]string{".c": "gcc", ".cpp": "g++"}[filepath.Ext(name)]
	if out, err := exec.Command(cc, "-g", "-O0", "-pthread", "-o", bin, src).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	built.bin[name] = bin
	return bin
}

// open starts testdata/NAME under gdbserver.
func open(t *testing.T, name string) *window {
	t.Helper()
	program := compile(t, name)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	p := launch.NewPlan()
	p.Program = targets.Program{Path: program}
	p.Trace = filepath.Join(t.TempDir(), "trace")
	return start(ctx, t, p)
}

// start begins a session as p says.
func start(ctx context.Context, t *testing.T, p launch.Plan) *window {
	t.Helper()
	w := &window{t: t, ctx: ctx, wire: p.Trace}
	var show func(engine.Event) string
	var mu sync.Mutex
	d, err := launch.Start(ctx, p, launch.Hooks{Emit: func(e engine.Event) {
		mu.Lock()
		defer mu.Unlock()
		if _, stop := e.(engine.Stopped); show != nil && !stop {
			fmt.Fprint(w, show(e))
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close(context.Background(), targets.Kill) })
	w.d = d
	w.i = windbg.New(windbg.Options{Host: d, SourceMode: true, Version: "test", Quit: func(targets.Parting) { w.quit = true }})
	mu.Lock()
	show = w.i.FormatEvent
	mu.Unlock()
	return w
}

// run executes a line and returns what it shows.
func (w *window) run(line string) string {
	w.t.Helper()
	w.take()
	err := w.i.Exec(w.ctx, line, w)
	text := w.take()
	if err != nil {
		w.t.Errorf("%s: %v", line, err)
	}
	w.t.Logf("%s%s\n%s", w.i.Prompt(w.ctx), line, text)
	return text
}

func TestMain(m *testing.M) {
	os.Setenv("DEBUGINFOD_URLS", "")
	dir, err := os.MkdirTemp("", "windbg")
	if err != nil {
		panic(err)
	}
	built.dir, built.bin = dir, map[string]string{}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		os.RemoveAll(dir)
		os.Exit(code)
	}))
}

// expect runs a line and compares what it shows with a pattern, line by line: "..."
// stands for any lines, a line in slashes is a regular expression.
func (w *window) expect(line string, want ...string) {
	w.t.Helper()
	got := strings.Split(strings.TrimSuffix(w.run(line), "\n"), "\n")
	k := 0
	for n, pattern := range want {
		if pattern == "..." {
			if n+1 == len(want) {
				return
			}
			for k < len(got) && !matches(want[n+1], got[k]) {
				k++
			}
			continue
		}
		if k >= len(got) || !matches(pattern, got[k]) {
			at := "<end>"
			if k < len(got) {
				at = got[k]
			}
			w.t.Errorf("%s: line %d\nwant %s\n got %q", line, k+1, pattern, at)
			return
		}
		k++
	}
	if k < len(got) && got[k] != "" {
		w.t.Errorf("%s: more than wanted: %q", line, got[k])
	}
}

func matches(pattern, text string) bool {
	if strings.HasPrefix(pattern, "/") && strings.HasSuffix(pattern, "/") && len(pattern) > 1 {
		return regexp.MustCompile("^" + pattern[1:len(pattern)-1] + "$").MatchString(text)
	}
	return pattern == text
}

const address = "[0-9a-f]{8}`[0-9a-f]{8}"

// TestWalkThrough is a first debug session of a C++ program, from the first breakpoint
// to the program's end.
func TestWalkThrough(t *testing.T) {
	w := open(t, "DisplayGreeting.cpp")
	source, err := filepath.Abs("testdata/DisplayGreeting.cpp")
	if err != nil {
		t.Fatal(err)
	}
	place := func(line int) string { return regexp.QuoteMeta(fmt.Sprintf("[%s @ %d]", source, line)) }
	w.expect("bp DisplayGreeting!main", "")
	w.expect("bl", "/     0 e Disable Clear  "+address+"  "+place(14)+"     0001 \\(0001\\)  0:\\*\\*\\*\\* DisplayGreeting!main/")
	w.expect("g", "...", "Breakpoint 0 hit", "/DisplayGreeting!main "+place(14)+":/", ">   14: {", "/"+address+" [0-9a-f]{2,14} +[a-z0-9]+.*/")
	w.expect("k", " # Child-SP          RetAddr               Call Site",
		"/00 "+address+" "+address+"     DisplayGreeting!main "+place(14)+" /", "/01 "+address+" "+address+"     libc_so!.*\\+0x[0-9a-f]+.*/", "...",
		"/0[2-4] "+address+" 00000000`00000000     DisplayGreeting!_?start\\+0x[0-9a-f]+/")
	w.expect("lm", "start             end                 module name",
		"/"+address+" "+address+"   DisplayGreeting T \\(service symbols: DWARF Private Symbols\\)        /.*/DisplayGreeting/", "...",
		"/"+address+" "+address+"   libm_so    \\(deferred\\)             /", "...")
	w.expect("p", "/DisplayGreeting!main\\+0x[0-9a-f]+ "+place(15)+":/", ">   15:     std::array<wchar_t, 50> greeting{};", "/"+address+" .*/")
	w.expect("p", "/DisplayGreeting!main\\+0x[0-9a-f]+ "+place(16)+":/", ">   16:     GetCppConGreeting(greeting.data(), greeting.size());", "/"+address+" .*/")
	w.expect("t", "...", "...")
	w.expect("gu", "...")
	w.expect("p", "...", "/>   1[89]: .*/", "/"+address+" .*/")
	w.expect("dx greeting", "greeting                 : { size=50 } [Type: std::array<wchar_t, 50>]",
		"    [<Raw View>]     [Type: std::array<wchar_t, 50>]", "    [0]              : 72 'H' [Type: wchar_t]", "    [1]              : 69 'E' [Type: wchar_t]", "...",
		"    [49]             : 79 'O' [Type: wchar_t]")
	w.expect("? greeting", "/Evaluate expression: \\d+ = "+address+"/")
	w.expect("x DisplayGreeting!Get*", "/"+address+" DisplayGreeting!GetCppConGreeting \\(wchar_t ?\\*, unsigned long\\)/")
	w.expect(".lastevent", "/Last event: [0-9a-f]+\\.[0-9a-f]+: .*/", "/  debugger time: .*/")
	if err := w.d.Input("\n"); err != nil {
		t.Fatal(err)
	}
	w.expect("bc *; g", "...")
	if p := w.i.Prompt(w.ctx); p != "NoTarget> " {
		t.Errorf("after the end the prompt is %q", p)
	}
}

// TestCommandsAtStops: breakpoints with commands and conditions, data breakpoints,
// threads, steps and lines that wait for stops.
func TestCommandsAtStops(t *testing.T) {
	w := open(t, "orders.c")
	w.expect(`bp Submit "j (@$t0 == 2) '.echo third'; 'r $t0=@$t0+1; gc'"`, "")
	w.expect("r $t0=0; g; ? @edi", "...", "third", "/orders!Submit \\[.*/", "...", "Evaluate expression: 2 = 00000000`00000002")
	w.expect(`bc *; bp /w "qty == 5" `+"`orders.c:24`"+`; g; dv qty`, "...", "Breakpoint 0 hit", "...", "             qty = 0n5")
	w.expect("kp 1", "...", `/00 .* orders!Submit\(int qty = 0n5, const char \* name = 0x[0-9a-f`+"`"+`]+ "bolt"\)\+0x[0-9a-f]+ .*/`)
	w.expect("bc *; ba w4 orders!g_count; g", "...", "Breakpoint 0 hit", "...")
	w.expect("bc *; gu; bp worker; g; ~", "...", "/   0  Id: .*/", "/\\.  1  Id: [0-9a-f]+\\.[0-9a-f]+ Suspend: 1 Teb: "+address+` Unfrozen "orders"/`)
	w.expect("~0s", "...")
	w.expect("~1 kc 1", " # Call Site", "00 orders!worker")
	w.expect("~", "/\\.  0  .*/", "/#  1  .*/")
	w.expect("~*e .echo x", "x", "x")
	w.expect("dt Order", "   +0x000 Id               : Int4B", "   +0x004 Flags            : Uint4B", "   +0x008 Name             : Ptr64 Char",
		"   +0x010 Link             : list", "   +0x018 Tag              : [4] Char", "   +0x01c Urgent           : Pos 0, 1 Bit", "   +0x020 Price            : Double")
	w.expect("!address @$ip", "Usage:                  Image", "...", "Protect:                00000020          PAGE_EXECUTE_READ", "...")
	w.expect(".sympath+ /nowhere;.sympath", "...")
	w.expect("bm orders!F*;bl", "/  1: "+address+` @!"orders!Fact"/`, "...")
	w.expect("bc *;.restart;bp main;g;pc;pt;t", "...")
	w.expect("sxe ld;.kill", "Terminated.  Exit thread and process events will occur.")
}

// TestLastEventOfTheEnd: the last event is known when the debuggee is gone.
func TestLastEventOfTheEnd(t *testing.T) {
	w := open(t, "crash.c")
	w.run("gN;gN")
	w.expect(".lastevent", `/Last event: [0-9a-f]+\.[0-9a-f]+: The debuggee was terminated by SIG[A-Z0-9]+\./`, "/  debugger time: .*/")
	w.expect(".eventlog", "...", `/Last event: [0-9a-f]+\.[0-9a-f]+: The debuggee was terminated by SIG[A-Z0-9]+\./`)
}

// TestConditionOnArgument: a condition at a function sees its arguments.
func TestConditionOnArgument(t *testing.T) {
	w := open(t, "orders.c")
	w.expect(`bp /w "n == 3" orders!Fact;g;dv`, "...", "Breakpoint 0 hit", "...", "               n = 0n3")
}

// TestStepWithoutLines: code without lines is stepped by instructions.
func TestStepWithoutLines(t *testing.T) {
	w := open(t, "orders.c")
	w.expect("bp orders!start;g", "...", "orders!start:", "...")
	w.expect("p", `/orders!start\+0x[1-9a-f]:/`, "...")
}

// TestStepIntoItself: a function that calls itself is stepped into, on one line too.
func TestStepIntoItself(t *testing.T) {
	w := open(t, "oneline.c")
	w.expect("bp oneline!main;g;t;dv", "...", "               n = 0n4")
	w.expect("t;dv", "...", "               n = 0n3")
	w.expect("p;kc 1", "...", "00 oneline!main") // on to the end of the line that called
}

// TestArrive: a front end that learns of stops by their events runs their commands too.
func TestArrive(t *testing.T) {
	w := open(t, "orders.c")
	w.run(`bp Submit ".if (@$t1 < 2) {r $t1=@$t1+1; gc} .else {.echo enough}"`)
	if err := w.i.Start(w.ctx, "r $t1=0; g", w); err != nil {
		t.Fatal(err)
	}
	stops := 0
	for {
		stop, err := w.d.Session().Wait(w.ctx)
		if err != nil {
			t.Fatal(err)
		}
		stops++
		resumed, err := w.i.Arrive(w.ctx, stop, w)
		if err != nil {
			t.Fatal(err)
		}
		if !resumed {
			break
		}
	}
	if text := w.take(); stops != 3 || !strings.Contains(text, "enough\norders!Submit [") {
		t.Errorf("%d stops, %s", stops, text)
	}
}

// TestCancelled: a line that would not end ends with its context.
func TestCancelled(t *testing.T) {
	w := open(t, "orders.c")
	ctx, cancel := context.WithCancel(w.ctx)
	done := make(chan error, 1)
	first := &firstWrite{seen: make(chan struct{})}
	go func() { done <- w.i.Exec(ctx, ".while (1) {.echo x}", first) }()
	<-first.seen
	cancel()
	select {
	case err := <-done:
		if err == nil {
			t.Error("no error")
		}
	case <-time.After(patience):
		t.Fatal("the line goes on")
	}
}

// firstWrite tells of the first output.
type firstWrite struct {
	once sync.Once
	seen chan struct{}
}

func (f *firstWrite) Write(p []byte) (int, error) {
	f.once.Do(func() { close(f.seen) })
	return len(p), nil
}

// TestSignals: filters, delivery and what is told of an exception.
func TestSignals(t *testing.T) {
	w := open(t, "crash.c")
	w.expect(`sxe -c ".echo seen" SIGUSR1`, "")
	w.expect("g", "...", `/.*: Signal SIGUSR1 .*\(first chance\)/`, "seen", "...")
	w.expect(".lastevent", `/Last event: [0-9a-f]+\.[0-9a-f]+: Signal SIGUSR1 \(SI_TKILL\) - code a \(first chance\)/`, "/  debugger time: .*/")
	w.expect("gh", "...", `/\([0-9a-f]+\.[0-9a-f]+\): Signal SIGSEGV .*\(first chance\)/`, `/crash!main\+0x[0-9a-f]+ \[.*crash.c @ 11\]:/`, ">   11:     *where(1) = 3;",
		"/"+address+` [0-9a-f]+ +mov     dword ptr \[rax\],3 ds:00000000`+"`"+`00000000=\?{8}/`)
	w.expect(".exr -1", `/ExceptionAddress: [0-9a-f]{16} \(crash!main\+0x[0-9a-f]{16}\)/`, "   ExceptionCode: 0000000b (Signal SIGSEGV)", "...")
	w.expect("!analyze -v", "...", "PROCESS_NAME:  crash", "...", "EXCEPTION_CODE: (Signal SIGSEGV) b", "...", "FAILURE_BUCKET_ID:  SIGSEGV_crash!main", "...")
	w.expect("gn", "...")
	if p := w.i.Prompt(w.ctx); p != "NoTarget> " {
		t.Errorf("after the end the prompt is %q", p)
	}
}
