package engine

import (
	"context"

	"dap-windbg/targets"
)

// Postmortem reports whether the debuggee has ended and is looked at all the same.
func (l *Live) Postmortem() bool {
	_, dead := l.l.t.(targets.Postmortem)
	return dead
}

// ReadThrough carries out reads in one flight past the cache, with planted traps
// masked out: for passes over more memory than anybody looks at again. Each read
// has its own result; the error is of the wire.
func (v *View) ReadThrough(ctx context.Context, reads []*targets.MemoryRead) error {
	ops := make([]targets.Op, len(reads))
	for i, r := range reads {
		ops[i] = r
	}
	if err := v.l.do(ctx, ops...); err != nil {
		return err
	}
	for _, r := range reads {
		n := min(max(r.N, 0), len(r.Data))
		if r.Err == nil {
			n = len(r.Data)
		}
		v.l.traps.mask(r.Space, r.Addr, r.Data[:n])
	}
	return nil
}
