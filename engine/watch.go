package engine

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/symbols"
	"dap-windbg/targets"
)

// This file is about data breakpoints: what they watch when it lies in a frame, and
// how they are watched when the CPU will not.

// extent is the life of what a data breakpoint watches: a frame.
type extent struct {
	thread   targets.ThreadID
	cfa, ret arch.Addr
	function string
}

// namesLocal reports whether the wish is for something by its name, which may be a
// local variable. What is given as an address or a register is watched until it is
// cleared.
func (b *breakpoint) namesLocal() bool {
	return !b.code() && (b.Scoped || b.Expr != "" && (!strings.HasPrefix(b.Expr, "@") || strings.HasPrefix(b.Expr, "@@")))
}

// bind finds the frame that holds what b watches; none is no error: it may be a
// global variable.
func (l *loop) bind(ctx context.Context, b *breakpoint) {
	if b.bound || !b.namesLocal() || l.state != StateStopped {
		return
	}
	b.bound = true
	fs, err := l.stack(ctx, l.selected, 1)
	if err != nil || len(fs) == 0 || b.addrs[0] < fs[0].Regs.SP()-redZone {
		return
	}
	for n := 8; ; n *= 4 {
		if fs, err = l.stack(ctx, l.selected, n); err != nil {
			return
		}
		for _, f := range fs {
			if f.Inlined || f.CFA == 0 || b.addrs[0] >= f.CFA {
				continue
			}
			if f.Return != 0 {
				b.extent = &extent{f.Thread, f.CFA, f.Return, f.Symbol.Name}
			}
			return
		}
		if len(fs) < n || b.addrs[0]-fs[len(fs)-1].CFA > maxWindow {
			return
		}
	}
}

// redZone is what lies below the stack pointer and is in use all the same (System V
// ABI for AMD64, 3.2.2).
const redZone = 128

// over reports whether the frame is gone, seen from its thread's stack pointer.
func (x *extent) over(sp arch.Addr) bool { return sp >= x.cfa }

// extents adds the traps that tell of frames' ends.
func (l *loop) extents(add func(arch.Addr)) {
	for _, b := range l.bps {
		if b.extent != nil && !b.Disabled {
			add(b.extent.ret)
		}
	}
}

// expire removes data breakpoints whose frame is gone, as a stop of its thread
// shows, and says so.
func (l *loop) expire(ctx context.Context, id targets.ThreadID) (text string) {
	if !slices.ContainsFunc(l.bps, func(b *breakpoint) bool { return b.extent != nil }) {
		return ""
	}
	r, err := l.quick(ctx, id)
	if err != nil {
		return ""
	}
	var lines []string
	l.bps = slices.DeleteFunc(l.bps, func(b *breakpoint) bool {
		if b.extent == nil || b.extent.thread != id || !b.extent.over(r.SP()) {
			return false
		}
		lines = append(lines, fmt.Sprintf("Breakpoint %d is cleared: %s has returned, in whose frame it was", b.ID, b.extent.function))
		l.o.Emit(BreakpointEvent{Status: l.status(b), Removed: true})
		return true
	})
	return strings.Join(lines, "\n")
}

// expired decides about a stop where a frame returned to, or where its memory is
// written by others: the end of what was watched is told.
func (l *loop) expired(ctx context.Context, st *Stop) bool {
	text := l.expire(ctx, st.Thread)
	if text == "" {
		return false
	}
	st.Reason, st.Text = targets.Watch, text
	return true
}

// bySteps reports whether b is watched by single steps: the CPU's traps are used up,
// or there are none. Only writes can be seen so.
func (l *loop) bySteps(b *breakpoint) error {
	if b.code() || b.Disabled || len(b.addrs) == 0 || b.Access == targets.OnRead {
		return nil
	}
	return l.traps.refused[trapKey{kind: b.Access, addr: b.addrs[0], size: b.Size}]
}

// creeps reports whether the debuggee has to be stepped for data breakpoints.
func (l *loop) creeps() bool {
	return slices.ContainsFunc(l.bps, func(b *breakpoint) bool { return l.bySteps(b) != nil })
}

// creep makes a resume step all that it lets go, where data breakpoints need it.
func (l *loop) creep(r *targets.Resume) {
	if !l.creeps() {
		return
	}
	l.warnCreeping()
	step := func(a targets.Action) targets.Action {
		if a.Kind == targets.Go {
			a.Kind = targets.Step
		}
		a.Lo, a.Hi = 0, 0
		return a
	}
	r.Default = step(r.Default)
	for id, a := range r.Threads {
		r.Threads[id] = step(a)
	}
}

// crept decides about a stop of a debuggee that is stepped for data breakpoints:
// decided tells that nobody else need look at it.
func (l *loop) crept(ctx context.Context, st *Stop) (decided, quiet bool) {
	if l.compareWatched(ctx, st) {
		return true, false
	}
	p := l.plan
	if st.Reason != targets.Stepped || p == nil || p.how.Reverse {
		return false, false
	}
	pc, ok := l.pcOf(ctx, st.Thread)
	if !ok || st.Thread == p.thread && p.leg.kind != targets.Go && (pc < p.leg.lo || pc >= p.leg.hi) {
		return false, false
	}
	delete(l.hits, st.Thread)
	p.off = false
	return true, true
}

// compareWatched looks at what is watched by steps; true when a change is to be told.
func (l *loop) compareWatched(ctx context.Context, st *Stop) bool {
	var watched []*breakpoint
	for _, b := range l.bps {
		if l.bySteps(b) != nil {
			watched = append(watched, b)
		}
	}
	now := make([][]byte, len(watched))
	_ = l.gather(ctx, spaceHere, 0, func(ctx context.Context, mem symbols.Memory) error {
		var miss error
		for i, b := range watched {
			now[i] = make([]byte, max(b.Size, 1))
			n, err := mem.ReadMemory(ctx, b.addrs[0], now[i])
			now[i] = now[i][:n]
			if isNeed(err) {
				miss = err
			}
		}
		return miss
	})
	var ids []int
	for i, b := range watched {
		if bytes.Equal(now[i], b.old) {
			continue
		}
		hit := &WatchHit{Addr: b.addrs[0], Old: b.old, New: now[i]}
		b.old = now[i]
		if l.decideHit(ctx, b, st) {
			ids = append(ids, b.ID)
			st.Watched = hit
		}
	}
	if len(ids) == 0 {
		return false
	}
	st.Breakpoints, st.Text = ids, hitText(ids)
	st.Reason, st.Addr, st.Kind = targets.Watch, st.Watched.Addr, targets.OnWrite
	l.dropOneShots(ids)
	return true
}

// warnCreeping says, once for each change of the table, why the debuggee is slow.
func (l *loop) warnCreeping() {
	if l.armed.slow {
		return
	}
	for _, b := range l.bps {
		if why := l.bySteps(b); why != nil {
			l.armed.slow = true
			l.say(Important, fmt.Sprintf("Breakpoint %d is watched by single steps, thousands of times slower than by the CPU: %v\n", b.ID, why))
		}
	}
}
