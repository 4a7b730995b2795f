package kdlines

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"dap-windbg/arch"
	"dap-windbg/targets"
	"dap-windbg/targets/kd"
	"dap-windbg/tests/kdsim/sim"
)

// exports reads the names that an image exports, by offset from its base. The images
// are linked so that file and memory agree about headers.
func exports(t testing.TB, read func(at uint32, n int) []byte) map[string]uint32 {
	t.Helper()
	u32 := func(at uint32) uint32 { return binary.LittleEndian.Uint32(read(at, 4)) }
	nt := u32(0x3c)
	dir := u32(nt + 0x88)
	out := map[string]uint32{}
	for i := range u32(dir + 24) {
		name := read(u32(u32(dir+32)+4*i), 64)
		name, _, _ = bytes.Cut(name, []byte{0})
		ordinal := binary.LittleEndian.Uint16(read(u32(dir+36)+2*i, 2))
		out[string(name)] = u32(u32(dir+28) + 4*uint32(ordinal))
	}
	return out
}

// session is what a debugger does; what it finds is written down.
type session struct {
	t    testing.TB
	ctx  context.Context
	k    *kd.Target
	base arch.Addr
	log  strings.Builder

	mark    time.Time // when the last operation ended
	slowest time.Duration
}

// must checks how an operation ended, and how long it took.
func (s *session) must(err error) {
	s.t.Helper()
	s.slowest = max(s.slowest, time.Since(s.mark))
	s.mark = time.Now()
	if err != nil {
		s.t.Fatalf("after\n%s%v", s.log.String(), err)
	}
}

// stop waits for the next stop of the given reason, at the address when it is not 0.
// A break instruction that a changed byte made is passed over, as is what comes of
// the machine's start.
func (s *session) stop(reason targets.Reason, at arch.Addr) targets.Stop {
	s.t.Helper()
	for {
		select {
		case e, ok := <-s.k.Events():
			stop, is := e.(targets.Stop)
			switch {
			case !ok:
				s.t.Fatalf("after\n%sthe target is gone", s.log.String())
			case is && stop.Reason == reason && (at == 0 || stop.Addr == at):
				s.must(nil)
				return stop
			case is && stop.Reason == targets.Prompt:
				_, _, err := s.k.Command(s.ctx, "i\n")
				s.must(err)
			case is:
				s.must(s.k.Resume(s.ctx, letGo))
				if reason == targets.Interrupted {
					s.must(s.k.Interrupt(s.ctx))
				}
			default:
				if g, gone := e.(targets.Gone); gone {
					s.t.Fatalf("after\n%s%v", s.log.String(), g.Err)
				}
			}
		case <-s.ctx.Done():
			s.t.Fatalf("after\n%sno stop (%v) came in %v", s.log.String(), reason, patience)
		}
	}
}

func (s *session) note(format string, a ...any) { fmt.Fprintf(&s.log, format+"\n", a...) }

var letGo = targets.Resume{Default: targets.Action{Kind: targets.Go}}

// run is the session: registers, memory, a breakpoint that is hit twice, single
// steps, a data breakpoint, an interrupt, and parting.
func (s *session) run() {
	first := <-s.k.Events()
	for {
		if _, ok := first.(targets.Stop); ok {
			break
		}
		first = <-s.k.Events()
	}
	s.base = s.k.Version().Kernel
	read := func(at uint32, n int) []byte {
		p := make([]byte, n)
		got, err := s.k.ReadMemory(s.ctx, targets.Space{}, s.base+arch.Addr(at), p)
		var fault *targets.FaultError
		if !errors.As(err, &fault) {
			s.must(err)
		}
		return p[:got]
	}
	header := read(0, 0x1000)
	s.note("kernel %x, %d bytes %x", s.base, len(header), sha256.Sum256(header))
	hole := make([]byte, 64)
	_, err := s.k.ReadMemory(s.ctx, targets.Space{}, 0x10, hole)
	s.note("nothing at 0x10: %v", err)
	wait := s.base + arch.Addr(exports(s.t, read)["DbgPrint"])
	code := read(uint32(wait-s.base), 64)
	s.must(s.k.SetTrap(s.ctx, targets.Trap{Addr: wait}))
	if !bytes.Equal(code, read(uint32(wait-s.base), 64)) {
		s.t.Fatalf("after\n%sthe breakpoint shows", s.log.String())
	}
	trap := []targets.Trap{{Addr: wait}}
	for i := range 2 {
		if i > 0 { // off the breakpoint
			s.must(s.k.Resume(s.ctx, targets.Resume{Default: targets.Action{Kind: targets.Step}, Lift: trap}))
			s.stop(targets.Stepped, 0)
		}
		s.must(s.k.Resume(s.ctx, targets.Resume{Default: letGo.Default, Plant: trap}))
		hit := s.stop(targets.Breakpoint, wait)
		regs, err := s.k.Registers(s.ctx, hit.Thread)
		s.must(err)
		s.note("at %x, rip %x, code %x", hit.Addr-s.base, regs.PC()-s.base, sha256.Sum256(code))
	}
	for i := range 3 {
		step := targets.Resume{Default: targets.Action{Kind: targets.Step}}
		if i == 0 {
			step.Lift = trap
		}
		s.must(s.k.Resume(s.ctx, step))
		hit := s.stop(targets.Stepped, 0)
		s.note("stepped to %x", hit.Addr-s.base)
	}
	hit := targets.ThreadID{Thread: 1}
	regs, err := s.k.Registers(s.ctx, hit)
	s.must(err)
	stack := make([]byte, 8)
	_, err = s.k.WriteMemory(s.ctx, targets.Space{}, regs.SP()-0x400, []byte("\nmark\r\n\n"))
	s.must(err)
	_, err = s.k.ReadMemory(s.ctx, targets.Space{}, regs.SP()-0x400, stack)
	s.must(err)
	s.note("wrote %q", stack)
	s.must(s.k.Resume(s.ctx, letGo))
	s.must(s.k.Interrupt(s.ctx))
	s.stop(targets.Interrupted, 0)
	if now := read(uint32(wait-s.base), 64); !bytes.Equal(code, now) {
		s.note("code %x", now)
	}
	threads, err := s.k.Threads(s.ctx)
	s.must(err)
	s.note("%d processors", len(threads))
	s.must(s.k.Close(s.ctx, targets.Detach))
}

// converse runs a session over a line and returns what it wrote down, and how long its
// slowest operation took.
func converse(t *testing.T, g *sim.Guest, o sim.Options, to, from *way) (log string, took time.Duration) {
	o.Tick = 50 * time.Millisecond
	start := time.Now()
	ctx, k := plug(t, g, o, 10, to, from) // the breakpoint is come by for ever
	s := &session{t: t, ctx: ctx, k: k}
	s.slowest = time.Since(start)
	s.mark = time.Now()
	s.run()
	return s.log.String(), s.slowest
}

// clean is what a session over a line without faults writes down.
func clean(t *testing.T, g *sim.Guest) (log string) {
	synctest.Test(t, func(t *testing.T) { log, _ = converse(t, g, sim.Options{}, &way{}, &way{}) })
	return log
}

// lost are seeds of lines where a target takes a repetition for the acknowledgement of a
// stop that was lost.
var lost = []int{2695, 2930, 3838, 5168, 5357, 16306}

// TestSchedules: finitely many faults change nothing.
func TestSchedules(t *testing.T) {
	g := guest(t)
	want := clean(t, g)
	t.Logf("the clean line:\n%s", want)
	var longest slowest
	each(t, schedules(), func(t *testing.T, seed int) {
		to, from := quality{faults: 30, between: 20, delay: 4}.ways(seed, 1, named())
		got, took := converse(t, g, sim.Options{Seed: uint64(seed), Strict: seed%3 == 0, Retries: 100, BootRetries: 100}, to, from)
		longest.note(took)
		if got != want || took > hang {
			t.Errorf("after %v got\n%s", took, got)
		}
	}, lost...)
	t.Logf("the slowest operation took %v of the line's time", longest.took)
}

// TestMangled: a line that writes CR LF for each LF of the target, or passes through
// two such terminals, gives what a clean line gives; with faults, too.
func TestMangled(t *testing.T) {
	g := guest(t)
	want := clean(t, g)
	var longest slowest
	each(t, schedules()/20, func(t *testing.T, seed int) {
		to, from := quality{faults: 10, between: 20, delay: 1}.ways(seed, 11, named("CR LF"))
		if from.always = lf; seed%2 == 1 {
			from.always = func(p []byte) []byte { return lf(lf(p)) }
		}
		got, took := converse(t, g, sim.Options{Seed: uint64(seed), Retries: 100, BootRetries: 100}, to, from)
		longest.note(took)
		if got != want || took > hang {
			t.Errorf("after %v got\n%s", took, got)
		}
	})
	t.Logf("the slowest operation took %v of the line's time", longest.took)
}
