package launch

import (
	"context"

	"dap-windbg/engine"
	"dap-windbg/systems/winkernel"
)

// kernelBanner says what Windows kernel g is, as a debugger does once it is connected.
func (d *Debugger) kernelBanner(ctx context.Context, g *debuggee) {
	system, ok := g.session.System().(*winkernel.System)
	if !ok {
		return
	}
	d.tell(engine.FromDebugger, "Symbol search path is: %s", d.plan.SymbolPath)
	d.tell(engine.FromDebugger, "Executable search path is: %s", d.plan.ImagePath)
	var lines []string
	err := g.session.Do(ctx, func(ctx context.Context, v *engine.View) (err error) {
		lines, err = system.Banner(ctx, v.World(ctx))
		return err
	})
	for _, l := range lines {
		d.tell(engine.FromDebugger, "%s", l)
	}
	if err != nil {
		d.tell(engine.Important, "Unable to read what kernel it is: %v", err)
	}
}
