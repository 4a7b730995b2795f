package share

import (
	"context"
	"fmt"
	"time"
)

// This file is whose turn it is, and how a turn is ended from outside.

// work is what has the turn: somebody's line, or the coming to a stop.
type work struct {
	by   *Seat  // nil: the commands of a stop, which are nobody's in particular
	line string // as the others are shown it
	end  context.CancelFunc

	// Under Session.mu:
	begun  bool // it may let the debuggee run
	slow   bool // it has been at work for slowAfter
	broken bool // who may end it has broken in once, while the debuggee ran for it
}

// slowAfter is how long a line is at work before those that wait for it are told, and
// others' prompts show that the session is busy.
const slowAfter = 500 * time.Millisecond

// title tells whose work it is, and what.
func (w *work) title() string {
	if w.by == nil {
		return "the commands of a stop"
	}
	return w.by.title() + " " + w.line
}

// endedBy reports whether a seat may end the work: who has begun it, whose session it is,
// and where nobody has begun it anybody.
func (w *work) endedBy(t *Seat) bool { return w.by == nil || w.by == t || t.guest == nil }

// take begins a turn, in the order in which they are asked for. The context that it
// returns is the turn's own, which Seat.Break ends; done gives the turn back.
func (s *Session) take(ctx context.Context, w *work) (turn context.Context, done func(), err error) {
	select {
	case s.line <- struct{}{}:
	default:
		if err := s.await(ctx, w.by); err != nil {
			return nil, nil, err
		}
	}
	turn, w.end = context.WithCancel(ctx)
	s.mu.Lock()
	s.work = w
	s.mu.Unlock()
	late := time.AfterFunc(slowAfter, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		w.slow = true
		s.news()
	})
	return turn, func() {
		w.end()
		late.Stop()
		s.mu.Lock()
		s.work = nil
		s.news()
		s.mu.Unlock()
		s.give()
	}, nil
}

// await waits for the turn. Who waits long is told for whom.
func (s *Session) await(ctx context.Context, t *Seat) error {
	if t != nil {
		defer time.AfterFunc(slowAfter, func() { t.hear(s.waitingFor(t)) }).Stop()
	}
	select {
	case s.line <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-s.life.Done():
		return context.Canceled
	}
}

func (s *Session) give() { <-s.line }

// waitingFor tells a seat what its line waits for, and what it can do.
func (s *Session) waitingFor(t *Seat) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch w := s.work; {
	case w == nil:
		return ""
	case w.endedBy(t):
		return "Waiting for " + w.title() + "\nA break (Ctrl+C, pause) ends that.\n"
	default:
		return "Waiting for " + w.title() + "\nA break (Ctrl+C, pause) takes your line back.\n"
	}
}

// begin notes that what has the turn is at work.
func (s *Session) begin(w *work) {
	s.mu.Lock()
	w.begun = true
	s.mu.Unlock()
}

// lining reports whether a line, or commands of a stop, are at work; s.mu is held.
func (s *Session) lining() bool { return s.work != nil && s.work.begun }

// Break is a seat's Ctrl+C, or its editor's pause, as far as lines go. Whatever has the
// turn is ended, if the seat may: its own line, the owner anybody's, the commands of a
// stop whoever asks. While the debuggee runs for it a first one leaves that to the stop
// which the break-in brings. Who may not is told who is at work. others reports whether
// what was ended is not the seat's own.
func (t *Seat) Break() (others bool) {
	s := t.s
	if !s.shared.Load() {
		return false
	}
	s.mu.Lock()
	w, running := s.work, s.running
	if w == nil || running && !w.endedBy(t) {
		s.mu.Unlock()
		return false
	}
	first := running && !w.broken
	w.broken = w.broken || running
	s.mu.Unlock()
	switch {
	case first:
		return false
	case w.by == t:
		w.end()
		return false
	case w.endedBy(t):
		t.Act("break")
		w.end()
		return true
	}
	t.hear(fmt.Sprintf("At work: %s\nWho has typed it can end it, and whose session it is.\n", w.title()))
	return false
}

// BreakIn is Ctrl+C at a command window: Break, and a running debuggee is stopped.
func (t *Seat) BreakIn() {
	t.Break()
	s := t.s
	s.mu.Lock()
	running, told := s.running, s.brokenIn == s.runs
	if running {
		s.brokenIn = s.runs
	}
	s.mu.Unlock()
	es := s.dbg.Session()
	if es == nil || !running {
		return
	}
	if !told {
		t.Act("break")
	}
	if s.breaking.CompareAndSwap(false, true) { // one at a time, however often it is asked for
		go func() {
			defer s.breaking.Store(false)
			es.Interrupt(s.life)
		}()
	}
}
