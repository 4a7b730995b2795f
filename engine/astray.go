package engine

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"dap-windbg/arch"
	"dap-windbg/systems"
	"dap-windbg/targets"
)

// This file gets the task of a step to run where a machine does not let it. Time goes on
// while a kernel's own debugger waits, so an interrupt is due at each resume, and its
// handler may spring the step's traps before the task has moved, for ever: then the task
// is let run out of the handler with none of them, by the trace flag among what the
// interrupt saved, and goes some way on foot. And a debugger in the kernel steps only the
// processor that entered it: another one steps by the trace flag in what it goes on with.

const (
	// mostForeign is how often the step's traps may be sprung by what is not its task,
	// in a row, before it is looked whether the task stands still.
	mostForeign = 8
	// crawlLength is how many instructions a task goes on foot then.
	crawlLength = 64
	// mostWaits is how often a trap stays in place as the step's own processor may wait at it.
	mostWaits = 3
)

// x86's flags and what an interrupt pushes in 64-bit mode: RIP, CS, RFLAGS, RSP, SS below
// a stack pointer made a multiple of 16 (Intel SDM 3A §6.14.2).
const (
	traceFlag     = 1 << 8
	interruptSize = 5 * 8
	interruptPC   = 0
	interruptFlag = 2 * 8
	interruptSP   = 3 * 8
)

// oneSteps reports whether only the thread that stopped can be stepped.
func (l *loop) oneSteps() bool { return l.t.Info().Limits.Bits&targets.StepsStopped != 0 }

// ownStack reports whether sp is on the stack of the plan's task.
func (p *plan) ownStack(sp arch.Addr) bool {
	ref := p.mark.sp
	return ref == 0 || max(sp, ref)-min(sp, ref) < kernelStack
}

// foreign notes that one of the machine's traps was sprung, and not by the plan's task.
func (p *plan) foreign(ctx context.Context, l *loop, st *Stop) {
	info := l.t.Info()
	if p.how.Kind == Go || p.how.Reverse || !info.Machine || info.Limits.Bits&targets.HotTraps == 0 {
		return
	}
	p.strangers++
	stepping := p.leg.kind == targets.Step || l.onFoot()
	switch {
	case stepping && st.Thread == p.thread:
		if r, err := l.quick(ctx, st.Thread); err == nil && !p.ownStack(r.SP()) {
			p.goneAstray(ctx, l)
		}
	case !stepping && p.strangers >= mostForeign:
		if p.strangers = 0; p.goneAstray(ctx, l) {
			p.crawl = crawlLength
		}
	}
}

// goneAstray sees to it that the plan's task stops when the interrupt is over that it is
// in, behind one instruction of its own; false when it is in none.
func (p *plan) goneAstray(ctx context.Context, l *loop) bool {
	ids := []targets.ThreadID{p.thread}
	for _, t := range l.threads.rows {
		if t.ID != p.thread {
			ids = append(ids, t.ID)
		}
	}
	for _, id := range ids {
		if l.traceBehind(ctx, p, id) {
			p.astray, l.kept = true, nil
			return true
		}
	}
	return false
}

// maxHandler is how many frames a handler's stack may have.
const maxHandler = 64

// traceBehind sets the trace flag among what an interrupt or trap on processor id has saved
// of the plan's task, in the frame of the step or one further in.
func (l *loop) traceBehind(ctx context.Context, p *plan, id targets.ThreadID) bool {
	if l.arch != arch.AMD64 {
		return false
	}
	fs, err := l.stack(ctx, id, maxHandler)
	if err != nil {
		return false
	}
	for _, f := range fs {
		if f.level == 0 || f.code != f || f.Regs == nil || !f.Regs.Interrupted || !p.ownStack(f.Regs.SP()) {
			continue
		}
		sp := f.Regs.SP()
		if p.mark.cfa != 0 && sp > p.mark.cfa {
			return false // the step is of the handler
		}
		return l.trace(ctx, marked{sp&^15 - interruptSize, f.PC, sp})
	}
	return false
}

// trace sets the trace flag in what is saved of a processor, if that is m.
func (l *loop) trace(ctx context.Context, m marked) bool {
	was, flags, err := l.savedAt(ctx, m.at)
	if err != nil || was != m {
		return false
	}
	if flags&traceFlag != 0 { // by us before, or not ours to clear
		return true
	}
	l.marked = append(l.marked, was)
	_, err = l.write(ctx, spaceHere, m.at+interruptFlag, binary.LittleEndian.AppendUint64(nil, flags|traceFlag))
	return err == nil
}

// The stacks of x86-64's Linux for its #DB handler and others that have their own, one
// area for each processor (arch/x86/include/asm/pgtable_64_types.h, CPU_ENTRY_AREA_BASE).
const (
	entryArea    = 0xfffffe0000000000
	entryAreaEnd = 0xfffffe8000000000
)

// tells reports whether a processor with its stack pointer at sp is about to tell of a step.
func (l *loop) tells(sp arch.Addr) bool {
	return l.arch == arch.AMD64 && sp >= entryArea && sp < entryAreaEnd
}

// traceEntered sets the trace flag in what processor id, which has not stopped last, goes
// on with.
func (l *loop) traceEntered(ctx context.Context, id targets.ThreadID, r *arch.Registers) bool {
	inner, ok := l.o.System.(systems.Inner)
	t := l.threads.find(id)
	if !ok || t == nil || l.arch != arch.AMD64 {
		return false
	}
	var at arch.Addr
	found := l.system(ctx, func(ctx context.Context, w systems.World) (err error) {
		at, err = inner.Entered(ctx, w, t.CPU)
		return err
	})
	return found && l.trace(ctx, marked{at, r.PC(), r.SP()})
}

// marked is what an interrupt has saved at an address, of a task at pc and sp, that
// traceBehind has set the trace flag in.
type marked struct{ at, pc, sp arch.Addr }

// savedAt reads what an interrupt has saved at an address, and the flags in it.
func (l *loop) savedAt(ctx context.Context, at arch.Addr) (m marked, flags uint64, err error) {
	saved := make([]byte, interruptSize)
	n, err := l.read(ctx, spaceHere, at, saved)
	if err == nil && n < len(saved) {
		err = io.ErrUnexpectedEOF
	}
	word := func(i int) uint64 { return binary.LittleEndian.Uint64(saved[i:]) }
	return marked{at, arch.Addr(word(interruptPC)), arch.Addr(word(interruptSP))}, word(interruptFlag), err
}

// dropPlan ends the plan, with what it has done to the debuggee.
func (l *loop) dropPlan(ctx context.Context) {
	l.plan = nil
	l.restore(ctx)
}

// restore takes back what steps have set in the kernel and was not used.
func (l *loop) restore(ctx context.Context) {
	l.unmark(ctx)
	l.unhold(ctx)
}

// unmark clears the trace flag where traceBehind has set it and it has not been used, for
// the task would trap when nobody waits for it. What cannot be cleared stays known.
func (l *loop) unmark(ctx context.Context) {
	l.marked = slices.DeleteFunc(l.marked, func(m marked) bool {
		was, flags, err := l.savedAt(ctx, m.at)
		if err == nil {
			if was != m || flags&traceFlag == 0 {
				return true // that interrupt is over
			}
			_, err = l.write(ctx, spaceHere, m.at+interruptFlag, binary.LittleEndian.AppendUint64(nil, flags&^traceFlag))
		}
		if err != nil {
			l.o.Log.Warn().Err(err).Str("at", (m.at + interruptFlag).Text(l.arch.PtrSize)).Msg("clearing a saved trace flag")
			return false
		}
		return true
	})
}

// markedText tells of trace flags that may be left behind; empty when there are none.
func (l *loop) markedText() string {
	if len(l.marked) == 0 {
		return ""
	}
	var at []arch.Addr
	for _, m := range l.marked {
		at = append(at, m.at+interruptFlag)
	}
	return "The trace flag may remain set in the flags saved at " + addresses(at, l.arch.PtrSize) + ": the task that was interrupted there traps once, by itself."
}

// found decides about a stop while the plan's task is astray: decided tells that it is
// not the task's own.
func (p *plan) found(ctx context.Context, l *loop, st *Stop) (decided bool) {
	traced := st.Reason == targets.Stepped || st.Reason == targets.Exception && st.Exception != nil && st.Exception.Code == sigTrap
	r, err := l.quick(ctx, st.Thread)
	switch {
	case err != nil:
		return false
	case st.Reason == targets.Breakpoint && p.ownStack(r.SP()):
		p.astray = false
		return false
	case !traced:
		return false
	}
	if p.ownStack(r.SP()) {
		p.astray, p.off, p.thread = false, false, st.Thread
		l.marked = nil // the flag was used
		st.Reason, st.Exception = targets.Stepped, nil
		return false
	}
	if st.Reason == targets.Stepped { // off a trap, in the handler
		delete(l.hits, st.Thread)
		p.off = false
		return true
	}
	return false
}

// reach reports whether the plan's thread can be stepped by the far end; else it steps by
// itself when it goes on.
func (p *plan) reach(ctx context.Context, l *loop) (bool, error) {
	if p.astray {
		return false, nil
	}
	if !l.oneSteps() || p.thread == l.last.Thread || p.leg.kind != targets.Step && !l.onFoot() {
		return true, nil
	}
	for range mostCalls {
		r, err := l.quick(ctx, p.thread)
		if err != nil {
			return false, err
		}
		if p.traceAway(ctx, l, r) {
			p.astray, l.kept = true, nil
			return false, nil
		}
		select {
		case <-time.After(callPause):
		case <-ctx.Done():
			return false, ctx.Err()
		}
		delete(l.regs, p.thread)
		l.dropMemory()
	}
	return false, &NotEnteredError{p.thread}
}

// A processor that has not followed the debugger's call, as a loaded machine may give it no
// time, is looked for again so often, after such a pause.
const (
	mostCalls = 20
	callPause = 200 * time.Millisecond
)

// traceAway sees to it that the plan's processor, which has the registers r and has not
// stopped last, tells when it has gone on by an instruction of its task.
func (p *plan) traceAway(ctx context.Context, l *loop, r *arch.Registers) bool {
	if own := p.ownStack(r.SP()); own && l.traceBehind(ctx, p, p.thread) || !own && p.goneAstray(ctx, l) {
		return true
	}
	return l.tells(r.SP()) || l.traceEntered(ctx, p.thread, r)
}

// NotEnteredError: a processor did not answer the kernel's debugger, which can step only
// those that have entered it.
type NotEnteredError struct{ Thread targets.ThreadID }

func (e *NotEnteredError) Error() string {
	return fmt.Sprintf("processor %v has not entered the kernel's debugger and cannot be stepped", e.Thread)
}

// Hint says what the user can do.
func (e *NotEnteredError) Hint() string {
	return "Let it run and break in again, or step the processor that stopped."
}

// toldAlready decides about a trap that was sprung at pc by a processor that has run
// through what its task called on foot, or that has told so and was not stepped since.
func (l *loop) toldAlready(ctx context.Context, st *Stop, pc arch.Addr) bool {
	if l.plan == nil {
		return false
	}
	at, known := l.hits[st.Thread]
	if l.plan.cameOut(ctx, l, st, pc) {
		l.hits[st.Thread] = pc
		return true
	}
	return known && at == pc && l.oneSteps()
}

// staysAt reports whether thread id is to be left at the trap it has sprung, as clearing
// that would lose another processor that waits at it.
func (p *plan) staysAt(ctx context.Context, l *loop, id targets.ThreadID, at arch.Addr) bool {
	if p.how.Kind == Go || id == p.thread || p.astray {
		return false
	}
	if p.waits >= mostWaits {
		p.waits = 0
		return false
	}
	r, err := l.quick(ctx, p.thread)
	if err != nil || r.PC() != at+arch.Addr(len(l.arch.Break)) {
		return false
	}
	if flags, ok := r.Get("eflags"); ok && flags&traceFlag != 0 { // it has stepped to there
		return false
	}
	p.waits++
	return true
}

// interruptsOn is x86's flag for it.
const interruptsOn = 1 << 9

// stepAlone has the other processors wait while id steps off a trap, which they would
// pass unseen meanwhile. It takes no interrupt, whose handler could wait for them.
func (l *loop) stepAlone(ctx context.Context, id targets.ThreadID) {
	if l.alone == 0 || l.plan.how.Kind == Go || len(l.threads.rows) < 2 || l.arch != arch.AMD64 {
		return
	}
	r, err := l.registers(ctx, id)
	if err != nil {
		return
	}
	in, err := l.decode(ctx, r.PC())
	if err != nil || !calm(in) || !l.othersStand(ctx) {
		return
	}
	if flags, ok := r.Get("eflags"); ok && flags&interruptsOn != 0 {
		c := r.Clone()
		c.PutName("eflags", flags&^interruptsOn)
		if l.setRegisters(ctx, id, c) != nil {
			return
		}
		if l.masked == nil {
			l.masked = map[targets.ThreadID]bool{}
		}
		l.masked[id] = true
	}
	l.othersWait(ctx)
}

// holdOthers has the other processors wait during a step that is to hold them, as long as
// it is of the processor that stopped: the kernel lets them run otherwise.
func (l *loop) holdOthers(ctx context.Context) {
	p := l.plan
	if l.alone != 0 && p.how.Only && p.how.Kind != Go && !p.how.Reverse && p.thread == l.last.Thread && l.arch == arch.AMD64 && l.othersStand(ctx) {
		l.othersWait(ctx)
	}
}

// othersStand reports whether all the other processors can be held: one that waits to tell of
// a stop of its own, or has not come into the debugger, would run while the debugger calls
// nobody, take what is said to it from the line and meet half-set traps.
func (l *loop) othersStand(ctx context.Context) bool {
	word := make([]byte, 4)
	n, err := l.read(ctx, spaceHere, l.stood, word)
	return l.stood != 0 && err == nil && n == len(word) && int(binary.LittleEndian.Uint32(word)) == len(l.threads.rows)-1
}

// othersWait holds the other processors until the next stop, at which the kernel's debugger
// clears the word for it.
func (l *loop) othersWait(ctx context.Context) {
	l.holding = true
	_, _ = l.write(ctx, spaceHere, l.alone, []byte{1, 0, 0, 0}) // else they run meanwhile
}

// unhold clears that word where nothing was let go with it: the others would wait for ever.
func (l *loop) unhold(ctx context.Context) {
	if !l.holding {
		return
	}
	_, err := l.write(ctx, spaceHere, l.alone, make([]byte, 4))
	if l.holding = err != nil; l.holding {
		l.o.Log.Warn().Err(err).Msg("letting the other processors go")
	}
}

// calm reports whether an instruction neither knows of the interrupt flag nor reaches
// memory that may have to be waited for.
func calm(in arch.Inst) bool {
	if m := in.Mem; m != nil && m.Base != "rsp" && m.Base != "rbp" && m.Base != "rip" {
		return false
	}
	switch in.Kind {
	case arch.Other, arch.Call, arch.Jump, arch.CondJump, arch.Return:
		return !slices.ContainsFunc([]string{"pushf", "popf", "cli", "sti", "iret", "sys", "hlt", "rep"}, func(op string) bool { return strings.HasPrefix(in.Op, op) })
	}
	return false
}

// unmask lets a processor take interrupts again that has stepped without.
func (l *loop) unmask(ctx context.Context, id targets.ThreadID) {
	if !l.masked[id] {
		return
	}
	delete(l.masked, id)
	r, err := l.registers(ctx, id)
	if err == nil {
		flags, _ := r.Get("eflags")
		c := r.Clone()
		c.PutName("eflags", flags|interruptsOn)
		err = l.setRegisters(ctx, id, c)
	}
	if err != nil {
		l.o.Log.Warn().Err(err).Msg("letting a processor take interrupts again")
	}
}
