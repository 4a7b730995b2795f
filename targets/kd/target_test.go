package kd

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"dap-windbg/arch"
	"dap-windbg/targets"
	"dap-windbg/targets/targettest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// limit bounds every wait of a test.
const limit = 20 * time.Second

func patience(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	return ctx
}

func connect(t *testing.T, f *farEnd, o Options) *Target {
	t.Helper()
	k, err := Connect(patience(t), f, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close(context.Background(), targets.Leave) })
	return k
}

// stop waits for the next stop and passes over output.
func stop(t *testing.T, k *Target) targets.Stop {
	t.Helper()
	for deadline := time.After(limit); ; {
		select {
		case e, ok := <-k.Events():
			switch e := e.(type) {
			case targets.Stop:
				return e
			case targets.Output:
			default:
				t.Fatalf("%+v, %v instead of a stop", e, ok)
			}
		case <-deadline:
			t.Fatal("no stop")
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var (
	letGo = targets.Resume{Default: targets.Action{Kind: targets.Go}}
	step  = targets.Resume{Default: targets.Action{Kind: targets.Step}}
)

// recorded is a recording and what is known of it.
type recorded struct {
	name   string
	arch   *arch.Arch
	base   arch.Addr // of the kernel
	trap   arch.Addr // a breakpoint that is hit
	steps  []arch.Addr
	stub   string
	byteAt byte // what the trap covers
}

var recordings = []recorded{
	{"amd64", arch.AMD64, 0xfffff80000400000, 0xfffff8000045e562, []arch.Addr{0xfffff8000045e564, 0xfffff8000045e566}, "KD, Windows 3790 checked", 0},
	{"i386", arch.I386, 0x80400000, 0x804628d9, []arch.Addr{0x804628da, 0x804628dc}, "KD, Windows 3790 checked", 0},
}

// TestLadder climbs connect, registers, memory, trap, step, stop on what two
// live targets answered.
func TestLadder(t *testing.T) {
	for _, r := range recordings {
		t.Run(r.name, func(t *testing.T) {
			f := newFarEnd(t, r.name, 0, false)
			k := connect(t, f, Options{})
			ctx := patience(t)
			first := stop(t, k)
			info := k.Info()
			if first.Reason != targets.Initial || first.Detail == nil || first.Detail.Module.Base != r.base || info.Set.Arch != r.arch || info.Stub != r.stub || !info.Machine {
				t.Fatalf("first stop %+v, info %+v", first, info)
			}
			anchors, err := k.Anchors(ctx)
			must(t, err)
			if anchors["kernbase"] != r.base || anchors["kdbg"] == 0 {
				t.Errorf("anchors %x", anchors)
			}
			threads, err := k.Threads(ctx)
			must(t, err)
			if len(threads) != 1 || threads[0].ID != first.Thread {
				t.Errorf("threads %+v", threads)
			}
			header := make([]byte, 64)
			n, err := k.ReadMemory(ctx, targets.Space{}, r.base, header)
			must(t, err)
			if n != 64 || string(header[:2]) != "MZ" {
				t.Errorf("%d bytes % x", n, header[:8])
			}
			var fault *targets.FaultError
			if n, err := k.ReadMemory(ctx, targets.Space{}, 0x10, header); n != 0 || !errors.As(err, &fault) || fault.Addr != 0x10 {
				t.Errorf("unmapped memory: %d bytes, %v", n, err)
			}
			trap := targets.Trap{Addr: r.trap}
			must(t, k.SetTrap(ctx, trap))
			must(t, k.SetTrap(ctx, trap))
			var covered [1]byte
			_, err = k.ReadMemory(ctx, targets.Space{}, r.trap, covered[:])
			must(t, err)
			if covered[0] == 0xcc {
				t.Error("the trap shows in memory")
			}
			hit := targets.Stop{}
			for hit.Reason != targets.Breakpoint { // load reports come first
				must(t, k.Resume(ctx, letGo))
				if hit = stop(t, k); hit.Reason != targets.Modules && hit.Reason != targets.Breakpoint {
					t.Fatalf("%+v", hit)
				}
			}
			regs, err := k.Registers(ctx, hit.Thread)
			must(t, err)
			if hit.Addr != r.trap || regs.PC() != r.trap || regs.SP() == 0 {
				t.Errorf("stopped at %x, registers say %x", hit.Addr, regs.PC())
			}
			if len(hit.Memory) != 1 || hit.Memory[0].Addr != r.trap || hit.Memory[0].Data[0] != covered[0] {
				t.Errorf("code that came along: %+v, memory %x", hit.Memory, covered)
			}
			if err := k.Resume(ctx, targets.Resume{Default: step.Default, Reverse: true}); !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("reverse: %v", err)
			}
			lifted := step
			lifted.Lift = []targets.Trap{trap}
			for i, want := range r.steps {
				must(t, k.Resume(ctx, lifted))
				lifted = step
				if s := stop(t, k); s.Reason != targets.Stepped || s.Addr != want {
					t.Errorf("step %d: %+v, want %x", i, s, want)
				}
			}
			again := letGo
			again.Plant = []targets.Trap{trap}
			must(t, k.Resume(ctx, again))
			if s := stop(t, k); s.Reason != targets.Breakpoint || s.Addr != r.trap {
				t.Errorf("again: %+v", s)
			}
			must(t, k.ClearTrap(ctx, trap))
			must(t, k.Resume(ctx, letGo))
			if _, err := k.Registers(ctx, hit.Thread); !errors.Is(err, targets.ErrRunning) {
				t.Errorf("registers of a running target: %v", err)
			}
			must(t, k.Interrupt(ctx))
			if s := stop(t, k); s.Reason != targets.Interrupted {
				t.Errorf("interrupted: %+v", s)
			}
		})
	}
}

// TestConformance holds the target to what all targets promise.
func TestConformance(t *testing.T) {
	for _, r := range recordings {
		t.Run(r.name, func(t *testing.T) {
			content := make([]byte, 200)
			targettest.Run(t, func(t *testing.T) targettest.Subject {
				f := newFarEnd(t, r.name, 0, false)
				f.quiet = true
				for i := range content {
					content[i] = f.p.memory[f.m.wide(r.base)+uint64(i)]
				}
				return targettest.Subject{Target: connect(t, f, Options{}), Known: r.base, Content: content, Nowhere: 0x10000, Writable: r.base + 0x80, Loop: r.trap, Threads: 1, Ends: true}
			}, slices.DeleteFunc(targettest.All(), func(g targettest.Rung) bool { return g == targettest.Watch })...)
		})
	}
}

// TestHardwareTrap springs the trap in a debug register that was recorded.
func TestHardwareTrap(t *testing.T) {
	for name, at := range map[string]arch.Addr{"amd64": 0xfffff800005150fd, "i386": 0x8051f635} {
		f := newFarEnd(t, name, 0, false)
		f.quiet = true
		k := connect(t, f, Options{})
		stop(t, k)
		must(t, k.Resume(patience(t), targets.Resume{Default: letGo.Default, Plant: []targets.Trap{{Kind: targets.Hardware, Addr: at}}}))
		if s := stop(t, k); s.Reason != targets.Breakpoint || s.Kind != targets.Hardware || s.Addr != at {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

// TestHardBreak goes on from a break instruction: PC is moved past it once.
func TestHardBreak(t *testing.T) {
	f := newFarEnd(t, "amd64", 0, true)
	k := connect(t, f, Options{Break: true, Poke: 10 * time.Millisecond})
	ctx := patience(t)
	s := stop(t, k)
	must(t, k.Resume(ctx, step))
	after := stop(t, k)
	regs, err := k.Registers(ctx, after.Thread)
	must(t, err)
	if after.Reason != targets.Stepped || after.Addr != s.Addr+1 || regs.PC() != s.Addr+1 {
		t.Errorf("stepping off the break instruction at %x: %+v, PC %x", s.Addr, after, regs.PC())
	}
	for _, api := range f.received {
		if api == apiContinue2 {
			t.Error("the target ran")
		}
	}
}

// TestWriting changes registers and memory and reads them back.
func TestWriting(t *testing.T) {
	for _, r := range recordings {
		f := newFarEnd(t, r.name, 0, false)
		k := connect(t, f, Options{})
		ctx := patience(t)
		s := stop(t, k)
		regs, err := k.Registers(ctx, s.Thread)
		must(t, err)
		regs.PutName(r.arch.Return, 0x1234)
		must(t, k.SetRegisters(ctx, s.Thread, regs))
		again, err := k.Registers(ctx, s.Thread)
		must(t, err)
		if v, _ := again.Get(r.arch.Return); v != 0x1234 {
			t.Errorf("%s is %x", r.arch.Return, v)
		}
		f.mu.Lock()
		if v, _ := f.m.registers(f.context).Get(r.arch.Return); v != 0x1234 {
			t.Errorf("the target has %x", v)
		}
		f.mu.Unlock()
		if n, err := k.WriteMemory(ctx, targets.Space{}, r.base, []byte("AB")); n != 2 || err != nil {
			t.Errorf("%d %v", n, err)
		}
		var p [2]byte
		if _, err := k.ReadMemory(ctx, targets.Space{}, r.base, p[:]); err != nil || string(p[:]) != "AB" {
			t.Errorf("%q %v", p, err)
		}
		var fault *targets.FaultError
		if _, err := k.WriteMemory(ctx, targets.Space{}, 16, []byte("A")); !errors.As(err, &fault) || !fault.Write {
			t.Errorf("writing nowhere: %v", err)
		}
		if _, err := k.ReadMemory(ctx, targets.Space{Process: 4}, r.base, p[:]); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("another process: %v", err)
		}
	}
}

// TestInterruptCrossing: a break-in that crosses a breakpoint on the line is
// remembered by the target and must not stop it a second time.
func TestInterruptCrossing(t *testing.T) {
	f := newFarEnd(t, "amd64", 0, false)
	k := connect(t, f, Options{})
	ctx := patience(t)
	stop(t, k)
	trap := targets.Trap{Addr: recordings[0].trap}
	f.mu.Lock()
	f.at = 5 // past the load reports
	f.mu.Unlock()
	must(t, k.SetTrap(ctx, trap))
	k.mu.Lock()
	k.asked = true // as if the byte were on its way when the trap sprang
	k.mu.Unlock()
	must(t, k.Resume(ctx, letGo))
	if s := stop(t, k); s.Reason != targets.Breakpoint {
		t.Fatalf("%+v", s)
	}
	f.mu.Lock()
	f.again = true
	f.mu.Unlock()
	must(t, k.ClearTrap(ctx, trap))
	must(t, k.Resume(ctx, letGo))
	must(t, k.Interrupt(ctx)) // the first of two breaks is the echo, the second answers this
	if s := stop(t, k); s.Reason != targets.Interrupted {
		t.Fatalf("%+v %+v", s, s.Exception)
	}
}

// TestReboot: the streams begin anew and the stop says so.
func TestReboot(t *testing.T) {
	f := newFarEnd(t, "amd64", 0, false)
	k := connect(t, f, Options{})
	ctx := patience(t)
	stop(t, k)
	must(t, k.Set(ctx, targets.Reboot, "", nil))
	if _, ok := (<-k.Events()).(targets.Running); !ok {
		t.Error("a target that restarts was not told to run")
	}
	if s := stop(t, k); s.Reason != targets.Reset {
		t.Errorf("%+v", s)
	}
	if _, err := k.Registers(ctx, targets.ThreadID{Thread: 1}); err != nil {
		t.Error(err)
	}
}

// TestPrompt answers a question.
func TestPrompt(t *testing.T) {
	f := newFarEnd(t, "amd64-prompt", 0, false)
	k := connect(t, f, Options{})
	ctx := patience(t)
	s := stop(t, k)
	f.mu.Lock()
	f.asking = true
	f.send(typeDebugIO, f.p.prompt)
	f.mu.Unlock()
	q := stop(t, k)
	if q.Reason != targets.Prompt || q.Text == "" {
		t.Fatalf("%+v", q)
	}
	var refused *targets.RefusedError
	if _, err := k.Registers(ctx, s.Thread); !errors.As(err, &refused) {
		t.Errorf("registers while it asks: %v", err)
	}
	_, e, err := k.Command(ctx, "i\n")
	if err != nil || !e.Resumed {
		t.Errorf("%+v %v", e, err)
	}
	if _, _, err := k.Command(ctx, "i\n"); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("answering nothing: %v", err)
	}
}

// TestDataTrap programs a debug register as the recorded host did.
func TestDataTrap(t *testing.T) {
	for _, r := range recordings {
		f := newFarEnd(t, r.name, 0, false)
		k := connect(t, f, Options{})
		ctx := patience(t)
		stop(t, k)
		d := targets.Trap{Kind: targets.OnWrite, Addr: r.base + 8, Size: 4}
		must(t, k.SetTrap(ctx, d))
		if k.dr7 != dr7Reserved|2|0xd0000 {
			t.Errorf("DR7 %x", k.dr7)
		}
		must(t, k.ClearTrap(ctx, d))
		if k.dr7 != dr7Reserved {
			t.Errorf("DR7 %x", k.dr7)
		}
		var refused *targets.RefusedError
		if err := k.SetTrap(ctx, targets.Trap{Kind: targets.OnWrite, Addr: r.base + 1, Size: 4}); !errors.As(err, &refused) {
			t.Errorf("an odd address: %v", err)
		}
		for i := range 4 {
			must(t, k.SetTrap(ctx, targets.Trap{Kind: targets.OnAccess, Addr: r.base + arch.Addr(8*i), Size: 1}))
		}
		if err := k.SetTrap(ctx, d); !errors.As(err, &refused) {
			t.Errorf("a fifth: %v", err)
		}
	}
}
