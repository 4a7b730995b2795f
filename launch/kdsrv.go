package launch

import (
	"context"
	"fmt"

	"dap-windbg/engine"
	"dap-windbg/remote/kdsrv"
	"dap-windbg/remote/transport"
)

// farLine opens the line that trans names on the machine of the KD connection server
// that c names.
func (d *Debugger) farLine(ctx context.Context, c, trans *Connection) (*kdsrv.Line, error) {
	a, _ := c.Arg("server") // the parser has seen it
	server := a.Nested
	conn, err := transport.Dial(ctx, server.Transport(), d.reaching(kdsrv.Service))
	if err != nil {
		return nil, reached(err)
	}
	r := kdsrv.Request{Port: trans.Get("port"), Baud: trans.Int("baud", 0), Pipe: trans.Bool("pipe", false), TCP: trans.Int("ipport", 0),
		Modem: trans.Bool("modem", false), Wait: trans.Bool("reconnect", false), CRLF: trans.Get("crlf"), Bytes: trans.Protocol != "com"}
	if s := trans.Get("server"); s != "" { // kgdb:, kdb: a line over TCP
		r.Port, r.TCP = s, trans.Int("port", 0)
	}
	name := ""
	l, err := kdsrv.Open(ctx, conn, r, func(e kdsrv.Event) {
		switch {
		case e.Away:
			d.tell(engine.Important, "%s on %s went away: %s\nWaiting to reconnect...", name, server.Get("server"), e.Text)
		case e.Back:
			d.tell(engine.Important, "Opened %s on %s again.", name, server.Get("server"))
		default:
			d.tell(engine.Important, "%s", e.Text)
		}
	})
	if err != nil {
		return nil, reached(err)
	}
	name = l.Name
	d.tell(engine.FromDebugger, "Opened %s on %s", l.Name, server.Get("server"))
	return l, nil
}

// overServer checks what stands behind a KD connection server.
func overServer(c *Connection) (*Connection, error) {
	a, _ := c.Arg("trans")
	if a.Nested == nil {
		return nil, &ConfigError{Field: "connection", Value: c.String(), Want: "names no line: trans=@{com:port=..,baud=..}"}
	}
	switch a.Nested.Protocol {
	case "com", "kgdb", "kdb":
		return a.Nested, nil
	}
	return nil, &UnavailableError{What: fmt.Sprintf("a KD connection server gives lines; '%s:' is none", a.Nested.Protocol), Fix: "use com:, kgdb: or kdb: in trans"}
}
