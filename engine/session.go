package engine

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"dap-windbg/targets"
)

// Session is one debuggee. Its methods may be called from any goroutine.
type Session struct {
	turn     chan struct{} // held by who runs in the loop
	refilter chan struct{} // what to catch has changed
	done     chan struct{} // closed when Run has ended
	now      atomic.Pointer[context.CancelFunc]
	doing    atomic.Bool
	after    sync.Mutex // serves Look when there is no loop any more
	l        *loop
}

// request is a closure for the loop. answer has room for one error. It is run by the
// goroutine that asks, when it has the turn, or, parked, by the one that learns of the
// stop: waking another for it takes longer than much of what is asked.
type request struct {
	ctx    context.Context
	kind   requestKind
	run    func(ctx context.Context) error
	answer chan error
}

type requestKind uint8

const (
	anyTime  requestKind = iota // run at once
	stopped                     // refused while the debuggee runs
	parkable                    // a running debuggee is halted for it
)

// New makes a session over a connected, stopped target. Run must be called.
func New(t targets.Target, o Options) *Session {
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Second
	}
	if o.Emit == nil {
		o.Emit = func(Event) {}
	}
	s := &Session{turn: make(chan struct{}, 1), refilter: make(chan struct{}, 1), done: make(chan struct{})}
	s.turn <- struct{}{} // until Run has begun
	s.l = newLoop(s, t, o)
	return s
}

// Run is the loop; it returns when the debuggee is gone or ctx ends (then the
// debuggee is detached, or killed when it was created by the far end for us).
func (s *Session) Run(ctx context.Context) error {
	defer close(s.done)
	return s.l.run(ctx)
}

// inLoop marks the context of what the loop runs itself and waits for: a command
// line within a query. Its value is the Session.
type inLoop struct{}

// errInQuery: a command line within a query may look, not run the debuggee.
var errInQuery = errors.New("the debuggee cannot be run from within a query")

// send runs a request in the loop, or has it run, and waits for its answer.
func (s *Session) send(ctx context.Context, kind requestKind, f func(ctx context.Context) error) error {
	if ctx.Value(inLoop{}) == s {
		return f(ctx)
	}
	r := &request{ctx: ctx, kind: kind, run: f, answer: make(chan error, 1)}
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.done:
		return targets.ErrGone
	}
	func() {
		defer func() { <-s.turn }() // also when f ends the goroutine
		s.l.serve(r)
	}()
	select {
	case err := <-r.answer:
		return err
	case <-s.done:
		select {
		case err := <-r.answer:
			return err
		default:
			return targets.ErrGone
		}
	}
}

// Do runs f in the loop over the stopped debuggee; targets.ErrRunning when it
// runs, targets.ErrGone when there is none.
func (s *Session) Do(ctx context.Context, f func(context.Context, *View) error) error {
	return s.send(ctx, stopped, func(ctx context.Context) error {
		s.l.catchUp(ctx)
		v := &View{l: s.l, calls: s.l.o.AllowCalls}
		s.doing.Store(true)
		defer func() { v.l = nil; s.doing.Store(false) }()
		return f(ctx, v)
	})
}

// Doing reports whether a Do is being served: the debuggee is stopped, and Look
// would wait.
func (s *Session) Doing() bool { return s.doing.Load() }

// Look runs f in the loop whatever the debuggee does. When it is gone the
// tables are as they were last.
func (s *Session) Look(ctx context.Context, f func(*Live) error) error {
	ran := false
	err := s.send(ctx, anyTime, func(context.Context) error {
		ran = true
		return f(&Live{l: s.l})
	})
	if err != targets.ErrGone || ran {
		return err
	}
	s.after.Lock()
	defer s.after.Unlock()
	return f(&Live{l: s.l})
}

// Info says what is debugged.
func (s *Session) Info() targets.Info { return s.l.t.Info() }

// Resume returns once the debuggee runs (or the step has ended already).
func (s *Session) Resume(ctx context.Context, how How) error {
	if ctx.Value(inLoop{}) == s {
		return errInQuery
	}
	return s.send(ctx, stopped, func(ctx context.Context) error { return s.l.resume(ctx, how) })
}

// Wait waits until the debuggee is stopped and returns that stop; ErrGone when it ended.
func (s *Session) Wait(ctx context.Context) (Stop, error) {
	w := make(chan Stop, 1)
	err := s.send(ctx, anyTime, func(context.Context) error {
		switch s.l.state {
		case StateRunning:
			s.l.waiters = append(s.l.waiters, w)
		case StateGone:
			return targets.ErrGone
		default:
			w <- s.l.last
		}
		return nil
	})
	if err != nil {
		return Stop{}, err
	}
	select {
	case stop := <-w:
		return stop, nil
	case <-ctx.Done():
		return Stop{}, ctx.Err()
	case <-s.done:
		select {
		case stop := <-w:
			return stop, nil
		default:
			return Stop{}, targets.ErrGone
		}
	}
}

// Interrupt asks a running debuggee to stop and returns; the stop is told as
// usual. No error when it is stopped already.
func (s *Session) Interrupt(ctx context.Context) error {
	return s.send(ctx, anyTime, func(ctx context.Context) error { return s.l.interrupt(ctx) })
}

// Preempt gives up the operation in flight; its request fails with context.Canceled.
func (s *Session) Preempt() {
	if cancel := s.now.Load(); cancel != nil {
		(*cancel)()
	}
}

// Close parts from the debuggee: traps are lifted, Ended is emitted, Run
// returns. It works in any state and within about two seconds.
func (s *Session) Close(ctx context.Context, how targets.Parting) error {
	if ctx.Value(inLoop{}) == s {
		return errInQuery
	}
	s.Preempt()
	err := s.send(ctx, anyTime, func(ctx context.Context) error { return s.l.part(ctx, how) })
	if err == targets.ErrGone {
		return nil
	}
	return err
}

// SetBreakpoints replaces the owner's breakpoints, at any time. IDs are kept
// for wishes that are the same as before.
func (s *Session) SetBreakpoints(ctx context.Context, owner string, want []Breakpoint) ([]Status, error) {
	var out []Status
	err := s.send(ctx, parkable, func(ctx context.Context) error {
		var err error
		out, err = s.l.setOwned(ctx, owner, want)
		return err
	})
	return out, err
}

// ChangeBreakpoints edits the whole table: f gets all and returns all; at any time.
func (s *Session) ChangeBreakpoints(ctx context.Context, f func([]Status) []Breakpoint) ([]Status, error) {
	var out []Status
	err := s.send(ctx, parkable, func(ctx context.Context) error {
		var err error
		out, err = s.l.changeAll(ctx, f)
		return err
	})
	return out, err
}
