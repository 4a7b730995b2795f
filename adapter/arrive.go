package adapter

import (
	"context"
	"fmt"

	"dap-windbg/engine"
)

// arrival is a stop that the console has not come to yet. One with commands is
// untold: the client hears of it only if its commands do not go on from there,
// and believes until then that the debuggee runs.
type arrival struct {
	stop   engine.Stop
	untold bool
}

// arrive receives a stop: it is told at once unless commands are due, which a
// pause breaks off. What the console does at it waits for lines at work.
func (s *session) arrive(stop engine.Stop) {
	s.own = false
	a := &arrival{stop: stop, untold: !s.pausing && s.commandsDue(stop)}
	if !a.untold {
		s.tellStopped(stop)
	}
	s.arrived = a
	s.showArrival()
}

// showArrival lets the console come to the latest stop once no line is at work: one
// that waited for the stop has shown it, and has run its commands, itself.
func (s *session) showArrival() {
	a := s.arrived
	if a == nil || s.busy > 0 {
		return
	}
	if !a.untold {
		s.arrived = nil
		s.showStop(a.stop)
		return
	}
	resumed := false
	s.enqueue(&job{
		run: func(ctx context.Context, o *consoleOut) error {
			ok, err := s.console.Arrive(ctx, a.stop, o)
			if ok && err != nil {
				fmt.Fprintln(o, explain(err))
			}
			resumed = ok && err == nil
			return err
		},
		then: func() { s.tellArrival(a, resumed) },
	})
}

// tellArrival tells a stop whose commands have run, unless they went on.
func (s *session) tellArrival(a *arrival, resumed bool) {
	if resumed {
		if es := s.engine(); s.pausing && es != nil {
			es.Interrupt(s.ctx)
		}
		return
	}
	s.readMail()
	if s.arrived == a {
		s.arrived, s.byConsole = nil, false
		s.tellStopped(a.stop)
	}
}

// showStop prints what a console shows at a stop.
func (s *session) showStop(stop engine.Stop) {
	if s.console == nil {
		return
	}
	if !s.byConsole {
		s.output("console", s.console.FormatEvent(engine.Stopped{Stop: stop}))
		return
	}
	s.byConsole = false
	s.enqueue(&job{run: func(ctx context.Context, o *consoleOut) error {
		_, err := s.console.Arrive(ctx, stop, o)
		return err
	}})
}

// commandsDue reports whether the breakpoints hit, or the filter of the
// exception, have commands.
func (s *session) commandsDue(stop engine.Stop) bool {
	if s.console == nil || s.dbg == nil {
		return false
	}
	if e := stop.Exception; e != nil {
		f := s.dbg.Filter(fmt.Sprintf("sig%d", e.Code), e.Name)
		if e.Second && f.Command2 != "" || !e.Second && f.Command != "" {
			return true
		}
	}
	if stop.Step || len(stop.Breakpoints) == 0 {
		return false
	}
	due := false
	s.look(s.ctx, func(l *engine.Live) error {
		for _, b := range l.Breakpoints() {
			for _, id := range stop.Breakpoints {
				due = due || b.ID == id && b.Command != ""
			}
		}
		return nil
	})
	return due
}
