package engine

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

// trapKey identifies a trap at the far end.
type trapKey struct {
	kind  targets.TrapKind
	space targets.Space
	addr  arch.Addr
	size  int
}

func keyOf(t targets.Trap) trapKey { return trapKey{t.Kind, t.Space, t.Addr, t.Size} }

// planted is a trap in place. under are the bytes it hides, nil when unknown.
type planted struct {
	targets.Trap
	under []byte
	patch bool // written by us, not set by the far end
}

// trapTable holds what is planted. Traps stay planted while the debuggee is
// stopped; only differences travel.
type trapTable struct {
	arch    *arch.Arch
	in      map[trapKey]*planted // changed by put and remove
	hidden  []*planted           // of in what hides bytes, by address
	refused map[trapKey]error    // not tried again until wishes change
	patch   bool                 // the far end sets no software traps: we write them

	against *standing            // what the breakpoints wanted at the last comparison,
	apart   map[trapKey]struct{} // and all that is planted otherwise, or may be
}

func newTrapTable(a *arch.Arch) *trapTable {
	return &trapTable{arch: a, in: map[trapKey]*planted{}, refused: map[trapKey]error{}, apart: map[trapKey]struct{}{}}
}

// put notes that a trap is in place.
func (t *trapTable) put(x *planted) {
	k := keyOf(x.Trap)
	t.remove(k)
	t.in[k] = x
	if x.Kind == targets.Software && x.under != nil {
		i, _ := t.search(x.Addr)
		t.hidden = slices.Insert(t.hidden, i, x)
	}
}

// remove notes that a trap is gone, if it was there.
func (t *trapTable) remove(k trapKey) {
	t.apart[k] = struct{}{}
	x, ok := t.in[k]
	if !ok {
		return
	}
	delete(t.in, k)
	if i := slices.Index(t.hidden, x); i >= 0 {
		t.hidden = slices.Delete(t.hidden, i, i+1)
	}
}

// search finds the first of those that hide bytes at addr or behind it.
func (t *trapTable) search(addr arch.Addr) (int, bool) {
	return slices.BinarySearchFunc(t.hidden, addr, func(x *planted, a arch.Addr) int { return cmp.Compare(x.Addr, a) })
}

// mask puts back what software traps hide in p, read from addr.
func (t *trapTable) mask(s targets.Space, addr arch.Addr, p []byte) {
	if len(t.hidden) == 0 {
		return
	}
	first := addr - min(addr, arch.Addr(len(t.arch.Break)-1)) // one may begin before
	i, _ := t.search(first)
	for ; i < len(t.hidden) && t.hidden[i].Addr-first < arch.Addr(len(p))+(addr-first); i++ {
		if t.hidden[i].Space == s {
			t.overlay(t.hidden[i], addr, p)
		}
	}
}

func (t *trapTable) overlay(x *planted, addr arch.Addr, p []byte) {
	end := addr + arch.Addr(len(p))
	if x.Addr >= end || x.Addr+arch.Addr(len(x.under)) <= addr {
		return
	}
	for i, b := range x.under {
		at := x.Addr + arch.Addr(i)
		if at >= addr && at < end && p[at-addr] == t.arch.Break[i] {
			p[at-addr] = b
		}
	}
}

// at returns the software or hardware code trap planted at addr.
func (t *trapTable) at(addr arch.Addr) (*planted, bool) {
	for _, k := range []targets.TrapKind{targets.Software, targets.Hardware} {
		if x, ok := t.in[trapKey{kind: k, addr: addr}]; ok {
			return x, true
		}
	}
	return nil, false
}

// addresses lists where software traps are, in order.
func (t *trapTable) addresses() []arch.Addr {
	var out []arch.Addr
	for k := range t.in {
		if k.kind == targets.Software {
			out = append(out, k.addr)
		}
	}
	slices.Sort(out)
	return out
}

// note records that traps were lifted and planted.
func (l *loop) note(lift, plant []targets.Trap) {
	for _, x := range lift {
		l.traps.remove(keyOf(x))
	}
	for _, x := range plant {
		l.traps.put(&planted{Trap: x, under: l.under(x)})
	}
}

// under finds the bytes a software trap will hide, without a round trip.
func (l *loop) under(x targets.Trap) []byte {
	if x.Kind != targets.Software {
		return nil
	}
	p := make([]byte, len(l.traps.arch.Break))
	if n, _ := l.mem.get(x.Space, x.Addr, p); n == len(p) {
		return p
	}
	if m, ok := l.moduleAt(x.Addr); ok && m.Image != nil && m.Image.ReadStatic(m.offset(x.Addr), p) {
		return p
	}
	return nil
}

// adjust brings the planted traps to what is wanted, in one flight that carries
// other operations too. Refusals are noted, not returned.
func (l *loop) adjust(ctx context.Context, with ...targets.Op) error {
	lift, plant := l.traps.diff(l.wanted())
	if len(lift)+len(plant) == 0 {
		return l.do(ctx, with...)
	}
	ops, settle, err := l.trapOps(ctx, lift, plant)
	if err != nil {
		return err
	}
	if err := l.do(ctx, append(ops, with...)...); err != nil {
		return err
	}
	if again := settle(); again {
		return l.adjust(ctx)
	}
	return nil
}

// trapOps makes the operations for a difference; settle reads their results
// and tells whether another round is needed.
func (l *loop) trapOps(ctx context.Context, lift, plant []targets.Trap) ([]targets.Op, func() bool, error) {
	var ops []targets.Op
	var after []func() bool
	for _, x := range lift {
		p := l.traps.in[keyOf(x)]
		if p != nil && p.patch {
			w := &targets.MemoryWrite{Space: x.Space, Addr: x.Addr, Data: p.under}
			ops = append(ops, w)
		} else {
			ops = append(ops, &targets.TrapClear{Trap: x})
		}
		after = append(after, func() bool { l.note([]targets.Trap{x}, nil); return false })
	}
	for _, x := range plant {
		op, fin, err := l.plantOp(ctx, x)
		if err != nil {
			l.refuse(x, err)
			continue
		}
		ops = append(ops, op)
		after = append(after, fin)
	}
	return ops, func() (again bool) {
		for _, f := range after {
			again = f() || again
		}
		return again
	}, nil
}

func (l *loop) plantOp(ctx context.Context, x targets.Trap) (targets.Op, func() bool, error) {
	if err := l.deadly(x); err != nil {
		return nil, nil, err
	}
	_, canTrap := l.t.(targets.Trapper)
	if x.Kind != targets.Software && !canTrap {
		return nil, nil, errors.ErrUnsupported
	}
	if x.Kind == targets.Software && (!canTrap || l.traps.patch) {
		under := make([]byte, len(l.traps.arch.Break))
		if _, err := l.read(ctx, x.Space, x.Addr, under); err != nil {
			return nil, nil, err
		}
		w := &targets.MemoryWrite{Space: x.Space, Addr: x.Addr, Data: l.traps.arch.Break}
		return w, func() bool {
			if w.Err != nil {
				l.refuse(x, w.Err)
			} else {
				l.traps.put(&planted{Trap: x, under: under, patch: true})
			}
			return false
		}, nil
	}
	s := &targets.TrapSet{Trap: x}
	return s, func() bool {
		switch {
		case s.Err == nil:
			l.note(nil, []targets.Trap{x})
		case errors.Is(s.Err, errors.ErrUnsupported) && x.Kind == targets.Software && !l.traps.patch:
			if _, ok := l.t.(targets.Writer); ok {
				l.traps.patch = true
				return true
			}
			l.refuse(x, s.Err)
		case len(l.kept) > 0: // there may be no room for more
			l.kept = nil
			return true
		default:
			l.refuse(x, s.Err)
		}
		return false
	}, nil
}

// refuse remembers that a trap cannot be planted, and why.
func (l *loop) refuse(x targets.Trap, err error) {
	if x.Kind >= targets.OnWrite && l.t.Info().DataTraps > 0 {
		err = fmt.Errorf("too many data breakpoints: the CPU has %d (%w)", l.t.Info().DataTraps, err)
	}
	l.traps.refused[keyOf(x)] = err
	l.refusedNow = append(l.refusedNow, x)
}

// write stores p, under planted traps too.
func (l *loop) write(ctx context.Context, s targets.Space, addr arch.Addr, p []byte) (int, error) {
	look := func(s targets.Space, a arch.Addr, p []byte) (int, error) { return l.read(ctx, s, a, p) }
	reach := func(s targets.Space, a arch.Addr, p []byte) (int, error) { return l.write(ctx, s, a, p) }
	if s.Root != 0 {
		return l.throughTables(ctx, s.Root, addr, p, reach, look)
	}
	if _, ok := l.t.(targets.Writer); !ok {
		return 0, fmt.Errorf("writing memory: %w", errors.ErrUnsupported)
	}
	data := bytes.Clone(p)
	var before, after []targets.Op
	type patch struct {
		x     *planted
		under []byte
	}
	var shadows []patch
	end := addr + arch.Addr(len(p))
	for _, x := range l.traps.in {
		size := arch.Addr(len(l.traps.arch.Break))
		if x.Kind != targets.Software || x.Space != s || x.Addr >= end || x.Addr+size <= addr {
			continue
		}
		if !x.patch {
			before = append(before, &targets.TrapClear{Trap: x.Trap})
			after = append(after, &targets.TrapSet{Trap: x.Trap})
		}
		shadows = append(shadows, patch{x, shadow(x, addr, p, data, l.traps.arch.Break)})
	}
	w := &targets.MemoryWrite{Space: s, Addr: addr, Data: data}
	if err := l.do(ctx, append(append(before, w), after...)...); err != nil {
		return 0, err
	}
	if w.Err != nil {
		l.dropMemory()
		if fault := (*targets.FaultError)(nil); errors.As(w.Err, &fault) && fault.Addr == addr {
			if n, err := l.reveal(ctx, s, addr, p, reach, look); err == nil || n > 0 {
				return n, err
			}
		}
		return 0, w.Err
	}
	for _, sh := range shadows {
		sh.x.under = sh.under
	}
	if l.t.Info().Machine { // the same memory may lie at other addresses, and in other spaces
		l.dropMemory()
		return len(p), nil
	}
	l.mem.put(s, addr, p)
	l.changes++
	return len(p), nil
}

// shadow returns what trap x hides once p is written at addr, and keeps a trap
// that we patched in place in data.
func shadow(x *planted, addr arch.Addr, p, data, brk []byte) []byte {
	if x.under == nil {
		return nil
	}
	under := bytes.Clone(x.under)
	for i := range under {
		at := x.Addr + arch.Addr(i)
		if at < addr || at >= addr+arch.Addr(len(p)) {
			continue
		}
		under[i] = p[at-addr]
		if x.patch {
			data[at-addr] = brk[i]
		}
	}
	return under
}
