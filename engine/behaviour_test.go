package engine

import (
	"context"
	"errors"
	"strings"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/eval"
	"dap-windbg/targets"
)

func toMain(t *testing.T, s *session) {
	t.Helper()
	s.stop()
	s.set("main", Breakpoint{Function: "main", OneShot: true})
	s.run(How{})
}

// TestRecursion: step over and out must not stop in deeper activations.
func TestRecursion(t *testing.T) {
	s := launch(t, Options{}, build(t, "walk.c"))
	toMain(t, s)
	s.set("t", Breakpoint{File: "walk.c", Line: 34, OneShot: true})
	s.run(How{})
	if n := s.eval("n"); n != 5 {
		t.Fatalf("n = %d", n)
	}
	s.run(How{Kind: StepOver})
	if w, n := s.where(), s.eval("n"); w != "factorial:35" || n != 5 {
		t.Errorf("step over a recursive call: %s, n = %d", w, n)
	}
	if r := s.eval("rest"); r != 24 {
		t.Errorf("rest = %d", r)
	}
	s.set("t", Breakpoint{Function: "deep", Condition: "n == 3"})
	s.run(How{})
	if n := s.eval("n"); n != 3 {
		t.Errorf("condition n == 3 stopped at n = %d", n)
	}
	s.set("t")
	s.run(How{Kind: StepOut})
	if w, n := s.where(), s.eval("n"); w != "deep:43" || n != 4 {
		t.Errorf("step out of recursion: %s, n = %d", w, n)
	}
	s.run(How{Kind: StepOut, Frame: 2})
	if w, n := s.where(), s.eval("n"); w != "deep:43" || n != 7 {
		t.Errorf("step out of frame 2: %s, n = %d", w, n)
	}
}

func TestConditionsAndCounts(t *testing.T) {
	s := launch(t, Options{}, build(t, "walk.c"))
	toMain(t, s)
	st := s.set("t",
		Breakpoint{File: "walk.c", Line: 50, Condition: "i == 42"},
		Breakpoint{Function: "leaf", HitCondition: "% 40", Log: "a is {a}"},
		Breakpoint{Function: "spin", Passes: 1})
	if len(st) != 3 {
		t.Fatal(st)
	}
	stop := s.run(How{})
	if s.where() != "spin:48" || len(stop.Breakpoints) != 1 || stop.Breakpoints[0] != st[2].ID {
		t.Errorf("at %s by %v", s.where(), stop.Breakpoints)
	}
	s.run(How{})
	if n := s.eval("i"); n != 42 || s.where() != "spin:50" {
		t.Errorf("at %s, i = %d", s.where(), n)
	}
	if n := s.eval("sum"); n == 0 {
		t.Error("sum is 0")
	}
	logged := ""
	s.mu.Lock()
	for _, e := range s.all {
		if o, ok := e.(Output); ok && o.Category == FromDebugger {
			logged += o.Text
		}
	}
	s.mu.Unlock()
	if logged != "a is 37\n" {
		t.Errorf("logged %q", logged)
	}
	s.set("t", Breakpoint{File: "walk.c", Line: 50, Condition: "nonsense +"})
	s.run(How{})
	if s.where() != "spin:50" {
		t.Errorf("a broken condition must stop: at %s", s.where())
	}
}

func TestHitCount(t *testing.T) {
	for _, c := range []struct {
		cond string
		hits int
		want bool
		bad  bool
	}{
		{"", 1, true, false}, {"3", 3, true, false}, {"== 3", 2, false, false}, {"> 5", 6, true, false},
		{"> 5", 5, false, false}, {">=5", 5, true, false}, {"<2", 1, true, false}, {"<= 2", 3, false, false},
		{"% 3", 6, true, false}, {"%3", 7, false, false}, {"!= 1", 1, false, false}, {"% 0", 1, false, false},
		{"x", 1, true, true}, {"=>1", 1, true, true},
	} {
		got, err := hitCount(c.cond, c.hits)
		if got != c.want || (err != nil) != c.bad {
			t.Errorf("%q at %d: %v, %v", c.cond, c.hits, got, err)
		}
	}
}

func TestModuleName(t *testing.T) {
	for file, want := range map[string]string{
		"/lib/libc.so.6": "libc_so", "libstdc++.so.6": "libstdc___so", "ld-linux-x86-64.so.2": "ld_linux_x86_64_so",
		"libfoo.so.1.2.3": "libfoo_so_1_2", "/usr/bin/python3.10": "python3", "DisplayGreeting": "DisplayGreeting",
		"linux-vdso.so.1": "linux_vdso_so", "[vdso]": "vdso", "nf_conntrack.ko": "nf_conntrack", "": "image",
	} {
		if got := moduleName(file); got != want {
			t.Errorf("%s: %s, want %s", file, got, want)
		}
	}
}

func TestThreads(t *testing.T) {
	s := launch(t, Options{}, build(t, "threads.c"), "6")
	toMain(t, s)
	s.set("t", Breakpoint{Function: "tick", Passes: 20})
	s.run(How{})
	s.set("t")
	var id targets.ThreadID
	s.do(func(ctx context.Context, v *View) error {
		ts, err := v.Threads(ctx)
		if err != nil {
			return err
		}
		if len(ts) != 7 {
			t.Errorf("%d threads", len(ts))
		}
		for i, x := range ts {
			if x.Ordinal != i {
				t.Errorf("thread %d has ordinal %d", i, x.Ordinal)
			}
		}
		id = ts[0].ID
		all := make([]targets.ThreadID, len(ts))
		for i, x := range ts {
			all[i] = x.ID
		}
		stacks, err := v.Stacks(ctx, all, 20)
		for id, st := range stacks {
			if len(st.Frames) < 2 {
				t.Errorf("thread %v: %d frames, %s", id, len(st.Frames), st.End)
			}
		}
		return err
	})
	// Step over a call while other threads spring another breakpoint of theirs:
	// the plan ends, and the stop is the other thread's.
	// The call does not return before one of them has come there.
	s.eval("waits = 1")
	s.set("t", Breakpoint{File: "threads.c", Line: 50, OneShot: true})
	s.run(How{})
	s.set("t", Breakpoint{Function: "beat"})
	stop := s.run(How{Kind: StepOver})
	if stop.Step || len(stop.Breakpoints) != 1 || stop.Thread == id {
		t.Errorf("a breakpoint of another thread: %+v", stop.Text)
	}
	// Only one thread runs.
	s.eval("waits = 0")
	s.set("t")
	s.set("u", Breakpoint{Function: "tick"})
	s.run(How{})
	before := s.eval("beats[0] + beats[1] + beats[2]")
	s.run(How{Only: true})
	if after := s.eval("beats[0] + beats[1] + beats[2]"); after != before {
		t.Errorf("held threads ran: %d, %d", before, after)
	}
	for range 10 {
		s.run(How{Kind: StepOver})
	}
	s.set("u")
	s.set("u", Breakpoint{Function: "beat", Thread: stop.Thread})
	for range 5 {
		if st := s.run(How{}); st.Thread != stop.Thread {
			t.Errorf("stopped in %v, want %v", st.Thread, stop.Thread)
		}
	}
}

// TestSetWhileRunning sets and clears breakpoints in a running program, over
// and over; the stops it takes are never told.
func TestSetWhileRunning(t *testing.T) {
	s := launch(t, Options{}, build(t, "threads.c"), "3")
	toMain(t, s)
	s.set("main")
	s.resume(How{})
	told := len(s.all)
	rounds := 200
	if testing.Short() {
		rounds = 20
	}
	for i := range rounds {
		st := s.set("t", Breakpoint{Function: "tick", Condition: "n < 0"}, Breakpoint{Function: "beat", Disabled: true})
		if !st[0].Verified {
			t.Fatalf("round %d: %+v", i, st[0])
		}
		s.set("t")
	}
	s.mu.Lock()
	for _, e := range s.all[told:] {
		if _, ok := e.(Stopped); ok {
			t.Errorf("a hidden stop was told: %+v", e)
		}
	}
	s.mu.Unlock()
	s.set("t", Breakpoint{Function: "tick"})
	if stop := s.stop(); len(stop.Breakpoints) != 1 {
		t.Errorf("stop %+v", stop)
	}
}

// TestPauseCrossing pauses while breakpoints are being set: exactly one stop.
func TestPauseCrossing(t *testing.T) {
	s := launch(t, Options{}, build(t, "threads.c"), "2")
	toMain(t, s)
	s.set("main")
	for i := range 30 {
		s.resume(How{})
		set := make(chan error, 1)
		go func() {
			_, err := s.SetBreakpoints(s.ctx, "t", []Breakpoint{{ID: -1, Function: "main"}})
			set <- err
		}()
		if err := s.Interrupt(s.ctx); err != nil {
			t.Fatal(err)
		}
		stop, err := s.Wait(s.ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := <-set; err != nil {
			t.Fatal(err)
		}
		if told := s.stop(); told.Number != stop.Number {
			t.Errorf("round %d: told stop %d, waited for %d", i, told.Number, stop.Number)
		}
		s.set("t")
	}
}

func TestSignals(t *testing.T) {
	s := launch(t, Options{}, build(t, "signals.c"), "crash")
	toMain(t, s)
	// Steps survive a timer that fires all the time.
	s.set("t", Breakpoint{Function: "work", OneShot: true})
	s.run(How{})
	for _, want := range []string{"work:24", "work:25"} {
		s.run(How{Kind: StepOver})
		if w := s.where(); w != want {
			t.Fatalf("at %s, want %s", w, want)
		}
	}
	s.run(How{Kind: StepOut})
	if w := s.where(); w != "main:36" {
		t.Errorf("step out among alarms: at %s", w)
	}
	stop := s.run(How{})
	if stop.Exception == nil || stop.Exception.Name != "SIGUSR1" || !strings.Contains(stop.Text, "Signal SIGUSR1") {
		t.Errorf("raise: %+v %s", stop.Exception, stop.Text)
	}
	s.set("t", Breakpoint{Expr: "watched", Access: targets.OnWrite, Size: 4})
	for _, want := range []struct {
		new  byte
		line string
	}{{7, "change:17"}, {8, "change:19"}} {
		stop := s.run(How{})
		if stop.Reason != targets.Watch || stop.Watched == nil {
			t.Fatalf("data breakpoint: %+v", stop)
		}
		if stop.Watched.New[0] != want.new {
			stop = s.run(How{}) // the second write of the same value
		}
		if stop.Watched.New[0] != want.new || len(stop.Watched.Old) != 4 {
			t.Errorf("new value %v", stop.Watched)
		}
	}
	s.set("t")
	if n := s.eval("users"); n != 1 {
		t.Errorf("the signal was not delivered: users = %d", n)
	}
	stop = s.run(How{})
	if stop.Exception == nil || stop.Exception.Name != "SIGSEGV" || !strings.Contains(stop.Text, "Signal SIGSEGV") || !strings.HasSuffix(stop.Text, "code b (first chance)") {
		t.Errorf("crash: %s", stop.Text)
	}
	s.resume(How{})
	if e := s.ended(); e.Gone.Signal != 11 {
		t.Errorf("end %+v", e)
	}
}

func TestModules(t *testing.T) {
	plugin := build(t, "plugin.c", "-shared", "-fPIC")
	var stops []string
	s := launch(t, Options{Filter: func(e FilterEvent) Disposition {
		d := DefaultFilter(e)
		if e.Code == "ld" && e.Arg == "plugin" {
			d.Break = true
		}
		return d
	}}, build(t, "loader.c"), plugin)
	s.stop()
	st := s.set("t", Breakpoint{Function: "begin", OneShot: false}, Breakpoint{Expr: "plugin!plug", Deferred: true})
	if st[0].Verified || st[1].Verified {
		t.Errorf("resolved too early: %+v", st)
	}
	for range 6 {
		stop := s.run(How{})
		t.Log(stop.Reason, stop.Text, s.where())
		stops = append(stops, stop.Reason.String()+" "+s.where())
		if stop.Reason == targets.Modules && !strings.Contains(stop.Text, "plugin") {
			t.Errorf("text %q", stop.Text)
		}
	}
	want := "breakpoint begin:5 breakpoint plug:9"
	got := strings.Join(stops, " ")
	if strings.Count(got, "module") != 2 || strings.Count(got, "breakpoint begin:5") != 2 || strings.Count(got, "breakpoint plug:9") != 2 {
		t.Errorf("stops: %v, want %s twice with a module stop before each", stops, want)
	}
	s.resume(How{})
	e := s.ended()
	if e.Gone.Code != 10 {
		t.Errorf("end %+v", e)
	}
	var loaded, unloaded int
	s.mu.Lock()
	for _, e := range s.all {
		if m, ok := e.(ModuleEvent); ok && m.Module.Name == "plugin" {
			switch m.Change {
			case Loaded:
				loaded++
			case Unloaded:
				unloaded++
			}
		}
	}
	s.mu.Unlock()
	if loaded != 2 || unloaded != 2 {
		t.Errorf("plugin loaded %d times, unloaded %d times", loaded, unloaded)
	}
}

func TestInline(t *testing.T) {
	s := launch(t, Options{}, build(t, "inline.c", "-O1"))
	s.stop()
	s.set("t", Breakpoint{File: "inline.c", Line: 7})
	s.run(How{})
	stack := strings.Join(s.stack(), " ")
	if !strings.HasPrefix(stack, "inline!inner inline!outer inline!work inline!main") {
		t.Errorf("stack %s", stack)
	}
	s.set("t")
	s.run(How{Kind: StepOut})
	if w := s.where(); !strings.HasPrefix(w, "outer:") {
		t.Errorf("out of the inner call: at %s", w)
	}
	s.run(How{Kind: StepOut})
	if w := s.where(); !strings.HasPrefix(w, "work:") {
		t.Errorf("out of the outer call: at %s", w)
	}
}

func TestStepOverInline(t *testing.T) {
	s := launch(t, Options{}, build(t, "inline.c", "-O1"))
	s.stop()
	s.set("t", Breakpoint{Function: "work"})
	s.run(How{})
	for range 8 {
		s.run(How{Kind: StepOver})
		w := s.where()
		if strings.HasPrefix(w, "inner:") || strings.HasPrefix(w, "outer:") {
			t.Errorf("step over stopped at %s", w)
		}
		if strings.HasPrefix(w, "main:") {
			return
		}
	}
	t.Error("did not get out of work")
}

func TestRefusals(t *testing.T) {
	s := launch(t, Options{}, build(t, "threads.c"))
	s.stop()
	if _, err := s.SetBreakpoints(s.ctx, "a", []Breakpoint{{ID: 3, Function: "tick"}}); err != nil {
		t.Fatal(err)
	}
	var taken *IDError
	if _, err := s.SetBreakpoints(s.ctx, "b", []Breakpoint{{ID: 3, Function: "beat"}}); !errors.As(err, &taken) {
		t.Errorf("a taken number: %v", err)
	}
	st := s.set("b", Breakpoint{Addr: 0x10}, Breakpoint{Function: "nowhere"}, Breakpoint{File: "nofile.c", Line: 3})
	for _, x := range st {
		if x.Verified || x.Message == "" {
			t.Errorf("%+v", x)
		}
	}
	for _, x := range s.set("b", Breakpoint{Function: "beat", Condition: "((("}, Breakpoint{Function: "beat", Line: 1, HitCondition: "often"}) {
		if !x.Verified || !strings.Contains(x.Message, "stops each time") {
			t.Errorf("of a condition that cannot be read: %q", x.Message)
		}
	}
	s.set("b")
	s.resume(How{})
	s.stop()
	s.set("a")
	s.resume(How{})
	if err := s.Do(s.ctx, func(context.Context, *View) error { return nil }); !errors.Is(err, targets.ErrRunning) {
		t.Errorf("looking while it runs: %v", err)
	}
	gone, cancel := context.WithCancel(s.ctx)
	cancel()
	if _, err := s.Wait(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled wait: %v", err)
	}
	if err := s.Interrupt(s.ctx); err != nil {
		t.Fatal(err)
	}
	s.stop()
	// Memory: what cannot be read says where.
	s.do(func(ctx context.Context, v *View) error {
		p := make([]byte, 16)
		_, err := v.ReadMemory(ctx, targets.Space{}, 0x10, p)
		var fault *targets.FaultError
		if !errors.As(err, &fault) || fault.Addr != 0x10 {
			t.Errorf("reading nowhere: %v", err)
		}
		return nil
	})
}

// TestTrapsAreInvisible reads and writes code under a breakpoint.
func TestTrapsAreInvisible(t *testing.T) {
	s := launch(t, Options{}, build(t, "walk.c"))
	toMain(t, s)
	var at arch.Addr
	read := func() byte {
		var p [1]byte
		s.do(func(ctx context.Context, v *View) error {
			_, err := v.ReadMemory(ctx, targets.Space{}, at, p[:])
			return err
		})
		return p[0]
	}
	s.do(func(ctx context.Context, v *View) error {
		var err error
		at, err = v.Address(ctx, "walk!leaf")
		return err
	})
	was := read()
	s.set("t", Breakpoint{Addr: at})
	if got := read(); got != was {
		t.Errorf("with a trap: %x, was %x", got, was)
	}
	s.do(func(ctx context.Context, v *View) error {
		_, err := v.WriteMemory(ctx, targets.Space{}, at, []byte{0x90})
		return err
	})
	s.run(How{})
	if got := read(); got != 0x90 {
		t.Errorf("written under the trap: %x", got)
	}
	s.set("t")
	s.do(func(ctx context.Context, v *View) error {
		_, err := v.WriteMemory(ctx, targets.Space{}, at, []byte{was})
		return err
	})
	if got := read(); got != was {
		t.Errorf("restored: %x", got)
	}
}

// TestVDSO unwinds out of the image that the kernel maps, which is in no file.
func TestVDSO(t *testing.T) {
	s := launch(t, Options{}, build(t, "clock.c", "-Wl,-z,now"))
	toMain(t, s)
	for range 500 {
		s.run(How{Kind: StepInto, Unit: ByInstruction})
		in := false
		s.do(func(_ context.Context, v *View) error {
			m, ok := v.ModuleAt(v.l.last.Addr)
			in = ok && m.Name == "linux_vdso_so"
			return nil
		})
		if !in {
			continue
		}
		stack := strings.Join(s.stack(), " ")
		if !strings.Contains(stack, "clock!main") || strings.HasPrefix(stack, "linux_vdso_so! ") {
			t.Errorf("stack %s", stack)
		}
		return
	}
	t.Errorf("never stopped in the vDSO; last: %s", s.stack())
}

func TestExpressions(t *testing.T) {
	s := launch(t, Options{}, build(t, "walk.c"))
	toMain(t, s)
	s.set("t", Breakpoint{File: "walk.c", Line: 59})
	s.run(How{})
	for src, want := range map[string]uint64{
		"head.y": 2, "head.next->y": 4, "counter": 0, "argc": 1, "&head == 0": 0, "@$ptrsize": 8, "walk!counter + 1": 1,
	} {
		if got := s.eval(src); got != want {
			t.Errorf("%s = %d, want %d", src, got, want)
		}
	}
	s.eval("head.y = 77")
	if got := s.eval("head.y"); got != 77 {
		t.Errorf("after the assignment: %d", got)
	}
	s.do(func(ctx context.Context, v *View) error {
		locals, err := v.Locals(ctx, nil)
		if err != nil {
			return err
		}
		names := ""
		for _, l := range locals {
			names += l.Name + " "
		}
		if names != "argc argv tail head total " {
			t.Errorf("locals %s", names)
		}
		f, err := v.Frame(ctx)
		if err != nil {
			return err
		}
		x, err := v.Eval(ctx, nil, "@$ip", eval.Options{Dialect: eval.MASM})
		if err != nil {
			return err
		}
		if n, _ := eval.Int(ctx, v.Env(nil), x); arch.Addr(n) != f.PC {
			t.Errorf("$ip = %x, PC %x", n, f.PC)
		}
		if got := v.Env(nil).Symbol(ctx, f.PC); !strings.HasPrefix(got, "walk!main+0x") {
			t.Errorf("symbol %s", got)
		}
		ins, err := v.DisassembleBefore(ctx, f.PC, 4)
		if err != nil || len(ins) != 4 || ins[3].Addr+arch.Addr(ins[3].Len) != f.PC {
			t.Errorf("before: %v %v", ins, err)
		}
		ins, err = v.Disassemble(ctx, f.PC, 20)
		if err != nil || len(ins) != 20 {
			t.Errorf("after: %d %v", len(ins), err)
		}
		return nil
	})
}
