package rsp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"dap-windbg/arch"
	"dap-windbg/targets"
	"dap-windbg/targets/wire"
)

// Options say how to speak to a far end. The zero value is usable.
type Options struct {
	Peer         string        // what to call the far end in errors, such as "localhost:1234"
	Timeout      time.Duration // longest wait for any one reply; 0: 30 s
	Hello        time.Duration // longest wait for the very first reply; 0: 5 s
	ThreadEvents bool          // report threads as they come and go (some gdbservers crash of it)
	Forks        bool          // report forks and hold the children; else children run on, free of traps
	NonStop      bool          // where the far end knows it: memory and traps without a stop while the debuggee runs
	OS           string        // what runs over there where the far end does not say: "linux", "windows", "linuxkernel", "windowskernel"
	Arch         *arch.Arch    // CPU where the far end does not say; nil: amd64
	Trace        *wire.Trace   // nil: none
	// Break makes process pid stop where 0x03 would not: GNU gdbserver signals the
	// process group of what it attached to, as if the process led it. It is tried
	// first, 0x03 when it fails, and must not block. Nil: 0x03 does it.
	Break func(pid int64) error
	// Journal is told, in order, what somebody would need who has to part from the
	// debuggee in our place: each Z and z packet, "run" and "stop". It must not block.
	Journal func(entry string)
	Log     zerolog.Logger
}

// Conn is a connection to a far end that speaks the protocol. It is a
// targets.Link where the far end serves processes.
type Conn struct {
	o   Options
	rw  io.ReadWriteCloser
	dec *decoder

	features   map[string]string // of qSupported: "+", "-" or a value
	kind       stubKind          // what answers
	packetSize int               // bytes of payload, both ways
	vCont      map[string]bool   // nil: no vCont
	physical   bool              // knows Qqemu.PhyMemMode
	reads      reading           // how memory is read
	nonstop    bool              // see nonstop.go
	noted      chan string       // stops notified in non-stop mode
	losses     []string          // what was asked for and the far end does not do
	extended   bool              // `!` was sent
	whole      *Target           // what the far end held when we came
	first      *stopReply        // the stop it waited in

	lost    chan struct{} // closed when the wire is gone
	leave   chan struct{} // closed when we part: the writer writes what is left
	written chan struct{} // closed when the writer has ended
	toSend  chan struct{} // the writer has work; one token
	token   chan struct{} // held by whose turn it is, see turn
	done    sync.WaitGroup

	mu       sync.Mutex
	leaving  bool
	queue    []*request // in the order of their replies; sent of them have left
	sent     int
	serial   bool // acknowledgements are needed: one request at a time
	owed     bool // an acknowledgement, to travel with the next request
	last     []byte
	out      []byte // for the writer
	flights  int
	run      *run      // while a debuggee runs or a stop is being settled
	heard    time.Time // when the last reply came
	err      error
	targets  map[int64]*Target
	children map[int64]*child
	general  threadID // thread that g and m speak of; zero: the stopped one
	noTrap   [5]bool  // kinds the far end does not know
	noX      bool     // binary writes are unknown
}

// request is one packet out and its reply.
type request struct {
	payload string
	console bool               // O packets before the reply belong to it
	resume  bool               // the reply is a stop
	undoes  bool               // ends a state that must not last
	vital   bool               // a refusal must hold up the resume behind it
	got     func(reply []byte) // takes in the reply before anything behind it; Conn.mu is held

	flight *flight
	reply  []byte
	output bytes.Buffer // of a console request
}

func ask(format string, args ...any) *request {
	if len(args) == 0 {
		return &request{payload: format}
	}
	return &request{payload: fmt.Sprintf(format, args...)}
}

// flight is a list of requests that travel together.
type flight struct {
	number  int
	open    int           // replies to come, the stop of a resume not counted
	tick    chan struct{} // one token: the last reply came, or the wire went
	refused bool          // a vital request was
}

func (f *flight) ticked() {
	select {
	case f.tick <- struct{}{}:
	default:
	}
}

// lostError: the wire is gone. It is an ErrGone.
type lostError struct{ err error }

func (e *lostError) Error() string {
	return "the connection to the debug server is lost: " + e.err.Error()
}
func (e *lostError) Unwrap() []error { return []error{targets.ErrGone, e.err} }
func (e *lostError) Hint() string {
	return "Check that the debug server still runs, and connect again."
}

var errClosed = errors.New("closed by us")

// window is how many requests of a long list travel ahead: two flights of it.
const window = 32

// exchange sends reqs and waits for their replies. Long lists travel in
// overlapping flights. When ctx ends, what has not left is withdrawn and late
// replies are dropped.
func (c *Conn) exchange(ctx context.Context, reqs ...*request) error {
	return c.exchangeAs(ctx, false, reqs)
}

func (c *Conn) exchangeAs(ctx context.Context, settling bool, reqs []*request) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	step := len(reqs)
	if step > 2*window {
		step = window
	}
	var ahead []*flight
	for len(reqs) > 0 || len(ahead) > 0 {
		for len(reqs) > 0 && len(ahead) < 2 {
			n := min(step, len(reqs))
			f, err := c.submit(settling, reqs[:n])
			if err != nil {
				return err
			}
			ahead, reqs = append(ahead, f), reqs[n:]
		}
		if err := c.wait(ctx, ahead[0]); err != nil {
			c.withdraw(ahead, reqs)
			return err
		}
		ahead = ahead[1:]
	}
	return nil
}

// submit queues one flight. While the debuggee runs only the goroutine that
// settles a stop may.
func (c *Conn) submit(settling bool, reqs []*request) (*flight, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return nil, c.err
	}
	if c.run != nil && !settling && !c.nonstop {
		return nil, targets.ErrRunning
	}
	return c.enqueue(reqs), nil
}

// enqueue is submit without questions; c.mu is held.
func (c *Conn) enqueue(reqs []*request) *flight {
	c.flights++
	f := &flight{number: c.flights, tick: make(chan struct{}, 1)}
	for _, r := range reqs {
		r.flight = f
		if !r.resume {
			f.open++
		}
	}
	c.queue = append(c.queue, reqs...)
	c.pump()
	return f
}

// oneByOne reports whether requests cannot travel together.
func (c *Conn) oneByOne() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.serial || c.kind.single
}

// pump lets leave what may; c.mu is held.
func (c *Conn) pump() {
	one := c.serial || c.kind.single
	for c.sent < len(c.queue) && (!one || c.sent == 0) {
		r := c.queue[c.sent]
		if r.resume && r.flight.refused && one {
			c.queue = append(c.queue[:c.sent:c.sent], c.queue[c.sent+1:]...)
			c.run.t.motion = nil
			c.endRun()
			r.flight.ticked()
			continue
		}
		packet := frame(nil, r.payload)
		c.last = packet
		c.journal(r)
		c.emit(r.flight.number, packet)
		c.sent++
		if r.resume && c.run != nil && c.run.interrupts > 0 {
			c.emit(c.flightNumber(), []byte{interrupt})
		}
	}
}

// journal tells of a request that is about to leave; c.mu is held.
func (c *Conn) journal(r *request) {
	switch {
	case c.o.Journal == nil:
	case r.resume:
		c.o.Journal("run")
	case r.payload[0] == 'Z' || r.payload[0] == 'z':
		trap, _, _ := strings.Cut(r.payload, ";") // without its condition
		c.o.Journal(trap)
	}
}

func (c *Conn) flightNumber() int { c.flights++; return c.flights }

// emit hands bytes to the writer, an owed acknowledgement first; c.mu is held.
func (c *Conn) emit(flight int, p []byte) {
	if c.owed {
		c.owed = false
		c.o.Trace.Message(true, 0, []byte{'+'})
		c.out = append(c.out, '+')
	}
	c.o.Trace.Message(true, flight, p)
	c.out = append(c.out, p...)
	select {
	case c.toSend <- struct{}{}:
	default:
	}
}

// acknowledge sends an owed acknowledgement without waiting for a request.
func (c *Conn) acknowledge() {
	if c.owed {
		c.owed = false
		c.emit(0, []byte{'+'})
	}
}

func (c *Conn) writer() {
	defer c.done.Done()
	defer close(c.written)
	for leaving := false; !leaving; {
		select {
		case <-c.toSend:
		case <-c.leave:
			leaving = true
		case <-c.lost:
			return
		}
		c.mu.Lock()
		p := c.out
		c.out = nil
		c.mu.Unlock()
		if len(p) == 0 {
			continue
		}
		if _, err := c.rw.Write(p); err != nil {
			c.fail(err)
			return
		}
	}
}

// wait returns when every reply of f has come.
func (c *Conn) wait(ctx context.Context, f *flight) error {
	limit := time.NewTimer(c.o.Timeout)
	defer limit.Stop()
	for {
		c.mu.Lock()
		open, err := f.open, c.err
		c.mu.Unlock()
		if open == 0 {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case <-f.tick:
		case <-c.lost:
		case <-ctx.Done():
			return ctx.Err()
		case <-limit.C:
			if rest := c.o.Timeout - time.Since(c.lastHeard()); rest > 0 {
				limit.Reset(rest)
				continue
			}
			c.fail(fmt.Errorf("no answer within %v", c.o.Timeout))
		}
	}
}

// lastHeard is when the last reply came, to whatever question.
func (c *Conn) lastHeard() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.heard
}

// withdraw takes back requests of given-up flights that have not left.
// What undoes a state of the far end is sent all the same.
func (c *Conn) withdraw(flights []*flight, unsent []*request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept := c.queue[:c.sent:c.sent]
	for _, r := range c.queue[c.sent:] {
		given := false
		for _, f := range flights {
			given = given || r.flight == f
		}
		if !given || r.undoes {
			kept = append(kept, r)
		}
	}
	c.queue = kept
	c.general = unknownThread
	for _, r := range unsent {
		if r.undoes && c.err == nil {
			c.enqueue([]*request{r})
		}
	}
}

// fail ends the connection: every wait returns, every target is gone.
func (c *Conn) fail(err error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	if errors.Is(err, io.EOF) {
		err = errors.New("the far end closed it")
	}
	c.err = &lostError{err}
	for _, r := range c.queue {
		r.flight.ticked()
	}
	c.endRun()
	for _, t := range c.targets {
		if t.parted { // Close tells what became of it
			t.events.Put(targets.Gone{})
		} else {
			t.events.Put(targets.Gone{Err: c.err})
		}
	}
	close(c.lost)
	c.mu.Unlock()
	c.rw.Close()
}

// Close ends the connection; debuggees stay as they are. It is safe to call twice.
func (c *Conn) Close() error {
	c.mu.Lock()
	c.acknowledge()
	if !c.leaving {
		c.leaving = true
		close(c.leave)
	}
	c.mu.Unlock()
	limit := time.NewTimer(time.Second)
	defer limit.Stop()
	select { // what is written last must reach the far end
	case <-c.written:
	case <-limit.C:
	}
	c.fail(errClosed)
	c.done.Wait()
	return nil
}
