package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

// Follow says which side of a fork stays with the debugger. Who does not stay runs
// on by itself, with no trap left in it.
type Follow uint8

const (
	FollowParent Follow = iota
	FollowChild
	FollowBoth // the child is told by ChildStarted and becomes a session of its own
	FollowNone
)

type (
	// ChildStarted: the debuggee forked, and the child waits with its parent's traps
	// in it. Whoever receives it has to begin its session or to release it.
	ChildStarted struct{ Child *Child }
	// Became: from here on the debuggee is another program (it executed Path) or
	// another process (the child of the one it Was).
	Became struct {
		Process, Was int64
		Path         string
		Traps        []arch.Addr // what is planted in it, each TrapSize bytes long
		TrapSize     int
	}
)

func (ChildStarted) engineEvent() {}
func (Became) engineEvent()       {}

// Child is a process that came of a fork and waits where it came to life.
type Child struct {
	Process, Parent int64
	VFork           bool // its memory is its parent's until it executes an image or ends
	Target          targets.Target

	traps       *trapTable
	breakpoints []Breakpoint
}

// Session makes the child's session, which begins with its parent's breakpoints
// unless o names some.
func (c *Child) Session(o Options) *Session {
	if o.Breakpoints == nil {
		o.Breakpoints = c.breakpoints
	}
	s := New(c.Target, o)
	s.l.traps, s.l.borrowed = c.traps, c.VFork
	return s
}

// Release lets the child run by itself, free of traps.
func (c *Child) Release(ctx context.Context) error { return c.Target.Close(ctx, targets.Detach) }

// following is what to do at a fork.
func (l *loop) following() Follow {
	if l.o.Follow == nil {
		return FollowParent
	}
	return l.o.Follow()
}

// link is the wire of the debuggee where that can serve several processes, or nil.
func (l *loop) link() targets.Link {
	if t, ok := l.t.(interface{ Link() targets.Link }); ok {
		return t.Link()
	}
	return nil
}

// armForks lets the far end report forks when somebody wants to know of them. Else
// it lets children go by itself, which takes no stop of ours.
func (l *loop) armForks(ctx context.Context) error {
	q, ok := l.t.(targets.Queryer)
	if l.link() == nil || !ok {
		return nil
	}
	d := l.filter(FilterEvent{Code: eventCodes[targets.Forked]})
	want := byte(0)
	if l.following() != FollowParent || d.Break || d.Print {
		want = 1
	}
	if l.forks == want {
		return nil
	}
	err := q.Set(ctx, targets.Forks, "", []byte{want})
	switch {
	case err == nil:
		l.forks = want
	case errors.Is(err, errors.ErrUnsupported):
		l.once("forks", "The far end does not report forks.")
	default:
		return err
	}
	return nil
}

// judgeFork decides about a fork that the far end reports and holds the child of.
func (l *loop) judgeFork(ctx context.Context, st *Stop) (quiet bool) {
	d := l.filter(FilterEvent{Code: eventCodes[targets.Forked], Stop: st.Stop})
	parent := l.t.Info().Process
	if st.Child == nil || l.link() == nil {
		return !d.Break
	}
	how := l.following()
	if err := l.follow(ctx, st, how); err != nil {
		l.say(Important, fmt.Sprintf("Following the fork of process %d to %d: %v\n", parent, st.Child.ID.Process, err))
	}
	if d.Break || d.Print {
		st.Text = fmt.Sprintf("Create process %x by %x", st.Child.ID.Process, parent)
		if !d.Break {
			l.say(FromDebugger, st.Text+"\n")
		}
	}
	return !d.Break
}

// follow does with both sides of a fork as how says.
func (l *loop) follow(ctx context.Context, st *Stop, how Follow) error {
	pid := st.Child.ID.Process
	child, err := l.link().Adopt(ctx, pid)
	if err != nil {
		return err
	}
	switch how {
	case FollowChild:
		return l.become(ctx, st, child)
	case FollowBoth:
		l.o.Emit(ChildStarted{l.offspring(st, child)})
		return nil
	}
	err = child.Close(ctx, targets.Detach)
	if how == FollowNone {
		err = errors.Join(err, l.part(ctx, targets.Detach))
	}
	return err
}

// offspring makes the Child of a fork, which has its parent's traps in its memory.
func (l *loop) offspring(st *Stop, child targets.Target) *Child {
	c := &Child{Process: st.Child.ID.Process, Parent: l.t.Info().Process, VFork: st.Child.VFork, Target: child, traps: l.traps.clone()}
	for _, b := range l.bps {
		if b.Thread == (targets.ThreadID{}) {
			c.breakpoints = append(c.breakpoints, b.Breakpoint)
		}
	}
	return c
}

func (t *trapTable) clone() *trapTable {
	c := newTrapTable(t.arch)
	c.refused, c.patch = maps.Clone(t.refused), t.patch
	for _, x := range t.in {
		y := *x
		c.put(&y)
	}
	return c
}

// adopted bounds the wait for the stop an adopted child waits in, which its target
// has told already.
const adopted = 5 * time.Second

// become goes on with the child in the parent's place. The parent is let go first:
// of a vfork's memory, which is the child's too, the traps are gone then.
func (l *loop) become(ctx context.Context, st *Stop, child targets.Target) error {
	r, ok := child.(targets.Runner)
	if !ok {
		return errors.Join(errors.ErrUnsupported, child.Close(ctx, targets.Detach))
	}
	first, err := initialStop(ctx, r)
	if err != nil {
		return errors.Join(err, child.Close(ctx, targets.Detach))
	}
	was := l.t.Info().Process
	if err := l.t.Close(ctx, targets.Detach); err != nil {
		l.say(Important, fmt.Sprintf("Leaving process %d, which forked: %v\n", was, err))
	}
	l.t, l.r = child, r
	if l.borrowed = st.Child.VFork; l.borrowed {
		l.traps = newTrapTable(l.arch)
	}
	l.moveTo(st, first)
	l.o.Emit(Became{Process: child.Info().Process, Was: was, Path: child.Info().Path, Traps: l.traps.addresses(), TrapSize: len(l.arch.Break)})
	return l.armForks(ctx)
}

// initialStop takes the stop a target waits in off its events.
func initialStop(ctx context.Context, r targets.Runner) (targets.Stop, error) {
	ctx, cancel := context.WithTimeout(ctx, adopted)
	defer cancel()
	for {
		select {
		case e, ok := <-r.Events():
			switch e := e.(type) {
			case targets.Stop:
				return e, nil
			case targets.Gone:
				return targets.Stop{}, errors.Join(targets.ErrGone, e.Err)
			}
			if !ok {
				return targets.Stop{}, targets.ErrGone
			}
		case <-ctx.Done():
			return targets.Stop{}, ctx.Err()
		}
	}
}

// moveTo makes what is known of the thread that forked that of the child's only
// thread; the others stay with the parent.
func (l *loop) moveTo(st *Stop, first targets.Stop) {
	from, to := st.Thread, first.Thread
	if l.plan != nil {
		if l.plan.thread != from {
			l.plan = &plan{leg: leg{kind: targets.Go}}
		}
		l.plan.thread, l.plan.how.Thread = to, to
	}
	moveKey(l.hits, from, to)
	moveKey(l.own, from, to)
	clear(l.handed)
	for _, t := range l.threads.rows {
		l.o.Emit(ThreadEvent{Thread: *t, Exited: true})
	}
	l.threads = threadTable{}
	l.selected, l.frame = to, 0
	l.armed.syscalls, l.armed.pass, l.forks = nil, nil, 0
	st.Thread = to
	l.fresh(first)
	l.last.Thread = to
}

// moveKey leaves in m what it has of from alone, as that of to.
func moveKey(m map[targets.ThreadID]arch.Addr, from, to targets.ThreadID) {
	at, ok := m[from]
	clear(m)
	if ok {
		m[to] = at
	}
}

// executed: the process has a memory of its own again, and is another program.
func (l *loop) executed(st *Stop) {
	l.borrowed = false
	info := l.t.Info()
	l.o.Emit(Became{Process: info.Process, Was: info.Process, Path: info.Path})
}

// planted is what is in place, less what is lifted: in a memory that is another's
// nothing else is changed.
func (l *loop) planted() map[trapKey]targets.Trap {
	out := make(map[trapKey]targets.Trap, len(l.traps.in))
	for k, x := range l.traps.in {
		if k.kind > targets.Hardware || !l.lifted[k.addr] {
			out[k] = x.Trap
		}
	}
	return out
}

// rearm brings what the far end reports to what is wanted.
func (l *loop) rearm(ctx context.Context) error {
	if err := l.arm(ctx); err != nil {
		return err
	}
	return l.armForks(ctx)
}

// holdsOthers reports whether a stop of this process holds up others on its wire.
func (l *loop) holdsOthers() bool {
	s, ok := l.t.(targets.Sharer)
	return ok && s.HoldsOthers()
}

// letOthersRun lets processes run on that a stop of this one holds up.
func (l *loop) letOthersRun(ctx context.Context) {
	s, ok := l.t.(targets.Sharer)
	if !ok || l.o.Together {
		return
	}
	if err := s.LetOthersRun(ctx); err != nil {
		l.o.Log.Warn().Err(err).Msg("letting other processes run on")
	}
}
