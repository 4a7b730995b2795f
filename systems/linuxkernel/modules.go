package linuxkernel

import (
	"context"

	"dap-windbg/systems"
	"dap-windbg/targets"
)

// Modules implements systems.System: the kernel, then what it has loaded.
func (s *System) Modules(ctx context.Context, w systems.World) ([]targets.Module, error) {
	return nil, ErrNoKernel
}

// Watch implements systems.System.
func (*System) Watch() []string { return nil }
