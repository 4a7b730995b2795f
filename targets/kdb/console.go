package kdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"dap-windbg/targets"
)

// Clock makes timers. Tests drive their own.
type Clock interface {
	Timer(d time.Duration) (c <-chan time.Time, stop func())
}

type realClock struct{}

func (realClock) Timer(d time.Duration) (<-chan time.Time, func()) {
	t := time.NewTimer(d)
	return t.C, func() { t.Stop() }
}

// maxAnswer bounds the answer to one command, bytes.
const maxAnswer = 4 << 20

// typed is one command line at the prompt.
type typed struct {
	line  string
	lets  bool   // lets the kernel run: the echo is all that is awaited
	quiet bool   // its end needs no echo (Enter while looking for a prompt)
	then  func() // in the loop, when its answer is there
	burst *burst // packets in place of a line
	done  chan struct{}
	out   string
	cpu   int // current after it
	err   error
	gone  atomic.Bool // whoever typed has left: end it at the pager
}

// console is the line. One goroutine, the loop, owns its state.
type console struct {
	rw      io.ReadWriteCloser
	clock   Clock
	silence time.Duration              // longest pause within an answer
	entered func(text string, cpu int) // in the loop: a prompt came while the kernel ran
	printed func(text string)          // in the loop: the kernel or its programs printed
	booted  func()                     // in the loop: what was printed is what a kernel begins with
	ended   func(error)                // in the loop, last

	in      chan []byte
	posted  chan func()
	closing chan struct{}
	closed  chan struct{}
	once    sync.Once
	readErr error

	// of the loop
	atPrompt bool
	cpu      int    // of the last prompt
	buf      []byte // since the last prompt or print
	cur      *typed
	echoing  bool // cur's text was typed, its Enter was not
	taken    bool // Enter was typed behind the right echo: what is in buf is the answer
	spoiled  int  // times that cur's text did not arrive as it was typed
	nudges   int  // in this answer
	open     bool // the line that was shown last has no end yet
	letter   bool // the g of a break-in was typed into a running kernel
	stray    bool // it may lie at somebody's console
	lettered time.Time
	queue    []*typed
	timer    <-chan time.Time
	stop     func()
}

func newConsole(rw io.ReadWriteCloser, clock Clock, silence time.Duration) *console {
	return &console{rw: rw, clock: clock, silence: silence, in: make(chan []byte), posted: make(chan func(), 64), closing: make(chan struct{}), closed: make(chan struct{})}
}

func (c *console) start() {
	go c.read()
	go c.loop()
}

func (c *console) read() {
	for {
		p := make([]byte, 4096)
		n, err := c.rw.Read(p)
		if n > 0 {
			select {
			case c.in <- p[:n]:
			case <-c.closing:
				return
			}
		}
		if err != nil {
			c.readErr = err
			close(c.in)
			return
		}
	}
}

func (c *console) post(f func()) bool {
	select {
	case c.posted <- f:
		return true
	case <-c.closed:
		return false
	}
}

// over reports whether the line has ended.
func (c *console) over() bool {
	select {
	case <-c.closed:
		return true
	default:
		return false
	}
}

// close ends the line; it returns when the loop has.
func (c *console) close() {
	c.once.Do(func() { close(c.closing) })
	c.rw.Close()
	<-c.closed
}

// run types a line and waits for its answer. An answer given up is dropped when
// it comes.
func (c *console) run(ctx context.Context, t *typed) (string, error) {
	t.done = make(chan struct{})
	if !c.post(func() { c.queue = append(c.queue, t); c.next() }) {
		return "", targets.ErrGone
	}
	select {
	case <-t.done:
		return t.out, t.err
	case <-ctx.Done():
		t.gone.Store(true)
		return "", ctx.Err()
	case <-c.closed:
		return "", targets.ErrGone
	}
}

func (c *console) loop() {
	err := c.serve()
	c.off()
	c.once.Do(func() { close(c.closing) })
	c.rw.Close()
	c.ended(err)
	close(c.closed)
}

func (c *console) serve() error {
	for {
		select {
		case p, ok := <-c.in:
			if !ok {
				return fmt.Errorf("the line to the console: %w", c.readErr)
			}
			c.feed(p)
		case f := <-c.posted:
			f()
		case <-c.timer:
			c.paused()
		case <-c.closing:
			return nil
		}
	}
}

func (c *console) off() {
	if c.stop != nil {
		c.stop()
	}
	c.timer, c.stop = nil, nil
}

func (c *console) await(d time.Duration) {
	c.off()
	c.timer, c.stop = c.clock.Timer(d)
}

// next types the next line when the console is at a prompt.
func (c *console) next() {
	for c.cur == nil && len(c.queue) > 0 {
		t := c.queue[0]
		c.queue = c.queue[1:]
		switch {
		case t.gone.Load():
			continue
		case !c.atPrompt && !t.quiet:
			c.cur, t.then = t, nil
			c.finish("", targets.ErrRunning)
			return
		}
		c.cur, c.atPrompt, c.buf = t, false, c.buf[:0]
		c.spoiled = 0
		c.begin()
	}
}

// begin types the text of a line. Its Enter waits for the echo, which tells that
// the kernel read it as it was typed.
func (c *console) begin() {
	c.nudges, c.taken = 0, false
	switch t := c.cur; {
	case t.burst != nil:
		c.write(hello)
		c.await(c.silence / 4)
	case t.quiet || t.line == "":
		c.taken = true
		c.write(t.line + "\r")
		c.await(c.silence / 4)
	default:
		c.echoing = true
		c.write(t.line)
		c.await(c.silence / 4)
	}
}

// spoil makes a line that did not arrive as it was typed one that kdb refuses, for no
// key of its erases.
const spoil = "zz$ x x x x x x x x x"

// maxSpoiled is how often a line is typed.
const maxSpoiled = 5

// echoed looks for the echo of what was typed.
func (c *console) echoed() {
	before, ok := strings.CutSuffix(string(c.buf), c.cur.line)
	if ok && (before == "" || strings.HasSuffix(before, " ") || strings.HasSuffix(before, "\n")) {
		c.echoing, c.taken, c.buf = false, true, c.buf[:0]
		c.write("\r")
	}
	c.await(c.silence / 4)
}

func (c *console) write(s string) { io.WriteString(c.rw, s) }

// feed takes bytes from the line. Carriage returns carry nothing.
func (c *console) feed(p []byte) {
	for _, b := range p {
		if b != '\r' && b != 0 {
			c.buf = append(c.buf, b)
		}
	}
	if c.cur != nil && c.cur.burst != nil {
		c.packets()
		return
	}
	if len(c.buf) > maxAnswer {
		c.buf = c.buf[len(c.buf)-maxAnswer/2:]
	}
	tail := c.buf[max(0, len(c.buf)-200):]
	switch {
	case c.cur != nil && c.echoing:
		c.echoed()
	case c.cur != nil && c.cur.lets && c.letRun():
		c.finish("", nil)
		c.feed(nil)
	case moreAtEnd().Match(tail):
		c.buf = c.buf[:len(c.buf)-len("more> ")]
		c.page()
	case endAtEnd().Match(tail):
		c.page()
	case c.cur == nil && c.letter && crossedAtEnd().Match(tail):
		tail = tail[:len(tail)-1]
		c.buf = c.buf[:len(c.buf)-1]
		c.prompted(tail)
	case promptAtEnd().Match(tail):
		c.prompted(tail)
	case c.cur != nil:
		c.await(c.silence)
	case !c.atPrompt && offersKDB().Match(tail):
		c.write("+" + toKDB)
		c.print()
		c.await(c.silence / 20)
	case !c.atPrompt:
		c.print()
		c.await(c.silence / 20)
	case boots().Match(c.buf): // the machine was reset under the prompt
		c.atPrompt = false
		c.booted()
		c.print()
	}
}

// letRun sees that a line was taken which lets the kernel run.
func (c *console) letRun() bool {
	if !c.taken || len(c.buf) == 0 {
		return false
	}
	c.buf = append(c.buf[:0], strings.TrimPrefix(string(c.buf), "\n")...)
	return true
}

// print passes on whole lines of a running kernel; the line that tells of a stop
// and what follows it wait for the prompt.
func (c *console) print() {
	end := strings.LastIndexByte(string(c.buf), '\n') + 1
	if at := beforePrompt().FindIndex(c.buf); at != nil {
		end = at[0]
	}
	if end > 0 && c.buf[end-1] == '\n' && (end > 1 && c.buf[end-2] == '\n' || end == 1 && !c.open) { // kdb begins a stop with an empty line
		end--
	}
	if end > 0 {
		if boots().Match(c.buf[:end]) {
			c.booted()
		}
		c.shows(string(c.buf[:end]))
		c.buf = append(c.buf[:0], c.buf[end:]...)
	}
}

func (c *console) shows(text string) {
	c.open = !strings.HasSuffix(text, "\n")
	c.printed(text)
}

// page goes on at a pager, or ends the answer when nobody wants it any more.
func (c *console) page() {
	if c.cur != nil && c.cur.gone.Load() {
		c.write("q")
	} else {
		c.write(" ")
	}
	c.await(c.silence)
}

// withoutNudge is what stands before the line that a nudge was typed on.
func withoutNudge(text string) string {
	if at := strings.LastIndex(text, "#\n"); at >= 0 {
		return text[:strings.LastIndexByte(text[:at], '\n')+1]
	}
	return text
}

// prompted: the console waits for a line.
func (c *console) prompted(tail []byte) {
	cpu, _ := strconv.Atoi(string(promptAtEnd().FindSubmatch(tail)[1]))
	if c.cur == nil && !c.atPrompt {
		c.print()
	}
	text := string(c.buf[:strings.LastIndexByte(string(c.buf), '[')])
	if c.cur == nil {
		c.off()
		if !c.atPrompt {
			c.atPrompt, c.cpu, c.letter, c.stray, c.buf = true, cpu, false, false, c.buf[:0]
			c.entered(text, cpu)
		}
		return
	}
	switch {
	case c.cur.quiet:
	case c.taken:
		text = strings.TrimPrefix(text, "\n")
	case strings.Contains(text, "x x"): // the line that was spoilt is over
		c.again()
		return
	default:
		c.await(c.silence / 4)
		return // a prompt from before the line was typed
	}
	if c.nudges > 0 {
		text = withoutNudge(text)
	}
	c.atPrompt, c.cpu, c.buf = true, cpu, c.buf[:0]
	if c.cur.quiet {
		c.entered(text, cpu)
	}
	c.finish(text, nil)
}

func (c *console) finish(out string, err error) {
	t := c.cur
	c.cur, c.echoing = nil, false
	c.off()
	t.cpu = c.cpu
	t.out, t.err = out, err
	if t.then != nil {
		t.then()
	}
	if t.done != nil {
		close(t.done)
	}
	c.next()
}

// again types a line that was spoilt once more.
func (c *console) again() {
	if c.cur.gone.Load() {
		c.atPrompt, c.buf = true, c.buf[:0]
		c.finish("", context.Canceled)
		return
	}
	c.buf = c.buf[:0]
	c.begin()
}

// maxNudges is how often a console that fell silent within an answer is asked for
// another prompt.
const maxNudges = 4

// nudge is a line that kdb ignores but for a new prompt.
const nudge = "#\r"

// paused: nothing came for a while.
func (c *console) paused() {
	c.off()
	switch {
	case c.cur != nil && c.cur.burst != nil:
		c.unheard()
	case c.cur != nil && (c.echoing || !c.cur.quiet && c.nudges == maxNudges) && boots().Match(c.buf): // the machine was reset meanwhile
		c.booted()
		c.finish("", targets.ErrRunning)
		c.print()
	case c.cur != nil && c.echoing:
		c.unechoed()
	case c.cur != nil && !c.cur.quiet && c.nudges < maxNudges:
		if c.nudges++; c.taken && len(c.buf) == 0 { // Enter was lost, or what shows that it was taken
			c.write("\r")
		} else if !c.cur.lets {
			c.write(nudge)
		}
		c.await(c.silence / 4)
	case c.cur != nil && c.cur.lets && c.taken:
		c.finish("", nil) // it runs and prints nothing
	case c.cur != nil:
		c.finish("", &SilentError{Line: c.cur.line, Got: string(c.buf[max(0, len(c.buf)-80):])})
	case !c.atPrompt && beforePrompt().Match(c.buf) && c.nudges < maxNudges:
		c.nudges++
		c.write(nudge)
		c.await(c.silence / 4)
	case !c.atPrompt && len(c.buf) > 0 && !beforePrompt().Match(c.buf) && !c.mayStop():
		c.shows(string(c.buf))
		c.buf = c.buf[:0]
	}
	c.erases()
}

// unechoed: the echo is not what was typed.
func (c *console) unechoed() {
	if c.spoiled++; c.spoiled > maxSpoiled {
		c.finish("", &SilentError{Line: c.cur.line, Got: string(c.buf[max(0, len(c.buf)-80):])})
		return
	}
	c.echoing = false
	c.write(spoil + "\r")
	c.await(c.silence)
}

// SilentError: the console did not come back to its prompt.
type SilentError struct {
	Line string // what was typed
	Got  string // the end of what came
}

func (e *SilentError) Error() string {
	if e.Line == "" {
		return "the console shows no kdb prompt"
	}
	return fmt.Sprintf("kdb did not finish %q", e.Line)
}

// Hint says what the user can do.
func (e *SilentError) Hint() string {
	return "Enter kdb on the target (SysRq g), and check that this line is its kgdboc console and nothing else reads it."
}

// NoBreakError: the line cannot send a break, so a running kernel cannot be
// broken into from here.
type NoBreakError struct{}

func (NoBreakError) Error() string { return "this line cannot send a break" }
func (NoBreakError) Unwrap() error { return errors.ErrUnsupported }

// Hint says what the user can do.
func (NoBreakError) Hint() string {
	return "Enter kdb on the target itself: echo g > /proc/sysrq-trigger."
}
