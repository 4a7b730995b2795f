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
	if !t.c.feature("fork-events") {
		return errors.ErrUnsupported
	}
	t.c.mu.Lock()
	defer t.c.mu.Unlock()
	t.forks = first(value) != 0
	return nil
}

// LetOthersRun lets the wire's other processes run on that a stop of t holds up.
func (t *Target) LetOthersRun(ctx context.Context) error {
	c := t.c
	c.mu.Lock()
	idle := c.run != nil || len(c.targets) < 2
	c.mu.Unlock()
	if idle {
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
