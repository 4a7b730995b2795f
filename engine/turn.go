package engine

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"dap-windbg/targets"
)

// run is the loop: it serves what comes by itself, while requests are served by those
// who make them.
func (l *loop) run(ctx context.Context) error {
	l.life, l.end = context.WithCancel(context.WithoutCancel(ctx))
	defer l.leaveOpens()
	defer l.end()
	defer l.stuck.Stop()
	l.guarded(ctx, l.begin)
	pumped, events := make(chan struct{}), l.events()
	go func() {
		defer close(pumped)
		l.pump(events)
	}()
	l.pumping = false
	<-l.s.turn
	l.wait(ctx)
	<-pumped
	l.s.turn <- struct{}{} // for good
	return l.ended
}

// wait serves what is not the target's, until there is no debuggee any more.
func (l *loop) wait(ctx context.Context) {
	for {
		var act func(context.Context)
		select {
		case o := <-l.opened:
			act = func(ctx context.Context) { l.arrived(ctx, o) }
		case m := <-l.indexed:
			act = func(ctx context.Context) { l.indexedNow(ctx, m) }
		case <-l.s.refilter:
			act = func(context.Context) { l.refiltered() }
		case <-l.wake:
			act = func(context.Context) { l.dropParked() }
		case <-l.stuck.C:
			act = func(context.Context) { l.deaf() }
		case <-ctx.Done():
			act = func(ctx context.Context) {
				how := targets.Kill
				if l.t.Info().Attached {
					how = targets.Detach
				}
				_ = l.part(ctx, how)
			}
		case <-l.over:
			return
		}
		l.s.turn <- struct{}{}
		if l.state != StateGone {
			l.guarded(l.life, act)
		}
		<-l.s.turn
	}
}

// pump takes the target's events, in their order, and serves each in a turn, or gives
// it to who waits for one in a turn of its own: so it never waits for a turn without
// offering what it has. Another target takes the place of the first only in a turn of
// pump's.
func (l *loop) pump(events <-chan targets.Event) {
	for {
		select {
		case e, ok := <-events:
			if !ok {
				e = targets.Gone{Err: targets.ErrGone}
			}
			select {
			case l.s.turn <- struct{}{}:
				events = l.pumped(e)
			case l.offered <- e:
			case <-l.over:
				return
			}
		case <-l.over:
			return
		}
	}
}

// pumped serves e in the turn that pump has, and tells where the next comes from.
func (l *loop) pumped(e targets.Event) <-chan targets.Event {
	l.pumping = true
	if l.state != StateGone {
		l.guarded(l.life, func(ctx context.Context) { l.event(ctx, e) })
	}
	l.pumping = false
	events := l.events()
	<-l.s.turn
	return events
}

// events are the target's, which another may take the place of.
func (l *loop) events() <-chan targets.Event {
	if l.r == nil {
		return nil
	}
	return l.r.Events()
}

// coming are the events for who waits for one in its turn; none that ends.
func (l *loop) coming() <-chan targets.Event {
	if l.pumping {
		return l.events()
	}
	return l.offered
}

// leaveOpens waits until nobody looks for symbols any more, as long as leaving may take.
func (l *loop) leaveOpens() {
	all := make(chan struct{})
	go func() { l.opens.Wait(); close(all) }()
	timer := time.NewTimer(partTime)
	defer timer.Stop()
	select {
	case <-all:
	case <-timer.C:
	}
}

// guarded runs f with a context that Preempt cancels.
func (l *loop) guarded(ctx context.Context, f func(context.Context)) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer l.s.now.Store(l.s.now.Swap(&cancel))
	f(ctx)
}

// serve runs a request, parks it, or refuses it.
func (l *loop) serve(r *request) {
	switch {
	case r.ctx.Err() != nil:
		r.answer <- r.ctx.Err()
	case l.state == StateGone:
		r.answer <- targets.ErrGone
	case r.kind == stopped && l.state != StateStopped:
		r.answer <- targets.ErrRunning
	case r.kind == parkable && l.state == StateRunning && l.t.Info().Limits.Bits&targets.LiveMemory == 0:
		l.park(r)
	case r.kind == parkable && l.state == StateRunning:
		l.perform(r)
		l.dropMemory() // what was read may change at once
	default:
		l.perform(r)
	}
}

func (l *loop) perform(r *request) {
	l.guarded(r.ctx, func(ctx context.Context) { r.answer <- l.attempt(ctx, r.run) })
}

// attempt runs f. A panic, which is a defect of ours, becomes an error: it must not
// end the sessions of other debuggees, nor leave this one with traps in it.
func (l *loop) attempt(ctx context.Context, f func(context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			l.o.Log.Error().Interface("panic", p).Bytes("stack", debug.Stack()).Msg("internal error")
			err = fmt.Errorf("internal error: %v", p)
		}
	}()
	return f(ctx)
}

// park keeps r until the debuggee stops, and sees to it that it does.
func (l *loop) park(r *request) {
	l.parked = append(l.parked, r)
	context.AfterFunc(r.ctx, func() {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	})
	l.guarded(l.life, func(ctx context.Context) {
		if err := l.halt(ctx); err != nil {
			l.serveParked(err)
		}
	})
}

// dropParked answers parked requests whose context ended.
func (l *loop) dropParked() {
	l.parked = slices.DeleteFunc(l.parked, func(r *request) bool {
		if r.ctx.Err() == nil {
			return false
		}
		r.answer <- r.ctx.Err()
		return true
	})
}

// serveParked runs parked requests; with an error they fail.
func (l *loop) serveParked(err error) {
	parked := l.parked
	l.parked = nil
	for _, r := range parked {
		switch {
		case r.ctx.Err() != nil:
			r.answer <- r.ctx.Err()
		case err != nil:
			r.answer <- err
		default:
			l.perform(r)
		}
	}
}
