package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"os/user"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// Options of an end.
type Options struct {
	// Service is what a server gives and a client wants: "dbgsrv", "kdsrv", "session".
	Service string
	// Title is what a server says of itself to clients.
	Title string
	Log   zerolog.Logger
	// MaxClients bounds a server's clients, 0 = 64.
	MaxClients int
	// Step, at a client, is told of each layer that is passed.
	Step func(Layer, string)
	// Stranger, at a client that waits for its server, is told of others who came, from
	// goroutines of their own. The wait goes on.
	Stranger func(address string, err error)
	// Now is the time that certificates are judged by, nil time.Now.
	Now func() time.Time
}

const (
	defaultClients = 64
	maxPending     = 256 // connections in their handshake
	maxFrom        = 128 // ... of one address
)

// Listener is a server's end.
type Listener struct {
	spec   Spec
	o      Options
	open   bool
	tls    *tls.Config
	secret *secret
	gate   *gate

	ctx     context.Context
	stop    context.CancelFunc
	raw     []net.Listener
	ready   chan *Conn
	failed  chan error // of a reverse connection
	pending chan struct{}
	from    crowd
	clients atomic.Int32
	all     sync.WaitGroup
	unlist  func() // takes it out of the roster
}

// Listen starts a server. Without a password, or certificates of clients that it
// checks, only this machine can reach it.
func Listen(ctx context.Context, s Spec, o Options) (*Listener, error) {
	m, ok := media[s.Protocol]
	switch {
	case !ok:
		return nil, &Error{Layer: Settings, What: "'" + s.Protocol + ":' is no transport to serve on"}
	case s.Server != "":
		return nil, &Error{Layer: Settings, What: s.Protocol + ": 'server' is not allowed when creating a server"}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	l := &Listener{spec: s, o: o, gate: newGate(), ready: make(chan *Conn), failed: make(chan error, 1), pending: make(chan struct{}, maxPending)}
	var err error
	if s.Secure() {
		if l.tls, err = tlsConfig(s, true, o.Now); err != nil {
			return nil, err
		}
	}
	if l.secret, err = newSecret(s.Password); err != nil {
		return nil, err
	}
	l.open = s.Password != "" || checksClients(l.tls)
	l.ctx, l.stop = context.WithCancel(ctx)
	l.gate.wait = l.sleep
	if s.Reverse() {
		if !l.open && !local(s.Clicon) {
			l.stop()
			return nil, unguarded(s, "a client on another machine")
		}
		dial, cancel := context.WithCancel(l.ctx)
		l.raw = []net.Listener{&once{ctx: dial, stop: cancel, spec: s}}
	} else if l.raw, err = m.listen(ctx, &l.spec, l.open); err != nil {
		l.stop()
		return nil, err
	}
	for _, ln := range l.raw {
		l.all.Go(func() { l.accept(ln) })
	}
	l.list()
	return l, nil
}

// list puts a server into the roster that is neither hidden nor has its client already.
func (l *Listener) list() {
	l.unlist = func() {}
	for _, c := range l.ClientStrings() {
		if l.spec.Hidden {
			continue
		}
		var err error
		if l.unlist, err = enlist(Served{Service: l.o.Service, Connection: c}); err != nil {
			l.o.Log.Warn().Err(err).Msg("the server is in no list of servers")
		}
	}
}

// unguarded: nobody could tell friend from foe.
func unguarded(s Spec, who string) error {
	return &Error{Layer: Settings, What: s.Protocol + ": without a password " + who + " cannot be told from anybody else", Fix: "give both ends the same password=, or use ssl: with certificates of both"}
}

func (l *Listener) sleep(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-l.ctx.Done():
	}
}

// Open reports whether other machines can reach the server.
func (l *Listener) Open() bool { return l.open || !l.spec.network() }

// Spec is what it listens on, with the port and the pipe that were chosen.
func (l *Listener) Spec() Spec { return l.spec }

// ClientStrings are the connection strings that clients use, without the password's
// text. A reverse server has none.
func (l *Listener) ClientStrings() []string {
	if l.spec.Reverse() {
		return nil
	}
	s := l.spec
	s.Hidden, s.Cert, s.Fingerprint = false, "", ""
	s.Server = "localhost"
	if host, err := os.Hostname(); err == nil && l.Open() {
		s.Server = host
	}
	if s.Protocol == "com" { // the device is the other machine's
		s.Server = ""
	}
	return []string{s.String()}
}

func (l *Listener) accept(ln net.Listener) {
	for l.ctx.Err() == nil {
		raw, err := ln.Accept()
		if err != nil {
			if l.spec.Reverse() && l.ctx.Err() == nil {
				l.failed <- err
			}
			if errors.Is(err, net.ErrClosed) || l.spec.Reverse() {
				return
			}
			l.o.Log.Warn().Err(err).Msg("accept")
			l.sleep(100 * time.Millisecond) // out of descriptors, perhaps
			continue
		}
		if leave := l.room(raw.RemoteAddr().String()); leave != nil {
			l.all.Go(func() { defer leave(); l.greet(raw) })
		} else {
			l.o.Log.Warn().Str("address", raw.RemoteAddr().String()).Msg("turned away: too many unfinished handshakes")
			raw.Close()
		}
	}
}

// room takes room for a handshake, which leave gives back; nil when there is none.
func (l *Listener) room(address string) (leave func()) {
	place := origin(address)
	if !l.from.enter(place) {
		return nil
	}
	select {
	case l.pending <- struct{}{}:
		return func() { <-l.pending; l.from.leave(place) }
	default:
		l.from.leave(place)
		return nil
	}
}

// crowd counts unfinished handshakes by where they come from: those of one address
// must leave room for others.
type crowd struct {
	mu sync.Mutex
	at map[string]int
}

func (c *crowd) enter(place string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at[place] >= maxFrom {
		return false
	}
	if c.at == nil {
		c.at = map[string]int{}
	}
	c.at[place]++
	return true
}

func (c *crowd) leave(place string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at[place]--; c.at[place] == 0 {
		delete(c.at, place)
	}
}

// greet does the handshakes with whoever connected.
func (l *Listener) greet(raw net.Conn) {
	defer context.AfterFunc(l.ctx, func() { raw.Close() })()
	raw.SetDeadline(time.Now().Add(handshakeLimit))
	address := raw.RemoteAddr().String()
	log := l.o.Log.With().Str("address", address).Logger()
	fail := func(err error) {
		raw.Close()
		log.Info().Err(err).Msg("connection refused")
		if l.spec.Reverse() && l.ctx.Err() == nil {
			l.failed <- err
		}
	}
	conn, binding, err := secure(raw, l.tls, true)
	if err != nil {
		fail(err)
		return
	}
	admitted := false
	a, err := serveHandshake(newTalk(conn, binding), policy{
		service: l.o.Service, title: l.o.Title, secret: l.secret,
		known: func() bool { return l.open || ours(raw) },
		try: func(check func() bool) trial {
			raw.SetDeadline(time.Now().Add(handshakeLimit + l.gate.longest))
			return l.gate.try(origin(address), check)
		},
		admit: func() bool { admitted = l.admit(); return admitted },
	})
	if err == nil {
		raw.SetDeadline(time.Time{})
		var c *Conn
		if c, err = newConn(conn, true); err == nil {
			c.Client, c.Service, c.closed = a.client, l.o.Service, l.dismiss
			l.hand(c)
			return
		}
	}
	if admitted {
		l.dismiss()
	}
	fail(err)
}

// hand passes a connection to whoever calls Accept.
func (l *Listener) hand(c *Conn) {
	l.o.Log.Info().Str("address", c.Address).Str("client", c.Client).Msg("connected")
	select {
	case l.ready <- c:
	case <-c.Done():
		c.Close()
	case <-l.ctx.Done():
		c.Close()
	}
}

func (l *Listener) admit() bool {
	limit := l.o.MaxClients
	if limit == 0 {
		limit = defaultClients
	}
	if int(l.clients.Add(1)) <= limit {
		return true
	}
	l.clients.Add(-1)
	return false
}

func (l *Listener) dismiss() { l.clients.Add(-1) }

// Accept waits for the next client. A reverse server has one; when it could not be
// reached, or the handshake failed, the error says so.
func (l *Listener) Accept(ctx context.Context) (*Conn, error) {
	select {
	case c := <-l.ready:
		return c, nil
	case err := <-l.failed:
		return nil, err
	case <-l.ctx.Done():
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Close stops listening; connections that were accepted live on.
func (l *Listener) Close() error {
	l.stop()
	l.unlist()
	for _, ln := range l.raw {
		ln.Close()
	}
	l.all.Wait()
	return nil
}

// Dial connects a client. The errors are *Error.
func Dial(ctx context.Context, s Spec, o Options) (*Conn, error) {
	m, ok := media[s.Protocol]
	if !ok {
		return nil, &Error{Layer: Settings, What: "'" + s.Protocol + ":' is no transport"}
	}
	if o.Step == nil {
		o.Step = func(Layer, string) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	var config *tls.Config
	var err error
	if s.Secure() {
		if config, err = tlsConfig(s, false, o.Now); err != nil {
			return nil, err
		}
	}
	if s.Reverse() {
		return wait(ctx, s, o, config)
	}
	raw, err := m.dial(ctx, s)
	if err != nil {
		return nil, err
	}
	o.Step(Port, "connected to "+raw.RemoteAddr().String())
	return meet(ctx, s, o, raw, config)
}

// meet does a client's handshakes.
func meet(ctx context.Context, s Spec, o Options, raw net.Conn, config *tls.Config) (*Conn, error) {
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	defer stop()
	raw.SetDeadline(time.Now().Add(2 * handshakeLimit))
	conn, binding, err := secure(raw, config, false)
	if err != nil {
		raw.Close()
		return nil, tlsFault(s.where(), err)
	}
	if config != nil {
		o.Step(TLS, "encrypted, the server's certificate is good")
	}
	c, err := dialHandshake(newTalk(conn, binding), hello{Service: o.Service, Client: whoAmI()}, s.Password, o.Step)
	if err != nil {
		raw.Close()
		return nil, errors.Join(ctx.Err(), meetFault(s, o, c, err))
	}
	raw.SetDeadline(time.Time{})
	out, err := newConn(conn, false)
	if err != nil {
		raw.Close()
		return nil, err
	}
	out.Service, out.Title = printable(c.Service, 16), c.Title
	return out, nil
}

// whoAmI is for the server's log.
func whoAmI() string {
	host, _ := os.Hostname()
	name := os.Getenv("USER")
	if name == "" {
		name = os.Getenv("USERNAME")
	}
	if u, err := user.Current(); name == "" && err == nil {
		name = u.Username[strings.LastIndexByte(u.Username, '\\')+1:]
	}
	return strings.Trim(name+"@"+host, "@")
}

// serviceNames are the servers as people know them.
var serviceNames = map[string]string{"dbgsrv": "a process server", "kdsrv": "a KD connection server", "session": "a shared debug session"}

// serviceUse is how each is reached.
var serviceUse = map[string]string{"dbgsrv": "-premote (processServer)", "kdsrv": "-k kdsrv:", "session": "-remote (remote)"}

// meetFault is a failed handshake as people should hear of it.
func meetFault(s Spec, o Options, c challenge, err error) error {
	var r *refusedError
	switch {
	case errors.Is(err, errNoPassword):
		return &Error{Layer: Password, What: wrongPassword + ": " + s.where() + " asks for a password", Fix: "add password= to the connection string"}
	case errors.Is(err, errUnproven):
		return &Error{Layer: Password, What: wrongPassword + ": " + s.where() + ": " + err.Error(), Fix: "it may not be the server it seems to be; when it really has no password, leave password= away"}
	case errors.Is(err, errForeign):
		return &Error{Layer: Protocol, What: s.where() + " answered but does not speak the remote protocol of dap-windbg",
			Fix: "a gdbserver is reached with gdb:, a server with TLS with ssl:"}
	case !errors.As(err, &r) && strings.Contains(err.Error(), "tls: "):
		return tlsFault(s.where(), err)
	case !errors.As(err, &r):
		return &Error{Layer: Protocol, What: s.where() + " ended the connection before it said what it is", Err: err,
			Fix: "is it a server of dap-windbg? one with TLS is reached with ssl:"}
	}
	switch r.reason {
	case refusedVersion:
		return &Error{Layer: Protocol, What: otherVersion, Fix: "use the same version of dap-windbg at both ends"}
	case refusedPassword:
		return &Error{Layer: Password, What: wrongPassword + ": the password is wrong"}
	case refusedLocked:
		return &Error{Layer: Password, What: wrongPassword + ": too many wrong passwords came from this address", Fix: "wait five minutes"}
	case refusedFull:
		return &Error{Layer: Service, What: s.where() + " has as many clients as it takes", Fix: "try again when one has left"}
	case refusedService:
		is, use := serviceNames[c.Service], serviceUse[c.Service]
		if is == "" {
			is = "another kind of server"
		}
		return &Error{Layer: Service, What: s.where() + " is " + is + ", not " + serviceNames[o.Service], Fix: "it is reached with " + use}
	}
	return &Error{Layer: Service, What: s.where() + " refused: " + printable(r.reason, 40)}
}
