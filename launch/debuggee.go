package launch

import (
	"context"
	"fmt"
	"io"
	"sync"

	"dap-windbg/engine"
	"dap-windbg/symbols"
	"dap-windbg/systems"
	"dap-windbg/systems/linux"
	"dap-windbg/systems/winkernel"
	"dap-windbg/targets"
)

// debuggee is what belongs to the present debuggee alone.
type debuggee struct {
	session *engine.Session
	target  targets.Target
	server  *localServer  // the gdbserver we run for it, nil none
	guard   *guard        // parts from it should we be killed
	wire    io.Closer     // its own connection, besides the process server's; nil none
	created bool          // we started the program
	image   bool          // a file that nobody runs: nothing of a system is there
	done    chan struct{} // Run has returned
	ordinal int           // in its family
	child   *engine.Child // what came of a fork
	parent  *Debugger     // while it waits in the nursery
	freed   sync.Once
}

// free ends what we run for the debuggee, when nobody else needs it.
func (g *debuggee) free() {
	g.freed.Do(func() {
		g.guard.dismiss()
		if g.server != nil {
			g.server.stop()
		}
		if g.wire != nil {
			g.wire.Close()
		}
	})
}

// run serves the session until its end.
func (g *debuggee) run(life context.Context) {
	defer close(g.done)
	g.session.Run(life)
}

// options of g's session.
func (d *Debugger) options(g *debuggee, breakpoints []engine.Breakpoint) engine.Options {
	var system systems.System
	var files symbols.Store = imageStore{d.files.store, machine(&d.plan) != ""}
	switch info := g.target.Info(); {
	case g.image:
	case info.Machine && (info.OS == "windows" || d.plan.OS == "windowskernel"):
		system = winkernel.New()
	case info.Machine:
		system, files = d.linuxKernel()
	default:
		system = linux.New()
	}
	return engine.Options{
		System: system, Store: files, Model: d.model, Filter: d.filters.decide, Catching: d.filters.catching,
		Breakpoints: breakpoints, StepFilter: d.plan.StepFilter, AllowCalls: d.plan.AllowCalls, OpenMemory: openMemory, ReadLoaded: readLoaded, Timeout: d.plan.Timeout, Log: d.hooks.Log,
		Emit: func(e engine.Event) { d.from(g, e) }, Follow: d.follow, Together: d.hooks.Family, Unwatched: d.plan.CrashesOnly,
	}
}

// first runs g's session up to its first stop.
func (d *Debugger) first(ctx context.Context, g *debuggee) error {
	d.mu.Lock()
	d.present = g
	if d.hooks.Family {
		d.join(g)
	}
	d.mu.Unlock()
	go g.run(d.hooks.Life)
	defer g.guard.begin()
	if _, err := g.session.Wait(ctx); err != nil {
		d.end(context.WithoutCancel(ctx), d.Parting())
		return fmt.Errorf("waiting for the first stop: %w", err)
	}
	d.kernelBanner(ctx, g)
	return nil
}

// abandon ends a debuggee that has no session.
func (g *debuggee) abandon(ctx context.Context) error {
	how := targets.Detach
	if g.created {
		how = targets.Kill
	}
	err := g.target.Close(ctx, how)
	g.free()
	return err
}
