package kdlines

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"dap-windbg/arch"
	"dap-windbg/targets"
	"dap-windbg/targets/kd"
	"dap-windbg/tests/kdsim/sim"
)

func lf(p []byte) []byte { return bytes.ReplaceAll(p, []byte("\n"), []byte("\r\n")) }

// TestMangled: a line that writes CR LF for each LF of the target, or passes through
// two such terminals, gives what a clean line gives; with faults, too.
func TestMangled(t *testing.T) {
	g := guest(t)
	names := slices.Sorted(maps.Keys(faults))
	names = slices.DeleteFunc(names, func(n string) bool { return n == "CR LF" })
	var want string
	synctest.Test(t, func(t *testing.T) { want, _ = debug(t, g, sim.Options{}, &way{}, &way{}) })
	for seed := range schedules() / 20 {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := rand.New(rand.NewPCG(uint64(seed), 11))
				ways := [2]*way{}
				for i := range ways {
					ways[i] = &way{rand: rand.New(rand.NewPCG(uint64(seed), uint64(12+i))), names: names, left: r.IntN(10), every: 1 + r.IntN(20)}
				}
				ways[0].orders = true
				if ways[1].always = lf; seed%2 == 1 {
					ways[1].always = func(p []byte) []byte { return lf(lf(p)) }
				}
				if got, took := debug(t, g, sim.Options{Seed: uint64(seed), Retries: 100, BootRetries: 100}, ways[0], ways[1]); got != want || took > 30*time.Second {
					t.Errorf("after %v\n%s", took, got)
				}
			})
		})
	}
}

// TestRough: with break-ins out of nothing, and a target that gives its debugger up
// after a second of silence and comes back, a session still ends as it should: the
// target can be stopped, looked at, and left without a trace.
func TestRough(t *testing.T) {
	g := guest(t)
	names := slices.Sorted(maps.Keys(faults))
	for seed := range schedules() / 10 {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := rand.New(rand.NewPCG(uint64(seed), 21))
				ways := [2]*way{}
				for i := range ways {
					ways[i] = &way{rand: rand.New(rand.NewPCG(uint64(seed), uint64(22+i))), names: names, left: r.IntN(60), every: 1 + r.IntN(5), delay: time.Duration(r.IntN(30)) * time.Millisecond}
				}
				rough(t, g, sim.Options{Seed: uint64(seed), Strict: seed%2 == 0, Tick: 50 * time.Millisecond}, ways[0], ways[1])
			})
		})
	}
}

func rough(t *testing.T, g *sim.Guest, o sim.Options, to, from *way) {
	host, far := newLine(to, from)
	defer func() {
		host.Close()
		time.Sleep(5 * time.Second)
	}()
	var trace bytes.Buffer
	defer func() {
		if name := os.Getenv("KD_TRACE"); name != "" {
			os.WriteFile(name, trace.Bytes(), 0o600)
		}
	}()
	for i := range uint64(500) {
		o.Script = append(o.Script, sim.Command{Tick: 40 * (i + 1), Do: sim.Commands["burst"]})
	}
	machine, err := sim.New(g, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	go machine.Serve(ctx, far)
	k, err := kd.Connect(ctx, host, kd.Options{Break: true, Trace: traceTo(&trace)})
	if err != nil {
		t.Fatal(err)
	}
	// What goes wrong meanwhile is told, and no more than that.
	var silent *kd.SilentError
	var refused *targets.RefusedError
	expected := func(err error) {
		if err != nil && !errors.As(err, &silent) && !errors.As(err, &refused) && !errors.Is(err, targets.ErrRunning) {
			t.Errorf("%v", err)
		}
	}
	stopped := func() bool {
		for {
			select {
			case e, ok := <-k.Events():
				if g, gone := e.(targets.Gone); gone || !ok {
					t.Fatalf("the target is gone: %v", g.Err)
				}
				if s, ok := e.(targets.Stop); ok {
					if s.Reason == targets.Prompt {
						_, _, err := k.Command(ctx, "i")
						expected(err)
						continue
					}
					return true
				}
			case <-time.After(20 * time.Second):
				return false
			}
		}
	}
	at := k.Version().Kernel + 0x1000
	code := make([]byte, 16)
	for round := 0; round < 400 && (to.remaining()+from.remaining() > 0 || round < 4); round++ {
		stopped()
		_, err := k.ReadMemory(ctx, targets.Space{}, at, code)
		expected(err)
		_, err = k.Registers(ctx, targets.ThreadID{Thread: 1})
		expected(err)
		expected(k.SetTrap(ctx, targets.Trap{Addr: at + arch.Addr(round%8)}))
		expected(k.Resume(ctx, letGo))
		expected(k.Interrupt(ctx))
	}
	quiet := time.Now()
	for to.remaining()+from.remaining() == 0 {
		if stopped() {
			if _, err := k.Registers(ctx, targets.ThreadID{Thread: 1}); err == nil {
				break
			}
		}
		expected(k.Interrupt(ctx))
		if time.Since(quiet) > time.Minute {
			t.Fatal("a minute after the last fault the target is not stopped")
		}
	}
	for i := range 8 {
		if err := k.ClearTrap(ctx, targets.Trap{Addr: at + arch.Addr(i)}); err != nil {
			t.Fatal(err)
		}
	}
	again := make([]byte, 16)
	if _, err := k.ReadMemory(ctx, targets.Space{}, at, again); err != nil {
		t.Fatal(err)
	}
	if clean := make([]byte, 16); !bytes.Equal(again, code) && !bytes.Equal(code, clean) {
		t.Errorf("the code was % x and is % x", code, again)
	}
	if err := k.Close(ctx, targets.Detach); err != nil {
		t.Error(err)
	}
}
