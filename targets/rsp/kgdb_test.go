package rsp

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"dap-windbg/arch"
	"dap-windbg/targets"
	"dap-windbg/targets/targettest"
)

func kgdbTarget(t *testing.T, k *kgdbKernel, how KGDB) *Target {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), targettest.Patience)
	defer cancel()
	if how.BreakIn == nil {
		how.BreakIn = k.Break
	}
	c, err := ConnectKGDB(ctx, k, Options{Peer: "ttyS0"}, how)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Target().Close(context.Background(), targets.Leave) })
	return c.Target()
}

// TestKGDBConformance holds a kernel over a line to what all targets promise.
func TestKGDBConformance(t *testing.T) {
	without := []targettest.Rung{targettest.Watch}
	targettest.Run(t, func(t *testing.T) targettest.Subject {
		k := newKGDBKernel()
		s := targettest.Subject{Target: kgdbTarget(t, k, patientKGDB), Known: kgdbData, Nowhere: 0x1000, Edge: kgdbData + 0x1000, Writable: kgdbData + 0x100,
			Loop: kgdbLoop, Threads: 2, Ends: true}
		for i := range uint64(64) {
			s.Content = append(s.Content, k.memory[kgdbData+i])
		}
		return s
	}, slices.DeleteFunc(targettest.All(), func(r targettest.Rung) bool { return slices.Contains(without, r) })...)
}

// TestKGDBFound: whatever the kernel does when we come, its stub is found.
func TestKGDBFound(t *testing.T) {
	for name, begin := range map[string]func(*kgdbKernel){
		"at kdb's prompt":   func(*kgdbKernel) {},
		"typed at":          func(k *kgdbKernel) { k.line = "md 0x" },
		"in the stub":       func(k *kgdbKernel) { k.kdb = false },
		"amid an answer":    func(k *kgdbKernel) { k.kdb, k.unheard = false, "$O2d31#49" },
		"running":           func(k *kgdbKernel) { k.running = true },
		"running, no kdb":   func(k *kgdbKernel) { k.running, k.kdb = true, false },
		"printing the wish": func(k *kgdbKernel) { k.print("KGDB or $3#33 for KDB\r\n"); k.kdb = false },
	} {
		t.Run(name, func(t *testing.T) {
			k := newKGDBKernel()
			begin(k)
			d := kgdbTarget(t, k, patientKGDB)
			if all, err := d.Threads(context.Background()); len(all) != 2 || all[1].Name != "CPU 1" || err != nil {
				t.Errorf("%+v, %v", all, err)
			}
		})
	}
}

// TestKGDBAdvice: a kernel that runs and cannot be broken into is waited for.
func TestKGDBAdvice(t *testing.T) {
	k := newKGDBKernel()
	k.running = true
	told := make(chan string, 100)
	how := patientKGDB
	how.BreakIn = func() error { return errors.ErrUnsupported }
	how.Tell = func(text string) {
		select {
		case told <- text:
		default:
		}
	}
	done := make(chan *Target, 1)
	go func() { done <- kgdbTarget(t, k, how) }()
	for text := range told {
		if strings.Contains(text, how.Advice) {
			break
		}
	}
	k.Break()
	if d := <-done; d == nil {
		t.Fatal("no target")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	alone := newKGDBKernel()
	alone.running = true
	_, err := ConnectKGDB(ctx, alone, Options{Peer: "ttyS0"}, how)
	var silent *KGDBSilentError
	if !errors.As(err, &silent) || silent.Hint() != how.Advice {
		t.Errorf("%v", err)
	}
}

// TestKGDBBoots: a kernel that does not listen yet is broken into until it does, the user is
// told, and what that types at its console does not stay there.
func TestKGDBBoots(t *testing.T) {
	for name, deaf := range map[string]int{"for a while": 4, "for ever": 1 << 20} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newKGDBKernel()
				k.running = true
				breaks, told := 0, ""
				how := KGDB{Advice: "enter kgdb", Tell: func(text string) { told += text }}
				how.BreakIn = func() error {
					if breaks++; breaks <= deaf {
						k.Write([]byte("g"))
						return nil
					}
					return k.Break()
				}
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				c, err := ConnectKGDB(ctx, k, Options{Peer: "ttyS0"}, how)
				if (err == nil) != (deaf < 100) || breaks < 5 {
					t.Errorf("%v after %d breaks", err, breaks)
				}
				if strings.Count(told, notHeeded) != 1 || !strings.Contains(told, how.Advice) {
					t.Errorf("told %q", told)
				}
				if k.lies() != "" {
					t.Errorf("%q lies at the console", k.lies())
				}
				if err == nil {
					c.Target().Close(context.Background(), targets.Leave)
				}
			})
		})
	}
}

// TestKGDBUnheeded: the letter of an interrupt that the kernel does not heed is erased, in
// the test's own time.
func TestKGDBUnheeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKGDBKernel()
		how := KGDB{BreakIn: func() error { k.Write([]byte("g")); return nil }}
		d := kgdbTarget(t, k, how)
		awaitStop(t, d)
		if err := d.Resume(context.Background(), targets.Resume{Default: targets.Action{Kind: targets.Go}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if err := d.Interrupt(context.Background()); err != nil {
			t.Fatal(err)
		}
		for second := range 60 {
			time.Sleep(time.Second)
			if typed := k.lies(); typed != "" && typed != "g" || second == 0 && typed == "" {
				t.Errorf("%q was typed", typed)
			}
		}
		if typed := k.lies(); typed != "" {
			t.Errorf("%q lies at the console", typed)
		}
	})
}

// awaitStop is the next stop, and what was printed before it.
func awaitStop(t *testing.T, d *Target) (stop targets.Stop, text string) {
	t.Helper()
	limit := time.After(targettest.Patience)
	for {
		select {
		case e, ok := <-d.Events():
			switch e := e.(type) {
			case targets.Stop:
				return e, text
			case targets.Output:
				text += e.Text
			case targets.Gone:
				t.Fatalf("gone: %v", e.Err)
			}
			if !ok {
				t.Fatal("no events any more")
			}
		case <-limit:
			t.Fatal("no stop")
		}
	}
}

// TestKGDBText: what the kernel prints while it runs is output, also what looks like
// a packet.
func TestKGDBText(t *testing.T) {
	k := newKGDBKernel()
	d := kgdbTarget(t, k, patientKGDB)
	awaitStop(t, d)
	ctx := context.Background()
	k.printk = "root@host:~$ cost: $5#6 and $OK#9a\r\nroot@host:~$ "
	if err := d.Resume(ctx, targets.Resume{Default: targets.Action{Kind: targets.Go}, Plant: []targets.Trap{{Addr: kgdbLoop}}}); err != nil {
		t.Fatal(err)
	}
	stop, text := awaitStop(t, d)
	if stop.Reason != targets.Breakpoint || stop.Addr != kgdbLoop || stop.Thread.Thread != 1 {
		t.Errorf("%+v", stop)
	}
	if want := strings.ReplaceAll(k.printk, "\r", ""); text != want {
		t.Errorf("printed %q, shown %q", want, text)
	}
	out, _, err := d.Command(ctx, "summary")
	if out != "you said summary\n" || err != nil {
		t.Errorf("%q, %v", out, err)
	}
	if err := d.Close(ctx, targets.Detach); err != nil || len(k.planted()) != 0 || !k.running || !k.kdb {
		t.Errorf("%v; traps %v, running %v, kdb %v", err, k.planted(), k.running, k.kdb)
	}
}

// TestKGDBOther: the processor that stopped is found by its registers, and no other
// one steps.
func TestKGDBOther(t *testing.T) {
	k := newKGDBKernel()
	k.cpu, k.hg = 1, 1
	k.pc = [2]uint64{kgdbIdle, kgdbLoop}
	d := kgdbTarget(t, k, patientKGDB)
	if s, _ := awaitStop(t, d); s.Thread.Thread != 2 || s.Addr != kgdbLoop {
		t.Errorf("%+v", s)
	}
	if err := d.SetTrap(context.Background(), targets.Trap{Kind: targets.OnWrite, Addr: kgdbData, Size: 8}); err != nil || d.Info().Limits.Bits&targets.HardwareUnproven == 0 {
		t.Errorf("%v", err)
	}
	step := targets.Resume{Threads: map[targets.ThreadID]targets.Action{{Thread: 1}: {Kind: targets.Step}}}
	if err := d.Resume(context.Background(), step); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%v", err)
	}
	if r, err := d.Registers(context.Background(), targets.ThreadID{Thread: 1}); err != nil || r.PC() != kgdbIdle {
		t.Errorf("%v", err)
	}
	if err := d.Resume(context.Background(), targets.Resume{Default: targets.Action{Kind: targets.Go}, Plant: []targets.Trap{{Addr: kgdbLoop + 1}}}); err != nil {
		t.Fatal(err)
	}
	if s, _ := awaitStop(t, d); s.Thread.Thread != 2 || s.Addr != kgdbLoop+1 || s.Reason != targets.Breakpoint {
		t.Errorf("%+v", s)
	}
}

// TestKGDBTrips: what a stop costs until its registers are known, and when they are asked
// for again.
func TestKGDBTrips(t *testing.T) {
	k := newKGDBKernel()
	d := kgdbTarget(t, k, patientKGDB)
	awaitStop(t, d)
	ctx := context.Background()
	since := func() string {
		k.mu.Lock()
		defer k.mu.Unlock()
		text := strings.Join(k.asked, " ")
		k.asked = nil
		return text
	}
	registers := func(cpu int64, pc arch.Addr) {
		t.Helper()
		if r, err := d.Registers(ctx, targets.ThreadID{Thread: cpu}); err != nil || r.PC() != pc {
			t.Errorf("%v, %v", r, err)
		}
	}
	run := func(r targets.Resume) {
		t.Helper()
		since()
		if err := d.Resume(ctx, r); err != nil {
			t.Fatal(err)
		}
		awaitStop(t, d)
	}
	step := targets.Resume{Threads: map[targets.ThreadID]targets.Action{{Thread: 1}: {Kind: targets.Step}}}
	run(step) // the first stop named no task
	registers(1, kgdbLoop+2)
	if got := since(); got != "s g Hgfffffffe g" {
		t.Errorf("the first step takes %q", got)
	}
	for range 3 {
		run(step)
	}
	if got := since(); got != "s g" {
		t.Errorf("a step takes %q", got)
	}
	run(targets.Resume{Default: targets.Action{Kind: targets.Go}, Plant: []targets.Trap{{Addr: kgdbLoop}}})
	registers(1, kgdbLoop)
	if got := since(); got != "Z0,ffffffff81001000,1 c g Hgfffffffe g" {
		t.Errorf("a trap takes %q", got)
	}
	run(targets.Resume{Default: targets.Action{Kind: targets.Go}})
	registers(1, kgdbLoop)
	if got := since(); got != "cffffffff81001000 g Hgfffffffe g" {
		t.Errorf("it was not gone on from the trap: %q", got)
	}
	if err := d.Resume(ctx, targets.Resume{Default: targets.Action{Kind: targets.Go}, Plant: []targets.Trap{{Addr: 0x1000}}}); err == nil {
		t.Fatal("a trap at nothing was set")
	}
	run(targets.Resume{Default: targets.Action{Kind: targets.Go}})
	if got := since(); !strings.HasPrefix(got, "cffffffff81001000 ") {
		t.Errorf("after a trap was refused it was not gone on from where it was: %q", got)
	}
	for i := range uint64(4) { // kgdb_active
		k.memory[kgdbData+i] = 0
	}
	if err := d.Set(ctx, targets.ActiveCPU, "", binary.LittleEndian.AppendUint64(nil, kgdbData)); err != nil {
		t.Fatal(err)
	}
	run(targets.Resume{Default: targets.Action{Kind: targets.Go}})
	if got := since(); got != "cffffffff81001000 g mffffffff81003000,4" {
		t.Errorf("with the kernel's word for the processor a trap takes %q", got)
	}
	registers(2, kgdbIdle)
	registers(1, kgdbLoop)
	if got := since(); got != "Hgfffffffd g" {
		t.Errorf("the registers of both take %q", got)
	}
	for name, change := range map[string]func() error{
		"a command": func() error { _, _, err := d.Command(ctx, "rm ax 1"); return err },
		"a write": func() error {
			r, err := d.Registers(ctx, targets.ThreadID{Thread: 1})
			if err == nil {
				r.SetPC(kgdbLoop)
				err = d.SetRegisters(ctx, targets.ThreadID{Thread: 1}, r)
			}
			return err
		},
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		since()
		registers(1, kgdbLoop)
		if got := since(); !strings.HasSuffix(got, "g") {
			t.Errorf("behind %s nothing is read: %q", name, got)
		}
	}
}

// TestKGDBLeft: who leaves the kernel at a trap leaves it at the trap's place, where the
// next debugger goes on.
func TestKGDBLeft(t *testing.T) {
	k := newKGDBKernel()
	d := kgdbTarget(t, k, patientKGDB)
	awaitStop(t, d)
	if err := d.Resume(context.Background(), targets.Resume{Default: targets.Action{Kind: targets.Go}, Plant: []targets.Trap{{Addr: kgdbLoop}}}); err != nil {
		t.Fatal(err)
	}
	awaitStop(t, d)
	if err := d.Close(context.Background(), targets.Leave); err != nil {
		t.Fatal(err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.pc[k.cpu] != kgdbLoop {
		t.Errorf("the kernel is left at %x, want %x", k.pc[k.cpu], uint64(kgdbLoop))
	}
}

// TestKGDBSlow: a kernel that takes its time is asked again, and what it has begun to say
// is neither lost nor taken for text of its console.
func TestKGDBSlow(t *testing.T) {
	k := newKGDBKernel()
	d := kgdbTarget(t, k, patientKGDB)
	awaitStop(t, d)
	for i := range 8 {
		k.mu.Lock()
		if k.halting = i >= 4; !k.halting {
			k.slow = 1
		}
		k.mu.Unlock()
		p := make([]byte, 40)
		if _, err := d.ReadMemory(context.Background(), targets.Space{}, kgdbData+arch.Addr(64*i), p); err != nil || p[1] != byte((64*i+1)*7) || p[39] != byte((64*i+39)*7) {
			t.Errorf("%v, % x", err, p)
		}
	}
	if err := d.Resume(context.Background(), targets.Resume{Default: targets.Action{Kind: targets.Go}, Plant: []targets.Trap{{Addr: kgdbLoop}}}); err != nil {
		t.Fatal(err)
	}
	if _, text := awaitStop(t, d); text != "" {
		t.Errorf("shown as the console's: %q", text)
	}
}

// TestKGDBNoise: on a line that drops, doubles and adds bytes nothing hangs, what is
// read is right, and no trap is set that nobody asked for.
func TestKGDBNoise(t *testing.T) {
	seeds := int64(12)
	if os.Getenv("HEAVY") != "" {
		seeds = 500
	}
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) { kgdbNoise(t, seed) })
	}
}

func kgdbNoise(t *testing.T, seed int64) {
	t.Helper()
	k := newKGDBKernel()
	d := kgdbTarget(t, k, patientKGDB)
	awaitStop(t, d)
	k.mu.Lock()
	k.noise = rand.New(rand.NewSource(seed))
	k.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), targettest.Patience)
	defer cancel()
	asked := map[uint64]bool{}
	for i := range 12 {
		p := make([]byte, 100)
		at := kgdbData + arch.Addr(64*i)
		if n, err := d.ReadMemory(ctx, targets.Space{}, at, p); n != len(p) || err != nil {
			t.Fatalf("seed %d, reading: %d, %v", seed, n, err)
		}
		for j, b := range p {
			if b != byte((64*i+j)*7) {
				t.Fatalf("seed %d: byte %d at %x is %x", seed, j, at, b)
			}
		}
		trap := targets.Trap{Addr: kgdbLoop + arch.Addr(i%2)}
		asked[uint64(trap.Addr)] = true
		if err := d.SetTrap(ctx, trap); err != nil {
			t.Fatalf("seed %d, setting: %v", seed, err)
		}
		if got := k.planted(); !got[trap.Addr] || len(got) != 1 {
			t.Fatalf("seed %d: traps %v instead of %x", seed, got, trap.Addr)
		}
		if err := d.ClearTrap(ctx, trap); err != nil {
			t.Fatalf("seed %d, clearing: %v", seed, err)
		}
		if got := k.planted(); len(got) != 0 {
			t.Fatalf("seed %d: traps %v are left", seed, got)
		}
	}
	for a := range k.ever {
		if !asked[a] {
			t.Errorf("seed %d: a trap was set at %x", seed, a)
		}
	}
}

// FuzzKGDB: whatever comes from the far end, the line ends in time.
func FuzzKGDB(f *testing.F) {
	f.Add("$T05thread:01;#07")
	f.Add("[0]kdb> $?#3f+$S05#b8")
	f.Add("KGDB or $3#33 for KDB\n")
	f.Add("more> $#00-+$O41#e4")
	f.Fuzz(func(t *testing.T, noise string) {
		synctest.Test(t, func(t *testing.T) {
			k := newKGDBKernel()
			k.print(noise)
			ctx, cancel := context.WithTimeout(context.Background(), targettest.Patience)
			defer cancel()
			c, err := ConnectKGDB(ctx, k, Options{Peer: "ttyS0", Timeout: 500 * time.Millisecond}, KGDB{Silence: 5 * time.Millisecond})
			if ctx.Err() != nil {
				t.Fatal(err)
			}
			if err == nil {
				c.Target().Close(ctx, targets.Leave)
			}
		})
	})
}
