package engine

import (
	"context"
	"encoding/binary"
	"slices"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

// skip has the far end take a thread off a trap by itself. A trap whose condition
// is false when a thread is resumed on it is stepped over there: one round trip
// instead of two for each hit whose condition is evaluated here. The condition is
// false once for one thread, which its stack pointer tells: a variable of the far
// end remembers which count was skipped last.
//
// While it is not known whether the thread has left, the condition stays as it is:
// a thread that has left finds its count used up, and springs the trap. So there is
// one such thread at a time, and none any more once several threads hit traps.
type skip struct {
	ready  bool // the variable is there
	never  bool
	may    bool // the resume under way is one that nobody sees
	on     bool // the trap has the condition
	thread targets.ThreadID
	addr   arch.Addr
	sp     uint64
	count  uint32
}

// skipVariable is the number of our trace state variable; GDB's servers keep number 1.
const skipVariable = 2

// letsGo reports whether thread id at a trap can be resumed with all others, and sees
// to the trap's condition.
func (l *loop) letsGo(ctx context.Context, id targets.ThreadID, at arch.Addr) bool {
	s := &l.skip
	p := l.plan
	if !s.may || s.never || p.leg.kind != targets.Go || p.how.Reverse || p.how.Only || len(l.handed) > 0 ||
		l.t.Info().Limits.Bits&targets.Conditions == 0 || l.arch.BigEndian || l.creeps() ||
		slices.ContainsFunc(l.threads.rows, func(t *Thread) bool { return t.Frozen }) {
		return false
	}
	if len(l.hits) != 1 || s.thread != id && s.thread != (targets.ThreadID{}) {
		s.never = true
		return false
	}
	x, ok := l.traps.in[trapKey{addr: at}]
	r, err := l.quick(ctx, id)
	if !ok || x.patch || len(x.Condition) > 0 && !s.was(at) || err != nil || r.PC() != at || r.SP() == 0 {
		return false
	}
	if !s.ready {
		q, ok := l.t.(targets.Queryer)
		if !ok || q.Set(ctx, targets.TraceVariable, "", []byte{skipVariable}) != nil {
			s.never = true
			return false
		}
		s.ready = true
	}
	s.on, s.thread, s.addr, s.sp = true, id, at, uint64(r.SP())
	s.count++
	delete(l.hits, id)
	return true
}

// skipped notes a stop: of the thread that was to be skipped it tells where that is.
func (l *loop) skipped(ctx context.Context, ts targets.Stop) {
	s := &l.skip
	switch {
	case !s.on:
	case ts.Thread != s.thread:
		s.never = true // others hit traps too: the condition stays for the one that may not have left
	default:
		s.on = false
		if ts.Reason == targets.Breakpoint || s.never {
			return
		}
		if r, err := l.quick(ctx, ts.Thread); err == nil && r.PC() == s.addr && uint64(r.SP()) == s.sp {
			l.hits[ts.Thread] = s.addr // it was stopped before it could leave
		}
	}
}

// was reports whether the condition of the trap at a may be that of a skip.
func (s *skip) was(a arch.Addr) bool { return s.count > 0 && s.addr == a }

// left notes that a thread is stepped off a trap in the common way.
func (s *skip) left(id targets.ThreadID) {
	if s.on && s.thread == id {
		s.on = false
	}
}

// Opcodes of GDB's agent expressions beyond those of agent.go (GDB manual, appendix
// "Bytecode Descriptions").
const (
	agNot          = 0x0e
	agEqual        = 0x13
	agLessUnsigned = 0x15
	agIfGoto       = 0x20 // 16-bit place in the code
	agConst8       = 0x22
	agConst64      = 0x25
	agEnd          = 0x27
	agGetv         = 0x2c // 16-bit number
	agSetv         = 0x2d
)

// condition is code that springs the trap but for the thread and count to be skipped.
func (s *skip) condition(sp int) []byte {
	be := binary.BigEndian
	code := be.AppendUint16([]byte{agReg}, uint16(sp))
	code = append(be.AppendUint64(append(code, agConst64), s.sp), agEqual, agIfGoto, 0, 0)
	ours := len(code)
	code = append(code, agConst8, 1, agEnd)
	be.PutUint16(code[ours-2:], uint16(len(code)))
	code = be.AppendUint16(append(code, agGetv), skipVariable)
	code = append(be.AppendUint32(append(code, agConst32), s.count), agEqual, agIfGoto, 0, 0)
	used := len(code)
	code = be.AppendUint32(append(code, agConst32), s.count)
	code = be.AppendUint16(append(code, agSetv), skipVariable)
	code = append(code, agConst8, 0, agEnd)
	be.PutUint16(code[used-2:], uint16(len(code)))
	return append(code, agConst8, 1, agEnd)
}

// condense gives the trap that is skipped its condition.
func (l *loop) condense(w *wanted) {
	if !l.skip.on {
		return
	}
	set := l.t.Info().Set
	t, ok := w.get(trapKey{addr: l.skip.addr})
	if !ok || set == nil {
		return
	}
	if sp, ok := set.Index(l.arch.SP); ok {
		t.Condition = l.skip.condition(sp)
		w.set(t)
	}
}
