package kdlines

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"dap-windbg/targets/kd"
	"dap-windbg/targets/wire"
	"dap-windbg/tests/kdsim/sim"
)

// Bounds in the time of the line: of a whole session, and of one operation.
const (
	patience = 10 * time.Minute
	hang     = 30 * time.Second
)

// TestMain lets the remains of machines lie for longer than their few megabytes ask
// for: they come and go by the thousand.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}

// schedules is how many are tried.
func schedules() int {
	if os.Getenv("HEAVY") != "" {
		return 20000
	}
	return 2000
}

// each runs a session for every seed, on a clock of its own, as many at once as there
// are processors, and for further ones. After one that failed no more are begun, unless ALL is set.
func each(t *testing.T, seeds int, run func(t *testing.T, seed int), also ...int) {
	var failed atomic.Bool
	t.Run("seed", func(t *testing.T) {
		for i := range seeds + len(also) {
			seed := i
			if i >= seeds {
				seed = also[i-seeds]
			}
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				if failed.Load() && os.Getenv("ALL") == "" {
					return
				}
				defer func() {
					if t.Failed() {
						failed.Store(true)
					}
				}()
				synctest.Test(t, func(t *testing.T) { run(t, seed) })
			})
		}
	})
}

// slowest is the longest that an operation took in any session.
type slowest struct {
	mu   sync.Mutex
	took time.Duration
}

func (s *slowest) note(took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.took = max(s.took, took)
}

// quality bounds what a line does, each way: fewer faults than faults, at most about
// between writes from one to the next, less than delay milliseconds for a write.
type quality struct{ faults, between, delay int }

// ways makes the line of a seed; a test has three streams of numbers for itself.
func (q quality) ways(seed int, stream uint64, names []string) (to, from *way) {
	r := rand.New(rand.NewPCG(uint64(seed), stream))
	one := func(own uint64) *way {
		return &way{rand: rand.New(rand.NewPCG(uint64(seed), own)), names: names, left: r.IntN(q.faults), every: 1 + r.IntN(q.between),
			delay: time.Duration(r.IntN(q.delay)) * time.Millisecond}
	}
	to, from = one(stream+1), one(stream+2)
	to.orders = true
	return to, from
}

// named are the names of all faults but those given, in a lasting order.
func named(but ...string) []string {
	names := slices.Sorted(maps.Keys(faults))
	return slices.DeleteFunc(names, func(n string) bool { return slices.Contains(but, n) })
}

func guest(t testing.TB) *sim.Guest {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	g, err := sim.Build(filepath.Join(cache, "dap-windbg-kdsim"))
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// plug connects a debugger over a line to a machine that starts, and that prints each
// burst of its ticks. When the test ends both are let go.
func plug(t *testing.T, g *sim.Guest, o sim.Options, burst uint64, to, from *way) (context.Context, *kd.Target) {
	t.Helper()
	host, far := newLine(to, from)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	var trace bytes.Buffer
	t.Cleanup(func() {
		host.Close()
		cancel()
		// The clock stands still once the first goroutine has ended: what still
		// waits for a deadline of its own gets the time for it.
		time.Sleep(5 * time.Second)
		if name := os.Getenv("KD_TRACE"); name != "" { // to be looked at
			os.WriteFile(name, trace.Bytes(), 0o600)
		}
	})
	for i := range uint64(500) {
		o.Script = append(o.Script, sim.Command{Tick: burst * (i + 1), Do: sim.Commands["burst"]})
	}
	machine, err := sim.New(g, o)
	if err != nil {
		t.Fatal(err)
	}
	go machine.Serve(ctx, far)
	options := kd.Options{Break: true}
	if os.Getenv("KD_TRACE") != "" {
		options.Trace = wire.NewTrace(&trace, nil)
	}
	k, err := kd.Connect(ctx, host, options)
	if err != nil {
		t.Fatal(err)
	}
	return ctx, k
}
