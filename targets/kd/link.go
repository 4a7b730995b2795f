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
	ack     time.Duration // for an acknowledgement
	reply   time.Duration // for a reply, after the acknowledgement
	retries int           // of an unacknowledged packet
}

// ask is one packet to send. With reply nil its acknowledgement is all that is
// awaited; else reply picks the packet that answers it.
type ask struct {
	op    string // in the user's words
	kind  uint16
	data  []byte
	reply func(data []byte) bool
	again bool          // may be sent anew when its reply does not come
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
	frames       receiver
	lines        cleaner
	next, expect uint32 // ids
	last         []byte // last data packet received, as payload
	state        []byte // last state change
	queue        []*ask
	cur          *ask
	acked        bool
	tries        int
	resetSent    bool
	broken       error // the target speaks what we do not understand
	damaged      int   // packets in a row that could not be read
	wait, gap    timer
	poke         timer
}

func newLink(rw io.ReadWriteCloser, clock Clock, t timing) *link {
	l := &link{rw: rw, t: t, in: make(chan []byte), posted: make(chan func(), 64), closing: make(chan struct{}), closed: make(chan struct{}),
		next: firstID, expect: firstID, out: newWriter(rw)}
	l.wait.clock, l.gap.clock, l.poke.clock = clock, clock, clock
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
	for {
		buf := make([]byte, 4096)
		n, err := l.rw.Read(buf)
		if n > 0 {
			select {
			case l.in <- buf[:n]:
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
	l.wait.off()
	l.gap.off()
	l.poke.off()
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
		if a != nil {
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
			if l.feed(b); l.broken != nil {
				return l.broken
			}
			if l.damaged > l.t.retries {
				return &targets.ProtocolError{Op: "listening to the target", Sent: "RESEND", Got: fmt.Sprintf("%d damaged packets in a row", l.damaged),
					Fix: "Something on the line changes bytes, such as a terminal that turns LF into CR LF: set it to raw, and check the speed."}
			}
		case f := <-l.posted:
			f()
		case <-l.wait.C:
			l.overdue()
		case <-l.gap.C: // the rest of a packet did not come
			l.gap.off()
			l.frames.drop()
			l.lines.packet(false)
			l.control(typeResend, 0)
		case <-l.poke.C:
			l.poke.off()
			l.pokeTime()
		case <-l.closing:
			return nil
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

// begin sends the next request when none is under way.
func (l *link) begin() {
	for l.cur == nil && len(l.queue) > 0 {
		a := l.queue[0]
		l.queue = l.queue[1:]
		if a.gone.Load() {
			l.settle(a, context.Canceled)
			continue
		}
		l.cur, l.acked, l.tries = a, false, 0
		l.transmit()
	}
}

func (l *link) transmit() {
	l.tries++
	l.out.write(packet{kind: l.cur.kind, id: l.next, data: l.cur.data}.encode())
	l.wait.set(l.t.ack)
}

func (l *link) control(kind uint16, id uint32) {
	l.out.write(packet{control: true, kind: kind, id: id}.encode())
}

// breakIn sends the break-in byte, reset a reset.
func (l *link) breakIn() { l.out.write([]byte{breakIn}) }

func (l *link) reset() {
	l.resetSent = true
	l.control(typeReset, 0)
}

// finish ends the request under way.
func (l *link) finish(err error) {
	a := l.cur
	l.cur = nil
	l.wait.off()
	l.settle(a, err)
}

// overdue: an acknowledgement or a reply did not come in time.
func (l *link) overdue() {
	l.wait.off()
	switch {
	case l.cur == nil:
	case !l.acked && l.tries < l.t.retries && !l.cur.gone.Load():
		l.transmit()
	case l.acked && l.cur.again && !l.cur.gone.Load(): // out of step: begin anew, and ask again
		l.cur.again, l.acked, l.tries = false, false, 0
		l.reset()
		l.wait.set(l.t.ack)
	default:
		l.finish(&SilentError{Op: l.cur.op, Acknowledged: l.acked})
	}
}

func (l *link) feed(b []byte) {
	for _, raw := range b {
		for _, c := range l.lines.pass(raw) {
			l.take(c)
		}
	}
	if l.frames.busy() {
		l.gap.set(l.t.gap)
	} else {
		l.gap.off()
	}
}

// take is one byte of the target.
func (l *link) take(c byte) {
	p, ok, bad := l.frames.push(c)
	switch {
	case bad && l.frames.leader == 0x30:
		l.damaged++
		l.control(typeResend, 0)
	case ok && p.control:
		l.controlled(p)
	case ok:
		l.data(p)
	}
	if ok || bad {
		l.lines.packet(ok)
	}
}

func (l *link) controlled(p packet) {
	switch p.kind {
	case typeAcknowledge:
		if l.cur != nil && !l.acked && p.id == l.next {
			l.acknowledged()
		}
	case typeResend:
		if l.cur != nil && !l.acked {
			if l.tries < l.t.retries {
				l.transmit()
			}
		}
	case typeReset:
		l.next, l.expect, l.last = firstID, firstID, nil
		if !l.resetSent {
			l.control(typeReset, 0)
		}
		l.resetSent = false
		if l.cur != nil && !l.acked {
			l.transmit()
		}
	}
}

// acknowledged: the request under way has arrived.
func (l *link) acknowledged() {
	l.acked = true
	l.next ^= 1
	if l.cur.reply == nil {
		l.finish(nil)
		return
	}
	l.wait.set(l.t.reply)
}

func (l *link) data(p packet) {
	plain := p.id &^ syncID
	if plain&^1 != firstID {
		l.damaged++
		l.control(typeResend, 0)
		return
	}
	l.damaged = 0
	switch {
	case p.id&syncID != 0:
		l.control(typeAcknowledge, plain)
		if l.expect == plain^1 && bytes.Equal(l.last, p.data) {
			return // sent again because our acknowledgement was lost
		}
		l.expect, l.next = plain, firstID
		if l.cur != nil {
			l.finish(&SilentError{Op: l.cur.op, Restarted: true})
		}
		l.anew()
	case plain != l.expect:
		l.control(typeAcknowledge, plain) // a repetition
		return
	default:
		l.control(typeAcknowledge, plain)
		// It could not be sent had our packet not arrived; but a state change told
		// again crossed it, and the target will ask for ours.
		if l.cur != nil && !l.acked && !(p.kind == typeStateChange && bytes.Equal(p.data, l.state)) {
			l.acknowledged()
		}
	}
	if p.kind == typeStateChange {
		l.state = p.data
	}
	l.expect, l.last, l.resetSent = plain^1, p.data, false
	if p.kind != typeManipulate {
		l.receive(p.kind, p.data)
		return
	}
	if l.cur != nil && l.cur.reply != nil && l.cur.reply(p.data) {
		l.cur.got = p.data
		l.finish(nil)
	} // else the reply to something given up
}

// SilentError: the target did not answer.
type SilentError struct {
	Op           string // in the user's words
	Acknowledged bool   // the packet arrived; its answer did not
	Restarted    bool   // the target began anew meanwhile
}

func (e *SilentError) Error() string {
	switch {
	case e.Restarted:
		return e.Op + ": the target restarted"
	case e.Acknowledged:
		return e.Op + ": the target took the request but does not answer"
	}
	return e.Op + ": the target does not answer"
}

// Hint says what the user can do.
func (e *SilentError) Hint() string {
	return "Check that the target still runs with kernel debugging on this line, and that nothing else reads it."
}

// writer writes in order without holding up whoever hands in bytes.
type writer struct {
	w    io.Writer
	mu   sync.Mutex
	cond *sync.Cond
	buf  [][]byte
	end  bool
	done chan struct{}
}

func newWriter(w io.Writer) *writer {
	o := &writer{w: w, done: make(chan struct{})}
	o.cond = sync.NewCond(&o.mu)
	return o
}

func (o *writer) write(p []byte) {
	o.mu.Lock()
	o.buf = append(o.buf, p)
	o.mu.Unlock()
	o.cond.Signal()
}

func (o *writer) finish() {
	o.mu.Lock()
	o.end = true
	o.mu.Unlock()
	o.cond.Signal()
}

// run writes each packet in one piece, for a target gives up on one whose bytes
// do not follow each other. A failing line is found out by the reader.
func (o *writer) run() {
	defer close(o.done)
	for {
		o.mu.Lock()
		for len(o.buf) == 0 && !o.end {
			o.cond.Wait()
		}
		if len(o.buf) == 0 {
			o.mu.Unlock()
			return
		}
		p := o.buf[0]
		o.buf = o.buf[1:]
		o.mu.Unlock()
		if _, err := o.w.Write(p); err != nil {
			return
		}
	}
}
