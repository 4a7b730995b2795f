package kd

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"dap-windbg/arch"
	"dap-windbg/targets"
	"dap-windbg/targets/wire"
)

// manual is a clock that goes when told.
type manual struct {
	mu     sync.Mutex
	timers map[chan time.Time]time.Duration
	made   chan time.Duration
}

func newManual() *manual {
	return &manual{timers: map[chan time.Time]time.Duration{}, made: make(chan time.Duration, 1000)}
}

func (m *manual) Timer(d time.Duration) (<-chan time.Time, func()) {
	c := make(chan time.Time, 1)
	m.mu.Lock()
	m.timers[c] = d
	m.mu.Unlock()
	m.made <- d
	return c, func() { m.mu.Lock(); delete(m.timers, c); m.mu.Unlock() }
}

// pass lets all timers of d run out.
func (m *manual) pass(d time.Duration) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for c, left := range m.timers {
		if left == d {
			delete(m.timers, c)
			c <- time.Time{}
			n++
		}
	}
	return n
}

// await waits until a timer of d has been made.
func (m *manual) await(t *testing.T, d time.Duration) {
	t.Helper()
	for over := time.After(limit); ; {
		select {
		case got := <-m.made:
			if got == d {
				return
			}
		case <-over:
			t.Fatalf("no timer of %v was made", d)
		}
	}
}

// between cuts a recording from the note that contains from to the one that
// contains to, as a trace.
func between(t *testing.T, name, from, to string) []wire.Message {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name + ".jsonl")
	if err != nil {
		t.Fatal(err)
	}
	var out []wire.Message
	on := false
	chunks := recording(t, name)
	n := 0
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		var r struct{ Dir, Note string }
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		if r.Dir == "note" {
			if on && strings.Contains(r.Note, to) {
				return out
			}
			on = on || strings.Contains(r.Note, from)
			continue
		}
		if on {
			out = append(out, wire.Message{Out: chunks[n].out, Data: chunks[n].data})
		}
		n++
	}
	t.Fatalf("%s: no note %q", name, to)
	return nil
}

// TestReplay plays a recorded session byte for byte in both directions: reset,
// banner, first state change, version, and memory until a read that the host
// of the recording asked for in another size.
func TestReplay(t *testing.T) {
	trace := between(t, "i386", "phase 2", "phase 5")
	for i, m := range trace { // the last read is longer than a reply can be
		if m.Out && len(m.Data) > headerLen+28 && field(m.Data[headerLen:]).u32(24) == 0x1f40 {
			trace = trace[:i]
			break
		}
	}
	far := wire.NewReplay(trace, false)
	clock := newManual()
	type result struct {
		k   *Target
		err error
	}
	done := make(chan result)
	ctx := patience(t)
	go func() {
		k, err := Connect(ctx, far, Options{Clock: clock, Poke: time.Minute})
		done <- result{k, err}
	}()
	clock.await(t, time.Minute)
	clock.pass(time.Minute) // nothing came: the host resets
	r := <-done
	must(t, r.err)
	t.Cleanup(func() { r.k.Close(ctx, targets.Leave) })
	if s := stop(t, r.k); s.Reason != targets.Initial || !strings.HasSuffix(s.Detail.Module.Path, "ntoskrnl.exe") {
		t.Errorf("%+v", s)
	}
	var fault *targets.FaultError
	for _, read := range []struct {
		at    arch.Addr
		n     int
		start string
		fault bool
	}{
		{0x80400000, 1024, "MZ", false}, {0x806410a4, 8, "", false}, {0x80631ec4, 16, "\x40\xb2\x5a\x80", false}, {0x805ab240, 24, "\xc4\x1e\x63\x80", false},
		{0x805ab240, 792, "", false}, {0x1000, 16, "", false}, {0xf0001000, 16, "", true},
	} {
		p := make([]byte, read.n)
		n, err := r.k.ReadMemory(ctx, targets.Space{}, read.at, p)
		if read.fault {
			if n != 0 || !errors.As(err, &fault) || fault.Addr != read.at {
				t.Errorf("%x: %d %v", read.at, n, err)
			}
			continue
		}
		if n != read.n || err != nil || !strings.HasPrefix(string(p), read.start) {
			t.Errorf("%x: %d bytes % x, %v", read.at, n, p[:8], err)
		}
	}
	must(t, r.k.Close(ctx, targets.Leave)) // the last acknowledgement is written before
	if err := far.Done(); err != nil {
		t.Error(err)
	}
}

// TestPatience lets time pass by hand: an unacknowledged request is sent again
// as often as allowed, then given up with the reason.
func TestPatience(t *testing.T) {
	f := newFarEnd(t, "i386", 0, false)
	clock := newManual()
	k := connect(t, f, Options{Clock: clock, Baud: -1, Retries: 3, Ack: time.Minute, Limit: time.Hour})
	stop(t, k)
	f.mu.Lock()
	f.silent = true
	f.mu.Unlock()
	for len(clock.made) > 0 {
		<-clock.made
	}
	failed := make(chan error)
	go func() {
		_, err := k.Registers(context.Background(), targets.ThreadID{Thread: 1})
		failed <- err
	}()
	for range 3 {
		clock.await(t, time.Minute)
		if clock.pass(time.Minute) != 1 {
			t.Error("the wait for an acknowledgement is not one timer")
		}
	}
	var silent *SilentError
	if err := <-failed; !errors.As(err, &silent) || silent.Acknowledged || silent.Hint() == "" {
		t.Errorf("%v", err)
	}
}

// TestBreakInIsRepeated: a running target may not hear the first byte.
func TestBreakInIsRepeated(t *testing.T) {
	f := newFarEnd(t, "amd64", 0, false)
	f.quiet = true
	clock := newManual()
	k := connect(t, f, Options{Clock: clock, Poke: time.Minute})
	stop(t, k)
	must(t, k.Resume(patience(t), letGo))
	f.mu.Lock()
	f.silent = true
	f.mu.Unlock()
	for len(clock.made) > 0 {
		<-clock.made
	}
	must(t, k.Interrupt(patience(t)))
	clock.await(t, time.Minute)
	f.mu.Lock()
	f.silent = false
	f.mu.Unlock()
	clock.pass(time.Minute)
	if s := stop(t, k); s.Reason != targets.Interrupted {
		t.Errorf("%+v", s)
	}
}
