package windbg

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/engine"
	"dap-windbg/symbols"
	"dap-windbg/systems"
	"dap-windbg/targets"
)

// This file lets a system's own commands (systems.Extension) be typed as ours are: it
// puts their table beside ours and serves them the desk they work at.

// widened is the registry of one session: ours and its system's rows.
type widened struct {
	of       *engine.Session
	registry *registry
}

// commands is the registry that lines are read with. What a system says about a name
// that we have too goes first: it knows its debuggee better.
func (i *Interpreter) commands() *registry {
	if i.o.Host == nil {
		return i.registry
	}
	s := i.o.Host.Session()
	if s == nil {
		return i.registry
	}
	if e := i.widened.Load(); e != nil && e.of == s {
		return e.registry
	}
	r := i.registry
	if x, ok := s.System().(systems.Extender); ok {
		r = newRegistry(withExtensions(r.families, s.System().Name(), x))
	}
	if s.Info().Stub == kdbStub {
		r = newRegistry(append(r.families, family{"Of the kernel's own debugger, kdb", kdbCommands(r)}))
	}
	i.widened.Store(&widened{s, r})
	return r
}

// withExtensions is the families with a system's rows in place of those of the same name.
func withExtensions(ours []family, name string, x systems.Extender) []family {
	own := extensionCommands(x)
	taken := map[string]bool{}
	for _, c := range own {
		taken[c.Name] = true
	}
	out := []family{{extensionsTitle(name), own}}
	for _, f := range ours {
		kept := family{Title: f.Title}
		for _, c := range f.Commands {
			if !taken[c.Name] {
				kept.Commands = append(kept.Commands, c)
			}
		}
		out = append(out, kept)
	}
	return out
}

func extensionsTitle(system string) string {
	if t := map[string]string{"linuxkernel": "Of a Linux kernel", "winkernel": "Of a Windows kernel"}[system]; t != "" {
		return t
	}
	return "Of a " + system + " debuggee"
}

// extensionCommands makes rows of a system's table.
func extensionCommands(x systems.Extender) []command {
	var out []command
	for _, e := range x.Extensions() {
		out = append(out, command{e.Name, e.Usage, e.Help, stopped, func(ctx context.Context, c *call) error {
			err := e.Run(ctx, c.desk(ctx), strings.TrimSpace(c.line))
			if u := (*systems.UsageError)(nil); errors.As(err, &u) {
				lead := len(c.line) - len(strings.TrimLeft(c.line, " \t"))
				return &Error{Kind: "Syntax", Command: c.text, Pos: c.base + lead + u.At, Fix: e.Usage}
			}
			if a := (*systems.AbsentError)(nil); errors.As(err, &a) {
				return refused(a.Why)(ctx, c)
			}
			return err
		}})
	}
	return out
}

// desk is what an extension works at: the view of the stop, and the call it runs in.
type desk struct {
	*engine.View
	systems.World
	ctx context.Context // of the call
	c   *call
}

func (c *call) desk(ctx context.Context) *desk {
	return &desk{View: c.v, World: c.v.World(ctx), ctx: ctx, c: c}
}

func (d *desk) ReadMemory(ctx context.Context, a arch.Addr, p []byte) (int, error) {
	return d.World.ReadMemory(ctx, a, p)
}

func (d *desk) Target() targets.Target { return d.World.Target() }

func (d *desk) Address(name string) (arch.Addr, error) { return d.World.Address(name) }

func (d *desk) Write(p []byte) (int, error) { return d.c.out.Write(p) }

func (d *desk) Width() int {
	if w := d.c.i.o.Width; w > 0 {
		return w
	}
	return 80
}

func (d *desk) Evaluate(ctx context.Context, expr string) (uint64, error) {
	return d.c.value(ctx, expr)
}

func (d *desk) Locate(a arch.Addr) string {
	if m, ok := d.View.ModuleAt(a); ok && !m.Tried {
		_, _ = d.View.LoadSymbols(d.ctx, m.Base, false, false) // without, the module is still named
	}
	l := d.View.Locate(a)
	if l.Symbol.Name == "" {
		return ""
	}
	return locationText(l)
}

func (d *desk) Processors(ctx context.Context) ([]targets.Thread, error) {
	all, err := d.View.Threads(ctx)
	out := make([]targets.Thread, len(all))
	for k, t := range all {
		out[k] = t.Thread
	}
	return out, err
}

func (d *desk) Processor() targets.ThreadID { return d.View.Selected() }

// spaceMemory reads one space through the stop's cache.
type spaceMemory struct {
	v     *engine.View
	space targets.Space
}

func (m spaceMemory) ReadMemory(ctx context.Context, a arch.Addr, p []byte) (int, error) {
	return m.v.ReadMemory(ctx, m.space, a, p)
}

func (d *desk) Memory(s targets.Space) symbols.Memory { return spaceMemory{d.View, s} }

func (d *desk) Frames(ctx context.Context, at systems.Context, limit int) ([]*arch.Registers, error) {
	s, err := d.View.StackAt(ctx, at, limit)
	if s == nil {
		return nil, err
	}
	var out []*arch.Registers
	for k := range s.Frames {
		if f := &s.Frames[k]; !f.Inlined && f.Kind != engine.ByTailCall {
			out = append(out, f.Regs)
		}
	}
	return out, err
}

func (d *desk) WriteStack(ctx context.Context, at systems.Context, limit int, indent string) error {
	if limit <= 0 {
		limit = d.c.i.frames
	}
	s, err := d.View.StackAt(ctx, at, limit)
	if s == nil {
		return err
	}
	inner := *d.c
	inner.exec = &exec{}
	*inner.exec = *d.c.exec
	inner.out = &indented{w: d.c.out, by: indent}
	inner.frames(ctx, s, limit, stackStyle{})
	return err
}

// indented puts text before each line.
type indented struct {
	w      io.Writer
	by     string
	inside bool // of a line
}

func (o *indented) Write(p []byte) (int, error) {
	var b bytes.Buffer
	for l := range bytes.Lines(p) {
		if !o.inside {
			b.WriteString(o.by)
		}
		b.Write(l)
		o.inside = l[len(l)-1] != '\n'
	}
	if _, err := o.w.Write(b.Bytes()); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (d *desk) WriteRegisters(_ context.Context, r *arch.Registers) error {
	d.c.printf("%s", registersText(r, d.c.i.mask))
	return nil
}

func (d *desk) Context() systems.Context { return d.View.Place() }

func (d *desk) SetContext(ctx context.Context, at systems.Context) error {
	return d.View.SetPlace(ctx, at)
}
