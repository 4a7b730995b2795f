package launch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"dap-windbg/remote/dbgsrv"
	"dap-windbg/remote/transport"
	"dap-windbg/targets"
	"dap-windbg/targets/rsp"
)

// Probe tries a connection layer by layer and leaves the far end as it was. step is
// told of each layer that works; the error says what the next one failed of.
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
