package engine

import (
	"context"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

// This file looks at a debuggee that may be running.

// Peek runs f over the debuggee whatever it does: a running one is halted for it,
// which nobody is told of, and goes on behind it. f must not resume it.
func (s *Session) Peek(ctx context.Context, f func(context.Context, *View) error) error {
	return s.send(ctx, parkable, func(ctx context.Context) error {
		s.l.catchUp(ctx)
		v := &View{l: s.l}
		defer func() { v.l = nil }()
		return f(ctx, v)
	})
}

// ReadMemory reads at any time, with planted traps masked out: a running debuggee's
// memory is read as it runs where the far end can do that, else at a moment's halt.
func (s *Session) ReadMemory(ctx context.Context, space targets.Space, addr arch.Addr, p []byte) (n int, err error) {
	live := false
	err = s.send(ctx, anyTime, func(ctx context.Context) error {
		if live = s.l.state == StateRunning && s.l.t.Info().Limits.Bits&targets.LiveMemory != 0; !live {
			return nil
		}
		n, err = s.l.readDirect(ctx, space, addr, p)
		return err
	})
	if live || err != nil {
		return n, err
	}
	err = s.Peek(ctx, func(ctx context.Context, v *View) error {
		n, err = v.ReadMemory(ctx, space, addr, p)
		return err
	})
	return n, err
}
