package rsp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"dap-windbg/targets"
)

// run is the time from a resume until its stop is settled.
type run struct {
	t          *Target // who began it
	interrupts int
	since      time.Time   // of the first interrupt
	victims    []*Target   // each was interrupted by itself
	hidden     bool        // it is being stopped for requests, see turn
	drains     bool        // its stop is nobody's, see drain
	told       bool        // its stop was told to somebody
	legs       chan string // of a reverse execution: stops on its way, see rewind.go
	settled    chan struct{}
	deaf       chan struct{} // closed when an interrupt has failed
	stopped    bool          // the stop came; it may still be settled
	timer      *time.Timer
}

// Resume lets the debuggee run; the traps of r travel in the same flight. When
// it returns an error, the debuggee waits (it may have moved) and no Stop comes
// for it; after any other outcome, cancellation included, one does.
func (t *Target) Resume(ctx context.Context, r targets.Resume) error {
	op := &targets.Run{Resume: r}
	if err := t.Do(ctx, []targets.Op{op}); err != nil {
		return err
	}
	return op.Err
}

// runPlan adds the resume to p and sends it all.
func (t *Target) runPlan(ctx context.Context, p *plan, o *targets.Run) error {
	t.c.mu.Lock()
	if t.lends != nil {
		t.c.mu.Unlock()
		return t.runLater(ctx, p, o)
	}
	packets, err := t.resumePackets(o.Resume, true)
	t.c.mu.Unlock()
	if err != nil {
		o.Err = err
		return t.fly(ctx, p)
	}
	p.trapsOf(o)
	if o.Err != nil { // a trap nobody can plant: stay
		return t.fly(ctx, p)
	}
	if e := t.takePending(o.Resume); e != "" {
		return t.stopAgain(ctx, p, o, e)
	}
	if o.Resume.Reverse && t.c.kind.replays {
		return t.rewinds(ctx, p, o)
	}
	for _, s := range packets {
		p.ask("%s", s)
	}
	rn := newRun(t)
	last := p.reqs[len(p.reqs)-1]
	last.quiet = o.Resume.Quiet && t.shortens()
	t.c.resumes(rn, last)
	f, err := t.depart(rn, p, o.Resume)
	if err != nil {
		return err
	}
	if len(p.reqs) > 1 || t.c.nonstop {
		if err := t.c.wait(ctx, f); err != nil {
			return t.givenUp(rn, err)
		}
	}
	for _, after := range p.after {
		after(nil)
	}
	if o.Err == nil {
		return nil
	}
	t.c.mu.Lock()
	failed := rn.deaf
	t.c.mu.Unlock()
	select { // the refused trap made us interrupt: wait until that is over
	case <-rn.settled:
		return nil
	case <-failed: // it runs all the same
		o.Err = nil
		return t.givenUp(rn, deaf)
	case <-ctx.Done():
		o.Err = nil
		return t.givenUp(rn, ctx.Err())
	}
}

// resumes marks the request that resumes: its reply is the stop, but in non-stop
// mode, where it is an OK.
func (c *Conn) resumes(rn *run, r *request) {
	if !c.nonstop {
		r.resume = true
		return
	}
	r.got = func(reply []byte) {
		if string(reply) != "OK" && c.run == rn {
			c.unresumed(rn, reply)
		}
	}
}

func newRun(t *Target) *run {
	return &run{t: t, settled: make(chan struct{}), deaf: make(chan struct{})}
}

// trapsOf adds the traps that travel with a resume. A refused one must hold it up.
func (p *plan) trapsOf(o *targets.Run) {
	for _, trap := range o.Resume.Lift {
		p.clearTrap(trap, func(error) {})
	}
	for _, trap := range o.Resume.Plant {
		before := len(p.reqs)
		p.setTrap(trap, func(err error) {
			if o.Err == nil {
				o.Err = err
			}
		})
		for _, r := range p.reqs[before:] {
			r.vital = r.payload[0] == 'Z'
		}
	}
}

func stepsAny(m map[targets.ThreadID]targets.Action) bool {
	for _, a := range m {
		if a.Kind == targets.Step {
			return true
		}
	}
	return false
}

// givenUp: nobody waits for the flight any more. Its resume may have left; then
// the stop is an event.
func (t *Target) givenUp(rn *run, err error) error {
	c := t.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	if c.run == rn && !rn.stopped {
		if t.motion != nil {
			t.motion.orphan = false
		}
		return nil
	}
	return err
}

func (t *Target) depart(rn *run, p *plan, r targets.Resume) (*flight, error) {
	c := t.c
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.err != nil:
		return nil, c.err
	case t.gone:
		return nil, targets.ErrGone
	case c.run != nil:
		return nil, targets.ErrRunning
	}
	c.run = rn
	c.general = c.afterStop()
	t.moves(r)
	return c.enqueue(p.reqs), nil
}

// moves begins t's motion. Threads that are held keep their signals; c.mu is held.
func (t *Target) moves(r targets.Resume) {
	goes := func(id targets.ThreadID, _ int) bool { return r.Action(id).Kind != targets.Hold }
	maps.DeleteFunc(t.signals, goes)
	maps.DeleteFunc(t.owed, goes)
	t.motion = &motion{resume: r, reverse: r.Reverse, stepping: r.Default.Kind == targets.Step || stepsAny(r.Threads)}
	t.caught = map[targets.ThreadID][]byte{}
}

// resumePackets spells r, and what lets other processes in motion move on. It
// delivers signals only where it is told to: going on after a stop that nobody
// needs to know of must not deliver them once more. c.mu is held.
func (t *Target) resumePackets(r targets.Resume, deliver bool) ([]string, error) {
	if r.Reverse {
		return t.reversePackets(r)
	}
	if t.c.line != nil {
		return t.kgdbPackets(r, deliver)
	}
	if t.c.vCont == nil {
		return t.plainPackets(r, deliver)
	}
	actions := t.spell(r, deliver)
	if actions == "" {
		return nil, errors.New("a resume that lets no thread run")
	}
	return []string{"vCont" + actions + t.c.others(t)}, nil
}

// spell makes the actions of a vCont: of the threads that are named, of the one
// that stopped if it has a signal to see, then of all others; c.mu is held.
func (t *Target) spell(r targets.Resume, deliver bool) string {
	text, done := "", map[targets.ThreadID]bool{}
	one := func(id targets.ThreadID, a targets.Action) {
		done[id] = true
		if s := t.action(id, a, deliver); s != "" {
			text += ";" + s + ":" + t.wireID(id).String()
		}
	}
	for _, id := range sortedThreads(r.Threads) {
		one(id, r.Threads[id])
	}
	rest := r.Default
	if id := t.id(t.thread); rest.Deliver.Kind != targets.Handled && !done[id] {
		one(id, rest)
	}
	rest.Deliver = targets.Deliver{}
	for _, id := range sortedThreads(t.owed) {
		if !done[id] {
			one(id, rest)
		}
	}
	if s := t.action(targets.ThreadID{}, rest, false); s != "" {
		text += ";" + s + t.everyThread()
	}
	return text
}

// everyThread limits an action to this process where the far end has others;
// c.mu is held.
func (t *Target) everyThread() string {
	in := t.info.Load()
	if t.c.several() && in.pid != 0 {
		return fmt.Sprintf(":p%x.-1", in.pid)
	}
	return ""
}

// action spells one action, without its thread; c.mu is held.
func (t *Target) action(id targets.ThreadID, a targets.Action, deliver bool) string {
	signal, c := 0, t.c
	if deliver {
		signal = t.delivered(id, a.Deliver)
	}
	ranged := a.Kind == targets.Step && a.Hi > a.Lo
	switch {
	case a.Kind == targets.Hold:
		return ""
	case ranged && signal == 0 && c.vCont["r"]:
		return fmt.Sprintf("r%x,%x", uint64(a.Lo), uint64(a.Hi))
	case a.Kind == targets.Step && signal != 0:
		return fmt.Sprintf("S%02x", signal)
	case a.Kind == targets.Step:
		return "s"
	case signal != 0:
		return fmt.Sprintf("C%02x", signal)
	}
	return "c"
}

// delivered is the signal a thread is to see, in the far end's numbers.
func (t *Target) delivered(id targets.ThreadID, d targets.Deliver) int {
	switch d.Kind {
	case targets.NotHandled:
		return t.signals[id]
	case targets.Signal:
		return t.c.signalOut(d.Signal)
	}
	return t.owed[id]
}

// plainPackets serves far ends without vCont: one thread is named with Hc and
// acts, whether others run too is the far end's habit.
func (t *Target) plainPackets(r targets.Resume, deliver bool) ([]string, error) {
	id, a := t.id(t.thread), r.Default
	chosen := false
	for _, other := range sortedThreads(r.Threads) {
		if act := r.Threads[other]; act.Kind == targets.Step || a.Kind == targets.Hold && act.Kind == targets.Go {
			id, a, chosen = other, act, true
			break
		}
	}
	if own, ok := r.Threads[id]; ok && !chosen {
		a = own
	}
	verb := "c"
	switch a.Kind {
	case targets.Hold:
		return nil, errors.New("a resume that lets no thread run")
	case targets.Step:
		verb, chosen = "s", true
	}
	if signal := t.delivered(id, a.Deliver); deliver && signal != 0 {
		verb = fmt.Sprintf("%s%02x", strings.ToUpper(verb), signal)
	}
	who := "Hc0"
	if chosen {
		who = "Hc" + t.wireID(id).String()
	}
	return []string{who, verb}, nil
}

// reversePackets are only sent to who offered them: QEMU dies of them otherwise.
func (t *Target) reversePackets(r targets.Resume) ([]string, error) {
	verb, offer, a := "bc", "ReverseContinue", r.Default
	for _, act := range r.Threads {
		if act.Kind == targets.Step {
			a = act
		}
	}
	if a.Kind == targets.Step {
		verb, offer = "bs", "ReverseStep"
	}
	if !t.c.feature(offer) {
		return nil, fmt.Errorf("running backwards: %w", errors.ErrUnsupported)
	}
	return []string{verb}, nil
}

// holdUp: a trap of a flight with a resume was refused. If the resume has left
// the debuggee is stopped again, for us alone; c.mu is held.
func (c *Conn) holdUp(f *flight) {
	if c.run == nil || c.run.stopped || len(c.queue) == 0 || c.queue[len(c.queue)-1].flight != f {
		return
	}
	if m := c.run.t.motion; !c.serial && !c.kind.single && m != nil {
		m.orphan = true
		c.interrupt()
	}
}

// endRun: nothing moves any more; c.mu is held.
func (c *Conn) endRun() {
	rn := c.run
	if rn == nil {
		return
	}
	if rn.timer != nil {
		rn.timer.Stop()
	}
	c.run = nil
	close(rn.settled)
}

// sortedThreads gives a map's threads in a fixed order, so that traces repeat.
func sortedThreads[T any](m map[targets.ThreadID]T) []targets.ThreadID {
	return slices.SortedFunc(maps.Keys(m), func(a, b targets.ThreadID) int {
		return cmp.Or(cmp.Compare(a.Process, b.Process), cmp.Compare(a.Thread, b.Thread))
	})
}
