package engine

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"dap-windbg/arch"
	"dap-windbg/targets"
	"dap-windbg/targets/fake"
)

// over makes a session over any target.
func over(t *testing.T, target targets.Target, o Options) *session {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	s := &session{t: t, ctx: ctx, events: make(chan Event, 4096), ran: make(chan error, 1)}
	o.Emit = s.emit
	s.Session = New(target, o)
	go func() { s.ran <- s.Run(context.Background()) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		s.Close(ctx, targets.Kill)
		select {
		case <-s.ran:
		case <-ctx.Done():
			t.Error("Run does not return")
		}
	})
	return s
}

// pc of the stopped thread.
func (s *session) pc() arch.Addr {
	s.t.Helper()
	var pc arch.Addr
	s.do(func(ctx context.Context, v *View) error {
		th, err := v.Thread(ctx)
		if err != nil {
			return err
		}
		r, err := v.Registers(ctx, th.ID)
		if err != nil {
			return err
		}
		pc = r.PC()
		return nil
	})
	return pc
}

// TestFarEnds runs the same session over a far end that can all, and over one
// that knows neither traps nor flights.
func TestFarEnds(t *testing.T) {
	leaf, work := fake.DemoNames["leaf"], fake.DemoNames["work"]
	for name, make := range map[string]func(*fake.Target) targets.Target{
		"full": func(f *fake.Target) targets.Target { return f }, "plain": fake.Plain,
	} {
		t.Run(name, func(t *testing.T) {
			f := fake.New(fake.Demo("main", 1))
			s := over(t, make(f), Options{})
			if st := s.stop(); st.Reason != targets.Initial {
				t.Errorf("first stop %v", st.Reason)
			}
			s.set("t", Breakpoint{Addr: leaf})
			for range 3 {
				stop := s.run(How{})
				if stop.Text != "Breakpoint 0 hit" || s.pc() != leaf {
					t.Fatalf("stop %q at %x", stop.Text, s.pc())
				}
				s.do(func(ctx context.Context, v *View) error {
					p := []byte{0}
					if _, err := v.ReadMemory(ctx, targets.Space{}, leaf, p); err != nil || p[0] != 0x55 {
						t.Errorf("code under the trap: %x, %v", p, err)
					}
					return nil
				})
			}
			s.run(How{Kind: StepOver, Unit: ByInstruction})
			if s.pc() != leaf+1 {
				t.Errorf("after an instruction: %x", s.pc())
			}
			s.run(How{Kind: StepOut})
			if s.pc() != work+28 {
				t.Errorf("stepped out to %x", s.pc())
			}
			s.set("t")
			s.run(How{Until: []arch.Addr{work}})
			if s.pc() != work {
				t.Errorf("ran to %x", s.pc())
			}
			s.run(How{Kind: StepOver, UntilKind: NextCall})
			if s.pc() != work+23 {
				t.Errorf("next call at %x", s.pc())
			}
			s.run(How{Kind: StepOver, Unit: ByInstruction})
			if s.pc() != work+28 {
				t.Errorf("over the call to %x", s.pc())
			}
			s.run(How{Kind: StepInto, UntilKind: NextReturn})
			if s.pc() != work+29 {
				t.Errorf("next return at %x", s.pc())
			}
			s.resume(How{})
			s.set("t", Breakpoint{Addr: work})
			s.stop()
			if err := s.Close(s.ctx, targets.Detach); err != nil {
				t.Error(err)
			}
			if left := f.Planted(); len(left) > 0 {
				t.Errorf("traps left at %x", left)
			}
		})
	}
}

func TestOwnTraps(t *testing.T) {
	for name, make := range map[string]func(*fake.Target) targets.Target{
		"full": func(f *fake.Target) targets.Target { return f }, "plain": fake.Plain,
	} {
		t.Run(name, func(t *testing.T) {
			s := over(t, make(fake.New(fake.Demo("trap", 1))), Options{})
			s.stop()
			stop := s.run(How{})
			if !strings.HasSuffix(stop.Text, "Break instruction exception - code 80000003 (first chance)") {
				t.Errorf("int3 of the program's own: %q %v", stop.Text, stop.Reason)
			}
			s.set("t", Breakpoint{Addr: fake.DemoNames["leaf"]})
			if stop := s.run(How{}); stop.Text != "Breakpoint 0 hit" {
				t.Errorf("then %q", stop.Text)
			}
		})
	}
}

func TestExitAndCrash(t *testing.T) {
	s := over(t, fake.New(fake.Demo("hello", 1)), Options{})
	s.stop()
	s.resume(How{})
	if e := s.ended(); e.Gone.Code != 7 || e.Text != "The debuggee exited with status 7." {
		t.Errorf("%+v", e)
	}
	s = over(t, fake.New(fake.Demo("crash", 1)), Options{})
	s.stop()
	if stop := s.run(How{}); stop.Exception == nil || stop.Exception.Code != 11 {
		t.Errorf("%+v", stop)
	}
}

func TestLoads(t *testing.T) {
	s := over(t, fake.New(fake.Demo("loader", 1)), Options{Filter: func(e FilterEvent) Disposition {
		return Disposition{Break: e.Code == "ld" || DefaultFilter(e).Break}
	}})
	s.stop()
	stop := s.run(How{})
	if stop.Reason != targets.Modules || stop.Text != "Load module /demo/library.so at 00007f00`00000000" {
		t.Errorf("%v %q", stop.Reason, stop.Text)
	}
	s.do(func(_ context.Context, v *View) error {
		if m, ok := v.ModuleByName("library"); !ok || m.Base != fake.DemoLibrary {
			t.Errorf("module %+v", m)
		}
		return nil
	})
}

// TestPreempt gives up a read that hangs; the session lives on.
func TestPreempt(t *testing.T) {
	f := fake.New(fake.Demo("main", 1))
	s := over(t, f, Options{})
	s.stop()
	never := make(chan struct{})
	f.Delay(fake.ReadMemory, never)
	began := make(chan struct{})
	got := make(chan error, 1)
	go func() {
		got <- s.Do(s.ctx, func(ctx context.Context, v *View) error {
			close(began)
			_, err := v.ReadMemory(ctx, targets.Space{}, fake.DemoData, make([]byte, 8))
			return err
		})
	}()
	<-began
	s.Preempt()
	if err := <-got; !errors.Is(err, context.Canceled) {
		t.Errorf("preempted: %v", err)
	}
	// And so does the request's own context.
	ctx, cancel := context.WithCancel(s.ctx)
	began = make(chan struct{})
	go func() {
		got <- s.Do(ctx, func(ctx context.Context, v *View) error {
			close(began)
			_, err := v.ReadMemory(ctx, targets.Space{}, fake.DemoData, make([]byte, 8))
			return err
		})
	}()
	<-began
	cancel()
	if err := <-got; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	// Close does not wait for it either.
	began = make(chan struct{})
	go func() {
		got <- s.Do(s.ctx, func(ctx context.Context, v *View) error {
			close(began)
			_, err := v.ReadMemory(ctx, targets.Space{}, fake.DemoData, make([]byte, 8))
			return err
		})
	}()
	<-began
	if err := s.Close(s.ctx, targets.Detach); err != nil {
		t.Errorf("close: %v", err)
	}
	<-got
	s.ended()
}

// TestCut: the wire goes in each state.
func TestCut(t *testing.T) {
	for _, running := range []bool{false, true} {
		f := fake.New(fake.Demo("main", 1))
		s := over(t, f, Options{})
		s.stop()
		s.set("t", Breakpoint{Addr: fake.DemoNames["hello"]})
		if running {
			s.resume(How{})
		}
		f.Cut(errors.New("cut"))
		e := s.ended()
		if e.Gone.Err == nil || len(e.Traps) != 1 || e.Traps[0] != fake.DemoNames["hello"] {
			t.Errorf("running %v: %+v", running, e)
		}
		if err := s.Do(s.ctx, func(context.Context, *View) error { return nil }); !errors.Is(err, targets.ErrGone) {
			t.Errorf("afterwards: %v", err)
		}
		if err := s.Close(s.ctx, targets.Kill); err != nil {
			t.Errorf("closing again: %v", err)
		}
	}
}

// TestRefusedTrap: a trap the far end refuses is told and does not end anything.
func TestRefusedTrap(t *testing.T) {
	f := fake.New(fake.Demo("main", 1))
	s := over(t, f, Options{})
	s.stop()
	f.Fail(fake.SetTrap, &targets.RefusedError{Op: "setting a trap", Code: 1})
	st := s.set("t", Breakpoint{Addr: fake.DemoNames["leaf"]})
	if st[0].Verified || !strings.Contains(st[0].Message, "unable to insert") {
		t.Errorf("%+v", st[0])
	}
	st = s.set("t", Breakpoint{Addr: fake.DemoNames["leaf"]})
	if !st[0].Verified {
		t.Errorf("tried again: %+v", st[0])
	}
	s.run(How{})
	no := &targets.RefusedError{Op: "running", Code: 1}
	f.Fail(fake.Resume, no, no) // once more without the difference of traps
	if err := s.Resume(s.ctx, How{}); err == nil {
		t.Error("a refused resume brought no error")
	}
	s.run(How{})
}

// TestNoTrapThere: a step whose end cannot have a trap gets there by single steps, each
// time, and over the same place from a breakpoint.
func TestNoTrapThere(t *testing.T) {
	leaf, work := fake.DemoNames["leaf"], fake.DemoNames["work"]
	o := fake.Demo("main", 1)
	o.NoTraps = []arch.Addr{work + 28}
	s := over(t, fake.New(o), Options{})
	s.stop()
	s.set("t", Breakpoint{Addr: leaf})
	for range 2 {
		s.run(How{})
		if s.run(How{Kind: StepOut}); s.pc() != work+28 {
			t.Fatalf("stepped out to %x", s.pc())
		}
	}
	s.set("t", Breakpoint{Addr: work + 23})
	for range 2 {
		s.run(How{})
		if s.run(How{Kind: StepOver, Unit: ByInstruction}); s.pc() != work+28 {
			t.Fatalf("over the call to %x", s.pc())
		}
	}
	s.set("t", Breakpoint{Addr: leaf + 4}, Breakpoint{Addr: work + 23})
	s.run(How{})
	if stop := s.run(How{Kind: StepOver, Unit: ByInstruction}); s.pc() != leaf+4 || len(stop.Breakpoints) != 1 {
		t.Errorf("a breakpoint on the way: %q at %x", stop.Text, s.pc())
	}
}

// TestHardwareTried: whether hardware traps spring is found out once, when the debuggee
// goes with the first.
func TestHardwareTried(t *testing.T) {
	leaf, work := fake.DemoNames["leaf"], fake.DemoNames["work"]
	for _, deaf := range []bool{false, true} {
		o := fake.Demo("main", 1)
		o.Deaf, o.Bits = deaf, targets.HardwareUnproven
		f := fake.New(o)
		s := over(t, f, Options{})
		s.stop()
		s.set("s", Breakpoint{Addr: work})
		s.set("h", Breakpoint{Addr: leaf, Hardware: true})
		stop := s.run(How{})
		if s.pc() != work { // main begins with two plain instructions, then comes the call
			if !deaf || s.pc() != fake.DemoNames["main"]+4 {
				t.Fatalf("deaf %v: %q at %x", deaf, stop.Text, s.pc())
			}
			stop = s.run(How{})
		} else if deaf {
			t.Fatalf("%q: nothing was tried", stop.Text)
		}
		if s.pc() != work {
			t.Fatalf("deaf %v: %q at %x", deaf, stop.Text, s.pc())
		}
		st := s.set("h", Breakpoint{Addr: leaf, Hardware: true})[0]
		if st.Verified == deaf || deaf && !strings.Contains(st.Message, "never spring") {
			t.Errorf("deaf %v: %+v", deaf, st)
		}
		want := map[bool]arch.Addr{false: leaf, true: work}[deaf]
		if stop = s.run(How{}); s.pc() != want {
			t.Errorf("deaf %v: %q at %x", deaf, stop.Text, s.pc())
		}
		if err := s.Resume(s.ctx, How{Until: []arch.Addr{leaf}, Hardware: true}); deaf != (err != nil) {
			t.Errorf("deaf %v: until there by hardware: %v", deaf, err)
		}
		s.Close(s.ctx, targets.Detach)
		if left := f.Planted(); len(left) > 0 {
			t.Errorf("traps left at %x", left)
		}
	}
}

// TestDataTried: so is whether data traps do, at a place where something is stored.
func TestDataTried(t *testing.T) {
	work, counter := fake.DemoNames["work"], fake.DemoNames["counter"]
	for _, deaf := range []bool{false, true} {
		o := fake.Demo("main", 1)
		o.DeafData, o.Bits = deaf, targets.HardwareUnproven|targets.HardwareAgain
		f := fake.New(o)
		s := over(t, f, Options{})
		s.stop()
		s.set("s", Breakpoint{Addr: work})
		s.set("d", Breakpoint{Addr: counter, Size: 8, Access: targets.OnWrite})
		if stop := s.run(How{}); s.pc() != work { // nothing is stored on the way
			t.Fatalf("deaf %v: %q at %x", deaf, stop.Text, s.pc())
		}
		stop := s.run(How{}) // work begins with a push
		if deaf {
			if s.pc() != work+4 || stop.Text == "" || !s.said("Breakpoint 1 is watched by single steps") {
				t.Errorf("deaf: %q at %x", stop.Text, s.pc())
			}
			st := s.set("d", Breakpoint{Addr: counter, Size: 8, Access: targets.OnWrite})[0]
			if !strings.Contains(st.Message, "never spring") || strings.Contains(st.Message, "too many") {
				t.Errorf("deaf: %+v", st)
			}
			st = s.set("h", Breakpoint{Addr: work + 8, Hardware: true})[0]
			if !st.Verified {
				t.Errorf("the others spring: %+v", st)
			}
			stop = s.run(How{})
			if s.pc() != work+8 {
				t.Errorf("by hardware: %q at %x", stop.Text, s.pc())
			}
			stop = s.run(How{}) // by single steps
		}
		if stop.Reason != targets.Watch || s.pc() != work+23 {
			t.Errorf("deaf %v: %v %q at %x", deaf, stop.Reason, stop.Text, s.pc())
		}
		s.set("d")
		s.set("s")
		s.set("h")
		s.resume(How{})
		s.Interrupt(s.ctx)
		s.stop()
		if left := f.Planted(); len(left) > 0 {
			t.Errorf("traps left at %x", left)
		}
	}
}

// TestLongWayOnFoot: a step over a call that has no end, where no trap can be, is told of
// and given up.
func TestLongWayOnFoot(t *testing.T) {
	leaf, work := fake.DemoNames["leaf"], fake.DemoNames["work"]
	o := fake.Demo("main", 1)
	o.NoTraps = []arch.Addr{work + 28}
	copy(o.Regions[0].Data[leaf-fake.DemoText:], []byte{0xeb, 0xfe}) // jmp .
	s := over(t, fake.New(o), Options{})
	s.stop()
	s.set("t", Breakpoint{Addr: work + 23})
	s.run(How{})
	stop := s.run(How{Kind: StepOver, Unit: ByInstruction})
	if !stop.Step || s.pc() != leaf {
		t.Errorf("the step ends with %v at %x", stop.Reason, s.pc())
	}
	for _, want := range []string{"instruction by instruction", "given up at"} {
		if !s.said(want) {
			t.Errorf("%q is not told", want)
		}
	}
}

// TestManyClients lets several clients set, read, run and pause at once.
func TestManyClients(t *testing.T) {
	s := over(t, fake.New(fake.Demo("main", 3)), Options{})
	s.stop()
	go func() { // nobody else reads the events
		for {
			select {
			case <-s.events:
			case <-s.ctx.Done():
				return
			}
		}
	}()
	var all sync.WaitGroup
	for n := range 4 {
		all.Add(1)
		go func() {
			defer all.Done()
			owner := string(rune('a' + n))
			for range 25 {
				if _, err := s.SetBreakpoints(s.ctx, owner, []Breakpoint{{ID: -1, Addr: fake.DemoNames["leaf"], Condition: "0"}}); err != nil {
					t.Error(err)
				}
				if err := s.Resume(s.ctx, How{}); err != nil && !errors.Is(err, targets.ErrRunning) {
					t.Error(err)
				}
				if err := s.Interrupt(s.ctx); err != nil {
					t.Error(err)
				}
				if _, err := s.SetBreakpoints(s.ctx, owner, nil); err != nil {
					t.Error(err)
				}
				err := s.Do(s.ctx, func(ctx context.Context, v *View) error { _, err := v.Threads(ctx); return err })
				if err != nil && !errors.Is(err, targets.ErrRunning) {
					t.Error(err)
				}
			}
		}()
	}
	all.Wait()
}

// TestEndOfContext: Run leaves the debuggee when its own context ends.
func TestEndOfContext(t *testing.T) {
	f := fake.New(fake.Demo("main", 1))
	ctx, cancel := context.WithCancel(context.Background())
	events := make(chan Event, 100)
	s := New(f, Options{Emit: func(e Event) { events <- e }})
	ran := make(chan error, 1)
	go func() { ran <- s.Run(ctx) }()
	for e := range events {
		if _, ok := e.(Stopped); ok {
			break
		}
	}
	if err := s.Resume(context.Background(), How{}); err != nil {
		t.Fatal(err)
	}
	cancel()
	select {
	case err := <-ran:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Fatal("Run does not return")
	}
	for e := range events {
		if _, ok := e.(Ended); ok {
			return
		}
	}
}
