package engine

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"dap-windbg/symbols"
	"dap-windbg/systems/linux"
	"dap-windbg/targets"
	"dap-windbg/targets/rsp"
	"dap-windbg/targets/wire"
)

// farEnd is a far end made of recorded answers, of which one may be spoilt and which
// may hang up.
type farEnd struct {
	*wire.Responder
	in      *bufio.Reader
	n       int // the answer that is spoilt, 0 none; counts down
	spoil   func(answer string) []string
	held    string // a late answer
	late    bool
	left    int // bytes until it hangs up, negative: it does not
	answers int
	last    string // answer
	sent    int
	made    int
	long    [][2]int // where packets of more than 1,000 bytes begin and end
	out     bytes.Buffer
}

func newFarEnd(trace []wire.Message) *farEnd {
	f := &farEnd{left: -1}
	f.Responder = wire.NewResponder(trace, wire.GDBPackets)
	f.in = bufio.NewReader(f.Responder)
	return f
}

// Read gives what the recorded far end says, spoilt and cut.
func (f *farEnd) Read(p []byte) (int, error) {
	for f.out.Len() == 0 {
		c, err := f.in.ReadByte()
		if err != nil {
			return 0, err
		}
		if c != '$' {
			f.out.WriteByte(c)
			f.made++
			break
		}
		text, err := f.in.ReadString('#')
		if err != nil {
			return 0, err
		}
		f.in.Discard(2)
		f.answer(strings.TrimSuffix(text, "#"))
	}
	if f.left == 0 {
		f.Close()
		return 0, io.EOF
	}
	if f.left > 0 {
		p = p[:min(len(p), f.left)]
	}
	n, err := f.out.Read(p)
	if f.left > 0 {
		f.left -= n
	}
	f.sent += n
	return n, err
}

func (f *farEnd) answer(text string) {
	f.n--
	f.answers++
	f.last = text
	list := []string{text}
	switch {
	case f.n == 0 && f.late:
		f.held, list = text, nil
	case f.n == 0:
		list = f.spoil(text)
	case f.held != "":
		list, f.held = append(list, f.held), ""
	}
	for _, a := range list {
		sum := byte(0)
		for i := range len(a) {
			sum += a[i]
		}
		n, _ := fmt.Fprintf(&f.out, "$%s#%02x", a, sum)
		if n > 1000 {
			f.long = append(f.long, [2]int{f.made, f.made + n})
		}
		f.made += n
	}
}

// exited reports whether all of the answer that the program has exited was sent. What is
// asked before it depends on when symbols are found, so it has no place of its own.
func (f *farEnd) exited() bool { return strings.HasPrefix(f.last, "W") && f.out.Len() == 0 }

// cuts are the places where the wire is cut: every byte, a few of those in the middle
// of what is long.
func (f *farEnd) cuts() (list []int) {
	long := f.long
	for at := 0; at < f.sent; at++ {
		for len(long) > 0 && at >= long[0][1] {
			long = long[1:]
		}
		if len(long) == 0 || at < long[0][0]+20 || at > long[0][1]-20 || at%97 == 0 {
			list = append(list, at)
		}
	}
	return list
}

// touring is a session that goes through a short program.
type touring struct {
	*Session
	mu     sync.Mutex
	events []Event
	over   chan struct{} // closed when the end is told
}

func (s *touring) emit(e Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, e)
	if _, ok := e.(Ended); ok {
		close(s.over)
	}
}

// tour connects to far and does what a user does: breakpoints, steps, a look at the
// stack and the variables, on to the end. wait is how long one answer is waited for.
// It fails the test when anything takes longer than it may, or when the session's end
// is not told once and last.
func tour(t *testing.T, st symbols.Store, far io.ReadWriteCloser, trace *wire.Trace, wait time.Duration) (*Ended, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := rsp.Connect(ctx, far, rsp.Options{Trace: trace, Timeout: wait, Hello: wait})
	if err != nil {
		if ctx.Err() != nil {
			t.Fatalf("connecting takes too long: %v", err)
		}
		return nil, err
	}
	defer c.Close()
	if c.Target() == nil {
		return nil, nil
	}
	s := &touring{over: make(chan struct{})}
	s.Session = New(c.Target(), Options{System: linux.New(), Store: st, Emit: s.emit, Timeout: wait})
	ran := make(chan error, 1)
	go func() { ran <- s.Run(context.Background()) }()
	err = s.through(ctx, 3*wait)
	if errors.Is(err, targets.ErrGone) { // the end is told without being asked for
		select {
		case <-s.over:
		case <-ctx.Done():
			t.Fatalf("no end: %v", err)
		}
	}
	if e := s.Close(ctx, targets.Leave); e != nil && ctx.Err() != nil {
		t.Fatalf("closing takes too long: %v, before that %v", e, err)
	}
	select {
	case <-ran:
	case <-ctx.Done():
		t.Fatalf("the session does not end: %v", err)
	}
	if ctx.Err() != nil {
		t.Fatalf("it takes too long: %v", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var end *Ended
	for i, e := range s.events {
		if e, ok := e.(Ended); ok {
			if end != nil || i != len(s.events)-1 {
				t.Fatalf("something is told behind the end %+v: %+v", e, s.events[i+1:])
			}
			end = &e
		}
	}
	if end == nil {
		t.Fatalf("the end is not told: %v", err)
	}
	return end, err
}

// through is the tour. A run that does not come to its stop within tired is paused, and
// left when that does not help either.
func (s *touring) through(ctx context.Context, tired time.Duration) error {
	run := func(how How) error {
		if err := s.Resume(ctx, how); err != nil {
			return err
		}
		wait := func() (bool, error) {
			brief, cancel := context.WithTimeout(ctx, tired)
			defer cancel()
			_, err := s.Wait(brief)
			return err != nil && brief.Err() != nil, err
		}
		late, err := wait()
		if !late {
			return err
		}
		if err := s.Interrupt(ctx); err != nil {
			return err
		}
		_, err = wait()
		return err
	}
	set := func(list ...Breakpoint) func() error {
		return func() error { _, err := s.SetBreakpoints(ctx, "t", list); return err }
	}
	look := func() error {
		return s.Do(ctx, func(ctx context.Context, v *View) error {
			_, err := v.Stack(ctx, v.l.selected, 20)
			_, wrong := v.Locals(ctx, nil)
			_, third := v.ReadMemory(ctx, targets.Space{}, 0x1000, make([]byte, 8))
			if wrong != nil && err == nil {
				err = wrong
			}
			_ = third // nothing lies there
			return err
		})
	}
	_, err := s.Wait(ctx)
	for _, f := range []func() error{
		set(Breakpoint{Function: "middle"}), func() error { return run(How{}) }, look,
		func() error { return run(How{Kind: StepOver}) }, func() error { return run(How{Kind: StepInto}) }, look,
		func() error { return run(How{Kind: StepOut}) }, set(Breakpoint{Function: "deep", Condition: "n == 3"}),
		func() error { return run(How{}) }, look, set(), func() error { return run(How{}) },
	} {
		if err != nil {
			return err
		}
		err = f()
	}
	return err
}

// recordedTour is what a real far end says to a tour, byte by byte as on its wire.
func recordedTour(t *testing.T) (symbols.Store, []wire.Message) {
	t.Helper()
	st := localStore(t)
	text := &tracing{}
	addr, _ := gdbserver(t, build(t, "walk.c"))
	end, err := tour(t, st, dial(t, addr), wire.NewTrace(text, time.Now), patience)
	if !errors.Is(err, targets.ErrGone) || !end.Gone.Exited {
		t.Fatalf("a sound session: %+v, %v", end, err)
	}
	trace, err := wire.Parse(bytes.NewReader(text.text.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	return st, trace
}

// TestSessionCutAtEveryByte hangs up at every byte that a real far end said in a
// session (in short runs at a part of them): nothing hangs, nothing is left over, and the
// loss is told as what it is.
func TestSessionCutAtEveryByte(t *testing.T) {
	st, trace := recordedTour(t)
	sound := newFarEnd(trace)
	if end, err := tour(t, st, sound, nil, patience); !errors.Is(err, targets.ErrGone) || !end.Gone.Exited {
		t.Fatalf("as recorded: %+v, %v", end, err)
	}
	all, stride := sound.cuts(), 23
	if heavy() {
		stride = 1
	}
	cuts, traps, routines := 0, 0, 0
	for i := 0; i < len(all); i += stride {
		at := all[i]
		far := newFarEnd(trace)
		far.left = at
		end, err := tour(t, st, far, nil, patience)
		var bad *targets.ProtocolError
		switch {
		case err == nil:
			t.Fatalf("byte %d of %d: nothing is told", at, sound.sent)
		case end == nil && !errors.Is(err, targets.ErrGone) && !errors.As(err, &bad):
			t.Fatalf("byte %d: connecting: %v", at, err)
		case end != nil && end.Gone.Exited && !far.exited():
			t.Fatalf("byte %d of %d: it ends as if by itself: %+v", at, sound.sent, end)
		case end != nil && !end.Gone.Exited && end.Gone.Err == nil:
			t.Fatalf("byte %d: no reason is told: %+v", at, end)
		}
		if end != nil && len(end.Traps) > 0 {
			traps++
		}
		if cuts++; cuts == 20 {
			routines = runtime.NumGoroutine()
		}
	}
	t.Logf("%d cuts among %d bytes; traps may have remained after %d", cuts, sound.sent, traps)
	if traps == 0 {
		t.Error("it is never told that traps may remain")
	}
	goneRoutines(t, routines)
}

// goneRoutines waits until there are no more goroutines than there were.
func goneRoutines(t *testing.T, before int) {
	t.Helper()
	for limit := time.Now().Add(patience); runtime.NumGoroutine() > before+2; time.Sleep(time.Millisecond) { // they end behind the session
		if time.Now().After(limit) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}

// TestSessionSpoilt spoils each answer of a session in every way: it ends in time, and
// its end is told.
func TestSessionSpoilt(t *testing.T) {
	st, trace := recordedTour(t)
	sound := newFarEnd(trace)
	if _, err := tour(t, st, sound, nil, patience); !errors.Is(err, targets.ErrGone) {
		t.Fatal(err)
	}
	stride := 11
	if heavy() {
		stride = 1
	}
	for name, spoil := range map[string]func(answer string) []string{
		"never":   func(string) []string { return nil },
		"twice":   func(a string) []string { return []string{a, a} },
		"empty":   func(string) []string { return []string{""} },
		"refused": func(string) []string { return []string{"E01"} },
		"OK":      func(string) []string { return []string{"OK"} },
		"rubbish": func(string) []string { return []string{"\x00m,;:"} },
		"half":    func(a string) []string { return []string{a[:len(a)/2]} },
		"stop":    func(a string) []string { return []string{"T05thread:p1.1;", a} },
		"ended":   func(a string) []string { return []string{"W00", a} },
		"late":    nil,
	} {
		t.Run(name, func(t *testing.T) {
			routines, ends := 0, map[string]int{}
			for n := 1; n <= sound.answers; n += stride {
				far := newFarEnd(trace)
				far.n, far.spoil, far.late = n, spoil, spoil == nil
				end, err := tour(t, st, far, nil, 100*time.Millisecond)
				switch {
				case end == nil:
					ends["not begun"]++
				case end.Gone.Exited:
					ends["the program's own end"]++
				case end.Gone.Err != nil:
					ends["lost"]++
				default:
					ends["left"]++
				}
				_ = err
				if n == 1+3*stride {
					routines = runtime.NumGoroutine()
				}
			}
			t.Logf("%d answers spoilt: %v", (sound.answers+stride-1)/stride, ends)
			goneRoutines(t, routines)
		})
	}
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}
