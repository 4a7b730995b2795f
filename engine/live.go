package engine

import (
	"context"
	"errors"
	"slices"

	"dap-windbg/arch"
	"dap-windbg/eval"
	"dap-windbg/systems"
	"dap-windbg/targets"
)

// Inspect is Do for who only looks: over a far end with targets.LiveMemory f runs over
// the running debuggee too, with no stop. Its memory may then change between two reads,
// and registers cannot be read (targets.ErrRunning).
func (s *Session) Inspect(ctx context.Context, f func(context.Context, *View) error) error {
	err := s.send(ctx, anyTime, func(ctx context.Context) error {
		l := s.l
		if l.state != StateRunning || l.t.Info().Limits.Bits&targets.LiveMemory == 0 {
			return errNotLive
		}
		l.dropMemory()
		known := l.threads.known
		l.threads.known = false
		defer func() { l.threads.known = known; l.dropMemory() }()
		v := &View{l: l}
		defer func() { v.l = nil }()
		return f(ctx, v)
	})
	if err != errNotLive {
		return err
	}
	return s.Do(ctx, f)
}

// errNotLive: the debuggee does not run, or cannot be looked at then.
var errNotLive = errors.New("not running live")

// State is what the debuggee does.
func (l *Live) State() State { return l.l.state }

// Info is what the target says of the far end.
func (l *Live) Info() targets.Info { return l.l.t.Info() }

// System is what knows the debuggee's operating system.
func (l *Live) System() systems.System { return l.l.o.System }

// Locate names an address with what is loaded.
func (l *Live) Locate(addr arch.Addr) Location { return l.l.locate(addr) }

// Modules lists images in place, main first. The Modules are the loop's own:
// not to be kept or changed.
func (l *Live) Modules() []*Module { return slices.Clone(l.l.modules.rows) }

// Unloaded lists images that went, oldest first.
func (l *Live) Unloaded() []*Module { return slices.Clone(l.l.modules.unloaded) }

// Breakpoints is the whole table.
func (l *Live) Breakpoints() []Status { return l.l.statuses() }

// Spent are the one-shot breakpoints that the last hit ended, as they were.
func (l *Live) Spent() []Status { return slices.Clone(l.l.spent) }

// KnownThreads lists the threads of the last stop.
func (l *Live) KnownThreads() []Thread { return l.l.snapshot() }

// LastStop is the last stop that was told.
func (l *Live) LastStop() (Stop, bool) { return l.l.last, l.l.stops }

// Ended is how the debuggee ended; nil while there is one.
func (l *Live) Ended() *Ended { return l.l.gone }

// Visualizer is what shows values of classes, nil when nothing does.
func (l *Live) Visualizer() eval.Visualizer { return l.l.o.Model.Visualizer }

// Revisualized tells the front ends that values show otherwise now.
func (l *Live) Revisualized() { l.l.o.Emit(Invalidated{Registers: true}) }
