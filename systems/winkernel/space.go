package winkernel

import (
	"context"

	"dap-windbg/arch"
	"dap-windbg/systems"
	"dap-windbg/targets"
)

// spaced is a Desk's World with its memory read in another space.
type spaced struct {
	systems.Desk
	space targets.Space
}

func (s spaced) ReadMemory(ctx context.Context, a arch.Addr, p []byte) (int, error) {
	return s.Memory(s.space).ReadMemory(ctx, a, p)
}
