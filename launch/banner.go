package launch

import (
	"context"
	"fmt"

	"dap-windbg/engine"
	"dap-windbg/systems/linuxkernel"
	"dap-windbg/systems/winkernel"
)

// kernelBanner says what kernel g is, as a debugger does once it is connected.
func (d *Debugger) kernelBanner(ctx context.Context, g *debuggee) {
	if linux, ok := g.session.System().(*linuxkernel.System); ok {
		d.linuxBanner(ctx, g, linux)
		return
	}
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

// linuxBanner does so of Linux, where its kernel has been found: nothing is looked for.
func (d *Debugger) linuxBanner(ctx context.Context, g *debuggee, system *linuxkernel.System) {
	found := false
	err := g.session.Look(ctx, func(*engine.Live) error { found = system.Kernel() != nil; return nil })
	if err != nil || !found {
		return
	}
	var lines []string
	err = g.session.Do(ctx, func(ctx context.Context, v *engine.View) error {
		lines = system.Banner(ctx, v.World(ctx))
		cpus, err := v.Threads(ctx)
		lines = append(lines, fmt.Sprintf("%d processors, %s", len(cpus), g.session.Info().Stub))
		return err
	})
	if err != nil { // it ran on meanwhile
		return
	}
	for _, l := range lines {
		d.tell(engine.FromDebugger, "%s", l)
	}
}
