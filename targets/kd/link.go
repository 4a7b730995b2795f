package kd

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"dap-windbg/targets"
)

// timing is how long a link waits. Times are those of Options.
type timing struct {
	gap     time.Duration // between two bytes of a packet
	quiet   time.Duration // of the line after damage, before the packet is asked for again
	ack     time.Duration // for an acknowledgement, beside the time on the wire
	reply   time.Duration // for a reply, after the acknowledgement
	limit   time.Duration // for a packet in all
	retries int           // of an unacknowledged packet
	baud    int           // of the line, 0 fast
}

// onWire is how long n bytes take.
func (t *timing) onWire(n int) time.Duration {
	if t.baud <= 0 {
		return 0
	}
	return time.Duration(n) * 10 * time.Second / time.Duration(t.baud)
}

// lingering is how often a request to run on is sent before it counts as taken: when
// its acknowledgement is lost the target runs and is deaf. It is sent on for a while,
// for it may be the request that was lost.
const (
	lingering   = 3
	lingerTimes = 12
	patient     = 4 // unanswered tries before the target is roused
	lingerPause = 2 * time.Second
	storm       = 2 * time.Second // between requests to repeat what was damaged very often
	sameDamage  = 3               // identical damaged packets that show a fault of the line
	drained     = 2 * maxPayload  // bytes of noise after which the line counts as quiet
	probes      = 3
	probePause  = time.Second
	calmly      = 2 * time.Second
	wonders     = 2 // resets to a target that is silent after it was told to run
	wonderPause = 3 * time.Second
)

// ask is one packet to send. With reply nil its acknowledgement is all that is
// awaited; else reply picks the packet that answers it.
type ask struct {
	op    string // in the user's words
	kind  uint16
	data  []byte
	reply func(data []byte) bool
	again bool          // may be sent anew when its reply does not come
	runs  bool          // the target goes on and hears nothing more
	then  func(*ask)    // called in the loop when done, before anything that follows
	done  chan struct{} // closed when done
	got   []byte        // the reply
	err   error         // of the link
	gone  atomic.Bool   // whoever asked has left
}

// link is the transport: stop-and-wait in both directions over packets. One
// goroutine, the loop, owns all its state; one reads and one writes.
type link struct {
	rw      io.ReadWriteCloser
	t       timing
	receive func(kind uint16, data []byte) // in the loop: a packet that answers nothing
	anew    func()                         // in the loop: the target began its streams anew
	ended   func(error)                    // in the loop, last
	told    func(string)                   // in the loop: trouble of the line, for the user
	woke    func()                         // in the loop: a break-in was sent that nobody asked for

	in       chan []byte
	posted   chan func()
	closing  chan struct{}
	closed   chan struct{}
	once     sync.Once
	workers  sync.WaitGroup
	out      *writer
	readErr  error
	pokeTime func() // in the loop, when the poke timer fires

	// of the loop
	frames    receiver
	ids       sequence
	last      []byte       // last data packet received, as payload
	state     *stateChange // the last one
	resetBy   bool         // a RESET came since the last data packet
	fresh     []byte       // payload that is to begin the target's stream anew, if it comes again
	queue     []*ask
	cur       *ask
	acked     bool
	settled   bool // whoever asked has been answered; the packet is still being sent
	avoid     bool // LF must not be sent
	tries     int
	spent     time.Duration // waiting for cur's acknowledgement
	pause     time.Duration // that is being waited now
	sentLast  []byte        // payload of the last data packet sent
	resets    int           // still to be sent before cur is sent again
	broken    error         // the target speaks what we do not understand
	damage    damage
	draining  int  // bytes dropped since a damaged packet, -1: none is being dropped
	later     bool // gap ends a pause before a RESEND: there were very many
	doubt     int  // resets to send until the target says whether it runs
	gone      *ask // the request it runs on by
	mute      bool // nothing at all was heard since
	wondered  int  // resets sent because of that
	wait, gap timer
	poke      timer
	probe     timer
	calm      timer // runs since a RESET of ours: one that comes meanwhile may be its answer
}

// damage counts packets that could not be read.
type damage struct {
	row   int // in a row
	same  int // of these, identical ones at the end
	hash  uint64
	shown bool // the user was told
}

func newLink(rw io.ReadWriteCloser, clock Clock, t timing, datagrams bool) *link {
	l := &link{rw: rw, t: t, in: make(chan []byte), posted: make(chan func(), 64), closing: make(chan struct{}), closed: make(chan struct{}),
		ids: newSequence(datagrams), out: newWriter(rw), draining: -1}
	for _, t := range []*timer{&l.wait, &l.gap, &l.poke, &l.probe, &l.calm} {
		t.clock = clock
	}
	return l
}

// start runs the goroutines; the callbacks must be set.
func (l *link) start() {
	l.workers.Add(2)
	go func() { defer l.workers.Done(); l.out.run() }()
	go func() { defer l.workers.Done(); l.read() }()
	go l.loop()
}

func (l *link) read() {
	buf := make([]byte, 8192)
	for {
		n, err := l.rw.Read(buf)
		if n > 0 {
			select {
			case l.in <- bytes.Clone(buf[:n]):
			case <-l.closing:
				return
			}
		}
		if err != nil {
			l.readErr = err
			close(l.in)
			return
		}
	}
}

// post runs f in the loop; false when the link has ended.
func (l *link) post(f func()) bool {
	select {
	case l.posted <- f:
		return true
	case <-l.closed:
		return false
	}
}

// do sends a and waits until it is done or ctx ends; what comes late is dropped.
func (l *link) do(ctx context.Context, a *ask) error {
	a.done = make(chan struct{})
	if !l.post(func() { l.queue = append(l.queue, a) }) {
		return targets.ErrGone
	}
	select {
	case <-a.done:
		return a.err
	case <-ctx.Done():
		a.gone.Store(true)
		return ctx.Err()
	case <-l.closed:
		select {
		case <-a.done:
			return a.err
		default:
			return targets.ErrGone
		}
	}
}

// close ends the link. What was queued for writing is written first.
func (l *link) close() {
	l.once.Do(func() { close(l.closing) })
	<-l.closed
}

func (l *link) loop() {
	err := l.serve()
	for _, t := range []*timer{&l.wait, &l.gap, &l.poke, &l.probe, &l.calm} {
		t.off()
	}
	l.once.Do(func() { close(l.closing) })
	l.out.finish()
	flushed, stop := l.wait.clock.Timer(l.t.gap)
	select {
	case <-l.out.done:
	case <-flushed:
	}
	stop()
	l.rw.Close()
	for _, a := range append([]*ask{l.cur}, l.queue...) {
		if a != nil && !(a == l.cur && l.settled) {
			l.settle(a, targets.ErrGone)
		}
	}
	l.ended(err)
	close(l.closed)
	l.workers.Wait()
}

func (l *link) serve() error {
	for {
		l.begin()
		select {
		case b, ok := <-l.in:
			if !ok {
				return fmt.Errorf("the line to the target: %w", l.readErr)
			}
			l.feed(b)
		case f := <-l.posted:
			f()
		case <-l.wait.C:
			l.overdue()
		case <-l.gap.C:
			l.gap.off()
			l.silence()
		case <-l.poke.C:
			l.poke.off()
			l.pokeTime()
		case <-l.probe.C:
			l.probe.off()
			l.ponder()
		case <-l.calm.C:
			l.calm.off()
		case <-l.closing:
			return nil
		}
		if l.broken != nil {
			return l.broken
		}
	}
}

func (l *link) settle(a *ask, err error) {
	a.err = err
	if a.then != nil {
		a.then(a)
	}
	if a.done != nil {
		close(a.done)
	}
}

// begin sends the next request when none is under way. One that lingers gives way.
func (l *link) begin() {
	if l.cur != nil && l.settled && len(l.queue) > 0 {
		l.cur = nil
		l.wait.off()
	}
	for l.cur == nil && len(l.queue) > 0 {
		a := l.queue[0]
		l.queue = l.queue[1:]
		if a.gone.Load() {
			l.settle(a, context.Canceled)
			continue
		}
		l.cur, l.acked, l.settled, l.tries, l.spent, l.resets = a, false, false, 0, 0, 0
		l.transmit()
	}
}

func (l *link) transmit() {
	l.tries++
	if l.cur.kind == typeManipulate {
		tune(l.cur.data, l.cur.runs, l.avoid || l.frames.lines.mangled() || l.tries > sameDamage)
	}
	p := packet{kind: l.cur.kind, id: l.ids.next, data: l.cur.data}
	wire := p.encode()
	if l.ids.datagrams {
		wire = p.body()
	}
	l.sentLast = l.cur.data
	l.out.write(wire)
	l.pause = l.t.ack + 4*l.t.onWire(len(wire))
	if l.settled {
		l.pause = lingerPause
	}
	l.wait.set(l.pause)
}

func (l *link) control(kind uint16, id uint32) {
	l.out.write(packet{control: true, kind: kind, id: id}.body())
}

// breakIn sends the break-in byte, reset a reset.
func (l *link) breakIn() { l.out.write([]byte{breakIn}) }

func (l *link) reset() {
	l.calm.set(calmly)
	l.control(typeReset, l.ids.resetID())
}

// finish ends the request under way.
func (l *link) finish(err error) {
	a := l.cur
	l.cur = nil
	l.wait.off()
	if !l.settled {
		l.settle(a, err)
	}
}

// SilentError: the target did not answer.
type SilentError struct {
	Op           string // in the user's words
	Acknowledged bool   // the packet arrived; its answer did not
	Restarted    bool   // the target began anew meanwhile
	Damaged      bool   // what comes from it is damaged
}

func (e *SilentError) Error() string {
	switch {
	case e.Restarted:
		return e.Op + ": the target restarted"
	case e.Damaged:
		return e.Op + ": what the target sends arrives damaged"
	case e.Acknowledged:
		return e.Op + ": the target took the request but does not answer"
	}
	return e.Op + ": the target does not answer"
}

// Hint says what the user can do.
func (e *SilentError) Hint() string {
	if e.Damaged {
		return "Something on the line changes bytes, such as a terminal that turns LF into CR LF: set it to raw, and check the speed."
	}
	return "Check that the target still runs with kernel debugging on this line, and that nothing else reads it."
}
