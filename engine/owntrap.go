package engine

import (
	"bytes"
	"context"

	"dap-windbg/arch"
)

// judgeForeign decides about a trap that is not ours: the program's own.
func (l *loop) judgeForeign(ctx context.Context, st *Stop) bool {
	if l.plan != nil && l.plan.off {
		return l.stepEnded(ctx, st, st.Addr)
	}
	switch on, behind := l.ownTrap(ctx, st.Addr); {
	case on:
		l.own[st.Thread] = st.Addr
	case !behind:
		return true // of a trap that was lifted while its report was on the way
	}
	d := l.filter(FilterEvent{Code: "bpe", Arg: "SIGTRAP", Stop: st.Stop})
	if d.Break || d.Print {
		st.Text = l.breakText(st.Thread)
	}
	if !d.Break && d.Print {
		l.say(FromDebugger, st.Text+"\n")
	}
	return !d.Break
}

// ownTrap reports whether a trap instruction that is not ours is at pc, or right
// before it.
func (l *loop) ownTrap(ctx context.Context, pc arch.Addr) (on, behind bool) {
	p := make([]byte, len(l.arch.Break))
	here := func(a arch.Addr) bool {
		n, _ := l.read(ctx, spaceHere, a, p)
		return n == len(p) && bytes.Equal(p, l.arch.Break)
	}
	if here(pc) {
		return true, false
	}
	return false, l.arch.BreakAdvance > 0 && here(pc-arch.Addr(l.arch.BreakAdvance))
}

// passOwn moves threads behind the program's own trap instructions, where the
// far end left them on it.
func (l *loop) passOwn(ctx context.Context) error {
	for id, at := range l.own {
		if l.plan.held(l, id) {
			continue
		}
		delete(l.own, id)
		r, err := l.registers(ctx, id)
		if err != nil || r.PC() != at {
			continue
		}
		c := r.Clone()
		c.SetPC(at + arch.Addr(len(l.arch.Break)))
		if err := l.setRegisters(ctx, id, c); err != nil {
			return err
		}
	}
	return nil
}
