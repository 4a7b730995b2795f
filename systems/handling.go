package systems

import (
	"context"

	"dap-windbg/targets"
)

// Signaller is a System whose processes may take care of signals by themselves.
type Signaller interface {
	// Unhandled reports whether a signal would end the process: its default action
	// does, and the process neither handles nor ignores it. What cannot be found out
	// counts as unhandled.
	Unhandled(ctx context.Context, t targets.Target, signal int) bool
}
