package engine

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/eval"
	"dap-windbg/targets"
)

// breakpoint is a wish and what became of it.
type breakpoint struct {
	Breakpoint
	places  []placed
	addrs   []arch.Addr
	message string
	hits    int
	left    int
	cond    eval.Expr
	condErr error
	agent   map[arch.Addr][]byte // condition as the far end evaluates it
	here    string               // why it is evaluated here instead
	match   *regexp.Regexp       // of a wish that is one
	moved   string               // why it is elsewhere than asked for
	reads   []want               // what its condition read when it was evaluated here last,
	readsAt arch.Addr            // and the stack pointer then
	old     []byte               // data breakpoint: what was there
	bound   bool                 // the frame it belongs to was looked for
	extent  *extent              // nil: it belongs to none
}

// IDError: a breakpoint number is taken.
type IDError struct{ ID int }

func (e *IDError) Error() string { return fmt.Sprintf("breakpoint %d exists already", e.ID) }

func (b *breakpoint) code() bool {
	return b.Access != targets.OnWrite && b.Access != targets.OnRead && b.Access != targets.OnAccess
}

// dynamic reports whether b may gain places when modules come.
func (b *breakpoint) dynamic() bool {
	return b.Function != "" || b.File != "" || b.Expr != "" && (b.Deferred || len(b.addrs) == 0)
}

// mayLieIn reports whether b could resolve in m.
func (b *breakpoint) mayLieIn(m *Module) bool {
	if !b.dynamic() {
		return false
	}
	name := b.Expr
	if b.Function != "" {
		name = b.Function
	}
	if b.regexp() != "" {
		return true // in every image, also in those to come
	}
	if b.File == "" && strings.Contains(name, "!") {
		mod, _ := split(strings.TrimLeft(name, "@\"`"))
		return wild(mod) || strings.EqualFold(mod, m.Name) || strings.EqualFold(mod, m.Path) || strings.HasSuffix(m.Path, "/"+mod)
	}
	return len(b.addrs) == 0 || m.Tried
}

// anyAccess: b is one on reads, for which the CPU has no trap of their own. An access
// that changed the bytes is taken for a write.
func (b *breakpoint) anyAccess(cpu *arch.Arch) bool {
	return b.Access == targets.OnRead && cpu.ReadsAreAccesses
}

// traps adds the traps b needs.
func (b *breakpoint) traps(out map[trapKey]targets.Trap, cpu *arch.Arch) {
	if b.Disabled {
		return
	}
	for _, a := range b.addrs {
		t := targets.Trap{Addr: a}
		switch {
		case !b.code():
			if t.Kind, t.Size = b.Access, b.Size; b.anyAccess(cpu) {
				t.Kind = targets.OnAccess
			}
		case b.Hardware || b.Access == targets.Hardware:
			t.Kind = targets.Hardware
		}
		t.Condition = b.agent[a]
		k := keyOf(t)
		if _, shared := out[k]; shared {
			t.Condition = nil // two owners: we decide
		}
		out[k] = t
	}
}

func (b *breakpoint) unresolve() {
	b.places, b.addrs, b.agent = nil, nil, nil
	b.old, b.bound, b.extent = nil, false, nil
}

// status is b as told.
func (l *loop) status(b *breakpoint) Status {
	s := Status{Breakpoint: b.Breakpoint, Hits: b.hits, Left: b.left, Message: b.message, Addrs: slices.Clone(b.addrs)}
	for _, p := range b.places {
		s.Places = append(s.Places, p.Place)
	}
	s.Verified = len(b.addrs) > 0
	s.FarSide = len(b.agent) > 0
	if len(l.traps.refused) > 0 {
		l.refusedOf(b, &s)
	}
	_, hitErr := hitCount(b.HitCondition, 0)
	switch err := cmp.Or(b.condErr, hitErr); {
	case s.Message != "":
	case s.Verified && err != nil:
		s.Message = "it stops each time, for its condition cannot be read: " + err.Error()
	case !s.Verified && !b.Disabled:
		s.Message = "no code for it is loaded yet"
	case s.Verified && b.cond != nil && b.here != "" && !s.FarSide:
		s.Message = "its condition is evaluated here, at each hit: " + b.here
	case s.Verified && b.moved != "":
		s.Message = b.moved
	case len(b.addrs) == maxPlaces:
		s.Message = fmt.Sprintf("only the first %d places are taken", maxPlaces)
	}
	return s
}

// refusedOf tells of b's traps that the far end refused.
func (l *loop) refusedOf(b *breakpoint, s *Status) {
	if why := l.bySteps(b); why != nil {
		s.Message = "watched by single steps, which is very slow: " + why.Error()
		return
	}
	m := make(map[trapKey]targets.Trap)
	b.traps(m, l.arch)
	for k := range m {
		if err := l.traps.refused[k]; err != nil {
			s.Verified, s.Message = false, "unable to insert it at "+k.addr.Text(l.arch.PtrSize)+": "+err.Error()
		}
	}
}

func (l *loop) statuses() []Status {
	out := make([]Status, 0, len(l.bps))
	for _, b := range l.bps {
		out = append(out, l.status(b))
	}
	return out
}

// initial makes the table of a new session.
func (l *loop) initial(want []Breakpoint) []*breakpoint {
	var out []*breakpoint
	for _, w := range want {
		out = append(out, newBreakpoint(w))
	}
	l.number0(out)
	return out
}

func newBreakpoint(w Breakpoint) *breakpoint {
	b := &breakpoint{Breakpoint: w, left: max(w.Passes, 1)}
	if w.Condition != "" {
		b.cond, b.condErr = eval.Parse(w.Condition, eval.Options{})
	}
	return b
}

// number0 gives IDs to those that have none: the lowest free ones.
func (l *loop) number0(bs []*breakpoint) {
	used := map[int]bool{}
	for _, b := range append(slices.Clone(l.bps), bs...) {
		if b.ID >= 0 {
			used[b.ID] = true
		}
	}
	id := 0
	for _, b := range bs {
		for ; b.ID < 0; id++ {
			if !used[id] {
				b.ID = id
			}
		}
	}
}

// where is the part of a wish that makes it the same breakpoint.
func where(b Breakpoint) Breakpoint {
	return Breakpoint{Owner: b.Owner, Addr: b.Addr, Expr: b.Expr, Function: b.Function, File: b.File, Line: b.Line,
		Column: b.Column, Access: b.Access, Size: b.Size, Scoped: b.Scoped, Hardware: b.Hardware, Deferred: b.Deferred}
}

// setOwned replaces what owner wished.
func (l *loop) setOwned(ctx context.Context, owner string, want []Breakpoint) ([]Status, error) {
	var next []*breakpoint
	pool := slices.Clone(l.bps)
	before := map[int]*breakpoint{}
	for _, b := range l.bps {
		if b.Owner != owner {
			next = append(next, b)
		} else {
			before[b.ID] = b
		}
	}
	mine := make([]*breakpoint, 0, len(want))
	for _, w := range want {
		w.Owner = owner
		mine = append(mine, reuse(&pool, w))
	}
	if err := distinct(next, mine); err != nil {
		return nil, err
	}
	l.bps = next
	l.number0(mine)
	l.bps = append(l.bps, mine...)
	l.settleTable(ctx)
	out := make([]Status, 0, len(mine))
	for _, b := range mine {
		st := l.status(b)
		out = append(out, st)
		if old := before[b.ID]; old != b {
			l.o.Emit(BreakpointEvent{Status: st, New: old == nil, Own: true})
		}
		delete(before, b.ID)
	}
	for _, id := range slices.Sorted(maps.Keys(before)) {
		l.o.Emit(BreakpointEvent{Status: Status{Breakpoint: before[id].Breakpoint}, Removed: true, Own: true})
	}
	return out, nil
}

// reuse takes the breakpoint of the same place from pool, with its new
// conditions, or makes a new one.
func reuse(pool *[]*breakpoint, w Breakpoint) *breakpoint {
	for i, b := range *pool {
		if w.ID >= 0 && b.ID != w.ID || where(b.Breakpoint) != where(w) {
			continue
		}
		*pool = slices.Delete(*pool, i, i+1)
		if w.ID < 0 {
			w.ID = b.ID
		}
		if b.Breakpoint == w {
			return b
		}
		n := newBreakpoint(w)
		n.moved, n.places, n.addrs, n.hits, n.old, n.bound, n.extent = b.moved, b.places, b.addrs, b.hits, b.old, b.bound, b.extent
		if b.Passes == w.Passes {
			n.left = b.left
		}
		return n
	}
	return newBreakpoint(w)
}

func distinct(lists ...[]*breakpoint) error {
	seen := map[int]bool{}
	for _, list := range lists {
		for _, b := range list {
			if b.ID >= 0 && seen[b.ID] {
				return &IDError{b.ID}
			}
			seen[b.ID] = true
		}
	}
	return nil
}

// changeAll edits the whole table and tells what changed in others' wishes.
func (l *loop) changeAll(ctx context.Context, f func([]Status) []Breakpoint) ([]Status, error) {
	want := f(l.statuses())
	pool := slices.Clone(l.bps)
	var next []*breakpoint
	for _, w := range want {
		next = append(next, reuse(&pool, w))
	}
	if err := distinct(next); err != nil {
		return nil, err
	}
	before := map[int]Status{}
	for _, s := range l.statuses() {
		before[s.ID] = s
	}
	l.bps = nil
	l.number0(next)
	l.bps = next
	l.settleTable(ctx)
	out := l.statuses()
	for _, s := range out {
		old, had := before[s.ID]
		delete(before, s.ID)
		if !had || old.Breakpoint != s.Breakpoint || !slices.Equal(old.Addrs, s.Addrs) {
			l.o.Emit(BreakpointEvent{Status: s, New: !had})
		}
	}
	for _, s := range before {
		l.o.Emit(BreakpointEvent{Status: s, Removed: true})
	}
	return out, nil
}

// settleTable resolves new wishes and plants the difference; while a hidden
// stop is served the difference travels with the resume instead. Only over a far end
// that needs no stop for it does the debuggee run here.
func (l *loop) settleTable(ctx context.Context) {
	clear(l.traps.refused)
	l.armed.slow = false
	var fresh []*breakpoint
	for _, b := range l.bps {
		if len(b.addrs) == 0 {
			fresh = append(fresh, b)
		}
	}
	l.openFor(ctx, fresh)
	having := map[string][]*Module{}
	for _, b := range fresh {
		in := l.modules.rows
		if len(b.addrs) > 0 {
			in = l.elsewhere(b, having) // openFor has asked the main module
		}
		if !l.resolve(ctx, b, in) {
			l.resolveAlias(b, l.modules.rows)
		}
		l.explainLine(b)
	}
	for _, b := range l.bps {
		l.compile(ctx, b)
	}
	l.noteOld(ctx)
	l.trial.refuse(l)
	l.refusedNow = nil
	if l.state == StateRunning || !l.hiding && l.state == StateStopped && l.doubtful() {
		_ = l.adjust(ctx)
		l.refusedNow = nil // the statuses tell
	}
	l.prefetch()
}

// elsewhere lists the modules but the main one that may have places of b, which has some.
// having remembers them for each source file: many breakpoints are of one.
func (l *loop) elsewhere(b *breakpoint, having map[string][]*Module) []*Module {
	rest := l.modules.rows[1:]
	if b.File == "" || len(b.places) == 0 || b.Aliases != "" && b.places[0].Line.File != b.File {
		return rest
	}
	in, known := having[b.File]
	if !known {
		in = slices.DeleteFunc(slices.Clone(rest), func(m *Module) bool { return len(l.linePlaces("", b.File, 1, []*Module{m})) == 0 })
		having[b.File] = in
	}
	return in
}

// doubtful reports whether a trap to be planted may be refused. Software traps
// in an image's own code are not: they travel with the next resume.
func (l *loop) doubtful() bool {
	w := l.wanted()
	for k := range w.all() {
		if x, in := l.traps.in[k]; in {
			if want, _ := w.get(k); bytes.Equal(want.Condition, x.Condition) {
				continue
			}
		} else if l.traps.refused[k] != nil {
			continue
		}
		if k.kind != targets.Software || l.under(targets.Trap{Space: k.space, Addr: k.addr}) == nil {
			return true
		}
	}
	return false
}

// openFor opens the images that wishes may lie in: the main module's, and the
// others' when it is not there.
func (l *loop) openFor(ctx context.Context, bs []*breakpoint) {
	if len(bs) == 0 || len(l.modules.rows) == 0 {
		return
	}
	_ = l.need(ctx, l.modules.rows[0])
	var rest []*Module
	for _, b := range bs {
		if l.resolve(ctx, b, l.modules.rows[:1]) {
			continue
		}
		for _, m := range l.modules.rows[1:] {
			if b.mayLieIn(m) {
				rest = append(rest, m)
			}
		}
	}
	_ = l.need(ctx, rest...)
}

// tellRefused tells of traps that could not be planted on the way to a resume.
func (l *loop) tellRefused() {
	now := l.refusedNow
	l.refusedNow = nil
	if len(now) == 0 {
		return
	}
	for _, b := range l.bps {
		m := make(map[trapKey]targets.Trap)
		b.traps(m, l.arch)
		for _, x := range now {
			if _, ok := m[keyOf(x)]; ok && l.bySteps(b) != nil {
				l.o.Emit(BreakpointEvent{Status: l.status(b)})
			} else if ok {
				l.say(Important, fmt.Sprintf("Unable to insert breakpoint %d at %s: %v\n", b.ID, x.Addr.Text(l.arch.PtrSize), l.traps.refused[keyOf(x)]))
				l.o.Emit(BreakpointEvent{Status: l.status(b)})
				break
			}
		}
	}
}
