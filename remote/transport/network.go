package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

// medium is how the bytes of a protocol travel, without TLS.
type medium struct {
	listen func(ctx context.Context, s *Spec, open bool) ([]net.Listener, error) // open: to others than this machine; s gets what was chosen
	dial   func(ctx context.Context, s Spec) (net.Conn, error)
}

var media = map[string]medium{
	"tcp":   {listenTCP, dialTCP},
	"ssl":   {listenTCP, dialTCP},
	"npipe": {listenPipe, dialPipe},
	"spipe": {listenPipe, dialPipe},
	"com":   {listenCom, dialCom},
}

// reachLimit bounds one attempt to reach a host.
const reachLimit = 10 * time.Second

// quiet: how a lost peer is found when nothing travels; a cut of some seconds is survived.
var quiet = net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 2 * time.Second, Count: 5}

// listenTCP takes the first free port of the range, on all addresses or on loopback only.
func listenTCP(ctx context.Context, s *Spec, open bool) ([]net.Listener, error) {
	last := max(s.Port, s.PortEnd)
	var err error
	for port := s.Port; port <= last; port++ {
		var out []net.Listener
		if out, err = listenPort(ctx, port, s.IPv6, open); err == nil {
			s.Port, s.PortEnd = out[0].Addr().(*net.TCPAddr).Port, 0
			return out, nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
	}
	what := fmt.Sprintf("Unable to start server, port %d", s.Port)
	if errors.Is(err, syscall.EADDRINUSE) {
		what = fmt.Sprintf("Unable to start server, Win32 error 0n10048: port %d", s.Port)
	}
	return nil, &Error{Layer: Port, What: what, Err: err, Fix: "choose another port, or a range such as port=5005:5010"}
}

func listenPort(ctx context.Context, port int, v6, open bool) ([]net.Listener, error) {
	c := net.ListenConfig{KeepAliveConfig: quiet}
	if open {
		network := "tcp"
		if v6 {
			network = "tcp6"
		}
		ln, err := c.Listen(ctx, network, fmt.Sprintf(":%d", port))
		return []net.Listener{ln}, err
	}
	var out []net.Listener
	if !v6 {
		ln, err := c.Listen(ctx, "tcp4", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			return nil, err
		}
		out = append(out, ln)
		port = ln.Addr().(*net.TCPAddr).Port
	}
	ln, err := c.Listen(ctx, "tcp6", fmt.Sprintf("[::1]:%d", port))
	switch {
	case err == nil:
		return append(out, ln), nil
	case len(out) > 0 && !errors.Is(err, syscall.EADDRINUSE): // a machine without IPv6
		return out, nil
	}
	for _, ln := range out {
		ln.Close()
	}
	return nil, err
}

// dialTCP reaches the server, or the client of a reverse connection.
func dialTCP(ctx context.Context, s Spec) (net.Conn, error) {
	host := s.Server
	if s.Reverse() {
		host = s.Clicon
	}
	network := "tcp"
	if s.IPv6 {
		network = "tcp6"
	}
	d := net.Dialer{Timeout: reachLimit, KeepAliveConfig: quiet}
	conn, err := d.DialContext(ctx, network, hostPort(host, s.Port))
	if err != nil {
		return nil, reachFault(s, err)
	}
	return conn, nil // Go sends small packets at once
}

func reachFault(s Spec, err error) error {
	e := &Error{Layer: Port, What: "Unable to connect to " + s.where(), Err: err}
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		e.Layer, e.Fix = Name, "check the name, or give the address"
	case s.Reverse() && errors.Is(err, syscall.ECONNREFUSED):
		e.What, e.Fix = bothSides+": nobody waits at "+s.where(), "start the client first, with clicon= and the same port"
	case errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, os.ErrNotExist):
		e.Fix = "is the server running there? check the port, or the pipe's name"
	}
	return e
}

// once is the listener of a server that opens the connection itself: one, and then no more.
type once struct {
	ctx  context.Context
	stop context.CancelFunc
	spec Spec
	mu   sync.Mutex
	used bool
}

// Accept dials the first time.
func (o *once) Accept() (net.Conn, error) {
	o.mu.Lock()
	used := o.used
	o.used = true
	o.mu.Unlock()
	if used {
		<-o.ctx.Done()
		return nil, net.ErrClosed
	}
	return media[o.spec.Protocol].dial(o.ctx, o.spec)
}

func (o *once) Close() error   { o.stop(); return nil }
func (o *once) Addr() net.Addr { return reverseAddr(o.spec.where()) }

type reverseAddr string

func (reverseAddr) Network() string  { return "reverse" }
func (a reverseAddr) String() string { return string(a) }

// local reports whether host is this machine by its name alone.
func local(host string) bool {
	h := plainHost(host)
	if h == "" || h == "." || strings.EqualFold(h, "localhost") {
		return true
	}
	if ip := net.ParseIP(h); ip != nil {
		return ip.IsLoopback()
	}
	own, err := os.Hostname()
	return err == nil && strings.EqualFold(h, own)
}
