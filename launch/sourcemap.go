package launch

import (
	"context"

	"dap-windbg/targets"
)

// SourceMap returns which compile-time folders are found where: heads of paths, and
// the folders or URLs that stand for them.
func (d *Debugger) SourceMap() map[string]string { return d.files.store.SourceMap() }

// SetSourceMap replaces the map.
func (d *Debugger) SetSourceMap(m map[string]string) { d.files.store.SetSourceMap(m) }

// Abandon leaves the present debuggee stopped for the next debugger; the Debugger stays.
func (d *Debugger) Abandon(ctx context.Context) error { return d.part(ctx, targets.Leave) }
