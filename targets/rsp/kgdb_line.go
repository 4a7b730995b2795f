package rsp

import (
	"bytes"
	"io"
	"regexp"
	"sync"
	"time"
)

// A line to a kernel's kgdb is shared: packets and the text of the kernel's console
// come as they please, bytes are lost, and the kernel reads the line only while it is
// stopped. kgdbLine is the data link on it. Above it there is a far end that needs no
// acknowledgements, below it:
//
//   - each packet is acknowledged at once, sent again when it arrived damaged or not
//     at all, and a packet that came twice is dropped;
//   - what belongs to no packet is text;
//   - 0x03 breaks in, since kgdb does not listen while the kernel runs;
//   - the prompt of kdb, where the kernel stops when it has both, is left for kgdb.
//
// The facts are of kernel/debug/gdbstub.c and kernel/debug/kdb/kdb_io.c of Linux 6.1.

// Timer tells when d is over; stop ends it before.
type Timer func(d time.Duration) (c <-chan time.Time, stop func())

func realTimer(d time.Duration) (<-chan time.Time, func()) {
	t := time.NewTimer(d)
	return t.C, func() { t.Stop() }
}

// KGDB says how to use a line to a kernel's kgdb. The zero value is usable.
type KGDB struct {
	// BreakIn makes a running kernel enter its debugger: a break on the serial line and
	// the letter g. Nil: the user does it.
	BreakIn func() error
	// Advice tells the user how to enter the debugger when BreakIn cannot.
	Advice string
	// Tell shows people what the line waits for. It may be nil, and must not block.
	Tell func(text string)
	// Silence is after which pause an answer counts as lost; 0: 1 s.
	Silence time.Duration
	Timer   Timer // nil: the real one
	Speed   int   // of the line, bytes per second; 0 unknown
}

// kgdbState is who listens at the far end.
type kgdbState uint8

const (
	kgdbSought  kgdbState = iota // nobody knows yet
	kgdbStopped                  // the stub
	kgdbRunning                  // nobody: the kernel runs
	kgdbParting                  // kdb, which lets the kernel run
)

const (
	kgdbHello     = "$?#3f"
	kgdbToKDB     = "$3#33"
	killLine      = 0x15            // erases what is typed on a terminal; kdb ignores it
	breakPause    = 3 * time.Second // between two attempts to break in
	textPause     = 50 * time.Millisecond
	maxKGDBPacket = 4096 // of a far end whose buffer has 1024 bytes (BUFMAX)
	maxResends    = 12
)

var (
	kdbPrompt  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\[[0-9]{1,4}\]kdb> $`) })
	kdbMore    = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`more> $`) })
	kgdbEnters = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(KGDB or \$3#33 for KDB|Entering KGDB|please attach debugger[^\n]*)\s*$`)
	})
)

// kgdbLine is an io.ReadWriteCloser: its reader and writer speak packets without
// acknowledgements. One goroutine, serve, owns the state.
type kgdbLine struct {
	rw io.ReadWriteCloser
	k  KGDB
	o  Options

	in      chan []byte // from the far end
	out     chan []byte // what was written
	closing chan struct{}
	served  chan struct{} // closed when nothing more is written
	synced  chan struct{} // closed when the stub listens for the first time
	once    sync.Once
	done    sync.WaitGroup

	mu    sync.Mutex
	cond  *sync.Cond
	ready []byte // to be read
	err   error  // the line is gone
	say   func(text string)

	// of serve
	state   kgdbState
	text    []byte // not told yet
	tail    []byte // of all text, to find prompts
	packet  []byte // begun with $, or nil
	queue   [][]byte
	sent    []byte // a request without its answer
	acked   bool
	seen    bool   // a + came that may have been its acknowledgement
	doubt   bool   // a + came amid a line of text
	spare   int    // acknowledgements that may come yet of what was sent twice
	twice   bool   // since the last stop something was sent twice
	last    string // the last answer
	resent  int
	tries   int       // to find the stub
	broke   time.Time // the last attempt to break in
	typed   bool      // its letter, which may lie at a console
	mute    bool      // no break can be sent
	advised bool
	found   bool // the stub has listened before
	waits   int  // for the rest of a packet
	echoes  bool // the far end shows what is typed: its console is on this line
	fromKDB bool // the kernel waited in kdb
	shown   bool // what was typed last
	timer   <-chan time.Time
	stop    func()
}

func newKGDBLine(rw io.ReadWriteCloser, k KGDB, o Options) *kgdbLine {
	if k.Silence <= 0 {
		k.Silence = time.Second
	}
	if k.Timer == nil {
		k.Timer = realTimer
	}
	if k.Tell == nil {
		k.Tell = func(string) {}
	}
	l := &kgdbLine{rw: rw, k: k, o: o, in: make(chan []byte), out: make(chan []byte, 16), closing: make(chan struct{}), served: make(chan struct{}), synced: make(chan struct{}), stop: func() {}}
	l.cond = sync.NewCond(&l.mu)
	l.say = k.Tell
	l.done.Add(2)
	go l.read()
	go l.serve()
	return l
}

// Read gives packets of the far end, each whole.
func (l *kgdbLine) Read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.ready) == 0 && l.err == nil {
		l.cond.Wait()
	}
	if len(l.ready) == 0 {
		return 0, l.err
	}
	n := copy(p, l.ready)
	l.ready = l.ready[n:]
	return n, nil
}

// Write takes whole packets, and 0x03.
func (l *kgdbLine) Write(p []byte) (int, error) {
	select {
	case l.out <- bytes.Clone(p):
		return len(p), nil
	case <-l.closing:
		return 0, io.ErrClosedPipe
	}
}

// Close ends the line; the kernel stays as it is.
func (l *kgdbLine) Close() error {
	l.end(io.EOF)
	over, stop := l.k.Timer(l.k.Silence)
	defer stop()
	select {
	case <-l.served:
	case <-over: // nobody reads what is written
	}
	err := l.rw.Close()
	l.done.Wait()
	return err
}

func (l *kgdbLine) end(err error) {
	l.once.Do(func() {
		l.mu.Lock()
		l.err = err
		l.mu.Unlock()
		close(l.closing)
		l.cond.Broadcast()
	})
}

// saying sends the console's text somewhere else.
func (l *kgdbLine) saying(say func(string)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.say = say
}

func (l *kgdbLine) read() {
	defer l.done.Done()
	for {
		p := make([]byte, 4096)
		n, err := l.rw.Read(p)
		if n > 0 {
			select {
			case l.in <- p[:n]:
			case <-l.closing:
				return
			}
		}
		if err != nil {
			l.end(err)
			return
		}
	}
}

func (l *kgdbLine) serve() {
	defer l.done.Done()
	defer close(l.served)
	defer func() { l.stop() }()
	l.hello()
	l.await(l.k.Silence)
	for {
		select {
		case p := <-l.in:
			for _, b := range p {
				l.take(b)
			}
			l.settle()
		case p := <-l.out:
			l.written(p)
		case <-l.timer:
			l.timer = nil
			l.paused()
		case <-l.closing:
			if l.typed || l.state == kgdbSought { // nothing of ours is left at a console
				l.write(string(rune(killLine)))
			}
			return
		}
	}
}

func (l *kgdbLine) write(s string) {
	l.o.Trace.Message(true, 0, []byte(s))
	if _, err := l.rw.Write([]byte(s)); err != nil {
		l.end(err)
	}
}

func (l *kgdbLine) await(d time.Duration) {
	l.stop()
	l.timer, l.stop = l.k.Timer(d)
}

// deliver hands a packet to the reader.
func (l *kgdbLine) deliver(payload string) {
	l.mu.Lock()
	l.ready = append(l.ready, frame(nil, payload)...)
	l.mu.Unlock()
	l.cond.Broadcast()
}

// whole takes what looks like a packet.
func (l *kgdbLine) whole(raw []byte, payload string) {
	good := bytes.Equal(raw, frame(nil, payload))
	if good {
		l.o.Trace.Message(false, 0, raw)
	}
	switch l.state {
	case kgdbStopped:
		l.answered(good, payload)
	case kgdbRunning:
		l.whileRunning(raw, good, payload)
	default:
		l.sought(good, payload)
	}
}

// answered takes a packet that came while the stub listens. One that came before
// the request was acknowledged answers an earlier one, which the stub repeats when
// it did not hear our acknowledgement.
func (l *kgdbLine) answered(good bool, payload string) {
	switch {
	case !good:
		l.write("-")
	case l.sent == nil || !l.acked && !l.seen && !resumes(l.sent):
		l.text = bytes.TrimSuffix(l.text, []byte("+"))
		l.write("+")
	case isOutput(payload):
		l.write("+")
		l.deliver(payload)
	default:
		l.write("+")
		again, sent := l.resent > 0, string(l.sent[1:2])
		if sent == "R" && payload == "OK" {
			l.state = kgdbRunning
		}
		l.sent, l.acked, l.seen, l.resent = nil, false, false, 0
		if again && (sent == "Z" && payload == "E17" || sent == "z" && payload == "E02") {
			payload = "OK" // it was done already: EEXIST, ENOENT, in decimal
		}
		l.last = payload
		l.deliver(payload)
		l.next()
	}
	if l.sent != nil {
		l.await(l.k.Silence)
	}
}

func isOutput(payload string) bool {
	_, ok := outputOf([]byte(payload))
	return ok
}

// whileRunning takes what looks like a packet of a running kernel: its stop, or
// what it prints by the stub.
func (l *kgdbLine) whileRunning(raw []byte, good bool, payload string) {
	switch stop := looksLikeStop([]byte(payload)); {
	case good && !stop && l.twice && payload == l.last:
		l.twice = false
		l.write("+")
	case good && stop:
		l.write("+")
		l.stopped(payload)
	case good && isOutput(payload):
		l.write("+")
		l.deliver(payload)
	case stop && len(payload) < 64:
		l.write("-")
		l.await(l.k.Silence)
	default:
		l.text = append(l.text, raw...)
	}
}

// stopped: the stub listens.
func (l *kgdbLine) stopped(payload string) {
	l.tell()
	l.state, l.sent, l.acked, l.seen, l.twice, l.resent, l.typed = kgdbStopped, nil, false, false, false, 0, false
	l.deliver(payload)
	l.next()
}

// written takes what those above write.
func (l *kgdbLine) written(p []byte) {
	for len(p) > 0 {
		if p[0] == interrupt {
			l.breakIn()
			p = p[1:]
			continue
		}
		end := bytes.IndexByte(p, '#') + 3 // # is escaped in what is binary
		if end < 3 || end > len(p) {
			return
		}
		if l.state != kgdbRunning { // it was meant for the kernel before the machine was reset
			l.queue = append(l.queue, p[:end])
		}
		p = p[end:]
	}
	l.next()
}

// next sends the next request when the stub listens.
func (l *kgdbLine) next() {
	if l.state != kgdbStopped || l.sent != nil || len(l.queue) == 0 {
		return
	}
	p := l.queue[0]
	l.queue = l.queue[1:]
	if string(p) == "$D#44" && l.fromKDB {
		l.part()
		return
	}
	l.sent, l.acked, l.seen, l.resent = p, false, false, 0
	l.write(string(p))
	l.await(l.k.Silence)
}

// settle looks at what came, once a read is sorted.
func (l *kgdbLine) settle() {
	if n := len(l.text); n > 0 {
		l.tail = append(l.tail, l.text...)
		l.tail = l.tail[max(0, len(l.tail)-200):]
	}
	prompt := kdbPrompt().Match(l.tail)
	switch {
	case l.state == kgdbParting && prompt:
		l.tail = nil
		l.parted(true)
	case l.state == kgdbStopped, l.state == kgdbParting:
	case l.state == kgdbRunning && stopEnd().Match(l.tail):
		l.asksLate()
	case kdbMore().Match(l.tail):
		l.tail = nil
		l.write("q")
	case prompt, kgdbEnters().Match(l.tail):
		l.tail = nil
		l.fromKDB = l.fromKDB || prompt
		l.enter()
	}
	if end := bytes.LastIndexByte(l.text, '\n') + 1; end > 0 {
		l.tellText(end)
	}
	switch {
	case l.state == kgdbStopped && l.sent != nil:
		l.await(l.k.Silence)
	case l.state == kgdbRunning && (len(l.text) > 0 || l.packet != nil):
		l.waits = 0
		l.await(textPause)
	}
}

// enter asks kdb, or a stub that nobody has spoken to, for the stub. Its answer is
// the stop of the run.
func (l *kgdbLine) enter() {
	l.state, l.tries = kgdbSought, 0
	l.hello()
	l.await(l.k.Silence)
}

func (l *kgdbLine) tell() { l.tellText(len(l.text)) }

func (l *kgdbLine) tellText(n int) {
	text := string(l.text[:n])
	l.text = append(l.text[:0], l.text[n:]...)
	if text == "" {
		return
	}
	if l.state == kgdbStopped && l.found && kernelBegins().MatchString(text) { // the machine was reset
		l.state, l.sent, l.queue = kgdbRunning, nil, nil // those above answer what was asked
	}
	l.o.Trace.Message(false, 0, []byte(text))
	l.mu.Lock()
	say := l.say
	l.mu.Unlock()
	say(text)
}
