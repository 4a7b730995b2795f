package engine

import (
	"context"
	"slices"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

// catchUp does what the last stop still owes, its flight, before somebody looks or a
// resume needs more than what came with the stop. Who steps on at once does not wait
// for it.
func (l *loop) catchUp(ctx context.Context) {
	r := l.due
	if l.due = nil; r == nil || l.state != StateStopped {
		return
	}
	if err := r.finish(ctx); err != nil {
		l.o.Log.Warn().Err(err).Msg("refreshing")
	}
	if l.state == StateGone {
		return
	}
	l.tellRefused()
	if l.last.Thread == r.id && l.regs[r.id] != nil {
		l.last.Registers = l.regs[r.id]
	}
}

const (
	stackBelow  = 128  // the ABI's red zone below SP
	stackWindow = 2048 // what is read of the stack with every stop, bytes
)

// refresher is the one flight of a stop: threads, registers, a window of the
// stack, and the difference of traps.
type refresher struct {
	l       *loop
	id      targets.ThreadID
	threads *targets.ThreadsRead
	regs    *targets.RegistersRead
	stack   *targets.MemoryRead
	sent    bool
}

func (l *loop) refresher(st *Stop) *refresher { return &refresher{l: l, id: st.Thread} }

// ops are the reads that are still needed.
func (r *refresher) ops() (ops []targets.Op) {
	r.threads = &targets.ThreadsRead{}
	if !r.l.threads.known {
		ops = append(ops, r.threads)
	}
	r.regs = &targets.RegistersRead{Thread: r.id}
	if r.l.regs[r.id] == nil {
		ops = append(ops, r.regs)
	}
	if regs, ok := r.l.known(r.id); ok {
		r.stack = r.l.stackRead(regs)
		if n, _ := r.l.mem.get(targets.Space{}, r.stack.Addr, make([]byte, len(r.stack.Data))); n == 0 {
			ops = append(ops, r.stack)
		}
	}
	r.sent = true
	return ops
}

// took stores what the reads brought.
func (r *refresher) took() {
	r.l.tookThreads(r.threads)
	r.l.tookRegisters(r.id, r.regs)
	if r.stack != nil {
		r.l.keepGood(r.stack)
	}
}

// finish sends what has not travelled yet, with the difference of traps.
func (r *refresher) finish(ctx context.Context) error {
	var ops []targets.Op
	fresh := !r.sent
	if fresh {
		ops = r.ops()
	}
	if len(ops) > 0 || len(r.l.bps) > 0 {
		if err := r.l.adjust(ctx, ops...); err != nil {
			return err
		}
	}
	if fresh {
		r.took()
	}
	if regs := r.l.regs[r.id]; r.stack == nil && regs != nil {
		r.stack = r.l.stackRead(regs)
		if err := r.l.do(ctx, r.stack); err != nil {
			return err
		}
		r.l.keepGood(r.stack)
	}
	return nil
}

// known returns registers that tell SP, without a round trip.
func (l *loop) known(id targets.ThreadID) (*arch.Registers, bool) {
	if r := l.regs[id]; r != nil && r.SP() != 0 {
		return r, true
	}
	if r := l.partial; r != nil && id == l.last.Thread && r.SP() != 0 {
		return r, true
	}
	return nil, false
}

func (l *loop) stackRead(r *arch.Registers) *targets.MemoryRead {
	at := (r.SP() - stackBelow) &^ 63
	return &targets.MemoryRead{Addr: at, Data: make([]byte, l.onStack(at, stackWindow))}
}

// kernelStack is what the stack of a kernel's task is aligned to at least, and reaches
// to: nothing is mapped behind it.
const kernelStack = 16 << 10

// onStack is how much of a guess of n bytes at the stack is worth asking for: on a
// machine one request's worth, and no more than may be there.
func (l *loop) onStack(at arch.Addr, n int) int {
	info := l.t.Info()
	if !info.Machine {
		return n
	}
	if most := info.Limits.MemoryBytes; most > 0 {
		n = min(n, most)
	}
	if info.Limits.BytesPerSec > 0 { // a slow line: a guess that fails costs seconds
		n = min(n, stackWindow)
	}
	return min(n, kernelStack-int(at%kernelStack))
}

// keepGood stores what a guess at memory brought; what it did not is not known
// to be bad.
func (l *loop) keepGood(r *targets.MemoryRead) {
	if n := min(max(r.N, 0), len(r.Data)); n > 0 {
		r.Data, r.Err = r.Data[:n], nil
		l.keep(r)
	}
}

// announce makes st the last stop and tells of it.
func (l *loop) announce(ctx context.Context, st *Stop) {
	for _, b := range l.bps {
		if slices.Contains(st.Breakpoints, b.ID) {
			st.Hit = append(st.Hit, b.Breakpoint)
		}
	}
	l.last, l.stops = *st, true
	l.o.Emit(Stopped{Stop: *st})
	for _, w := range l.waiters {
		w <- *st
	}
	l.waiters = nil
	l.letOthersRun(ctx)
}
