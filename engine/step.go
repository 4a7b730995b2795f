package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

// plan is what a resume is to achieve. After each stop next says whether it is
// done; else leg holds what to run next.
type plan struct {
	how    How
	thread targets.ThreadID
	leg    leg
	off    bool // the present run only steps a thread off a trap

	mark  mark                  // the frame the step belongs to
	from  statement             // what is being left
	parts []statement           // that and what else the step goes through
	code  []*targets.MemoryRead // that was read for it
	out   bool                  // waiting for the return of the frame
	inner bool                  // stepping into: waiting at the callee's body
	count int                   // legs so far
	afoot int                   // instructions so far on the way to a trap that was refused

	strangers int      // springs in a row of traps, not by the plan's task
	crawl     int      // instructions that the task goes on foot, without the step's traps
	astray    bool     // the task is in an interrupt, and stops by itself behind it
	passing   *through // what a task on foot has called
	waits     int      // how often a trap was left to the plan's processor
	home      leaving  // the function the step begins in, or leaves

	back    *backward // of a step back in a recording
	folded  bool      // where the step ended it is said what shows of inlined calls
	leaping *leg      // what was run when the thread began to jump out of frames
}

// leg is one run. A Step with hi > lo steps while PC is within.
type leg struct {
	kind   targets.ActionKind
	lo, hi arch.Addr
	ahead  bool // forward in a plan that runs backwards
	brief  bool // a bounded number of instructions: other threads may be held
	temps  []temp
}

// temp is a temporary trap and who may spring it.
type temp struct {
	addr  arch.Addr
	any   bool       // any thread, any frame
	frame bool       // only the plan's frame or one further out
	minSP arch.Addr  // not while SP is below, 0: whatever
	catch bool       // where an exception is caught
	ret   bool       // where the plan's frame returns to
	from  *statement // that is left there
	body  bool       // in a function that is stepped into

	caught bool // where a handler goes on that has caught an exception
	jump   bool // a function that jumps out of frames
	hard   bool // by the CPU's own breakpoint

	bound bool   // it was seen to that the far end knows when
	when  []byte // code for the far end, nil: always
}

// mark identifies a frame by what survives in it.
type mark struct {
	cfa, sp, fp arch.Addr
	fn          arch.Addr // start of the function, 0 unknown
}

// maxLegs ends a step that gets nowhere.
const maxLegs = 100_000

// resume starts what how asks for.
func (l *loop) resume(ctx context.Context, how How) error {
	l.leaveContext()
	if l.lifeless() {
		return targets.ErrNoThreads
	}
	if _, dead := l.t.(targets.Postmortem); dead {
		return targets.ErrPostmortem
	}
	if l.r == nil {
		return fmt.Errorf("running: %w", errors.ErrUnsupported)
	}
	if how.Thread == (targets.ThreadID{}) {
		how.Thread = l.selected
	}
	l.settleNames(ctx)
	if err := l.rearm(ctx); err != nil {
		return err
	}
	l.stray = max(l.stray-1, 0)
	p := &plan{how: how, thread: how.Thread, leg: leg{kind: targets.Go}}
	l.unkeep(ctx, p)
	done, err := p.begin(ctx, l)
	if err != nil {
		return err
	}
	l.plan = p
	if done {
		l.o.Emit(Resumed{Thread: p.thread, Step: true})
		l.number++
		st := &Stop{Stop: targets.Stop{Thread: p.thread, Reason: targets.Stepped}, Number: l.number, Step: true, All: true}
		l.tell(ctx, st)
		return nil
	}
	if r, err := l.quick(ctx, p.thread); err == nil && !p.held(l, p.thread) {
		if l.wanted().has(trapKey{addr: r.PC()}) {
			l.hits[p.thread] = r.PC()
		}
	}
	if err := l.passOwn(ctx); err != nil {
		l.dropPlan(ctx)
		return err
	}
	if d := how.Deliver; d != nil && l.last.Thrown == nil {
		l.handed[l.last.Thread] = *d
	}
	if err := l.launch(ctx); err != nil {
		l.dropPlan(ctx)
		return err
	}
	l.nowRunning(false)
	return nil
}

// held reports whether a thread stands still in this plan.
func (p *plan) held(l *loop, id targets.ThreadID) bool {
	if t := l.threads.find(id); t != nil && t.Frozen {
		return true
	}
	return p.how.Only && id != p.thread
}

// stepsOff reports whether the far end steps off its own traps: one that steps the
// stopped processor only takes another's step for that.
func (l *loop) stepsOff() bool {
	return l.t.Info().Limits.Bits&targets.NoStepOver != 0 && !(l.oneSteps() && len(l.threads.rows) > 1)
}

// departing returns a thread that has to step off a trap first.
func (l *loop) departing(ctx context.Context) (targets.ThreadID, arch.Addr, bool) {
	if l.stepsOff() {
		delete(l.hits, l.last.Thread)
		return targets.ThreadID{}, 0, false
	}
	if len(l.hits) == 0 {
		return targets.ThreadID{}, 0, false
	}
	wanted := l.wanted()
	for id, at := range l.hits {
		ok := wanted.has(trapKey{addr: at})
		if wanted.has(trapKey{kind: targets.Hardware, addr: at}) && l.t.Info().Limits.Bits&targets.HardwareAgain != 0 {
			ok = true
		}
		if !ok && !l.lifted[at] {
			delete(l.hits, id)
			continue
		}
		if l.oneSteps() && (id != l.last.Thread || l.plan.staysAt(ctx, l, id, at)) {
			continue
		}
		if !l.plan.held(l, id) {
			return id, at, true
		}
	}
	return targets.ThreadID{}, 0, false
}

// launch lets the debuggee run by the plan's leg, or steps a thread off a trap
// first. Traps change by their difference in the same flight.
func (l *loop) launch(ctx context.Context) error {
	p := l.plan
	p.off = false
	p.addCatch(ctx, l)
	p.bound(l)
	clear(l.lifted)
	l.unhold(ctx)
	if l.trial.due(l) {
		if begun, err := l.trial.begin(ctx, l); begun || err != nil {
			return err
		}
	}
	if l.trial.deaf.all != nil && slices.ContainsFunc(p.leg.temps, func(t temp) bool { return t.hard }) {
		return l.trial.deaf.all
	}
	r := targets.Resume{Reverse: p.how.Reverse && !p.leg.ahead, Threads: map[targets.ThreadID]targets.Action{}}
	if id, at, ok := l.departing(ctx); ok && !l.letsGo(ctx, id, at) {
		if l.t.Info().Limits.Bits&targets.NoStepOver == 0 {
			l.lifted[at] = true
		}
		l.skip.left(id)
		a := targets.Action{Kind: targets.Step}
		if id == p.thread && p.leg.kind == targets.Step && p.leg.brief {
			a.Lo, a.Hi = p.leg.lo, p.leg.hi
		}
		p.off = id != p.thread || p.leg.kind != targets.Step || !p.leg.brief
		l.stepAlone(ctx, id)
		l.holdOthers(ctx)
		r.Default.Kind = targets.Hold
		r.Threads[id] = l.deliver(id, a)
		return l.fly(ctx, r)
	}
	r.Default.Kind = targets.Go
	if err := l.holdFrozen(ctx, &r); err != nil {
		return err
	}
	if p.how.Only {
		r = targets.Resume{Reverse: r.Reverse, Threads: map[targets.ThreadID]targets.Action{}}
	}
	reached, err := p.reach(ctx, l)
	if err != nil {
		return err
	}
	if reached {
		l.holdOthers(ctx)
	}
	if reached && (p.leg.kind != targets.Go || p.how.Only) {
		r.Threads[p.thread] = targets.Action{Kind: p.leg.kind, Lo: p.leg.lo, Hi: p.leg.hi}
	}
	if reached && l.onFoot() {
		r.Threads[p.thread] = targets.Action{Kind: targets.Step}
	}
	for id := range l.handed {
		if a, ok := r.Threads[id]; ok {
			r.Threads[id] = l.deliver(id, a)
		} else if r.Default.Kind == targets.Go {
			r.Threads[id] = l.deliver(id, r.Default)
		}
	}
	return l.fly(ctx, r)
}

// holdFrozen names every thread that goes when some are to be held: far ends
// have no word for "all but".
func (l *loop) holdFrozen(ctx context.Context, r *targets.Resume) error {
	if !slices.ContainsFunc(l.threads.rows, func(t *Thread) bool { return t.Frozen }) {
		return nil
	}
	if _, err := l.threadList(ctx); err != nil {
		return err
	}
	r.Default.Kind = targets.Hold
	for _, t := range l.threads.rows {
		if !t.Frozen {
			r.Threads[t.ID] = targets.Action{Kind: targets.Go}
		}
	}
	return nil
}

// deliver adds what thread id is to see of its exception.
func (l *loop) deliver(id targets.ThreadID, a targets.Action) targets.Action {
	if d, ok := l.handed[id]; ok {
		a.Deliver = d
	}
	return a
}

// fly sends the resume with the difference of traps.
func (l *loop) fly(ctx context.Context, r targets.Resume) error {
	lift, plant := l.traps.diff(l.wanted())
	_, canTrap := l.t.(targets.Trapper)
	l.creep(&r)
	r.Quiet = l.passes()
	run := &targets.Run{Resume: r}
	if !canTrap || l.traps.patch {
		if err := l.adjust(ctx, run); err != nil {
			return err
		}
		if run.Err == nil {
			l.saw(run.Resume)
		}
		return run.Err
	}
	run.Resume.Lift, run.Resume.Plant = lift, plant
	if err := l.do(ctx, run); err != nil {
		return err
	}
	if run.Err != nil && len(plant)+len(lift) > 0 && !errors.Is(run.Err, targets.ErrGone) {
		if err := l.adjust(ctx); err != nil { // one by one, to learn which is refused
			return err
		}
		if l.trial.prevented(l) {
			l.trial.on = false
			l.trial.wait(l)
			return l.launch(ctx)
		}
		if p := l.plan; p.passing.refused(l) || l.onFoot() {
			p.passing = nil
			return l.launch(ctx)
		}
		if err := l.tempRefused(); err != nil {
			return err
		}
		l.creep(&run.Resume)
		run.Resume.Lift, run.Resume.Plant = nil, nil
		run.Err = nil
		if err := l.do(ctx, run); err != nil {
			return err
		}
	} else if run.Err == nil {
		l.note(lift, plant)
	}
	if run.Err == nil {
		l.saw(run.Resume)
		l.keepTraps()
	}
	return run.Err
}

// saw notes that the debuggee was let go: threads that go have seen of their exceptions what
// they were to see.
func (l *loop) saw(r targets.Resume) {
	l.holding = false
	maps.DeleteFunc(l.handed, func(id targets.ThreadID, _ targets.Deliver) bool { return r.Action(id).Kind != targets.Hold })
}

// tempRefused reports that the plan's own traps cannot be planted.
func (l *loop) tempRefused() error {
	for _, t := range l.plan.leg.temps {
		kind := targets.Software
		if t.hard {
			kind = targets.Hardware
		}
		if err := l.traps.refused[trapKey{kind: kind, addr: t.addr}]; err != nil {
			return fmt.Errorf("a trap at %s: %w", t.addr.Text(l.arch.PtrSize), err)
		}
	}
	return nil
}
