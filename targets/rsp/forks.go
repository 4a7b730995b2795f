package rsp

import (
	"context"
	"errors"

	"dap-windbg/targets"
)

var _ targets.Sharer = (*Target)(nil)

// reportForks says whether a fork of t is a stop whose child waits. It asks
// nothing of the far end, which tells us of forks in any case.
func (t *Target) reportForks(value []byte) error {
	if !t.c.feature("fork-events") || t.c.nonstop {
		return errors.ErrUnsupported
	}
	t.c.mu.Lock()
	defer t.c.mu.Unlock()
	t.forks = first(value) != 0
	return nil
}

// HoldsOthers reports whether other processes of the wire wait with this one.
func (t *Target) HoldsOthers() bool {
	t.c.mu.Lock()
	defer t.c.mu.Unlock()
	return t.c.run == nil && len(t.c.targets) > 1
}

// LetOthersRun lets the wire's other processes run on that a stop of t holds up.
func (t *Target) LetOthersRun(ctx context.Context) error {
	c := t.c
	if !t.HoldsOthers() {
		return nil
	}
	if err := c.claim(ctx); err != nil {
		return err
	}
	defer func() { <-c.token }()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.thaw()
	return c.err
}

// The parent of a vfork waits in the kernel until its child executes an image or
// ends, and nothing stops it there: neither our interrupt nor the far end's own, which
// would wait for it forever while it stops for the child. So it is not resumed as
// long as we hold the child; to those above it runs.

// runLater begins a motion of t that the far end hears of when the child is done with
// t's memory. The traps of o change at once.
func (t *Target) runLater(ctx context.Context, p *plan, o *targets.Run) error {
	p.trapsOf(o)
	if err := t.fly(ctx, p); err != nil || o.Err != nil {
		return err
	}
	t.c.mu.Lock()
	defer t.c.mu.Unlock()
	t.moves(o.Resume)
	if t.lends == nil { // it is done meanwhile
		t.c.thaw()
	}
	return t.c.err
}

// returned: the child t does not use its parent's memory any more; c.mu is held.
func (c *Conn) returned(t *Target) {
	for _, parent := range c.targets {
		if parent.lends == t {
			parent.lends = nil
		}
	}
}
