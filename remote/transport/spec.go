package transport

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

// Spec says how two programs reach each other. One value serves both ends: the server
// leaves Server empty.
type Spec struct {
	Protocol string // "tcp", "ssl", "npipe", "spipe", "com"

	Server        string // tcp, ssl, npipe, spipe: host of the server; "" at the server
	Port, PortEnd int    // tcp, ssl: a range where there is a choice; PortEnd 0: Port alone
	Clicon        string // the other end of a reverse connection, which the server opens
	IPv6          bool   // nothing else
	Pipe          string // npipe, spipe: a name or an absolute path
	Device        string // com
	Baud, Channel int    // com

	Password string
	Hidden   bool // the server is not listed

	Proto       string // ssl, spipe: "tls1" (the best of both), "tls12", "tls13"
	Cert        string // ssl, spipe: PEM file, see identity
	Fingerprint string // ssl, spipe: SHA-256 of the other end's certificate, hex
}

// Secure: what travels is encrypted.
func (s Spec) Secure() bool { return s.Protocol == "ssl" || s.Protocol == "spipe" }

// Clear: others could read what travels between two machines.
func (s Spec) Clear() bool {
	other := s.Server
	if s.Reverse() {
		other = s.Clicon
	}
	return (s.Protocol == "tcp" || s.Protocol == "npipe") && !local(other)
}

// Reverse: the server opens the connection.
func (s Spec) Reverse() bool { return s.Clicon != "" }

// network reports whether others than this machine could be at the other end.
func (s Spec) network() bool { return s.Protocol == "tcp" || s.Protocol == "ssl" }

// String is the connection string in canonical form, the password hidden.
func (s Spec) String() string {
	var args []string
	add := func(key, value string) {
		if value != "" {
			args = append(args, key+"="+value)
		}
	}
	add("Proto", s.Proto)
	add("CertUser", s.Cert)
	if s.network() {
		port := strconv.Itoa(s.Port)
		if s.PortEnd > s.Port {
			port += ":" + strconv.Itoa(s.PortEnd)
		}
		add("Port", port)
	}
	if s.Protocol == "com" {
		add("Port", s.Device)
		add("Baud", strconv.Itoa(s.Baud))
		add("Channel", strconv.Itoa(s.Channel))
	}
	add("Server", s.Server)
	add("Clicon", s.Clicon)
	add("Pipe", s.Pipe)
	add("Fingerprint", s.Fingerprint)
	if s.Password != "" {
		add("Password", "*")
	}
	if s.IPv6 {
		add("IPVersion", "6")
	}
	if s.Hidden {
		args = append(args, "Hidden")
	}
	return s.Protocol + ":" + strings.Join(args, ",")
}

// where is the other end as error texts name it.
func (s Spec) where() string {
	switch {
	case s.network() && s.Server != "":
		return hostPort(s.Server, s.Port)
	case s.network() && s.Clicon != "":
		return hostPort(s.Clicon, s.Port)
	case s.network():
		return "port " + strconv.Itoa(s.Port)
	case s.Protocol == "com":
		return fmt.Sprintf("%s, channel %d", s.Device, s.Channel)
	}
	return "pipe " + s.Pipe
}

// hostPort accepts a host as people write it: \\HOST and [::1] too.
func hostPort(host string, port int) string {
	return net.JoinHostPort(plainHost(host), strconv.Itoa(port))
}

func plainHost(host string) string {
	return strings.Trim(strings.TrimPrefix(host, `\\`), "[]")
}
