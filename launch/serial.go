package launch

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"dap-windbg/engine"
	"dap-windbg/remote/line"
)

// lineSpec is the line that c names: com:, or kgdb: and kdb: with a serial port.
// What c leaves out comes from the environment. Relative paths are the plan's
// program folder's affair, not a line's: they are taken as they are.
func lineSpec(c *Connection) (line.Spec, error) {
	s := line.Spec{Port: c.Get("port"), Baud: c.Int("baud", 0), Pipe: c.Bool("pipe", false), Modem: c.Bool("modem", false)}
	if host := c.Get("server"); c.Protocol == "com" && host != "" {
		return s, &UnavailableError{What: "com: has no server, its line is a port", Fix: "a serial line over TCP is com:ipport=N,port=" + host}
	}
	if v := c.Get("ipport"); v != "" {
		s.TCP = c.Int("ipport", 0)
		return s, nil
	}
	if s.Port == "" {
		s.Port = os.Getenv("_NT_DEBUG_PORT")
	}
	if s.Port == "" {
		s.Port = "com1"
	}
	if s.Baud == 0 {
		if v := os.Getenv("_NT_DEBUG_BAUD_RATE"); v != "" {
			n, err := strconv.Atoi(v)
			if err != nil || n <= 0 {
				return s, &ConfigError{Field: "_NT_DEBUG_BAUD_RATE", Value: v, Want: "is no speed in bits per second"}
			}
			s.Baud = n
		}
	}
	return s, nil
}

// openLine opens the line that c names. With "reconnect" it is waited for as long as
// ctx, and opened again when it goes; the user is told of both.
func (d *Debugger) openLine(ctx context.Context, c *Connection) (io.ReadWriteCloser, error) {
	s, err := lineSpec(c)
	if err != nil {
		return nil, err
	}
	if !c.Bool("reconnect", false) {
		return line.Open(ctx, s)
	}
	d.tell(engine.FromDebugger, "Opening %s", s)
	return line.Keep(ctx, func(ctx context.Context) (line.Line, error) { return line.Open(ctx, s) }, d.lineChanged(s.String()))
}

// lineChanged tells the user that a line went away or is back.
func (d *Debugger) lineChanged(name string) func(up bool, err error) {
	return func(up bool, err error) {
		if up {
			d.tell(engine.Important, "Opened %s again.", name)
			return
		}
		d.tell(engine.Important, "%s went away: %s\nWaiting to reconnect...", name, plainly(err))
	}
}

// lineName is how WinDbg writes the name of an opened port.
func lineName(s line.Spec) string {
	if n := s.String(); filepath.IsAbs(n) || s.TCP != 0 || len(n) > 1 && n[0] == '\\' {
		return n
	}
	return fmt.Sprintf(`\\.\%s`, s.Port)
}
