package share

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"dap-windbg/engine"
	"dap-windbg/windbg"
)

// Seat is one who takes part: a command line as front ends want it, whose lines take
// turns with everybody else's.
type Seat struct {
	s      *Session
	name   string // HOST\user
	via    string // "tcp 10.0.0.7:51234", or "local"
	who    string // as the client calls itself, "" the owner
	number int    // among those of one who
	window bool   // what a console shows is wanted at every stop
	guest  *windbg.Guest
	emit   func(engine.Event)
	active time.Time // s.mu
}

// Name tells seats apart; who comes back gets the same one when it is free.
func (t *Seat) Name() string { return t.who + "#" + strconv.Itoa(t.number) }

// title is who did something, for the others.
func (t *Seat) title() string { return "[" + t.name + " (" + t.via + ")]" }

// Window says that the seat is a command window's.
func (t *Seat) Window() {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	t.window = true
}

// Start is windbg.Interpreter's, in turn.
func (t *Seat) Start(ctx context.Context, line string, out io.Writer) error {
	return t.turn(ctx, line, out, t.s.in.Start)
}

// Exec is windbg.Interpreter's, in turn. In a shared session the turn ends when the
// debuggee runs, so that others can look and break in; Exec waits for the stop as ever.
func (t *Seat) Exec(ctx context.Context, line string, out io.Writer) error {
	s := t.s
	if !s.shared.Load() {
		return t.turn(ctx, line, out, s.in.Exec)
	}
	s.mu.Lock()
	runs := s.runs
	s.mu.Unlock()
	err := t.turn(ctx, line, out, s.in.Start)
	t.follow(ctx, runs)
	return err
}

func (t *Seat) turn(ctx context.Context, line string, out io.Writer, run func(context.Context, string, io.Writer) error) error {
	s := t.s
	if t.guest != nil && strings.TrimSpace(line) == ".remote_exit" { // waits for nobody
		t.guest.Leave()
		return nil
	}
	shown := passwords().ReplaceAllString(line, "$1*")
	w := &work{by: t, line: shown}
	ctx, done, err := s.take(ctx, w)
	if err != nil {
		fmt.Fprintln(out, "The line was not run: another one was at work.")
		return err
	}
	defer done()
	t.touch()
	if b, ok := out.(interface{ Begin() }); ok {
		b.Begin()
	}
	if s.crowd() && !quiet(line) {
		s.say(t, t.title()+" "+s.in.Prompt(ctx)+shown+"\n")
	}
	o := &tee{s: s, but: t, out: out}
	s.begin(w)
	defer o.flush()
	if t.guest != nil {
		ctx = windbg.AsGuest(ctx, t.guest)
	}
	return run(ctx, line, o)
}

// passwords are for whom they are told, and not for those who see the line of another.
var passwords = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?i)(password\s*=\s*)[^,;}\s]+`) })

// quiet are lines that the others are not shown.
func quiet(line string) bool {
	line = strings.TrimSpace(line)
	return line == "" || line[0] == '*' || strings.HasPrefix(line, "$$ ") || line == "$$" || strings.HasPrefix(line, ".printf")
}

// hear tells this seat alone.
func (t *Seat) hear(text string) {
	if text == "" {
		return
	}
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	t.emit(engine.Output{Text: text, Category: engine.FromDebugger})
}

func (t *Seat) touch() {
	t.s.mu.Lock()
	t.active = time.Now()
	t.s.mu.Unlock()
}

// Act tells the others what this seat's client did to the debuggee without a line.
func (t *Seat) Act(what string) {
	t.touch()
	if t.s.shared.Load() && t.s.crowd() {
		t.s.say(t, t.title()+" "+what+"\n")
	}
}

// follow waits, if the debuggee has run since runs, until it has come to a stop for good.
func (t *Seat) follow(ctx context.Context, runs int) {
	s := t.s
	for {
		s.mu.Lock()
		running, a, changed, ran := s.running, s.at, s.changed, s.runs != runs
		s.mu.Unlock()
		switch {
		case !ran:
			return
		case running:
			select {
			case <-changed:
			case <-ctx.Done():
				return
			case <-s.life.Done():
				return
			}
		case a == nil:
			return
		default:
			if resumed, err := s.come(ctx, a); !resumed || err != nil {
				return
			}
		}
	}
}

// FormatEvent is the text of an event, which .eventlog keeps once. What is shown of a
// stop is left to whoever comes to it.
func (t *Seat) FormatEvent(e engine.Event) string {
	if stop, ok := e.(engine.Stopped); ok && t.s.shows(stop.Stop) {
		return ""
	}
	if t.guest != nil {
		return t.s.in.Describe(e)
	}
	return t.s.in.FormatEvent(e)
}

// IsCommand is windbg.Interpreter's.
func (t *Seat) IsCommand(line string) bool { return t.s.in.IsCommand(line) }

// Prompt is windbg.Interpreter's. In a shared session it shows that somebody else is at
// work for long, or the debugger for one of the editors.
func (t *Seat) Prompt(ctx context.Context) string {
	s := t.s
	if !s.shared.Load() {
		return s.in.Prompt(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, slowAfter)
	defer cancel()
	for ctx.Err() == nil {
		work, changed := t.others()
		switch work {
		case slow:
			return busyPrompt
		case none:
			if text := s.in.Prompt(ctx); ctx.Err() == nil {
				return text
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
	time.AfterFunc(slowAfter, s.tellNews) // nobody tells when the debugger has done what an editor asked for
	return busyPrompt
}

// busyPrompt is the interpreter's for a debuggee that runs.
const busyPrompt = "*BUSY* "

// pace is how long something has been at work.
type pace uint8

const (
	none pace = iota // nothing is
	brief
	slow
)

// others is what of others' is at work. changed is closed when that may have changed.
func (t *Seat) others() (p pace, changed <-chan struct{}) {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	switch w := t.s.work; {
	case w == nil || w.by == t:
		p = none
	case w.slow:
		p = slow
	default:
		p = brief
	}
	return p, t.s.changed
}

// Complete is windbg.Interpreter's; there is nothing while a line is at work.
func (t *Seat) Complete(ctx context.Context, line string) []windbg.Completion {
	if t.s.shared.Load() {
		select {
		case t.s.line <- struct{}{}:
			defer t.s.give()
		default:
			return nil
		}
	}
	return t.s.in.Complete(ctx, line)
}

// tee passes what a line prints to who typed it as it comes, and to the others by lines.
type tee struct {
	s    *Session
	but  *Seat
	out  io.Writer // nil: there is nobody else
	mu   sync.Mutex
	rest []byte
}

// mostHeld is how much of an unfinished line waits.
const mostHeld = 4 << 10

func (o *tee) Write(p []byte) (int, error) {
	if o.out != nil {
		if n, err := o.out.Write(p); err != nil {
			return n, err
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.rest = append(o.rest, p...)
	n := len(o.rest)
	if n < mostHeld {
		n = strings.LastIndexByte(string(o.rest), '\n') + 1
	}
	o.pass(n)
	return len(p), nil
}

func (o *tee) pass(n int) {
	o.s.say(o.but, string(o.rest[:n]))
	o.rest = append(o.rest[:0], o.rest[n:]...)
}

// flush passes on what is left, as a line.
func (o *tee) flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.rest) > 0 {
		o.rest = append(o.rest, '\n')
		o.pass(len(o.rest))
	}
}
