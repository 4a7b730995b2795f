package kd

import (
	"bytes"
	"context"
	"fmt"
	"hash/maphash"
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
	for {
		buf := make([]byte, 8192)
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

// tune chooses the status of a request, which targets do not read, so that its
// checksum holds no break-in byte when it may reach a running target, and no LF when
// the line may mangle it.
func tune(data []byte, runs, mangled bool) {
	bad := func() bool {
		sum := checksum(data)
		for ; sum != 0; sum >>= 8 {
			if b := byte(sum); runs && b == breakIn || mangled && b == '\n' {
				return true
			}
		}
		return false
	}
	for i := 0; i < 8 && bad(); i++ {
		data[10]++
	}
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

// overdue: an acknowledgement or a reply did not come in time.
func (l *link) overdue() {
	l.wait.off()
	l.spent += l.pause
	switch {
	case l.cur == nil:
	case l.frames.busy(): // something is on its way
		l.wait.set(l.t.gap)
	case l.resets > 0:
		l.resync()
	case l.cur.runs && !l.acked && l.tries >= lingering:
		l.linger()
	case !l.acked && l.tries < l.t.retries && l.spent < l.t.limit && !l.cur.gone.Load():
		if !l.cur.runs && l.tries > 0 && l.tries%patient == 0 {
			l.rouse()
		}
		l.transmit()
	case l.acked && l.cur.again && l.spent < l.t.limit && !l.cur.gone.Load(): // out of step: begin anew, and ask again
		l.acked, l.tries, l.resets = false, 0, patient
		l.resync()
	default:
		if !l.acked && !l.cur.gone.Load() {
			l.lament()
		}
		l.finish(&SilentError{Op: l.cur.op, Acknowledged: l.acked, Damaged: l.damage.row >= sameDamage})
	}
}

// resync resets a target that is out of step; when it answers, what is asked is sent.
func (l *link) resync() {
	l.resets--
	l.reset()
	l.pause = l.t.ack
	l.wait.set(l.pause)
}

// rouse makes itself heard by a target that does not answer: out of step, it hears a
// reset; and where it gave us up and ran on, a break-in.
func (l *link) rouse() {
	if l.tries/patient%2 == 1 {
		l.reset()
		return
	}
	l.breakIn()
	l.woke()
}

// linger lets whoever asked to run on go, and goes on sending the request for a while.
func (l *link) linger() {
	if !l.settled {
		l.settled = true
		l.settle(l.cur, nil)
	}
	if l.tries < lingering+lingerTimes {
		l.transmit()
	} else {
		l.cur = nil
	}
}

// lament says of a packet that does not get through what WinDbg says.
func (l *link) lament() {
	l.told(fmt.Sprintf("... Retry sending the same data packet for %d times.\n", l.tries) +
		"The transport connection between host kernel debugger and target Windows seems lost.\n" +
		"please try resync with target, recycle the host debugger, or reboot the target Windows.")
}

// ponder asks a target of which it is not known whether it runs.
func (l *link) ponder() {
	switch {
	case l.doubt > 0:
		l.doubt--
		l.reset()
		l.probe.set(probePause)
	case l.mute && l.wondered < wonders && !l.ids.datagrams: // was it taken for another packet?
		l.wondered++
		l.reset()
		l.probe.set(wonderPause)
	}
}

func (l *link) feed(b []byte) {
	l.mute = false
	if l.ids.datagrams {
		l.datagram(b)
		return
	}
	if l.draining >= 0 {
		if l.draining += len(b); l.draining > drained {
			l.silence()
		} else {
			l.gap.set(l.t.quiet)
		}
		return
	}
	l.frames.push(b)
	for l.broken == nil {
		p, raw, v := l.frames.next(false)
		if v == unfinished {
			break
		}
		if l.take(p, raw, v); l.draining >= 0 {
			l.gap.set(l.t.quiet)
			return
		}
	}
	l.later = false
	if l.frames.busy() {
		l.gap.set(l.t.gap)
	} else {
		l.gap.off()
	}
}

// datagram takes one packet.
func (l *link) datagram(b []byte) {
	p, _, v := packet{}, 0, damaged
	if len(b) >= headerLen && (b[0] == dataLeader || b[0] == controlLeader) && bytes.Equal(b[:3], b[1:4]) {
		p, _, v = decode(b, 0)
	}
	if v == whole { // what is none was checked on its way: it is noise of the far end
		l.take(p, nil, v)
	}
}

// silence: nothing came for a while. After damage the packet is asked for again, and
// one that does not go on is damaged.
func (l *link) silence() {
	if l.draining >= 0 {
		l.draining = -1
		l.frames.drop()
		if l.damage.row < l.t.retries {
			l.control(typeResend, 0)
		} else {
			l.later = true
			l.gap.set(storm)
		}
		return
	}
	if l.later {
		l.later = false
		l.control(typeResend, 0)
		return
	}
	for {
		p, raw, v := l.frames.next(true)
		if v == unfinished {
			return
		}
		if l.take(p, raw, v); l.draining >= 0 {
			l.silence()
			return
		}
	}
}

// take is what was found on the line.
func (l *link) take(p packet, raw []byte, v verdict) {
	switch {
	case v == damaged && !p.control:
		l.frames.drop()
		l.draining = 0
		l.spoilt(raw)
	case v == damaged:
	case p.control:
		l.controlled(p)
	default:
		l.data(p)
	}
}

var seed = maphash.MakeSeed()

// spoilt counts a damaged packet and tells what is the matter when it is always the same.
func (l *link) spoilt(raw []byte) {
	d := &l.damage
	h := maphash.Bytes(seed, raw)
	if d.row++; h == d.hash {
		d.same++
	} else {
		d.same, d.hash = 1, h
	}
	if d.same == sameDamage && !d.shown {
		d.shown = true
		l.told("The same packet of the target arrives damaged in the same way each time: something on the line changes bytes, such as a terminal that turns LF into CR LF. " +
			"Set the line to raw, or have it undone with crlf=fix or by `dap-windbg kdsrv` at the other end.")
	}
}

func (l *link) controlled(p packet) {
	waiting := l.cur != nil && !l.acked
	switch p.kind {
	case typeAcknowledge:
		if waiting && p.id == l.ids.next {
			l.acknowledged()
		}
	case typeResend:
		switch {
		case waiting && l.tries < l.t.retries:
			l.transmit()
			if l.tries == 2*sameDamage && bytes.Contains(packet{data: l.cur.data}.body(), []byte("\n")) {
				l.avoid = true
				l.told("The target rejects the same packet again and again: something on the line changes bytes on their way to it. Packets without LF are tried.")
			}
		case l.ids.datagrams && l.ids.heard: // an acknowledgement was lost
			l.control(typeAcknowledge, l.ids.expect-2)
		}
	case typeReset:
		l.ids.reset()
		l.resetBy, l.resets = true, 0
		if l.calm.C == nil { // else two ends would answer each other for ever
			l.reset()
		}
		if waiting {
			l.transmit()
		}
	}
}

// acknowledged: the request under way has arrived.
func (l *link) acknowledged() {
	l.acked = true
	l.ids.advance()
	if l.cur.reply == nil {
		if l.cur.runs {
			l.gone, l.mute, l.wondered = l.cur, true, 0
			l.probe.set(wonderPause)
			if l.doubt == probes {
				l.probe.set(l.t.ack)
			}
		}
		l.finish(nil)
		return
	}
	l.pause = l.t.reply
	l.wait.set(l.pause)
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
