package natvis

import (
	"context"
	"errors"
	"fmt"

	"dap-windbg/eval"
)

// maxCustom bounds the steps of one CustomListItems.
const maxCustom = 200_000

// machine runs the statements of a CustomListItems.
type machine struct {
	*scope
	lo, hi int // elements wanted; hi < 0: all
	n      int // elements met
	most   int
	steps  int
	collect
}

// errStop ends the run, errBreak a loop.
var (
	errStop  = errors.New("stop")
	errBreak = errors.New("break")
)

// custom runs the statements until the elements wanted are there. The variables
// live in the scope alone; a statement that writes elsewhere fails.
func (s *scope) custom(ctx context.Context, it *item, lo, hi int) ([]*eval.Object, error) {
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
	err = m.run(ctx, it.kids)
	switch {
	case err == nil || errors.Is(err, errStop) || errors.Is(err, errBreak):
	case retry(err):
		m.need = append(m.need, err)
	default:
		m.out = append(m.out, broken(max(m.n, lo), err))
	}
	return m.done()
}

func (m *machine) run(ctx context.Context, list []item) error {
	taken := false // an If or Elseif before this one held
	for i := range list {
		it := &list[i]
		if m.steps++; m.steps > maxCustom {
			return &CorruptError{fmt.Sprintf("no end after %d steps", maxCustom)}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if it.kind == "Elseif" || it.kind == "Else" {
			if taken {
				continue
			}
		} else {
			taken = false
		}
		if it.kind == "Loop" {
			if err := m.loop(ctx, it); err != nil {
				return err
			}
			continue
		}
		ok, err := m.allow(ctx, it.guard)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if err := m.step(ctx, it); err != nil {
			return err
		}
		taken = it.kind == "If" || it.kind == "Elseif"
	}
	return nil
}

func (m *machine) step(ctx context.Context, it *item) error {
	switch it.kind {
	case "If", "Elseif", "Else":
		return m.run(ctx, it.kids)
	case "Break":
		return errBreak
	case "Exec":
		_, err := m.eval(ctx, it.code)
		return err
	case "Item":
		return m.item(ctx, it)
	}
	return nil
}

func (m *machine) loop(ctx context.Context, it *item) error {
	for {
		if m.steps++; m.steps > maxCustom {
			return &CorruptError{fmt.Sprintf("no end after %d steps", maxCustom)}
		}
		ok, err := m.allow(ctx, it.guard)
		if err != nil {
			return err
		}
		if !ok {
			return nil
		}
		if err := m.run(ctx, it.kids); err != nil {
			if errors.Is(err, errBreak) {
				return nil
			}
			return err
		}
	}
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
	return m.add(s.child(ctx, it.name, it.code, fmt.Sprintf("[%d]", m.n-1)))
}
