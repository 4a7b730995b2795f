package console

import (
	"context"
	"io"
	"strings"
	"sync"

	"dap-windbg/engine"
)

// screen writes command output and the session's events in the order they
// happened: whatever was emitted before a write appears before it.
type screen struct {
	format func(engine.Event) string // of events no command prints; nil: hold all back but what is told of the connection
	wake   chan struct{}
	done   chan struct{}

	queued sync.Mutex // of what follows alone, so that Emit never waits for a terminal
	queue  []engine.Event
	held   int           // bytes of the program's text in queue
	room   chan struct{} // closed when held falls, nil while nobody waits

	mu    sync.Mutex
	out   io.Writer
	log   io.Writer
	last  byte // last byte written, 0 none
	ended *engine.Ended
	stops int

	// Of a run without anybody there:
	errs             io.Writer // takes the program's standard error stream, nil: out does
	outTail, errTail io.Writer // hear the program's streams too, nil nobody
	bare             bool      // nothing is shown but the program's streams and what is important
}

// mostHeld is how much text waits to be shown before the program has to wait, bytes.
const mostHeld = 1 << 20

func newScreen(out io.Writer) *screen {
	s := &screen{out: out, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go s.drainer()
	return s
}

// Emit queues an event. It never blocks.
func (s *screen) Emit(e engine.Event) {
	s.queued.Lock()
	s.queue = append(s.queue, e)
	if o, ok := e.(engine.Output); ok {
		s.held += len(o.Text)
	}
	s.queued.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Room waits until there is room for more of the program's text.
func (s *screen) Room(ctx context.Context) {
	for {
		s.queued.Lock()
		if s.held < mostHeld {
			s.queued.Unlock()
			return
		}
		if s.room == nil {
			s.room = make(chan struct{})
		}
		room := s.room
		s.queued.Unlock()
		select {
		case <-room:
		case <-s.done:
			return
		case <-ctx.Done():
			return
		}
	}
}

// Through has what is shown written to out from now on: a line editor's, which keeps
// the line that is being typed below it.
func (s *screen) Through(out io.Writer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out = out
}

// Show begins to show events, with format for those no command prints.
func (s *screen) Show(format func(engine.Event) string) {
	s.mu.Lock()
	s.format = format
	s.mu.Unlock()
	s.Flush()
}

func (s *screen) drainer() {
	for {
		select {
		case <-s.wake:
			s.Flush()
		case <-s.done:
			return
		}
	}
}

// Flush shows every event emitted so far.
func (s *screen) Flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drain()
}

func (s *screen) drain() {
	for s.format != nil || s.early() {
		e := s.next()
		if e == nil {
			return
		}
		text := ""
		switch e := e.(type) {
		case engine.Output:
			s.output(e)
		case engine.Stopped:
			s.stops++
		case engine.Ended:
			s.ended = &e
			text = s.formatted(e)
		default:
			text = s.formatted(e)
		}
		s.put(text)
	}
}

// output shows text: the program's as it is, the debugger's as lines.
func (s *screen) output(e engine.Output) {
	out := &s.out
	switch e.Category {
	case engine.FromDebugger, engine.Important:
		if s.bare && e.Category == engine.FromDebugger {
			return
		}
		s.freshLine()
		e.Text = strings.TrimRight(e.Text, "\n") + "\n"
	case engine.FromDebuggeeError:
		tell(s.errTail, e.Text)
		if s.errs != nil {
			out = &s.errs
		}
	default:
		tell(s.outTail, e.Text)
	}
	if s.bare && e.Category == engine.Important && s.errs != nil {
		out = &s.errs
	}
	if out == &s.out {
		s.put(e.Text)
		return
	}
	io.WriteString(*out, e.Text)
}

func tell(w io.Writer, text string) {
	if w != nil {
		io.WriteString(w, text)
	}
}

// next takes the first event off the queue, nil when there is none.
// early reports whether the next event is what the debugger says, which people see before
// there is a debuggee: it may wait for something that they have to do.
func (s *screen) early() bool {
	s.queued.Lock()
	defer s.queued.Unlock()
	if len(s.queue) == 0 {
		return false
	}
	o, ok := s.queue[0].(engine.Output)
	return ok && (o.Category == engine.FromDebugger || o.Category == engine.Important)
}

func (s *screen) next() engine.Event {
	s.queued.Lock()
	defer s.queued.Unlock()
	if len(s.queue) == 0 {
		return nil
	}
	e := s.queue[0]
	s.queue = s.queue[1:]
	if o, ok := e.(engine.Output); ok {
		if s.held -= len(o.Text); s.held < mostHeld && s.room != nil {
			close(s.room)
			s.room = nil
		}
	}
	return e
}

func (s *screen) formatted(e engine.Event) string {
	text := s.format(e)
	if text != "" {
		s.freshLine()
		if !strings.HasSuffix(text, "\n") {
			text += "\n"
		}
	}
	return text
}

// freshLine ends a line the debuggee left unfinished.
func (s *screen) freshLine() {
	if s.last != 0 && s.last != '\n' {
		s.put("\n")
	}
}

func (s *screen) put(text string) {
	if text == "" {
		return
	}
	io.WriteString(s.out, text)
	if s.log != nil {
		io.WriteString(s.log, text)
	}
	s.last = text[len(text)-1]
}

// Write shows command output, after the events that came before it.
func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drain()
	s.put(string(p))
	return len(p), nil
}

// Prompt starts a fresh line with text; echo tells what a reader that is no
// terminal would not see: the command.
func (s *screen) Prompt(text, echo string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drain()
	s.freshLine()
	s.put(text + echo)
}

// Ended returns how the debuggee ended, nil while it lives.
func (s *screen) Ended() *engine.Ended {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drain()
	return s.ended
}

// Stops counts the stops shown.
func (s *screen) Stops() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stops
}

// Renewed forgets the end of an earlier debuggee (.restart).
func (s *screen) Renewed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = nil
}

// Close ends the screen after a last Flush.
func (s *screen) Close() {
	s.mu.Lock()
	if s.format == nil {
		s.format = func(engine.Event) string { return "" }
	}
	s.mu.Unlock()
	s.Flush()
	close(s.done)
}
