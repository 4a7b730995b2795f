package engine

import (
	"context"
	"errors"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

// trial finds out, once, whether a far end's hardware traps spring: some far ends take
// them and none ever does. When the debuggee is let go with one for the first time, it
// first runs over two instructions, with a hardware trap at the second and a software
// trap behind it. The one that it comes to tells.
type trial struct {
	on          bool // the debuggee runs for it
	data        bool // it is that of data traps, which comes behind the other
	proven      bool
	heard       bool // data traps spring
	deaf        deafness
	thread      targets.ThreadID
	next, after arch.Addr // of the second instruction, and behind it
	stored      arch.Addr // what is written by the one before next
	stop        int       // the number of the last stop where it was thought of
	told        bool      // that it has to wait
}

// errDeafHardware: a trap that seems to stand and does not is worse than none.
var errDeafHardware = errors.New("the far end takes the CPU's breakpoints, but they never spring: one at the next instruction was run over (use a software breakpoint: bp)")

// due reports whether the plan lets the debuggee go with hardware traps nothing is
// known of.
func (t *trial) due(l *loop) bool {
	p := l.plan
	if t.on || t.proven && t.heard || t.deaf != (deafness{}) || t.stop == l.number || l.t.Info().Limits.Bits&targets.HardwareUnproven == 0 {
		return false
	}
	if p.how.Kind != Go || p.how.Only || p.how.Reverse || len(l.handed) > 0 {
		return false
	}
	for k := range l.wanted().all() {
		if k.kind != targets.Software && !t.proven || k.kind >= targets.OnWrite {
			return true
		}
	}
	return false
}

// begin lets the debuggee run for the trial; false when it cannot be made here.
func (t *trial) begin(ctx context.Context, l *loop) (bool, error) {
	t.stop = l.number
	t.thread = l.last.Thread
	t.data = t.proven
	r, err := l.quick(ctx, t.thread)
	if err != nil || t.data && !t.storing(ctx, l) || !t.data && !t.straight(ctx, l, r.PC()) {
		t.wait(l)
		return false, nil
	}
	t.on = true
	if _, ok := l.traps.at(r.PC()); ok {
		l.lifted[r.PC()] = true
	}
	delete(l.hits, t.thread)
	return true, l.fly(ctx, targets.Resume{Default: targets.Action{Kind: targets.Go}})
}

// wait tells that a stop is no place for the trial.
func (t *trial) wait(l *loop) {
	if !t.told && !t.data {
		t.told = true
		l.say(Important, "Whether the CPU's breakpoints spring at this far end is not known yet; it is tried when the debuggee goes on from another place\n")
	}
}

// straight finds two instructions at pc that come one after the other, free of traps.
func (t *trial) straight(ctx context.Context, l *loop, pc arch.Addr) bool {
	at, wanted := pc, l.wanted()
	for _, end := range []*arch.Addr{&t.next, &t.after} {
		in, err := l.decode(ctx, at)
		if err != nil || in.Len == 0 || in.Kind != arch.Other || repeats(in) {
			return false
		}
		at += arch.Addr(in.Len)
		for _, kind := range []targets.TrapKind{targets.Software, targets.Hardware} {
			if wanted.has(trapKey{kind: kind, addr: at}) {
				return false
			}
		}
		*end = at
	}
	return true
}

// own is the trap that is tried.
func (t *trial) own() targets.Trap {
	if t.data {
		return targets.Trap{Kind: targets.OnWrite, Addr: t.stored, Size: 1}
	}
	return targets.Trap{Kind: targets.Hardware, Addr: t.next}
}

// traps adds those of the trial, and takes away what is known not to spring.
func (t *trial) traps(w *wanted) {
	if t.on {
		w.set(t.own())
		w.add(t.after)
	}
	for k := range w.now {
		if t.deaf.of(k.kind) != nil {
			w.drop(k)
		}
	}
}

// prevented reports whether the trial's own traps were refused.
func (t *trial) prevented(l *loop) bool {
	return t.on && (l.traps.refused[keyOf(t.own())] != nil || l.traps.refused[trapKey{addr: t.after}] != nil)
}

// judge looks at the stop that ends the trial; decided tells that it is no other.
func (t *trial) judge(ctx context.Context, l *loop, st *Stop) (decided, quiet bool) {
	t.on = false
	pc, ok := l.pcOf(ctx, st.Thread)
	switch {
	case !ok || l.pause:
		return false, false
	case t.data && st.Reason == targets.Watch && st.Addr == t.stored:
		t.heard = true
		return true, true
	case st.Thread != t.thread:
		return false, false
	case pc == t.next:
		t.proven, t.heard = true, t.data
		return true, true
	case pc == t.after:
		if t.deaf.all = errDeafHardware; t.data {
			t.deaf = deafness{data: errDeafData}
		}
		t.refuse(l)
		l.warnCreeping()
		st.Reason, st.Exception = targets.Interrupted, nil
		return true, false
	}
	return false, false
}

// refuse remembers of each breakpoint that wants the CPU's why it has none.
func (t *trial) refuse(l *loop) {
	if t.deaf == (deafness{}) {
		return
	}
	m := map[trapKey]targets.Trap{}
	for _, b := range l.bps {
		b.traps(m, l.arch)
	}
	for k, x := range m {
		if err := t.deaf.of(k.kind); err != nil {
			l.traps.refused[k] = err
			l.refusedNow = append(l.refusedNow, x)
		}
	}
}
