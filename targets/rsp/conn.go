package rsp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
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
	// debuggee in our place: each Z and z packet, "run" and "stop", a line for each.
	// It must not block.
	Journal func(lines string)
	Log     zerolog.Logger
}

// Conn is a connection to a far end that speaks the protocol. It is a
// targets.Link where the far end serves processes.
type Conn struct {
	o   Options
	rw  io.ReadWriteCloser
	dec *decoder
	// line is what a kernel's kgdb is spoken to over, else nil.
	line *kgdbLine
	cpus []threadID // of kgdb
	// direct is rw where a small write does not wait, see depart; else nil.
	direct limited

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
	platform   bool              // see platform.go
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
	out      []byte    // to be written
	writing  bool      // the writer has bytes in hand
	limit    time.Time // of writes, as direct was told last; none when zero
	flights  int
	run      *run      // while a debuggee runs or a stop is being settled
	heard    time.Time // when the last reply came, or somebody began to wait for one
	waits    int       // how many wait for replies
	watched  bool      // watch is set
	watch    *time.Timer
	err      error
	targets  map[int64]*Target
	children map[int64]*child
	spread   bool     // an interrupt went to more than the process that was meant
	brief    bool     // the far end describes fewer registers than it has, see described
	general  threadID // thread that g and m speak of; zero: the stopped one
	own      ownRegisters
	stepping map[threadID]ownRegisters // kgdb's processors whose step has not been told yet
	rebooted bool                      // a kernel is no more that kgdb was in
	booted   bool                      // it may be so: the line has shown what a kernel begins with
	active   uint64                    // where a kernel says which processor is in kgdb, 0 unknown
	noTrap   [5]bool                   // kinds the far end does not know
	noX      bool                      // binary writes are unknown
}

// request is one packet out and its reply.
type request struct {
	payload string
	console bool               // O packets before the reply belong to it
	resume  bool               // the reply is a stop
	quiet   bool               // a resume to traps that nobody may be told of
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
	err     error         // all of it was answered for this reason
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
	if c.line != nil {
		for i := 0; i < len(reqs); i++ {
			before := c.leaves(reqs[i])
			reqs = slices.Insert(reqs, i, before...)
			i += len(before)
		}
	}
	reqs = c.described(reqs)
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

// wait returns when every reply of f has come.
func (c *Conn) wait(ctx context.Context, f *flight) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waits++; c.waits == 1 {
		c.heard = time.Now()
		c.watchOver()
	}
	defer func() { c.waits-- }()
	for f.open > 0 {
		if c.err != nil {
			return c.err
		}
		c.mu.Unlock()
		var err error
		select {
		case <-f.tick:
		case <-ctx.Done():
			err = ctx.Err()
		}
		c.mu.Lock()
		if err != nil {
			return err
		}
	}
	return f.err
}

// watchOver sets the one timer that ends waits. It is left to run when a wait is
// over, since the next one begins soon; c.mu is held.
func (c *Conn) watchOver() {
	if !c.watched {
		c.watched = true
		c.watch.Reset(c.o.Timeout)
	}
}

// overdue gives up the connection if somebody waits and nothing was heard for too long.
func (c *Conn) overdue() {
	c.mu.Lock()
	rest := c.o.Timeout - time.Since(c.heard)
	c.watched = c.waits > 0 && c.err == nil
	if c.watched && rest > 0 {
		c.watch.Reset(rest)
	}
	late := c.watched && rest <= 0
	c.mu.Unlock()
	if late {
		c.fail(fmt.Errorf("no answer within %v", c.o.Timeout))
	}
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
	c.watch.Stop()
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
