package engine

import (
	"context"
	"slices"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

// threadTable knows the threads of the process by the far end's names, and
// gives them ordinals.
type threadTable struct {
	rows  []*Thread
	next  int
	known bool // read during this stop
}

func (t *threadTable) find(id targets.ThreadID) *Thread {
	for _, r := range t.rows {
		if r.ID == id {
			return r
		}
	}
	return nil
}

// update compares the table with a fresh list and returns who came and went.
func (t *threadTable) update(list []targets.Thread) (events []ThreadEvent) {
	alive := make(map[targets.ThreadID]bool, len(list))
	byID := make(map[targets.ThreadID]*Thread, len(t.rows))
	for _, r := range t.rows {
		byID[r.ID] = r
	}
	for _, x := range list {
		alive[x.ID] = true
		r := byID[x.ID]
		if r == nil {
			r = &Thread{Ordinal: t.next}
			t.next++
			t.rows = append(t.rows, r)
			byID[x.ID] = r
			r.Thread = x
			events = append(events, ThreadEvent{Thread: *r})
		}
		r.Thread = x
	}
	t.rows = slices.DeleteFunc(t.rows, func(r *Thread) bool {
		if !alive[r.ID] {
			events = append(events, ThreadEvent{Thread: *r, Exited: true})
		}
		return !alive[r.ID]
	})
	t.known = true
	return events
}

// lifeless reports whether the target is a file that nobody runs: no thread is
// there, and none will come.
func (l *loop) lifeless() bool { return l.r == nil && l.stops && len(l.threads.rows) == 0 }

// snapshot lists threads with their marks.
func (l *loop) snapshot() []Thread {
	out := make([]Thread, 0, len(l.threads.rows))
	for _, r := range l.threads.rows {
		x := *r
		x.Current = x.ID == l.selected
		x.Event = l.stops && x.ID == l.last.Thread
		out = append(out, x)
	}
	return out
}

// tookThreads stores a thread list and tells who came and went.
func (l *loop) tookThreads(op *targets.ThreadsRead) {
	if op.Err != nil || len(op.Threads) == 0 {
		return
	}
	for _, e := range l.threads.update(op.Threads) {
		l.o.Emit(e)
	}
}

// threadList reads the threads unless they are known.
func (l *loop) threadList(ctx context.Context) ([]Thread, error) {
	if !l.threads.known {
		op := &targets.ThreadsRead{}
		if err := l.do(ctx, op); err != nil {
			return nil, err
		}
		if op.Err != nil {
			return nil, op.Err
		}
		l.tookThreads(op)
	}
	return l.snapshot(), nil
}

// registers returns all registers of a thread. The caller must not change them.
func (l *loop) registers(ctx context.Context, id targets.ThreadID) (*arch.Registers, error) {
	if r := l.regs[id]; r != nil {
		return r, nil
	}
	if l.lifeless() {
		return nil, targets.ErrNoThreads
	}
	if l.due != nil && l.due.id == id { // with all that is likely to be asked for next
		if l.catchUp(ctx); l.regs[id] != nil {
			return l.regs[id], nil
		}
	}
	op := &targets.RegistersRead{Thread: id}
	if err := l.do(ctx, op); err != nil {
		return nil, err
	}
	if op.Err != nil {
		return nil, op.Err
	}
	l.tookRegisters(id, op)
	return l.regs[id], nil
}

func (l *loop) tookRegisters(id targets.ThreadID, op *targets.RegistersRead) {
	if op.Err != nil || op.Regs == nil {
		return
	}
	op.Regs.Interrupted = true
	l.regs[id] = op.Regs
}

// quick returns what is known of the stopped thread's registers: all, or the
// expedited ones when they tell PC and SP; else it reads them.
func (l *loop) quick(ctx context.Context, id targets.ThreadID) (*arch.Registers, error) {
	if r := l.regs[id]; r != nil {
		return r, nil
	}
	if p := l.partial; p != nil && id == l.last.Thread && p.PC() != 0 && p.SP() != 0 {
		return p, nil
	}
	return l.registers(ctx, id)
}

// setRegisters writes a thread's registers.
func (l *loop) setRegisters(ctx context.Context, id targets.ThreadID, r *arch.Registers) error {
	op := &targets.RegistersWrite{Thread: id, Regs: r}
	if err := l.do(ctx, op); err != nil {
		return err
	}
	if op.Err != nil {
		return op.Err
	}
	c := r.Clone()
	c.Interrupted = true
	l.regs[id] = c
	if id == l.last.Thread {
		l.partial = nil
	}
	delete(l.walks, id)
	if at, ok := l.hits[id]; ok && at != r.PC() {
		delete(l.hits, id)
	}
	return nil
}
