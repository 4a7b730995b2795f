package natvis

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sort"
	"sync"

	"dap-windbg/arch"
	"dap-windbg/eval"
	"dap-windbg/symbols"
)

// maxCustom bounds the steps of one CustomListItems for one page.
const maxCustom = 1_000_000

// op is a step of the statements of a CustomListItems, laid out in a row so that
// a run can stop at any of them and go on later.
type op struct {
	kind  opKind
	guard guard
	item  *item
	to    int
}

type opKind uint8

const (
	opTest opKind = iota // go to `to` unless the guard holds
	opJump
	opExec
	opItem
)

// flatten lays statements out. A Break goes behind the innermost loop, or ends.
func flatten(list []item) []op {
	var p []op
	flattenInto(&p, list, nil)
	return p
}

// flattenInto appends the statements of list; breaks gathers the jumps out of the loop.
func flattenInto(p *[]op, list []item, breaks *[]int) {
	add := func(o op) int { *p = append(*p, o); return len(*p) - 1 }
	var ends []int // jumps behind the If chain that is open
	closeChain := func() {
		for _, at := range ends {
			(*p)[at].to = len(*p)
		}
		ends = nil
	}
	for i := range list {
		it := &list[i]
		if it.kind != "Elseif" && it.kind != "Else" {
			closeChain()
		}
		switch it.kind {
		case "Loop":
			var out []int
			top := add(op{kind: opTest, guard: it.guard})
			flattenInto(p, it.kids, &out)
			add(op{kind: opJump, to: top})
			for _, at := range append(out, top) {
				(*p)[at].to = len(*p)
			}
		case "If", "Elseif", "Else":
			test := add(op{kind: opTest, guard: it.guard})
			flattenInto(p, it.kids, breaks)
			ends = append(ends, add(op{kind: opJump}))
			(*p)[test].to = len(*p)
		case "Break":
			test := add(op{kind: opTest, guard: it.guard})
			jump := add(op{kind: opJump, to: 1 << 30})
			(*p)[test].to = len(*p)
			if breaks != nil {
				*breaks = append(*breaks, jump)
			}
		case "Exec":
			add(op{kind: opExec, guard: it.guard, item: it})
		case "Item":
			add(op{kind: opItem, guard: it.guard, item: it})
		}
	}
	closeChain()
}

// machine runs the statements of a CustomListItems.
type machine struct {
	*scope
	lo, hi int // elements wanted; hi < 0: all
	n      int // elements met
	pc     int
	most   int
	steps  int
	collect
}

// state is where a run can go on: element n comes next.
type state struct {
	n, pc   int
	scratch []byte
}

// states are where the runs of one CustomListItems have been (see trail).
type states struct {
	mu      sync.Mutex
	version uint64
	list    []state
}

// errStop ends the run.
var errStop = errors.New("stop")

// from is the best state for element n.
func (t *states) from(n int, version uint64) (state, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.version != version {
		t.version, t.list = version, nil
	}
	k := sort.Search(len(t.list), func(k int) bool { return t.list[k].n > n })
	if k == 0 {
		return state{}, false
	}
	return t.list[k-1], true
}

func (t *states) note(s state) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	k := sort.Search(len(t.list), func(k int) bool { return t.list[k].n >= s.n })
	if k == len(t.list) {
		t.list = append(t.list, s)
	}
}

// custom runs the statements until the elements wanted are there. The variables
// live in the scope alone; a statement that writes elsewhere fails.
func (s *scope) custom(ctx context.Context, it *item, been *states, lo, hi int) ([]*eval.Object, error) {
	c := *s
	c.vars, c.scratch = map[string]eval.Value{}, nil
	m := &machine{scope: &c, lo: lo, hi: hi, most: it.max}
	for _, v := range it.vars {
		if err := c.declare(ctx, v); err != nil {
			return nil, err
		}
	}
	size, err := c.size(ctx, it.size)
	if err != nil {
		return nil, err
	}
	if size >= 0 && (m.hi < 0 || int64(m.hi) > size) {
		m.hi = int(size)
	}
	if at, ok := been.from(lo, version(s)); ok {
		m.n, m.pc = at.n, at.pc
		copy(c.scratch, at.scratch)
	} else if len(it.skip) > 0 && lo > 0 {
		err = m.skip(ctx, it)
	}
	if err == nil {
		err = m.run(ctx, it.program, been)
	}
	switch {
	case err == nil && size >= 0 && m.n < m.hi:
		m.out = append(m.out, broken(max(m.n, lo), &CorruptError{fmt.Sprintf("it ends after %d elements", m.n)}))
	case err == nil || errors.Is(err, errStop):
	case retry(err):
		m.need = append(m.need, err)
	default:
		m.out = append(m.out, broken(max(m.n, lo), err))
	}
	return m.done()
}

// skip runs the Skip of it, which says in its variable how many elements it went by.
func (m *machine) skip(ctx context.Context, it *item) error {
	n := eval.Integer(m.Env, "unsigned int", uint64(m.lo))
	if err := m.place(it.skipVar, n.Type, n.Bytes); err != nil {
		return err
	}
	err := m.run(ctx, it.skip, nil)
	m.pc = 0
	if err != nil {
		return err
	}
	v, err := eval.Int(ctx, m, m.vars[it.skipVar])
	m.n = int(min(v, uint64(m.lo)))
	return err
}

// run executes p from m.pc to its end.
func (m *machine) run(ctx context.Context, p []op, been *states) error {
	for m.pc < len(p) {
		o := &p[m.pc]
		if m.steps++; m.steps > maxCustom {
			return &CorruptError{fmt.Sprintf("no end after %d steps", maxCustom)}
		}
		if m.steps%64 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		ok, err := true, error(nil)
		if o.kind != opJump {
			ok, err = m.allow(ctx, o.guard)
		}
		switch {
		case err != nil:
			return err
		case o.kind == opJump, o.kind == opTest && !ok:
			m.pc = o.to
			continue
		case !ok:
		case o.kind == opExec:
			if _, err := m.eval(ctx, o.item.code); err != nil {
				return err
			}
		case o.kind == opItem:
			if err := m.item(ctx, o.item); err != nil {
				return err
			}
			done := m.hi >= 0 && m.n >= m.hi
			if done || m.n%markEvery == 0 {
				been.note(state{m.n, m.pc + 1, append([]byte(nil), m.scratch...)})
			}
			if done {
				return errStop
			}
		}
		m.pc++
	}
	return nil
}

// item makes an element. Its node refers to variables as they are now, so a copy
// of the scope is kept with it.
func (m *machine) item(ctx context.Context, it *item) error {
	if m.hi >= 0 && m.n >= m.hi || m.n >= m.lo+m.most {
		return errStop
	}
	m.n++
	if m.n <= m.lo {
		return nil
	}
	s := *m.scope
	s.scratch = append([]byte(nil), m.scratch...)
	o, err := s.child(ctx, it.name, it.code, fmt.Sprintf("[%d]", m.n-1))
	if o != nil {
		o.Keyed = len(it.name) > 0
	}
	return m.add(o, err)
}

// place makes a variable of type and bytes given.
func (s *scope) place(name string, t *symbols.Type, b []byte) error {
	off := (len(s.scratch) + 15) &^ 15
	if off+len(b) > scratchSize {
		return fmt.Errorf("the variables take more than %d bytes", scratchSize)
	}
	s.scratch = append(append(s.scratch, make([]byte, off-len(s.scratch))...), b...)
	s.vars[name] = eval.Value{Type: t, Place: eval.InMemory, Addr: arch.Addr(scratchBase + off)}
	return nil
}

// customSegment counts the elements of a CustomListItems, when it tells its size.
func (s *scope) customSegment(ctx context.Context, it *item) (segment, error) {
	c := *s
	c.vars, c.scratch = map[string]eval.Value{}, nil
	for _, v := range it.vars { // a Size may use them
		if err := c.declare(ctx, v); err != nil {
			return segment{}, err
		}
	}
	n, err := c.size(ctx, it.size)
	if err != nil {
		return segment{}, err
	}
	been := &states{}
	g := segment{n: -1, page: func(ctx context.Context, s *scope, lo, hi int) ([]*eval.Object, error) {
		return s.custom(ctx, it, been, lo, hi)
	}}
	if n >= 0 {
		g.n, g.index = int(min(n, math.MaxInt32)), true
	}
	return g, nil
}
