package launch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"dap-windbg/engine"
	"dap-windbg/targets"
)

// A front end that shows one command line for several processes has them all in one
// Debugger: the family. The stop of one halts all of them, as WinDbg has it, and that
// one becomes the present debuggee.

// family is what a Debugger knows of its processes.
type family struct {
	members []*debuggee
	next    int           // ordinal
	halted  chan struct{} // closed when all wait; nil while they do
	first   *debuggee     // the one whose end is the end of the debug session
	end     *engine.Ended // of first, while others live on
	halting bool          // a stop was told since the last resume
	moving  sync.Mutex    // held by who resumes or gathers the members: either is whole
}

// partTime bounds parting from a child that came too late to be debugged.
const partTime = 2 * time.Second

// join makes g a member; d.mu is held.
func (d *Debugger) join(g *debuggee) {
	if f := &d.family; len(f.members) == 0 {
		f.next, f.halted, f.first, f.end, f.halting = 0, nil, nil, nil, false
	}
	g.ordinal = d.family.next
	d.family.next++
	d.family.members = append(d.family.members, g)
	if len(d.family.members) == 1 {
		d.family.first, d.family.end = g, nil
	}
}

// raise begins the session of a child of the family.
func (d *Debugger) raise(g *debuggee) {
	g.done = make(chan struct{})
	g.session = g.child.Session(d.options(g, nil))
	d.mu.Lock()
	late := d.present == nil
	if !late {
		d.join(g)
	}
	d.mu.Unlock()
	defer g.free()
	if late { // everything is being left
		ctx, cancel := context.WithTimeout(context.WithoutCancel(d.hooks.Life), partTime)
		defer cancel()
		g.release(ctx)
		return
	}
	g.run(d.hooks.Life)
}

// Members lists the processes.
func (d *Debugger) Members() []engine.Member {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []engine.Member
	for _, g := range d.family.members {
		out = append(out, engine.Member{Ordinal: g.ordinal, Session: g.session, Present: g == d.present})
	}
	return out
}

// Select makes the process with this ordinal the present debuggee.
func (d *Debugger) Select(ordinal int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := slices.IndexFunc(d.family.members, func(g *debuggee) bool { return g.ordinal == ordinal })
	if i >= 0 {
		d.present = d.family.members[i]
	}
	return i >= 0
}

// FollowChildren says whether children of forks become members of the family; on nil
// only asks.
func (d *Debugger) FollowChildren(on *bool) bool {
	d.mu.Lock()
	if on != nil {
		d.plan.FollowForks = map[bool]string{true: "both", false: "parent"}[*on]
	}
	both := d.plan.FollowForks == "both"
	g := d.present
	d.mu.Unlock()
	if on != nil && g != nil {
		g.session.Refilter()
	}
	return both
}

// passes is what the front end hears of an event of g, nil for nothing.
func (d *Debugger) passes(g *debuggee, e engine.Event) engine.Event {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch e := e.(type) {
	case engine.Stopped:
		if !d.halts(g, e.Stop) {
			return nil
		}
	case engine.Resumed:
		if g != d.present {
			return nil
		}
	case engine.Ended:
		return d.leaves(g, e)
	}
	return e
}

// halts is the stop of g: the first one since the last resume is told; d.mu is held.
func (d *Debugger) halts(g *debuggee, stop engine.Stop) bool {
	f := &d.family
	if len(f.members) < 2 {
		return true
	}
	if g.child != nil && stop.Reason == targets.Initial && d.filters.get("ibp", "").Break != 'e' {
		go d.wake(g)
		return false
	}
	if f.halting {
		return g == d.present
	}
	f.halting = true
	d.present = g
	if f.halted == nil {
		f.halted = make(chan struct{})
	}
	go d.gather(f.halted)
	return true
}

// wake lets a child go on from its first stop, unless the family halts: then it goes
// on with the others.
func (d *Debugger) wake(g *debuggee) {
	d.family.moving.Lock()
	defer d.family.moving.Unlock()
	d.mu.Lock()
	halting := d.family.halting
	d.mu.Unlock()
	if !halting {
		g.session.Resume(d.hooks.Life, engine.How{})
	}
}

// gather waits until all members wait.
func (d *Debugger) gather(halted chan struct{}) {
	d.family.moving.Lock()
	defer d.family.moving.Unlock()
	d.mu.Lock()
	all := slices.Clone(d.family.members)
	d.mu.Unlock()
	for _, o := range all {
		o.session.Interrupt(d.hooks.Life)
	}
	for _, o := range all {
		o.session.Wait(d.hooks.Life)
	}
	close(halted)
}

// leaves takes g out of the family. As the end of everything the end of the first
// one is told, when nobody is left; d.mu is held.
func (d *Debugger) leaves(g *debuggee, e engine.Ended) engine.Event {
	f := &d.family
	f.members = slices.DeleteFunc(f.members, func(o *debuggee) bool { return o == g })
	if len(f.members) == 0 {
		if f.end != nil {
			last := farewell(g, e)
			e = *f.end
			e.Text = last + "\n" + e.Text
		}
		return e
	}
	if g == f.first {
		f.end = &e
	}
	if g == d.present {
		d.present = f.members[0]
	}
	go g.free()
	return engine.Output{Category: engine.FromDebugger, Text: farewell(g, e) + "\n"}
}

// farewell is what is told of the end of one process among several.
func farewell(g *debuggee, e engine.Ended) string {
	text := e.Text
	if e.Parting != nil {
		text = map[bool]string{true: "It was ended.", false: "It was left."}[*e.Parting == targets.Kill]
	}
	return fmt.Sprintf("Process %d (%x): %s", g.ordinal, g.target.Info().Process, text)
}

// Resume lets the present debuggee run as how says, and the others go on unless it is
// to run alone.
func (d *Debugger) Resume(ctx context.Context, how engine.How) error {
	return d.resume(ctx, how, nil)
}

// ResumeWith lets all debuggees run; those whose ordinals signals has get these.
func (d *Debugger) ResumeWith(ctx context.Context, signals map[int]int) error {
	return d.resume(ctx, engine.How{}, signals)
}

func (d *Debugger) resume(ctx context.Context, how engine.How, signals map[int]int) error {
	with := func(g *debuggee, how engine.How) engine.How {
		if n, ok := signals[g.ordinal]; ok {
			how.Deliver = &targets.Deliver{Kind: targets.Signal, Signal: n}
		}
		return how
	}
	d.family.moving.Lock()
	defer d.family.moving.Unlock()
	d.mu.Lock()
	g, others := d.present, []*debuggee{}
	if !how.Only {
		others = slices.DeleteFunc(slices.Clone(d.family.members), func(o *debuggee) bool { return o == g })
	}
	d.family.halting, d.family.halted = false, make(chan struct{})
	d.mu.Unlock()
	if g == nil {
		return targets.ErrGone
	}
	for _, o := range others {
		if d.halting() {
			return nil // another one has stopped already
		}
		if err := o.session.Resume(ctx, with(o, engine.How{})); err != nil && !errors.Is(err, targets.ErrRunning) && !errors.Is(err, targets.ErrGone) {
			return err
		}
	}
	if d.halting() {
		return nil
	}
	return g.session.Resume(ctx, with(g, how))
}

func (d *Debugger) halting() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.family.halting
}

// Wait waits until the family has halted and returns the present debuggee's stop.
func (d *Debugger) Wait(ctx context.Context) (engine.Stop, error) {
	for {
		d.mu.Lock()
		g, halted, n := d.present, d.family.halted, len(d.family.members)
		d.mu.Unlock()
		if g == nil {
			return engine.Stop{}, targets.ErrGone
		}
		if n < 2 || halted == nil {
			stop, err := g.session.Wait(ctx)
			if ctx.Err() == nil && d.displaced(g, err) {
				continue
			}
			return stop, err
		}
		select {
		case <-halted:
			d.mu.Lock()
			d.family.halted = nil
			d.mu.Unlock()
		case <-g.done: // the present one has ended: another takes its place
			if !d.displaced(g, targets.ErrGone) {
				return engine.Stop{}, targets.ErrGone
			}
		case <-ctx.Done():
			return engine.Stop{}, ctx.Err()
		}
	}
}

// displaced reports whether another one is the present debuggee instead of g, whose
// end or stop (nil) was waited for.
func (d *Debugger) displaced(g *debuggee, err error) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.present != nil && d.present != g && (err == nil || errors.Is(err, targets.ErrGone))
}
