package launch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"dap-windbg/engine"
	"dap-windbg/remote/dbgsrv"
	"dap-windbg/remote/transport"
	"dap-windbg/targets"
	"dap-windbg/targets/rsp"
)

// Probe tries a connection layer by layer and leaves the far end as it was; a Linux kernel
// with a debugger of its own is stopped for that and runs on, also when ctx ends. step is
// told of each layer that works, and with an empty layer of what is waited for; the error
// says what the next one failed of.
func Probe(ctx context.Context, c *Connection, step func(layer, detail string)) error {
	switch c.Protocol {
	case "tcp", "ssl", "npipe", "spipe":
		return probeServer(ctx, c, step)
	case "com":
		if c.Has("channel") {
			return probeServer(ctx, c, step)
		}
	case "kdsrv":
		if a, ok := c.Arg("server"); ok && a.Nested != nil {
			return Probe(ctx, a.Nested, step)
		}
	case "kgdb", "kdb":
		return probeKernel(ctx, c, step)
	case "gdb", "qemu":
		if !c.Has("cmd") {
			return probeStub(ctx, c, step)
		}
	}
	p := NewPlan()
	p.Request, p.Connection = Attach, c
	d, err := Start(ctx, p, Hooks{})
	if err != nil {
		return err
	}
	step("target", "connected")
	return d.Close(ctx, targets.Detach)
}

// partingLimit is how long a kernel that may have been stopped is waited for, to let it run.
const partingLimit = 15 * time.Second

// probeKernel stops a Linux kernel by its own debugger, and lets it run. Nothing is read of
// it that the connection does not need.
func probeKernel(ctx context.Context, c *Connection, step func(layer, detail string)) error {
	p := NewPlan()
	p.Request, p.Connection = Attach, c
	d := &Debugger{plan: p, filters: newFilters(), hooks: Hooks{Emit: func(e engine.Event) {
		if o, ok := e.(engine.Output); ok {
			step("", strings.TrimSuffix(o.Text, "\n"))
		}
	}}}
	step("", "The machine is stopped for a moment: its kernel's debugger listens only then.")
	type result struct {
		g   *debuggee
		err error
	}
	reached := make(chan result, 1)
	began := time.Now()
	reaching, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	go func() {
		g, err := d.linuxDebugger(reaching, c, &p)
		reached <- result{g, err}
	}()
	var r result
	select {
	case r = <-reached:
	case <-ctx.Done(): // a break is under way perhaps
		step("", "Interrupted. If the machine stops now, it is let run.")
		late := time.AfterFunc(partingLimit, giveUp)
		defer late.Stop()
		r = <-reached
	}
	if r.err != nil {
		return cmp.Or(ctx.Err(), r.err)
	}
	return letRun(ctx, r.g.target, c.Protocol, began, step)
}

// letRun parts from a kernel that a probe has stopped.
func letRun(ctx context.Context, t targets.Target, protocol string, began time.Time, step func(layer, detail string)) error {
	limited, stop := context.WithTimeout(context.WithoutCancel(ctx), partingLimit)
	defer stop()
	var cpus []targets.Thread
	var err error
	if ctx.Err() == nil {
		cpus, err = t.Threads(limited)
	}
	if left := t.Close(limited, targets.Detach); left != nil && !errors.Is(left, targets.ErrGone) {
		return &ReachError{What: "the machine is stopped in its debugger, and could not be let run", Err: left,
			Fix: "connect by `dap-windbg cdb -k`, and leave by `qd`; or type `go` at kdb's prompt"}
	}
	if err == nil && ctx.Err() == nil {
		step("target", fmt.Sprintf("a Linux kernel by %s, %d processors", protocol, len(cpus)))
	}
	step("machine", fmt.Sprintf("was stopped, and runs again after %.1f s", time.Since(began).Seconds()))
	return cmp.Or(err, ctx.Err())
}

// probeServer reaches a server of ours, of whatever kind.
func probeServer(ctx context.Context, c *Connection, step func(layer, detail string)) error {
	s := c.Transport()
	if !s.Reverse() && (s.Protocol == "tcp" || s.Protocol == "ssl") {
		if err := probeName(ctx, s.Server, step); err != nil {
			return err
		}
	}
	conn, err := transport.Dial(ctx, s, transport.Options{Service: transport.AnyService, Step: func(l transport.Layer, detail string) { step(string(l), detail) }})
	if err != nil {
		return reached(err)
	}
	defer conn.Close()
	if conn.Service != dbgsrv.Service {
		step("service", "'"+conn.Service+"': "+conn.Title)
		return nil
	}
	step("service", "process server: "+conn.Title)
	list, err := (&serverLink{conn: conn}).Processes(ctx)
	if err == nil {
		step("target", fmt.Sprintf("%d processes", len(list)))
	}
	return err
}

func probeName(ctx context.Context, host string, step func(layer, detail string)) error {
	host = strings.Trim(strings.TrimPrefix(host, `\\`), "[]")
	addrs, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return &ReachError{What: "the name " + host + " leads nowhere", Err: err, Fix: "check its spelling, or give the address"}
	}
	step("name", host+" is "+strings.Join(addrs, ", "))
	return nil
}

// probeStub reaches a GDB stub. It connects once: a gdbserver --once takes nobody else.
func probeStub(ctx context.Context, c *Connection, step func(layer, detail string)) error {
	if err := probeName(ctx, c.Get("server"), step); err != nil {
		return err
	}
	rw, err := dialTCP(ctx, "the stub", c.Get("server"), c.Get("port"))
	if err != nil {
		return err
	}
	step("port", "connected to "+rw.RemoteAddr().String())
	conn, err := rsp.Connect(ctx, rw, rsp.Options{Peer: c.Get("server") + ":" + c.Get("port"), OS: c.Get("os")})
	if err != nil {
		return err
	}
	defer conn.Close()
	step("protocol", "the GDB remote protocol")
	t := conn.Target()
	if t == nil {
		list, err := conn.Processes(ctx)
		if err == nil {
			step("target", fmt.Sprintf("a process server, %d processes", len(list)))
		}
		return err
	}
	info := t.Info()
	what := fmt.Sprintf("process %d (%s)", info.Process, info.Path)
	if info.Machine {
		what = "a machine"
	}
	step("target", what+", "+info.Set.Arch.Name)
	if err := t.Close(ctx, targets.Leave); err != nil && !errors.Is(err, targets.ErrGone) {
		return err
	}
	return nil
}
