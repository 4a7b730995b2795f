package launch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"dap-windbg/engine"
	"dap-windbg/systems/winkernel"
	"dap-windbg/targets/kd"
)

// kernelDebugger connects to a Windows kernel over KD: com:, net: or kdsrv:.
func (d *Debugger) kernelDebugger(ctx context.Context, c *Connection, p *Plan) (*debuggee, error) {
	rw, o, err := d.kernelLine(ctx, c)
	if err != nil {
		return nil, err
	}
	o.Break, o.Trace = true, d.trace
	o.Told = func(text string) { d.tell(engine.Important, "%s", text) }
	if c.Protocol != "kdsrv" {
		d.tell(engine.FromDebugger, "Opened %s", o.Peer)
	}
	d.tell(engine.FromDebugger, "Waiting to reconnect...")
	limited := ctx
	if !p.WaitFor && !c.Bool("reconnect", false) && p.Timeout > 0 {
		var stop context.CancelFunc
		limited, stop = context.WithTimeout(ctx, p.Timeout)
		defer stop()
	}
	t, err := kd.Connect(limited, rw, o)
	var waited *kd.WaitError
	if errors.As(err, &waited) && errors.Is(err, context.DeadlineExceeded) {
		return nil, &ReachError{What: fmt.Sprintf("no kernel debugger answered on %s within %s", o.Peer, p.Timeout), Fix: waited.Hint()}
	}
	if err != nil {
		return nil, err
	}
	d.tell(engine.FromDebugger, "%s", connected(t.Version(), time.Now()))
	d.tell(engine.FromDebugger, "Kernel Debugger connection established.")
	return &debuggee{target: t}, nil
}

// kernelLine opens what c names and says how to speak on it.
func (d *Debugger) kernelLine(ctx context.Context, c *Connection) (io.ReadWriteCloser, kd.Options, error) {
	switch c.Protocol {
	case "com":
		s, err := lineSpec(c)
		if err != nil {
			return nil, kd.Options{}, err
		}
		rw, err := d.openLine(ctx, c)
		return rw, comOptions(c, lineName(s), s.Baud), err
	}
	if c.Protocol == "net" {
		rw, err := d.openNet(ctx, c)
		return rw, kd.Options{Peer: "port " + c.Get("port")}, err
	}
	trans, err := overServer(c)
	if err != nil {
		return nil, kd.Options{}, err
	}
	l, err := d.farLine(ctx, c, trans)
	if err != nil {
		return nil, kd.Options{}, err
	}
	return l, comOptions(trans, l.Name, trans.Int("baud", 0)), nil
}

// openNet listens for the target of a net: connection.
func (d *Debugger) openNet(ctx context.Context, c *Connection) (io.ReadWriteCloser, error) {
	var nudge net.Addr
	if host := c.Get("target"); host != "" {
		a, err := net.ResolveUDPAddr("udp", net.JoinHostPort(host, c.Get("port")))
		if err != nil {
			return nil, &ReachError{What: "Unable to find the target " + host, Err: err}
		}
		nudge = a
	}
	var listen net.ListenConfig
	pc, err := listen.ListenPacket(ctx, "udp", ":"+c.Get("port"))
	if err != nil {
		return nil, &ReachError{What: "Unable to listen on UDP port " + c.Get("port"), Err: err, Fix: "another debugger may use the port: each target needs one of its own"}
	}
	n, err := kd.NewNet(pc, c.Get("key"), nudge, func(text string) { d.tell(engine.Important, "%s", text) })
	if err != nil {
		pc.Close()
		return nil, err
	}
	return n, nil
}

// comOptions are those of a com: connection.
func comOptions(c *Connection, name string, baud int) kd.Options {
	return kd.Options{Peer: name, Baud: baud, Resets: c.Int("resets", 0),
		Newlines: map[string]kd.Newlines{"off": kd.NewlinesOff, "fix": kd.NewlinesFix}[c.Get("crlf")]}
}

var machineNames = map[uint16]string{0x14c: "x86 compatible", 0x8664: "x64", 0xaa64: "ARM 64-bit (AArch64)"}

// connected is WinDbg's line of a connection that was made at now.
func connected(v kd.Version, now time.Time) string {
	_, offset := now.Zone()
	wide := "FALSE"
	if v.Pointer == 8 {
		wide = "TRUE"
	}
	return fmt.Sprintf("Connected to %s %d %s target at (%s (UTC %c %d:%02d)), ptr64 %s", winkernel.Product(int(v.Build)), v.Build, machineNames[v.Machine],
		now.Format("Mon Jan _2 15:04:05.000 2006"), sign(offset), abs(offset)/3600, abs(offset)/60%60, wide)
}

func sign(n int) byte {
	if n < 0 {
		return '-'
	}
	return '+'
}

func abs(n int) int { return max(n, -n) }
