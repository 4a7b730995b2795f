package console

import (
	"io"
	"strings"
	"sync"

	"dap-windbg/engine"
)

// screen writes command output and the session's events in the order they
// happened: whatever was emitted before a write appears before it.
type screen struct {
	format func(engine.Event) string // of events no command prints; nil: hold everything back
	wake   chan struct{}
	done   chan struct{}

	queued sync.Mutex // of queue alone, so that Emit never waits for a terminal
	queue  []engine.Event

	mu    sync.Mutex
	out   io.Writer
	log   io.Writer
	last  byte // last byte written, 0 none
	ended *engine.Ended
	stops int
}

func newScreen(out io.Writer) *screen {
	s := &screen{out: out, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go s.drainer()
	return s
}

// Emit queues an event. It never blocks.
func (s *screen) Emit(e engine.Event) {
	s.queued.Lock()
	s.queue = append(s.queue, e)
	s.queued.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
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
	for s.format != nil {
		e := s.next()
		if e == nil {
			return
		}
		text := ""
		switch e := e.(type) {
		case engine.Output:
			text = e.Text
			if e.Category == engine.FromDebugger || e.Category == engine.Important {
				s.freshLine()
				text = strings.TrimRight(text, "\n") + "\n"
			}
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

// next takes the first event off the queue, nil when there is none.
func (s *screen) next() engine.Event {
	s.queued.Lock()
	defer s.queued.Unlock()
	if len(s.queue) == 0 {
		return nil
	}
	e := s.queue[0]
	s.queue = s.queue[1:]
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
