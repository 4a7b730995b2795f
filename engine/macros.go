package engine

import (
	"context"

	"dap-windbg/eval"
	"dap-windbg/symbols"
)

var _ eval.Macros = (*env)(nil)

// Macro finds a macro that the frame's code sees.
func (e *env) Macro(_ context.Context, name string) (symbols.Macro, bool) {
	if e.f == nil || e.f.Module == nil || e.f.Regs == nil {
		return symbols.Macro{}, false
	}
	m, ok := e.f.Module.Image.(symbols.Macros)
	if !ok {
		return symbols.Macro{}, false
	}
	return m.Macro(e.f.Module.offset(e.f.lookup()), name)
}
