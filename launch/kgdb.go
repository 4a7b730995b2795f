package launch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"sync"

	"dap-windbg/engine"
	"dap-windbg/remote/line"
	"dap-windbg/targets"
	"dap-windbg/targets/kdb"
	"dap-windbg/targets/rsp"
)

// enterAdvice tells how a user makes a Linux kernel enter its debugger.
const enterAdvice = "The kernel runs. Make it enter its debugger: echo g > /proc/sysrq-trigger as root, Alt+SysRq+g at its keyboard, " +
	"or boot it with kgdbwait. kgdboc= must name this line, and kernel.sysrq must allow it."

// socketAdvice is what a socket may lack besides.
const socketAdvice = " A break goes over a socket only where telnet is spoken on it (QEMU: telnet=on). QEMU's own stub is reached by qemu:."

// linuxDebugger connects to a Linux kernel's own debugger: kgdb: or kdb:.
func (d *Debugger) linuxDebugger(ctx context.Context, c *Connection, p *Plan) (*debuggee, error) {
	l, name, baud, err := d.linuxLine(ctx, &c)
	if err != nil {
		return nil, err
	}
	d.tell(engine.FromDebugger, "Opened %s", name)
	limited, wait, advice := ctx, p.Timeout, enterAdvice
	if c.Has("server") {
		advice += socketAdvice
	}
	if v, err := parseDuration(c.Get("timeout")); err == nil && v > 0 {
		wait = v
	}
	how := entry{advice: advice + " This ends it: Ctrl+C.", how: c.Get("enter"), tell: func(text string) {
		if text = strings.TrimSuffix(plain(text), "\n"); text != "" {
			d.tell(engine.FromDebugger, "%s", text)
		}
	}}
	if !p.WaitFor && wait > 0 {
		how.advice = fmt.Sprintf("%s It is waited for %s; timeout= in the connection string sets that.", advice, wait)
		var stop context.CancelFunc
		limited, stop = context.WithTimeout(ctx, wait)
		defer stop()
	}
	var t targets.Target
	if c.Protocol == "kdb" {
		t, err = d.kdbTarget(limited, how, l, name)
	} else {
		t, err = d.kgdbTarget(limited, how, p, l, name, baud)
	}
	if err != nil && errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return nil, &ReachError{What: fmt.Sprintf("no %s answered on %s within %s", c.Protocol, name, wait), Fix: advice + " A kernel that takes longer to boot is waited for by timeout= in the connection string."}
	}
	if err != nil {
		return nil, err
	}
	d.tell(engine.FromDebugger, "Kernel Debugger connection established.")
	return &debuggee{target: t}, nil
}

// linuxLine opens the line that c names: a serial device, or one over TCP, where
// telnet may be spoken. Of a line over a KD connection server, over becomes the line's.
func (d *Debugger) linuxLine(ctx context.Context, over **Connection) (l line.Line, name string, baud int, err error) {
	c := *over
	if c.Protocol == "kdsrv" { // the line is another machine's
		if *over, err = overServer(c); err != nil {
			return nil, "", 0, err
		}
		far, err := d.farLine(ctx, c, *over)
		if err != nil {
			return nil, "", 0, err
		}
		if (*over).Has("server") {
			return line.Telnet(far), far.Name, 0, nil
		}
		return far, far.Name, (*over).Int("baud", 0), nil
	}
	s := line.Spec{Port: c.Get("server"), TCP: c.Int("port", 0)}
	if s.Port == "" {
		if s, err = lineSpec(c); err != nil {
			return nil, "", 0, err
		}
		l, err = line.Open(ctx, s)
		return l, lineName(s), s.Baud, err
	}
	if l, err = line.Open(ctx, s); err != nil {
		return nil, "", 0, err
	}
	return line.Telnet(l), net.JoinHostPort(s.Port, c.Get("port")), 0, nil
}

// bitsPerByte are sent on a serial line: a start bit, eight, a stop bit.
const bitsPerByte = 10

// entry is how a running kernel comes to stop.
type entry struct {
	how    string // the argument enter
	advice string // for the user
	tell   func(text string)
}

func (d *Debugger) kgdbTarget(ctx context.Context, e entry, p *Plan, l line.Line, name string, baud int) (targets.Target, error) {
	k := rsp.KGDB{Advice: e.advice + "\n", Speed: baud / bitsPerByte, Tell: e.tell}
	switch e.how {
	case "esc":
		k.BreakIn = func() error { return escape(l) }
	case "", "break":
		k.BreakIn = func() error { return sysrq(l) }
	}
	conn, err := rsp.ConnectKGDB(ctx, l, rsp.Options{Peer: name, Timeout: p.Timeout, Trace: d.trace, Log: d.hooks.Log}, k)
	if err != nil {
		return nil, err
	}
	return conn.Target(), nil
}

// sysrq is SysRq g on a serial console: a break, and the letter within five seconds.
func sysrq(l line.Line) error {
	if err := l.SendBreak(); err != nil {
		return err
	}
	_, err := io.WriteString(l, "g")
	return err
}

// escape is what the kdb patch before Linux 2.6.35 enters by on a serial console
// (kdb v4.4: "the control sequence <esc>KDB").
func escape(l line.Line) error {
	_, err := io.WriteString(l, kdb.Escape)
	return err
}

func (d *Debugger) kdbTarget(ctx context.Context, e entry, l line.Line, name string) (targets.Target, error) {
	o := kdb.Options{Peer: name, Enter: true, Trace: d.trace, Advice: e.advice, Tell: e.tell}
	switch e.how {
	case "esc":
		o.Escape = true
	case "none":
		o.Break = func() error { return kdb.NoBreakError{} }
	}
	return kdb.Connect(ctx, l, o)
}

// controls are the control sequences and characters of terminals (ECMA-48, 5.4 and 5.6).
var controls = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile("\x1b(?:\\[[0-?]*[ -/]*[@-~]|[\\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\\\)?|[ -/]*[0-~])?|[\x00-\x08\x0b-\x1f\x7f]")
})

// plain is console text without what moves the cursor: a guest's shell asks the terminal
// where that is.
func plain(text string) string { return controls().ReplaceAllString(text, "") }
