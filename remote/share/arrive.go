package share

import (
	"context"
	"io"
	"sync"

	"dap-windbg/engine"
)

// arrival is the coming of everybody to a stop: its commands run, and it is shown, once.
type arrival struct {
	stop  engine.Stop
	block bool // it is shown as a console shows it
	once  sync.Once
	left  chan struct{} // closed when the debuggee has gone on, or is gone

	done    chan struct{} // closed when it was come to; then:
	resumed bool          // its commands went on, or something else did
	err     error
}

// shown reports whether it was come to.
func (a *arrival) shown() bool {
	select {
	case <-a.done:
		return true
	default:
		return false
	}
}

// pastStops is how many arrivals are remembered.
const pastStops = 32

// stopped notes a stop; s.mu is held.
func (s *Session) stopped(stop engine.Stop) {
	a := &arrival{stop: stop, block: s.byLine || s.windows(), done: make(chan struct{}), left: make(chan struct{})}
	s.leave()
	s.at = a
	s.past = append(s.past, a)
	if len(s.past) > pastStops {
		s.past = s.past[1:]
	}
	if a.block {
		go s.come(s.life, a)
	}
}

// leave notes that the debuggee is at no stop any more; s.mu is held.
func (s *Session) leave() {
	if s.at != nil {
		close(s.at.left)
		s.at = nil
	}
}

// find is the latest arrival at a stop of this number, nil when it was before the
// session was shared.
func (s *Session) find(number int) *arrival {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.past) - 1; i >= 0; i-- {
		if s.past[i].stop.Number == number {
			return s.past[i]
		}
	}
	return nil
}

// shows reports whether a stop is shown by the session itself.
func (s *Session) shows(stop engine.Stop) bool {
	a := s.find(stop.Number)
	return a != nil && a.block
}

// Arrive is windbg.Interpreter's: whoever asks first comes to the stop for all.
func (t *Seat) Arrive(ctx context.Context, stop engine.Stop, out io.Writer) (resumed bool, err error) {
	s := t.s
	if !s.shared.Load() {
		ctx, done, err := s.take(ctx, &work{})
		if err != nil {
			return false, err
		}
		defer done()
		return s.in.Arrive(ctx, stop, out)
	}
	a := s.find(stop.Number)
	if a == nil {
		return false, nil
	}
	return s.come(ctx, a)
}

// come comes to a stop, or waits until somebody else has.
func (s *Session) come(ctx context.Context, a *arrival) (resumed bool, err error) {
	a.once.Do(func() { go s.arrive(a) })
	select {
	case <-a.done:
		return a.resumed, a.err
	case <-ctx.Done():
		return false, ctx.Err()
	case <-s.life.Done():
		return false, context.Canceled
	}
}

// arrive runs the commands of a stop and shows it, unless the debuggee has gone on.
func (s *Session) arrive(a *arrival) {
	defer func() {
		close(a.done)
		s.tellNews()
	}()
	w := &work{}
	ctx, done, err := s.take(s.life, w)
	if err != nil {
		a.err = err
		return
	}
	defer done()
	if !s.halted(a) {
		a.resumed = true
		return
	}
	o := &tee{s: s}
	defer o.flush()
	s.begin(w)
	a.resumed, a.err = s.in.Arrive(ctx, a.stop, o)
	if ctx.Err() != nil && !a.resumed { // its commands were ended; where the debuggee is, is shown
		a.err = s.in.StopBlock(s.life, a.stop, o)
	}
}

// halted waits until all processes have halted, and reports whether a is still the
// stop that they are in.
func (s *Session) halted(a *arrival) bool {
	ctx, cancel := context.WithCancel(s.life)
	defer cancel()
	go func() {
		select {
		case <-a.left:
			cancel()
		case <-ctx.Done():
		}
	}()
	now, err := s.dbg.Wait(ctx)
	return err == nil && ctx.Err() == nil && now.Number == a.stop.Number
}
