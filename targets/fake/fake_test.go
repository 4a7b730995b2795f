package fake

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"

	"dap-windbg/arch"
	"dap-windbg/targets"
	"dap-windbg/targets/targettest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func subject(t *testing.T, threads int) (targettest.Subject, *Target) {
	o := Demo("main", threads)
	tg := New(o)
	t.Cleanup(func() { tg.Close(context.Background(), targets.Kill) })
	return targettest.Subject{
		Target: tg, Known: DemoText, Content: o.Regions[0].Data, Edge: DemoData + 0x1000, Nowhere: 0x1000,
		Writable: DemoData + 0x800, Loop: DemoNames["work"], Watched: DemoNames["counter"], Threads: threads, Ends: true,
	}, tg
}

func TestConformance(t *testing.T) {
	targettest.Run(t, func(t *testing.T) targettest.Subject { s, _ := subject(t, 3); return s })
}

// TestConformancePlain climbs without traps at the far end: they are patched.
func TestConformancePlain(t *testing.T) {
	var rungs []targettest.Rung
	for _, r := range targettest.All() {
		if r != targettest.Trap && r != targettest.Watch {
			rungs = append(rungs, r)
		}
	}
	targettest.Run(t, func(t *testing.T) targettest.Subject {
		s, tg := subject(t, 1)
		s.Target = Plain(tg)
		return s
	}, rungs...)
}

func next(t *testing.T, tg *Target) targets.Event {
	t.Helper()
	select {
	case e := <-tg.Events():
		return e
	case <-time.After(10 * time.Second):
		t.Fatal("no event")
		return nil
	}
}

func start(t *testing.T, name string) *Target {
	tg := New(Demo(name, 1))
	t.Cleanup(func() { tg.Close(context.Background(), targets.Kill) })
	if s, ok := next(t, tg).(targets.Stop); !ok || s.Reason != targets.Initial || s.Addr != DemoNames[name] {
		t.Fatalf("first event %+v", s)
	}
	if err := tg.Resume(context.Background(), targets.Resume{Default: targets.Action{Kind: targets.Go}}); err != nil {
		t.Fatal(err)
	}
	return tg
}

func TestOutputAndExit(t *testing.T) {
	tg := start(t, "hello")
	if e := next(t, tg); e != (targets.Output{Text: "hello\n"}) {
		t.Errorf("got %+v", e)
	}
	if e := next(t, tg); e != (targets.Gone{Exited: true, Code: 7}) {
		t.Errorf("got %+v", e)
	}
	if e, open := <-tg.Events(); open {
		t.Errorf("%+v after the end", e)
	}
}

func TestSignal(t *testing.T) {
	tg := start(t, "crash")
	s, _ := next(t, tg).(targets.Stop)
	if s.Reason != targets.Exception || s.Exception.Name != "SIGSEGV" || s.Exception.Params[0] != 0x10 || s.Addr != DemoNames["crash"]+5 {
		t.Fatalf("got %+v", s)
	}
	tg.Resume(context.Background(), targets.Resume{Default: targets.Action{Kind: targets.Go, Deliver: targets.Deliver{Kind: targets.NotHandled}}})
	if e := next(t, tg); e != (targets.Gone{Signal: 11}) {
		t.Errorf("got %+v", e)
	}
}

func TestModuleLoad(t *testing.T) {
	tg := start(t, "loader")
	s, _ := next(t, tg).(targets.Stop)
	if s.Reason != targets.Modules || s.Detail.Module.Base != DemoLibrary || s.Addr != DemoNames["load"] {
		t.Fatalf("got %+v", s)
	}
	if list, err := tg.Modules(context.Background()); err != nil || len(list) != 2 || !list[0].Main {
		t.Errorf("modules %+v, %v", list, err)
	}
}

func TestOwnTrap(t *testing.T) {
	tg := start(t, "trap")
	s, _ := next(t, tg).(targets.Stop)
	if s.Reason != targets.Exception || s.Exception.Name != "SIGTRAP" || s.Addr != DemoNames["trap"]+1 {
		t.Errorf("got %+v", s)
	}
}

func TestFaults(t *testing.T) {
	tg := New(Demo("main", 1))
	ctx := context.Background()
	read := func(ctx context.Context) error {
		_, err := tg.ReadMemory(ctx, targets.Space{}, DemoText, make([]byte, 4))
		return err
	}
	wrong := errors.New("wrong")
	tg.Fail(ReadMemory, nil, wrong)
	if a, b, c := read(ctx), read(ctx), read(ctx); a != nil || b != wrong || c != nil {
		t.Errorf("got %v, %v, %v", a, b, c)
	}
	tg.Delay(ReadMemory, make(chan struct{}))
	late, cancel := context.WithCancel(ctx)
	cancel()
	if err := read(late); !errors.Is(err, context.Canceled) {
		t.Errorf("a late read: %v", err)
	}
	tg.Delay(ReadMemory, nil)
	tg.Cut(wrong)
	if err := read(ctx); !errors.Is(err, targets.ErrGone) {
		t.Errorf("after the wire's death: %v", err)
	}
	next(t, tg)
	if g, ok := next(t, tg).(targets.Gone); !ok || !errors.Is(g.Err, wrong) {
		t.Errorf("got %+v", g)
	}
}

// TestArithmetic checks flags and conditions against the manual's definitions.
func TestArithmetic(t *testing.T) {
	for _, c := range []struct {
		name  string
		code  []byte // runs from DemoData
		steps int
		rax   uint64
		flags uint64
	}{
		{"sub borrows", []byte{0xb8, 1, 0, 0, 0, 0x48, 0x83, 0xe8, 2}, 2, ^uint64(0), cf | sf},
		{"add overflows", []byte{0xb8, 0xff, 0xff, 0xff, 0x7f, 0x83, 0xc0, 1}, 2, 0x80000000, of | sf},
		{"xor clears", []byte{0xb8, 9, 0, 0, 0, 0x31, 0xc0}, 2, 0, zf},
		{"jl taken", []byte{0xb8, 1, 0, 0, 0, 0x83, 0xf8, 2, 0x7c, 1, 0xcc, 0x48, 0xff, 0xc0}, 4, 2, cf},
		{"jz not taken", []byte{0xb8, 1, 0, 0, 0, 0x83, 0xf8, 2, 0x74, 3, 0x48, 0xff, 0xc0}, 4, 2, cf},
		{"sib", []byte{0xb9, 0, 0x40, 0x40, 0, 0xb8, 0, 0, 0, 0, 0x8b, 0x44, 0x81, 0}, 3, 0x404000b9, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := Demo("main", 1)
			copy(o.Regions[1].Data, c.code)
			o.Threads[0].PC = DemoData
			tg := New(o)
			th := tg.threads[0]
			for range c.steps {
				if err := th.step(); err != nil {
					t.Fatalf("at 0x%x: %v", th.pc, err)
				}
			}
			if th.reg[rax] != c.rax || th.flags != c.flags {
				t.Errorf("rax 0x%x, flags 0x%x; want 0x%x, 0x%x", th.reg[rax], th.flags, c.rax, c.flags)
			}
		})
	}
}

func FuzzCPU(f *testing.F) {
	f.Add([]byte{0x55, 0x48, 0x89, 0xe5, 0xe8, 0, 0, 0, 0, 0xc9, 0xc3})
	f.Add([]byte{0x48, 0x8d, 0x05, 1, 2, 3, 4, 0xff, 0x10, 0x0f, 0x84, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, code []byte) {
		m := &memory{regions: []Region{{Addr: 0x1000, Data: append([]byte(nil), code...)}, {Addr: arch.Addr(^uint64(0) - 15), Data: make([]byte, 16)}}}
		c := &cpu{mem: m, pc: 0x1000}
		c.reg[rsp] = 0x1000
		for range 100 {
			was := *c
			if err := c.step(); err != nil && err != errTrap && err != errSyscall && *c != was {
				t.Fatalf("an instruction that failed (%v) left %+v, was %+v", err, *c, was)
			}
		}
	})
}
