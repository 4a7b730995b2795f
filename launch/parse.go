package launch

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxConnection bounds a connection string, bytes; maxNesting its @{} depth.
const (
	maxConnection = 4096
	maxNesting    = 4
)

// ParseConnection parses a connection string for use in role r.
// The error is a *ConnectionError.
func ParseConnection(s string, r Role) (*Connection, error) {
	s = strings.TrimPrefix(s, "remdbgeng://")
	p := parser{src: s}
	if len(s) > maxConnection {
		return nil, &ConnectionError{Msg: fmt.Sprintf("connection string is longer than %d bytes", maxConnection)}
	}
	return p.connection(0, len(s), r, 0)
}

type parser struct{ src string }

func (p *parser) fail(at int, format string, a ...any) *ConnectionError {
	return &ConnectionError{Msg: fmt.Sprintf(format, a...), Column: at + 1, Source: mask(p.src)}
}

// secrets are passwords, also where the word is misspelt.
var secrets = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?i)((pass[a-z]*|p[a-z]*w[a-z]*d[a-z]*) *=)[^,}]*`) })

// mask hides the value of every password in s.
func mask(s string) string { return secrets().ReplaceAllString(s, "$1*") }

// connection parses src[lo:hi].
func (p *parser) connection(lo, hi int, r Role, depth int) (*Connection, error) {
	whole := p.src[lo:hi]
	colon := strings.IndexByte(whole, ':')
	if colon < 0 {
		return nil, &ConnectionError{Msg: fmt.Sprintf("Invalid connection string '%s'. Expected protocol:argument=value,...", mask(whole))}
	}
	name := strings.ToLower(strings.TrimSpace(whole[:colon]))
	proto, ok := findProtocol(name)
	if !ok {
		if why, known := refused[name]; known {
			return nil, p.fail(lo, "%s: %s", name, why)
		}
		err := p.fail(lo, "Unknown protocol '%s'. Known: %s", name, protocolNames())
		if _, bad := strconv.ParseUint(whole[colon+1:], 10, 16); bad == nil {
			err.Fix = fmt.Sprintf("a gdbserver that listens there is gdb:server=%s,port=%s", whole[:colon], whole[colon+1:])
		}
		return nil, err
	}
	if !proto.fits(r) {
		return nil, p.fail(lo, "%s", misplaced(name, r, whole))
	}
	c := &Connection{Protocol: name, Source: whole}
	if err := p.arguments(c, proto, lo+colon+1, hi, r, depth); err != nil {
		return nil, err
	}
	if name == "com" && r == ProcessServer && !c.Has("channel") { // a line to a kernel
		return nil, p.fail(lo, "%s", misplaced(name, r, whole))
	}
	return c, p.complete(c, proto, hi, r)
}

// arguments parses src[lo:hi] into c.
func (p *parser) arguments(c *Connection, proto *protocol, lo, hi int, r Role, depth int) error {
	if strings.TrimSpace(p.src[lo:hi]) == "" {
		return nil
	}
	for at := lo; ; {
		end, err := p.argumentEnd(proto.name, at, hi)
		if err != nil {
			return err
		}
		a, err := p.argument(proto, at, end, r, depth)
		if err != nil {
			return err
		}
		if i := slices.IndexFunc(c.Args, func(b Arg) bool { return b.Key == a.Key }); i >= 0 {
			c.Warnings = append(c.Warnings, fmt.Sprintf("%s: '%s' is given twice, the last one is used", proto.name, a.Key))
			c.Args = slices.Delete(c.Args, i, i+1)
		}
		if a.Key == "baud" && !slices.Contains(usualBauds, a.Value) {
			c.Warnings = append(c.Warnings, fmt.Sprintf("%s: %s baud is unusual", proto.name, a.Value))
		}
		c.Args = append(c.Args, a)
		if end == hi {
			return nil
		}
		at = end + 1
	}
}

var usualBauds = []string{"9600", "19200", "38400", "57600", "115200", "230400", "460800", "921600", "1500000"}

// argumentEnd finds the comma that ends the argument at lo, outside braces.
func (p *parser) argumentEnd(proto string, lo, hi int) (int, error) {
	var open []int
	for i := lo; i < hi; i++ {
		switch c := p.src[i]; {
		case c == '\\' && len(open) > 0 && i+1 < hi && strings.IndexByte("},\\ ", p.src[i+1]) >= 0:
			i++
		case c == '@' && i+1 < hi && p.src[i+1] == '{':
			open = append(open, i)
			i++
		case c == '{': // of a GUID
			open = append(open, i)
		case c == '}':
			if len(open) == 0 {
				return 0, p.fail(i, "%s: '}' without '@{'", proto)
			}
			open = open[:len(open)-1]
		case c == ',' && len(open) == 0:
			return i, nil
		}
	}
	if len(open) > 0 {
		at := open[len(open)-1]
		return 0, p.fail(at, "%s: missing '}' for '@{' at column %d", proto, at+1)
	}
	return hi, nil
}

// argument parses "key", "key=value" or "key=@{...}" in src[lo:hi].
func (p *parser) argument(proto *protocol, lo, hi int, r Role, depth int) (Arg, error) {
	piece := p.src[lo:hi]
	key, value, has := strings.Cut(piece, "=")
	key = strings.TrimSpace(key)
	if key == "" {
		return Arg{}, p.fail(lo, "%s: an argument is missing here", proto.name)
	}
	spec, ok := proto.arg(key)
	if !ok {
		return Arg{}, p.fail(lo, "%s: unknown argument '%s'%s", proto.name, key, suggestion(key, proto.names()))
	}
	valueAt := lo + strings.IndexByte(piece, '=') + 1
	valueAt += len(value) - len(strings.TrimLeft(value, " "))
	value = strings.TrimSpace(value)
	a := Arg{Key: spec.name, Value: value}
	if spec.kind == flag {
		if has {
			return Arg{}, p.fail(lo, "%s: argument '%s' takes no value", proto.name, spec.name)
		}
		a.Flag = true
		return a, nil
	}
	if !has || value == "" {
		return Arg{}, p.fail(lo, "%s: argument '%s' needs a value", proto.name, spec.name)
	}
	switch spec.kind {
	case transportForm, kdLine, commandLine:
		return p.nested(proto, spec, a, valueAt, r, depth)
	}
	if msg := spec.check(proto.name, value, r); msg != "" {
		return Arg{}, p.fail(lo, "%s", msg)
	}
	return a, nil
}

// nested parses the @{...} value of a.
func (p *parser) nested(proto *protocol, spec argSpec, a Arg, at int, r Role, depth int) (Arg, error) {
	if !strings.HasPrefix(a.Value, "@{") || !strings.HasSuffix(a.Value, "}") {
		return Arg{}, p.fail(at, "%s: %s must be @{...}", proto.name, spec.name)
	}
	if depth >= maxNesting {
		return Arg{}, p.fail(at, "%s: nested too deep", proto.name)
	}
	lo, hi := at+2, at+len(a.Value)-1
	a.Value = p.src[lo:hi]
	if spec.kind == commandLine {
		a.Argv = splitArgv(a.Value)
		if len(a.Argv) == 0 {
			return Arg{}, p.fail(at, "%s: %s is an empty command line", proto.name, spec.name)
		}
		return a, nil
	}
	role := Session
	if spec.kind == kdLine {
		role = Kernel
		if strings.TrimSpace(a.Value) == "" {
			a.Nested = &Connection{Protocol: "com"}
			return a, nil
		}
	}
	var err error
	a.Nested, err = p.connection(lo, hi, role, depth+1)
	return a, err
}

// splitArgv splits at blanks; a backslash keeps '}', ',', ' ' and itself.
func splitArgv(s string) []string {
	var out []string
	var word strings.Builder
	in := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s) && strings.IndexByte("}, \\", s[i+1]) >= 0:
			i++
			word.WriteByte(s[i])
			in = true
		case c == ' ':
			if in {
				out = append(out, word.String())
				word.Reset()
				in = false
			}
		default:
			word.WriteByte(c)
			in = true
		}
	}
	if in {
		out = append(out, word.String())
	}
	return out
}

// complete checks what concerns several arguments.
func (p *parser) complete(c *Connection, proto *protocol, end int, r Role) error {
	if c.Protocol == "gdb" && c.Has("cmd") {
		return nil
	}
	for _, s := range proto.args {
		if s.need && !c.Has(s.name) {
			return p.fail(end, "%s: argument '%s' is missing", proto.name, s.name)
		}
	}
	if !slices.Contains(proto.roles, Session) || slices.Contains(proto.roles, TargetLink) {
		return nil
	}
	switch {
	case r == ServerSide && c.Has("server"):
		return p.fail(end, "%s: 'server' is not allowed when creating a server", proto.name)
	case (r == Session || r == ProcessServer) && !c.Has("server") && !c.Has("clicon"):
		return p.fail(end, "%s: argument 'server' is missing", proto.name)
	case c.Has("server") && c.Has("clicon"):
		return p.fail(end, "%s: 'server' and 'clicon' exclude each other", proto.name)
	}
	return nil
}

func (p *protocol) arg(key string) (argSpec, bool) {
	for _, s := range p.args {
		if strings.EqualFold(s.name, key) || s.alias != "" && strings.EqualFold(s.alias, key) {
			return s, true
		}
	}
	return argSpec{}, false
}

func (p *protocol) names() []string {
	var out []string
	for _, s := range p.args {
		out = append(out, s.name)
	}
	return out
}

// check returns what is wrong with a plain value, "" when nothing.
func (s argSpec) check(proto, v string, r Role) string {
	switch s.kind {
	case tcpPort:
		if !isPort(v) {
			return fmt.Sprintf("%s: '%s=%s' is not a port number (1-65535)", proto, s.name, v)
		}
	case portRange:
		return checkRange(proto, s.name, v)
	case boolean:
		switch strings.ToLower(v) {
		case "true", "false", "on", "off":
		default:
			return fmt.Sprintf("%s must be true or false, not '%s'", s.name, v)
		}
	case number, baudRate:
		if n, err := strconv.ParseUint(v, 10, 31); err != nil || s.kind == baudRate && n == 0 {
			return fmt.Sprintf("%s: '%s=%s' is not a number", proto, s.name, v)
		}
	case channel:
		if n, err := strconv.ParseUint(v, 10, 16); err != nil || n > 254 {
			return fmt.Sprintf("%s: channel must be 0..254", proto)
		}
	case password:
		if !isPassword(v) {
			return "password may be at most 12 letters and digits"
		}
	case pipeName:
		if strings.ContainsAny(v, " \t\"'") {
			return fmt.Sprintf("%s: pipe name must not contain blanks or quotes", proto)
		}
	case duration:
		if _, err := parseDuration(v); err != nil {
			return fmt.Sprintf("%s: '%s=%s' is not a duration such as 30s", proto, s.name, v)
		}
	case choice:
		if s.name == "proto" && slices.Contains([]string{"pct1", "ssl2", "ssl3"}, strings.ToLower(v)) {
			return fmt.Sprintf("%s: %s is insecure and refused; use tls1, tls12 or tls13", proto, v)
		}
		if !slices.ContainsFunc(s.oneOf, func(o string) bool { return strings.EqualFold(o, v) }) {
			return fmt.Sprintf("%s: %s must be one of %s, not '%s'", proto, s.name, strings.Join(s.oneOf, ", "), v)
		}
	}
	return ""
}

// parseDuration reads "30s", "2m" or plain seconds.
func parseDuration(v string) (time.Duration, error) {
	if n, err := strconv.Atoi(v); err == nil && n >= 0 {
		return time.Duration(n) * time.Second, nil
	}
	d, err := time.ParseDuration(v)
	if err == nil && d < 0 {
		err = fmt.Errorf("negative")
	}
	return d, err
}

func isPort(v string) bool {
	n, err := strconv.ParseUint(v, 10, 16)
	return err == nil && n > 0 && v[0] != '+'
}

func checkRange(proto, name, v string) string {
	a, b, two := strings.Cut(v, ":")
	if !isPort(a) || two && !isPort(b) {
		return fmt.Sprintf("%s: '%s=%s' is not a port number (1-65535)", proto, name, v)
	}
	lo, _ := strconv.Atoi(a)
	if hi, err := strconv.Atoi(b); two && err == nil && hi < lo {
		return fmt.Sprintf("%s: port range %s is empty", proto, v)
	}
	return ""
}

func isPassword(v string) bool {
	if len(v) > 12 {
		return false
	}
	for _, c := range v {
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z') {
			return false
		}
	}
	return true
}

// refused protocols and why.
var refused = map[string]string{
	"usb":  "no debug cable of this kind is supported; use net: or com:",
	"usb2": "no debug cable of this kind is supported; use net: or com:",
	"1394": "FireWire is not supported; use net: or com:",
}

func misplaced(name string, r Role, whole string) string {
	switch r {
	case Kernel:
		return fmt.Sprintf("'%s:' is no kernel connection; did you mean 'kdsrv:server=@{%s},trans=@{com:}'?", name, mask(whole))
	case ProcessServer:
		return fmt.Sprintf("'%s:' does not lead to a process server; use gdb: or tcp:", name)
	case ServerSide:
		return fmt.Sprintf("'%s:' is no transport to serve on; use tcp, npipe, ssl, spipe or com", name)
	case TargetLink:
		return fmt.Sprintf("'%s:' leads to a shared debug session or a server, not to a debuggee; use \"remote\" or \"processServer\"", name)
	}
	return fmt.Sprintf("'%s:' cannot be used here", name)
}

func protocolNames() string {
	var out []string
	for _, p := range protocols {
		out = append(out, p.name)
	}
	return strings.Join(out, ", ")
}

// suggestion names the nearest of names, " (did you mean 'x'?)" or "".
func suggestion(got string, names []string) string {
	best, dist := "", 4
	for _, n := range names {
		if d := editDistance(strings.ToLower(got), strings.ToLower(n)); d < dist && d < max(len(got), len(n)) {
			best, dist = n, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean '%s'?)", best)
}

// editDistance is Levenshtein's.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diag := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diag
			if a[i-1] != b[j-1] {
				cost++
			}
			diag, row[j] = row[j], min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}
