package launch

import (
	"fmt"
	"strconv"
	"strings"
)

// Connection is a parsed connection string: protocol:key=value,...
type Connection struct {
	Protocol string // lower case
	Args     []Arg  // in order, keys as in the protocol table; a repeated key keeps its last value
	Source   string // as written
	Warnings []string
}

// Arg is one argument of a Connection.
type Arg struct {
	Key    string
	Value  string      // plain value; of nested arguments the text between the braces
	Nested *Connection // of @{...} values that are connections
	Argv   []string    // of @{...} values that are command lines
	Flag   bool        // no value given
}

// Role is where a connection string is used; not every protocol fits everywhere.
type Role uint8

const (
	AnyRole       Role = iota
	TargetLink         // attach's connection, -remote's target forms
	Kernel             // -k, -kx
	ProcessServer      // -premote
	Session            // -remote, attach's remote
	ServerSide         // -server, .server, -t
)

// ConnectionError is a fault at byte Column (from 1) of a connection string.
// Source never shows a password.
type ConnectionError struct {
	Msg    string
	Column int
	Source string
	Fix    string // what the user can do, or ""
}

// Hint says what the user can do.
func (e *ConnectionError) Hint() string { return e.Fix }

func (e *ConnectionError) Error() string {
	if e.Column <= 0 {
		return e.Msg
	}
	return fmt.Sprintf("%s, column %d in '%s'", e.Msg, e.Column, e.Source)
}

// IsSession reports whether c leads to a shared debug session when it stands where
// both those and debuggees can.
func (c *Connection) IsSession() bool {
	switch c.Protocol {
	case "tcp", "npipe", "ssl", "spipe":
		return true
	case "com":
		return c.Has("channel")
	}
	return false
}

// Get returns the value of key, "" when absent.
func (c *Connection) Get(key string) string {
	if a, ok := c.Arg(key); ok {
		return a.Value
	}
	return ""
}

// Has reports whether key is present.
func (c *Connection) Has(key string) bool { _, ok := c.Arg(key); return ok }

// Arg returns the argument called key. What kdsrv: does not have itself is its line's.
func (c *Connection) Arg(key string) (Arg, bool) {
	for _, a := range c.Args {
		if a.Key == key {
			return a, true
		}
	}
	if c.Protocol == "kdsrv" && key != "trans" {
		if a, ok := c.Arg("trans"); ok && a.Nested != nil {
			return a.Nested.Arg(key)
		}
	}
	return Arg{}, false
}

// Int returns key as a number, def when absent. Parse has checked it.
func (c *Connection) Int(key string, def int) int {
	if n, err := strconv.Atoi(c.Get(key)); err == nil {
		return n
	}
	return def
}

// Bool returns key as a truth value, def when absent. A flag is true.
func (c *Connection) Bool(key string, def bool) bool {
	a, ok := c.Arg(key)
	if !ok {
		return def
	}
	return a.Flag || truth[strings.ToLower(a.Value)]
}

var truth = map[string]bool{"true": true, "on": true, "1": true, "yes": true}

// String prints c with canonical keys; the password, or the key of net:, is hidden.
func (c *Connection) String() string { return c.format(false) }

// Secret prints c with its password or key, for handing on to another process.
func (c *Connection) Secret() string { return c.format(true) }

func (c *Connection) format(secret bool) string {
	var b strings.Builder
	b.WriteString(c.Protocol)
	b.WriteByte(':')
	for i, a := range c.Args {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(canonical(c.Protocol, a.Key))
		switch {
		case a.Flag:
		case a.Nested != nil:
			b.WriteString("=@{" + a.Nested.format(secret) + "}")
		case a.Argv != nil:
			b.WriteString("=@{" + a.Value + "}")
		case (a.Key == "password" || c.Protocol == "net" && a.Key == "key") && !secret:
			b.WriteString("=*")
		default:
			b.WriteString("=" + a.Value)
		}
	}
	return b.String()
}

// canonical is a key as WinDbg prints it.
func canonical(protocol, key string) string {
	if protocol == "gdb" || key == "" {
		return key
	}
	if s, ok := printed[key]; ok {
		return s
	}
	return strings.ToUpper(key[:1]) + key[1:]
}

var printed = map[string]string{"clsid": "CLSID", "ipversion": "IPVersion", "ipport": "IPPort", "databreaks": "DataBreaks"}
