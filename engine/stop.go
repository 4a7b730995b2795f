package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

// initialWait is how long a Runner may take to tell the stop it waits in.
const initialWait = 500 * time.Millisecond

// strayResumes is how many of the user's resumes an interrupt stays expected
// that another stop overtook.
const strayResumes = 2

// begin looks at the debuggee for the first time.
func (l *loop) begin(ctx context.Context) {
	ts, err := l.firstStop(ctx)
	if err != nil {
		if l.state != StateGone {
			l.goneBy(targets.Gone{Err: err})
		}
		return
	}
	l.state = StateStopped
	l.modules.stale = true
	l.fresh(ts)
	l.selected = ts.Thread
	l.last = Stop{Stop: ts}
	l.bps = l.initial(l.o.Breakpoints)
	st := &Stop{Stop: ts, Number: l.number, All: true}
	if st.Reason == targets.Unknown {
		st.Reason = targets.Initial
	}
	if l.r == nil {
		if st.Text = ts.Text; st.Exception != nil {
			st.Text = l.exceptionText(ctx, st)
		}
	}
	l.tell(ctx, st)
}

// firstStop is the stop the target waits in: it may tell one itself.
func (l *loop) firstStop(ctx context.Context) (targets.Stop, error) {
	for wait := time.After(initialWait); l.r != nil; {
		select {
		case e, ok := <-l.r.Events():
			if !ok {
				return targets.Stop{}, targets.ErrGone
			}
			switch e := e.(type) {
			case targets.Stop:
				return e, nil
			case targets.Gone:
				l.goneBy(e)
				return targets.Stop{}, targets.ErrGone
			}
			l.event(ctx, e)
			continue
		case <-ctx.Done():
			return targets.Stop{}, ctx.Err()
		case <-wait: // it tells none
		}
		break
	}
	list := &targets.ThreadsRead{}
	if err := l.do(ctx, list); err != nil {
		return targets.Stop{}, err
	}
	if dead, ok := l.t.(targets.Postmortem); ok {
		l.tookThreads(list)
		return dead.Stop(), nil
	}
	if list.Err != nil {
		return targets.Stop{}, list.Err
	}
	if len(list.Threads) == 0 {
		if l.r == nil { // a file: there is memory to look at
			return targets.Stop{Reason: targets.Initial}, nil
		}
		return targets.Stop{}, errors.New("the far end has no threads")
	}
	l.tookThreads(list)
	return targets.Stop{Thread: list.Threads[0].ID, Reason: targets.Initial}, nil
}

// fresh starts the knowledge of a new stop with what came along.
func (l *loop) fresh(ts targets.Stop) {
	l.number++
	l.forget()
	l.threads.known = false
	l.last.Stop = ts
	if ts.Registers != nil {
		l.partial = ts.Registers.Clone()
		l.partial.Interrupted = true
	}
	for _, w := range ts.Memory {
		data := slices.Clone(w.Data)
		l.traps.mask(targets.Space{}, w.Addr, data)
		l.mem.put(targets.Space{}, w.Addr, data)
	}
}

// fixPC moves the PC back onto a software trap that sprang, where the far end
// leaves it behind the trap. Of traps that we wrote a far end knows nothing, so
// what it calls a signal or a step is the breakpoint that it is.
func (l *loop) fixPC(ctx context.Context, ts targets.Stop) targets.Stop {
	behind := ts.Reason == targets.Breakpoint && l.t.Info().Limits.Bits&targets.TrapsAdvance == 0
	ours := l.traps.patch && (ts.Reason == targets.Breakpoint || ts.Reason == targets.Exception || ts.Reason == targets.Stepped)
	if l.arch.BreakAdvance == 0 || !behind && !ours {
		return ts
	}
	r, err := l.registers(ctx, ts.Thread)
	if err != nil {
		return ts
	}
	at := r.PC() - arch.Addr(l.arch.BreakAdvance)
	if x, ok := l.traps.at(at); ok && x.Kind == targets.Software && (behind || x.patch) {
		c := r.Clone()
		c.SetPC(at)
		if l.setRegisters(ctx, ts.Thread, c) == nil && ts.Reason != targets.Breakpoint {
			ts.Reason, ts.Addr, ts.Exception, ts.Registers = targets.Breakpoint, at, nil, nil
		}
	}
	return ts
}

// stopped handles a stop of the far end.
func (l *loop) stopped(ctx context.Context, ts targets.Stop) {
	if l.state != StateRunning {
		return
	}
	ours := l.halting
	if ours && ts.Reason != targets.Interrupted {
		l.stray = strayResumes
	}
	l.state, l.halting = StateStopped, false
	l.stuck.Stop()
	l.fresh(ts)
	ts = l.fixPC(ctx, ts)
	l.unmask(ctx, ts.Thread)
	l.skipped(ctx, ts)
	l.undone(ctx)
	l.hiding = true
	l.serveParked(nil)
	l.resolveLate(ctx)
	l.hiding = false
	st := &Stop{Stop: ts, Number: l.number, All: true}
	quiet := l.judge(ctx, st, ours)
	if l.state == StateGone {
		return
	}
	if quiet && l.pause {
		st.Reason, st.Exception, quiet = targets.Interrupted, nil, false
	}
	if !quiet {
		l.tell(ctx, st)
		return
	}
	l.skip.may = true
	err := l.launch(ctx)
	l.skip.may = false
	if err != nil {
		l.say(Important, fmt.Sprintf("The debuggee could not be resumed: %v\n", err))
		l.tell(ctx, st)
		return
	}
	l.nowRunning(true)
}

// judge decides about a stop: quiet ones are not told, the debuggee goes on.
func (l *loop) judge(ctx context.Context, st *Stop, ours bool) (quiet bool) {
	if l.trial.on {
		if decided, quiet := l.trial.judge(ctx, l, st); decided {
			return quiet
		}
	}
	if p := l.plan; p != nil && p.astray && p.found(ctx, l, st) {
		return true
	}
	if l.creeps() {
		if decided, quiet := l.crept(ctx, st); decided {
			return quiet
		}
	}
	switch st.Reason {
	case targets.Prompt:
		st.Text = st.Stop.Text
	case targets.Interrupted:
		if !ours && l.stray > 0 {
			l.stray = 0
			return true
		}
		return ours && !l.pause
	case targets.Breakpoint, targets.Stepped, targets.Unknown:
		if st.Reason == targets.Unknown && st.Stop.Text != "" { // what the debuggee says for itself
			st.Text = st.Stop.Text
			return false
		}
		return l.judgeCode(ctx, st)
	case targets.Watch:
		return l.judgeWatch(ctx, st)
	case targets.Modules:
		return l.judgeModules(ctx, st)
	case targets.Exception:
		return l.judgeSignal(ctx, st)
	case targets.Exec, targets.Reset:
		return l.judgeExec(ctx, st)
	case targets.SyscallEntry, targets.SyscallReturn:
		return l.judgeSyscall(ctx, st)
	case targets.Forked:
		return l.judgeFork(ctx, st)
	case targets.ThreadCreated, targets.ThreadExited:
		d := l.filter(FilterEvent{Code: eventCodes[st.Reason], Stop: st.Stop})
		return !d.Break
	}
	return false
}

// judgeSignal sorts out the signals that debugging itself makes.
func (l *loop) judgeSignal(ctx context.Context, st *Stop) (quiet bool) {
	if l.stray > 0 && st.Exception != nil && st.Exception.Code == sigInt {
		l.stray = 0
		return true
	}
	if st.Exception != nil && st.Exception.Code == sigTrap && l.t.Info().OS == "linux" {
		if pc, ok := l.pcOf(ctx, st.Thread); ok {
			st.Addr = pc
			if _, ours := l.traps.at(pc); ours {
				st.Reason = targets.Breakpoint
				return l.judgeCode(ctx, st)
			}
			if on, behind := l.ownTrap(ctx, pc); on || behind {
				return l.judgeForeign(ctx, st)
			}
		}
	}
	return l.judgeException(ctx, st)
}

// pcOf is a thread's PC, by what came with the stop where it tells that.
func (l *loop) pcOf(ctx context.Context, id targets.ThreadID) (arch.Addr, bool) {
	if p := l.partial; l.regs[id] == nil && p != nil && id == l.last.Thread && p.PC() != 0 {
		return p.PC(), true
	}
	r, err := l.quick(ctx, id)
	if err != nil {
		return 0, false
	}
	return r.PC(), true
}

// judgeCode decides about a stop at code: a trap that sprang, or a step that ended.
func (l *loop) judgeCode(ctx context.Context, st *Stop) (quiet bool) {
	pc, ok := l.pcOf(ctx, st.Thread)
	if !ok {
		return false
	}
	if st.Addr == 0 {
		st.Addr = pc
	}
	_, planted := l.traps.at(pc)
	if l.unmoved(st, pc) {
		return true
	}
	if st.Reason != targets.Breakpoint || !planted {
		delete(l.hits, st.Thread)
		if st.Reason == targets.Breakpoint {
			return l.judgeForeign(ctx, st)
		}
		return l.stepEnded(ctx, st, pc)
	}
	if l.toldAlready(ctx, st, pc) {
		return true
	}
	l.hits[st.Thread] = pc
	l.foldAt(st.Thread, pc, l.plan)
	ids := l.hit(ctx, st, pc)
	done := l.plan != nil && l.plan.sprang(ctx, l, st.Thread, pc)
	over := false
	if done {
		over = l.plan.next(ctx, l, pc)
	} else {
		l.strayed(pc)
		if l.plan != nil {
			l.plan.foreign(ctx, l, st)
		}
	}
	if len(ids) > 0 {
		st.Breakpoints, st.Step = ids, over && l.plan.how.Kind != Go
		st.Text = hitText(ids)
		return false
	}
	if l.expired(ctx, st) {
		return false
	}
	if slices.Contains(l.modules.watch, pc) && !l.judgeModules(ctx, st) {
		return false
	}
	if function, ok := l.armed.fatal[pc]; ok && !l.judgeFatal(ctx, st, function) {
		return false
	}
	if kind, ok := l.armed.throws[pc]; ok && !l.judgeThrown(ctx, st, kind) {
		return false
	}
	if over {
		st.Step = l.plan.how.Kind != Go
		if st.Step {
			st.Reason = targets.Stepped
		}
		return false
	}
	if l.dropKept(pc) && !l.wanted().has(trapKey{addr: pc}) {
		delete(l.hits, st.Thread)
	}
	return true
}

// stepEnded decides whether a finished step was the plan's last.
func (l *loop) stepEnded(ctx context.Context, st *Stop, pc arch.Addr) bool {
	p := l.plan
	if p == nil || st.Reason == targets.Unknown {
		return false
	}
	if p.thread == st.Thread && l.onFoot() {
		p.off = false
		if !p.sprang(ctx, l, st.Thread, pc) {
			return l.goesOnFoot(ctx, st, pc)
		}
	}
	if p.off {
		p.off = false
		if p.thread != st.Thread || p.leg.kind == targets.Go {
			return true
		}
	}
	if p.thread != st.Thread {
		return true
	}
	if !p.next(ctx, l, pc) {
		return true
	}
	st.Step, st.Reason = true, targets.Stepped
	return false
}

// judgeModules reads the changed list; a filter may want to stop for it.
func (l *loop) judgeModules(ctx context.Context, st *Stop) bool {
	m, code, err := l.modulesChanged(ctx, st.Stop)
	if err != nil {
		l.o.Log.Warn().Err(err).Msg("reading the module list")
		l.modules.stale = true
		return true
	}
	if m == nil {
		return true
	}
	st.Reason = targets.Modules
	st.Detail = &targets.Detail{Path: m.Path, Module: &m.Module, Unload: code == "ud"}
	verb := "Load"
	if code == "ud" {
		verb = "Unload"
	}
	st.Text = fmt.Sprintf("%s module %s at %s", verb, m.Path, m.Base.Text(l.arch.PtrSize))
	return false
}

// judgeExec starts over with a new image or a rebooted machine: the far end has
// no traps any more and every name is another.
func (l *loop) judgeExec(ctx context.Context, st *Stop) bool {
	if set := l.t.Info().Set; set != nil {
		l.arch = set.Arch
	}
	l.traps = newTrapTable(l.arch)
	l.armed.throws, l.skip, l.kept, l.marked, l.decoded = nil, skip{}, nil, nil, nil
	l.plan = nil
	clear(l.hits)
	clear(l.handed)
	l.ways = nil
	l.modules.watch, l.armed.fatal, l.modules.heads, l.modules.between = nil, nil, nil, false
	l.tookModules(nil)
	for _, b := range l.bps {
		b.unresolve()
	}
	l.modules.stale = true
	if st.Reason == targets.Reset {
		l.restarted()
	} else {
		l.executed(st)
	}
	if !l.unwatched() {
		l.freshModules(ctx)
	}
	d := l.filter(FilterEvent{Code: eventCodes[st.Reason], Stop: st.Stop})
	if !d.Break {
		l.plan = &plan{thread: st.Thread, leg: leg{kind: targets.Go}}
	}
	return !d.Break
}

// freshModules reads a stale module list and all that hangs on it.
func (l *loop) freshModules(ctx context.Context) {
	if !l.modules.stale {
		return
	}
	first := len(l.modules.rows) == 0
	came, went, err := l.readModules(ctx)
	if err != nil {
		l.o.Log.Warn().Err(err).Msg("reading the module list")
		return
	}
	l.drop(went)
	l.prefetch()
	if l.unresolved() {
		_ = l.need(ctx, l.wantedBy(l.modules.rows)...)
		l.resolveAll(ctx, l.modules.rows)
	}
	if first || len(came) > 0 {
		l.watch(ctx)
	}
}

// tell ends the plan and tells front ends of the stop. What they will ask for is read
// in one flight: before, where that decides what to say, else when they ask.
func (l *loop) tell(ctx context.Context, st *Stop) {
	p := l.plan
	l.dropPlan(ctx)
	l.keepWays(p)
	clear(l.lifted)
	l.pause = false
	l.selected, l.frame = st.Thread, 0
	if l.r == nil && st.Thread == (targets.ThreadID{}) {
		l.tellFile(ctx, st)
		return
	}
	r := l.refresher(st)
	l.due = r
	if l.unwatched() {
		if st.Reason == targets.Initial { // who sets no breakpoint then just goes on
			l.announce(ctx, st)
			return
		}
		l.modules.stale = true
	}
	l.noticeRestart(ctx, st)
	if l.modules.stale {
		l.rider, l.due = r, nil // it travels with what the module list needs
		l.freshModules(ctx)
		l.rider, l.due = nil, r
		l.catchUp(ctx)
	} else if _, ok := l.known(st.Thread); !ok || l.threads.find(st.Thread) == nil || l.holdsOthers() {
		l.catchUp(ctx)
	}
	if l.state == StateGone {
		return
	}
	l.tellRefused()
	if text := l.expire(ctx, st.Thread); text != "" {
		l.say(FromDebugger, text+"\n")
	}
	if r, err := l.quick(ctx, st.Thread); err == nil {
		if len(st.Breakpoints) == 0 && (p == nil || !st.Step || !p.folded) {
			l.foldAt(st.Thread, r.PC(), p)
		}
		if st.Addr == 0 || st.Reason != targets.Watch {
			st.Addr = r.PC()
		}
		st.Registers = r
	}
	if st.Text == "" && (st.Reason == targets.Initial || st.Reason == targets.Interrupted) {
		st.Text = l.breakText(st.Thread)
	}
	l.announce(ctx, st)
}

// tellFile tells of a target without threads: there is nothing to refresh, only
// its modules.
func (l *loop) tellFile(ctx context.Context, st *Stop) {
	l.last, l.stops = *st, true
	l.freshModules(ctx)
	l.o.Emit(Stopped{Stop: *st})
}

// breakText is WinDbg's line for a break that nobody set.
func (l *loop) breakText(id targets.ThreadID) string {
	return fmt.Sprintf("(%s): Break instruction exception - code 80000003 (first chance)", l.pidTid(id))
}

func (l *loop) pidTid(id targets.ThreadID) string {
	pid := id.Process
	if pid == 0 {
		pid = l.t.Info().Process
	}
	return fmt.Sprintf("%x.%x", pid, id.Thread)
}
