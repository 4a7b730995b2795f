package launch

import (
	"io"
	"os"
	"strconv"
	"strings"

	"dap-windbg/remote/transport"
)

// ReadConnection is ParseConnection for command lines, which everybody on the machine can
// read: of "@FILE" the string is what the file holds.
func ReadConnection(s string, r Role) (*Connection, error) {
	if file, ok := strings.CutPrefix(s, "@"); ok {
		f, err := os.Open(file)
		if err != nil {
			return nil, &ConnectionError{Msg: "the connection string cannot be read: " + err.Error()}
		}
		defer f.Close()
		text, err := io.ReadAll(io.LimitReader(f, maxConnection+2))
		if err != nil {
			return nil, &ConnectionError{Msg: "the connection string cannot be read: " + err.Error()}
		}
		s = strings.TrimSpace(string(text))
	}
	return ParseConnection(s, r)
}

// Transport is what a connection string says about how two programs of ours reach
// each other; tcp:, ssl:, npipe:, spipe: and com: say that.
func (c *Connection) Transport() transport.Spec {
	s := transport.Spec{
		Protocol: c.Protocol, Server: c.Get("server"), Clicon: c.Get("clicon"), Pipe: c.Get("pipe"), Password: c.Get("password"),
		Hidden: c.Has("hidden"), IPv6: c.Get("ipversion") == "6", Proto: strings.ToLower(c.Get("proto")), Fingerprint: c.Get("fingerprint"),
	}
	if s.Cert = c.Get("certuser"); s.Cert == "" {
		s.Cert = c.Get("machuser")
	}
	if c.Protocol == "com" {
		s.Device, s.Baud, s.Channel = c.Get("port"), c.Int("baud", 115200), c.Int("channel", 0)
		return s
	}
	first, last, _ := strings.Cut(c.Get("port"), ":")
	s.Port, _ = strconv.Atoi(first) // the parser has checked both
	s.PortEnd, _ = strconv.Atoi(last)
	return s
}
