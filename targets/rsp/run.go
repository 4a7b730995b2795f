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
	t          *Target
	again      []string // what resumes the same way once more, delivering nothing
	stepping   bool
	reverse    bool
	interrupts int
	since      time.Time // of the first interrupt
	swallow    bool      // the stop is for us, not for those above
	settled    chan struct{}
	deaf       chan struct{} // closed when an interrupt has failed
	stopped    bool          // the stop came; it may still be settled
	timer      *time.Timer
}

// interruptAgain is when an interrupt that had no effect is repeated: a far end
// that reads it in one piece with the resume may not see it.
const interruptAgain = 500 * time.Millisecond

// interruptLimit is when an interrupt counts as failed.
const interruptLimit = 10 * time.Second

// echoLife is how many resumes an interrupt that came too late may spoil.
const echoLife = 3

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
	again, packets, err := t.resumePackets(o.Resume)
	if err != nil {
		o.Err = err
		return t.fly(ctx, p)
	}
	p.trapsOf(o)
	if o.Err != nil { // a trap nobody can plant: stay
		return t.fly(ctx, p)
	}
	for _, s := range packets {
		p.ask("%s", s)
	}
	p.reqs[len(p.reqs)-1].resume = true
	rn := newRun(t, again)
	rn.reverse = o.Resume.Reverse
	rn.stepping = o.Resume.Default.Kind == targets.Step || stepsAny(o.Resume.Threads)
	f, err := t.depart(rn, p)
	if err != nil {
		return err
	}
	if len(p.reqs) > 1 {
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
	select { // the refused trap made us interrupt: wait until that is over
	case <-rn.settled:
		return nil
	case <-ctx.Done():
		o.Err = nil
		return t.givenUp(rn, ctx.Err())
	}
}

func newRun(t *Target, again []string) *run {
	return &run{t: t, again: again, settled: make(chan struct{}), deaf: make(chan struct{})}
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
		rn.swallow = false
		return nil
	}
	return err
}

func (t *Target) depart(rn *run, p *plan) (*flight, error) {
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
	c.general = threadID{}
	return c.enqueue(p.reqs), nil
}

// resumePackets spells r. again is the same without delivering a signal, for
// going on after a stop nobody needs to know of.
func (t *Target) resumePackets(r targets.Resume) (again, packets []string, err error) {
	if r.Reverse {
		return t.reversePackets(r)
	}
	if t.c.vCont == nil {
		return t.plainPackets(r)
	}
	with := t.spell(r, true)
	if with == "vCont" {
		return nil, nil, errors.New("a resume that lets no thread run")
	}
	return []string{t.spell(r, false)}, []string{with}, nil
}

// spell makes a vCont packet: the threads that are named, the one that stopped
// if it has a signal to see, then all others.
func (t *Target) spell(r targets.Resume, deliver bool) string {
	text, done := "vCont", map[targets.ThreadID]bool{}
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
	if id := t.id(t.current()); rest.Deliver.Kind != targets.Handled && !done[id] {
		one(id, rest)
	}
	rest.Deliver = targets.Deliver{}
	if s := t.action(targets.ThreadID{}, rest, false); s != "" {
		text += ";" + s + t.everyThread()
	}
	return text
}

// everyThread limits an action to this process where the far end has others.
func (t *Target) everyThread() string {
	t.c.mu.Lock()
	defer t.c.mu.Unlock()
	in := t.info.Load()
	if len(t.c.targets) > 1 && in.pid != 0 {
		return fmt.Sprintf(":p%x.-1", in.pid)
	}
	return ""
}

// action spells one action, without its thread.
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
		t.c.mu.Lock()
		defer t.c.mu.Unlock()
		return t.signals[id]
	case targets.Signal:
		return t.c.signalOut(d.Signal)
	}
	return 0
}

// plainPackets serves far ends without vCont: one thread is named with Hc and
// acts, whether others run too is the far end's habit.
func (t *Target) plainPackets(r targets.Resume) (again, packets []string, err error) {
	id, a := t.id(t.current()), r.Default
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
	verb, signal := "c", t.delivered(id, a.Deliver)
	switch a.Kind {
	case targets.Hold:
		return nil, nil, errors.New("a resume that lets no thread run")
	case targets.Step:
		verb, chosen = "s", true
	}
	again = []string{verb}
	if signal != 0 {
		packets = []string{fmt.Sprintf("%s%02x", strings.ToUpper(verb), signal)}
	} else {
		packets = []string{verb}
	}
	who := "Hc0"
	if chosen {
		who = "Hc" + t.wireID(id).String()
	}
	return append([]string{who}, again...), append([]string{who}, packets...), nil
}

// reversePackets are only sent to who offered them: QEMU dies of them otherwise.
func (t *Target) reversePackets(r targets.Resume) (again, packets []string, err error) {
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
		return nil, nil, fmt.Errorf("running backwards: %w", errors.ErrUnsupported)
	}
	return []string{verb}, []string{verb}, nil
}

// Interrupt asks for a stop. It does nothing when the debuggee waits already.
func (t *Target) Interrupt(context.Context) error {
	c := t.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	if t.gone {
		return targets.ErrGone
	}
	c.interrupt()
	return nil
}

// interrupt sends 0x03, and again until the stop comes or it counts as failed;
// c.mu is held.
func (c *Conn) interrupt() {
	rn := c.run
	if rn == nil || rn.stopped {
		return
	}
	if rn.interrupts++; rn.interrupts == 1 {
		rn.since = time.Now()
	}
	broken := c.o.Break != nil && c.o.Break(rn.t.info.Load().pid) == nil
	if !broken && c.sent == len(c.queue) { // else pump sends it behind the resume
		c.emit(c.flightNumber(), []byte{interrupt})
	}
	if rn.timer != nil {
		rn.timer.Stop()
	}
	rn.timer = time.AfterFunc(interruptAgain, func() { c.repeat(rn) })
}

func (c *Conn) repeat(rn *run) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.run != rn || rn.stopped || c.err != nil {
		return
	}
	if time.Since(rn.since) < min(interruptLimit, c.o.Timeout) {
		c.interrupt()
		return
	}
	rn.t.events.Put(targets.Output{Console: true, Text: deaf.Error() + ". " + deaf.Hint() + "\n"})
	rn.interrupts = 0 // the next Interrupt tries anew
	close(rn.deaf)
	rn.deaf = make(chan struct{})
}

// deaf is what came of an interrupt that had no effect.
var deaf = &targets.RefusedError{
	Op: "interrupting the debuggee", Text: "the far end does not stop it",
	Fix: "gdbserver can only interrupt a process it attached to when that leads its process group (setsid PROGRAM); start the program by gdbserver, or signal it over there.",
}

// holdUp: a trap of a flight with a resume was refused. If the resume has left
// the debuggee is stopped again, for us alone; c.mu is held.
func (c *Conn) holdUp(f *flight) {
	if c.run == nil || c.run.stopped || len(c.queue) == 0 || c.queue[len(c.queue)-1].flight != f {
		return
	}
	if !c.serial {
		c.run.swallow = true
		c.interrupt()
	}
}

// endRun: the debuggee waits, or is no more; c.mu is held.
func (c *Conn) endRun(tell func()) {
	rn := c.run
	if rn == nil {
		return
	}
	if rn.timer != nil {
		rn.timer.Stop()
	}
	c.run = nil
	close(rn.settled)
	if tell != nil && !rn.swallow {
		tell()
	}
}

// sortedThreads gives a map's threads in a fixed order, so that traces repeat.
func sortedThreads(m map[targets.ThreadID]targets.Action) []targets.ThreadID {
	return slices.SortedFunc(maps.Keys(m), func(a, b targets.ThreadID) int {
		return cmp.Or(cmp.Compare(a.Process, b.Process), cmp.Compare(a.Thread, b.Thread))
	})
}
