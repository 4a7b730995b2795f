package adapter

import (
	"context"
	"fmt"

	"dap-windbg/engine"
	"dap-windbg/targets"
)

// arrival is a stop that the console has not come to yet. One with commands is
// untold: the client hears of it only if its commands do not go on from there,
// and believes until then that the debuggee runs.
type arrival struct {
	stop   engine.Stop
	reason string // DAP's
	untold bool
}

// arrive receives a stop: it is told at once unless commands are due, which a
// pause breaks off. What the console does at it waits for lines at work.
func (s *session) arrive(stop engine.Stop) {
	s.own = false
	reason, due := s.stopReason(stop)
	if s.again && (stop.Reason == targets.Breakpoint || stop.Reason == targets.Stepped) {
		reason, due = "restart", false
	}
	s.again = false
	a := &arrival{stop: stop, reason: reason, untold: due && !s.pausing && s.console != nil}
	if !a.untold {
		s.tellStopped(a)
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
		s.tellStopped(a)
	}
}

// showStop prints what a console shows at a stop.
func (s *session) showStop(stop engine.Stop) {
	if s.console == nil {
		return
	}
	if !s.byConsole {
		text := s.console.FormatEvent(engine.Stopped{Stop: stop})
		if text == "" {
			return
		}
		var at *engine.Location
		if stop.Addr != 0 && stop.Reason != targets.Watch {
			s.look(s.ctx, func(l *engine.Live) error { // which reads nothing of the debuggee
				place := l.Locate(stop.Addr)
				at = &place
				return nil
			})
		}
		s.outputAt("console", text, at)
		return
	}
	s.byConsole = false
	s.enqueue(&job{run: func(ctx context.Context, o *consoleOut) error {
		_, err := s.console.Arrive(ctx, stop, o)
		return err
	}})
}

// stopReason is DAP's word for why the debuggee waits, and whether the breakpoints
// hit or the filter of the exception have commands.
func (s *session) stopReason(stop engine.Stop) (reason string, due bool) {
	reason = stop.Reason.String()
	if r, ok := reasons[stop.Reason]; ok {
		reason = r
	}
	if stop.Step {
		reason = "step"
	}
	if e := stop.Exception; e != nil && s.dbg != nil {
		f := s.dbg.Filter(engine.EventCode("linux", stop.Stop), e.Name)
		due = e.Second && f.Command2 != "" || !e.Second && f.Command != ""
	}
	if len(stop.Breakpoints) == 0 {
		return reason, due
	}
	reason = "breakpoint"
	for _, b := range stop.Hit {
		due = due || !stop.Step && b.Command != ""
		if b.ID == stop.Breakpoints[0] {
			reason = breakpointReason(b)
		}
	}
	return reason, due
}

// breakpointReason tells by its owner which view set a breakpoint.
func breakpointReason(b engine.Breakpoint) string {
	kind := kindOfOwner(b.Owner)
	switch {
	case b.Access != 0:
		return "data breakpoint"
	case kind == ownerFunctions:
		return "function breakpoint"
	case kind == ownerInstructions:
		return "instruction breakpoint"
	}
	return "breakpoint"
}
