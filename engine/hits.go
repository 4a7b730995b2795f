package engine

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/eval"
	"dap-windbg/symbols"
	"dap-windbg/targets"
)

// hit asks every breakpoint at pc whether it stops. What the far end has evaluated is
// evaluated once more: of several threads at traps GDB's server tells of any when the
// condition of one is true (gdbserver 13 to 16, select_event_lwp).
func (l *loop) hit(ctx context.Context, st *Stop, pc arch.Addr) (ids []int) {
	for _, b := range l.breakpointsAt(pc) {
		if l.decideHit(ctx, b, st) {
			ids = append(ids, b.ID)
		}
	}
	l.dropOneShots(ids)
	return ids
}

// passes reports whether breakpoints are likely to be hit that do not stop. Whose
// conditions are judged by all registers must ask for those each time.
func (l *loop) passes() bool {
	if l.plan.how.Kind != Go || l.plan.leg.kind != targets.Go || l.skip.may && len(l.regs) > 0 {
		return false
	}
	return slices.ContainsFunc(l.bps, func(b *breakpoint) bool {
		return !b.Disabled && b.code() && len(b.addrs) > 0 && (b.Condition != "" || b.HitCondition != "" || b.left > 1)
	})
}

// decideHit runs one breakpoint's conditions, in the order thread, condition,
// count, message.
func (l *loop) decideHit(ctx context.Context, b *breakpoint, st *Stop) bool {
	if b.Thread != (targets.ThreadID{}) && b.Thread != st.Thread {
		return false
	}
	if !l.deepEnough(ctx, b, st.Thread) {
		return false
	}
	if !l.holds(ctx, b, st.Thread) {
		return false
	}
	b.hits++
	if ok, err := hitCount(b.HitCondition, b.hits); err != nil {
		l.say(Important, fmt.Sprintf("Breakpoint %d: %v\n", b.ID, err))
	} else if !ok {
		return false
	}
	if stepping := l.plan != nil && l.plan.how.Kind != Go; !stepping && b.left > 1 {
		b.left--
		return false
	}
	if b.Log != "" {
		at := l.locate(st.Addr)
		l.o.Emit(Output{Text: l.message(ctx, b.Log, st.Thread) + "\n", Category: FromDebugger, Place: &at})
		return false
	}
	return true
}

// holds evaluates b's condition in the frame that was hit. An error counts as
// true, and is told.
func (l *loop) holds(ctx context.Context, b *breakpoint, id targets.ThreadID) bool {
	if b.Condition == "" {
		return true
	}
	err := b.condErr
	if err == nil {
		var v uint64
		sp := arch.Addr(0)
		if r, err := l.quick(ctx, id); err == nil {
			sp = r.SP()
		}
		if len(b.reads) > 0 && b.readsAt == sp { // it reads what it read last time
			_ = l.fetch(ctx, slices.Clone(b.reads))
		}
		l.asked = nil
		v, err = l.truth(ctx, b.cond, id)
		if len(l.asked) > 0 {
			b.reads, b.readsAt = l.asked, sp
		}
		if err == nil {
			return v != 0
		}
	}
	l.say(Important, fmt.Sprintf("Breakpoint %d: condition %q: %v\n", b.ID, b.Condition, err))
	return true
}

// truth evaluates an expression in the innermost frame of a thread: with what came
// with the stop when that will do.
func (l *loop) truth(ctx context.Context, e eval.Expr, id targets.ThreadID) (uint64, error) {
	if f := l.hitFrame(ctx, id); f != nil && !e.Effects() {
		if n, err := l.integer(ctx, f, l.settled(ctx, f, e)); err == nil {
			return n, nil
		}
	}
	f, err := l.top(ctx, id)
	if err != nil {
		return 0, err
	}
	return l.integer(ctx, f, e)
}

// hitFrame is the innermost frame as far as the registers tell that came with the
// stop: nothing is read and nobody called it. Nil where no image is known.
func (l *loop) hitFrame(ctx context.Context, id targets.ThreadID) *Frame {
	r, err := l.quick(ctx, id)
	if err != nil {
		return nil
	}
	m, ok := l.moduleAt(r.PC())
	if !ok || m.Image == nil {
		return nil
	}
	if k := &l.hitPlace; k.Module != m || k.PC != r.PC() || k.image != m.Image || k.flat != l.noInlines { // else it is as at the last hit
		w := &walk{kind: ByContext}
		l.addFrames(w, r, r.PC(), 0, 0)
		w.frames[0].walk = nil
		*k = hitPlace{Frame: *w.frames[0], image: m.Image, flat: l.noInlines, settled: map[eval.Expr]eval.Expr{}}
		k.cfaReg, k.cfaOff, k.rule = l.cfaAt(r.PC())
	}
	f := l.hitPlace.Frame
	f.Thread, f.Regs, f.CFA, f.ChildSP = id, r, l.hitCFA(ctx, r), r.SP()
	f.code = &f
	return &f
}

// hitPlace is where a breakpoint was hit last, whose names do not change.
type hitPlace struct {
	Frame
	image   symbols.Image
	flat    bool // without inlined calls
	rule    bool // frames lie cfaOff from register cfaReg
	cfaReg  int
	cfaOff  int32
	settled map[eval.Expr]eval.Expr // conditions as they are meant here
}

// hitCFA is where the frame lies that r is of, at the last hit's place.
func (l *loop) hitCFA(ctx context.Context, r *arch.Registers) arch.Addr {
	k := &l.hitPlace
	if !k.rule {
		return l.cfaOf(ctx, r)
	}
	v, ok := r.Uint(k.cfaReg)
	if !ok {
		return 0
	}
	return arch.Addr(v + uint64(int64(k.cfaOff)))
}

// settled is e as it is meant at the last hit's place, where f is.
func (l *loop) settled(ctx context.Context, f *Frame, e eval.Expr) eval.Expr {
	k := &l.hitPlace
	s, ok := k.settled[e]
	if !ok {
		s = eval.Settle(ctx, e, l.env(f, noMemory{}))
		k.settled[e] = s
	}
	return s
}

// integer evaluates an expression to an integer.
func (l *loop) integer(ctx context.Context, f *Frame, e eval.Expr) (uint64, error) {
	var n uint64
	err := l.evaluate(ctx, f, e, func(ctx context.Context, env eval.Env, v eval.Value) error {
		var err error
		n, err = eval.Int(ctx, env, v)
		return err
	})
	return n, err
}

// message fills the {expressions} of a log message.
func (l *loop) message(ctx context.Context, text string, id targets.ThreadID) string {
	f, err := l.top(ctx, id)
	if err != nil {
		return text
	}
	var out strings.Builder
	for {
		lit, rest, ok := strings.Cut(text, "{")
		out.WriteString(lit)
		if !ok {
			return out.String()
		}
		src, after, ok := cutBrace(rest)
		if !ok {
			return out.String() + "{" + rest
		}
		o, err := l.object(ctx, f, "", src, eval.Options{})
		switch {
		case err != nil:
			fmt.Fprintf(&out, "{%v}", err)
		case o.Err != nil:
			fmt.Fprintf(&out, "{%v}", o.Err)
		default:
			out.WriteString(o.Text)
		}
		text = after
	}
}

// cutBrace splits at the } that closes, minding nested ones.
func cutBrace(s string) (inner, after string, ok bool) {
	depth := 0
	for i, r := range s {
		switch r {
		case '{':
			depth++
		case '}':
			if depth == 0 {
				return s[:i], s[i+1:], true
			}
			depth--
		}
	}
	return "", "", false
}

// hitCount decides a hit condition: "7" and "== 7" the 7th, "> 5", ">= 5",
// "< 5", "<= 5", "!= 5", "% 3" every third. Empty is always.
func hitCount(cond string, hits int) (bool, error) {
	cond = strings.TrimSpace(cond)
	if cond == "" {
		return true, nil
	}
	num := strings.TrimLeft(cond, "<>=!%")
	n, err := strconv.ParseInt(strings.TrimSpace(num), 0, 64)
	if err != nil {
		return true, fmt.Errorf("hit condition %q is not an operator and a number", cond)
	}
	h := int64(hits)
	switch cond[:len(cond)-len(num)] {
	case "", "=", "==":
		return h == n, nil
	case ">":
		return h > n, nil
	case ">=":
		return h >= n, nil
	case "<":
		return h < n, nil
	case "<=":
		return h <= n, nil
	case "!=":
		return h != n, nil
	case "%":
		return n > 0 && h%n == 0, nil
	}
	return true, fmt.Errorf("hit condition %q is not an operator and a number", cond)
}

// hitText is WinDbg's line; several breakpoints at one place have one each.
func hitText(ids []int) string {
	var lines []string
	for _, id := range ids {
		lines = append(lines, fmt.Sprintf("Breakpoint %d hit", id))
	}
	return strings.Join(lines, "\n")
}

// dropOneShots removes one-shot breakpoints that were hit.
func (l *loop) dropOneShots(ids []int) {
	l.spent = nil
	if !slices.ContainsFunc(l.bps, func(b *breakpoint) bool { return b.OneShot }) {
		return
	}
	var keep []*breakpoint
	for _, b := range l.bps {
		gone := false
		for _, id := range ids {
			gone = gone || b.OneShot && b.ID == id
		}
		if gone {
			l.spent = append(l.spent, l.status(b))
			l.o.Emit(BreakpointEvent{Status: l.status(b), Removed: true})
			continue
		}
		keep = append(keep, b)
	}
	l.bps = keep
}

// noteOld remembers what data breakpoints watch, to tell what it was before.
func (l *loop) noteOld(ctx context.Context) {
	for _, b := range l.bps {
		if b.code() || len(b.addrs) == 0 || l.state != StateStopped {
			continue
		}
		l.bind(ctx, b)
		if b.old != nil {
			continue
		}
		p := make([]byte, max(b.Size, 1))
		n, _ := l.read(ctx, spaceHere, b.addrs[0], p)
		b.old = p[:n]
	}
}

// judgeWatch decides about a data trap: the breakpoint whose bytes hold the address.
func (l *loop) judgeWatch(ctx context.Context, st *Stop) (quiet bool) {
	if l.expired(ctx, st) {
		return false
	}
	var ids []int
	known := false
	for _, b := range l.bps {
		if b.Disabled || b.code() || len(b.addrs) == 0 {
			continue
		}
		a := b.addrs[0]
		if st.Addr != 0 && (st.Addr < a || st.Addr >= a+arch.Addr(max(b.Size, 1))) {
			continue
		}
		known = true
		now := make([]byte, max(b.Size, 1))
		n, _ := l.read(ctx, spaceHere, a, now)
		hit := &WatchHit{Addr: a, Old: b.old, New: now[:n]}
		b.old = hit.New
		if b.anyAccess(l.arch) && !bytes.Equal(hit.Old, hit.New) {
			continue
		}
		if l.decideHit(ctx, b, st) {
			ids = append(ids, b.ID)
			st.Watched = hit
		}
	}
	if !known {
		return false
	}
	st.Breakpoints, st.Text = ids, hitText(ids)
	l.dropOneShots(ids)
	return len(ids) == 0
}
