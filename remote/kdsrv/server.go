package kdsrv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"dap-windbg/remote/line"
	"dap-windbg/remote/transport"
	"dap-windbg/targets/kd"
)

// Service is the name under which transports offer it.
const Service = "kdsrv"

// kindLine is the kind of stream that carries a line.
const kindLine = "line"

// Request names a line of the server's machine. What is empty comes from the server's
// environment.
type Request struct {
	Port  string `json:"port,omitempty"`
	Baud  int    `json:"baud,omitempty"`
	Pipe  bool   `json:"pipe,omitempty"`
	TCP   int    `json:"tcp,omitempty"` // port number of a serial line over TCP
	Modem bool   `json:"modem,omitempty"`
	Wait  bool   `json:"wait,omitempty"`  // for a line that is not there yet
	Bytes bool   `json:"bytes,omitempty"` // pass bytes on as they come, not KD packets
	CRLF  string `json:"crlf,omitempty"`  // "off", "fix", "" or "auto"
}

// Opened is the answer to a Request.
type Opened struct {
	Name string `json:"name"` // of the line, as its machine calls it
}

// Options of a server.
type Options struct {
	// Allow lists the lines that clients may open: names, or patterns as of
	// filepath.Match. Empty: serial ports and pseudo terminals. Anything else may be more
	// than a line: a socket leads to a program that does what it is told, a host into the
	// server's network, and some devices do something when they are opened.
	Allow []string
	Log   zerolog.Logger
}

// Server gives lines to clients.
type Server struct {
	o  Options
	mu sync.Mutex
	// owner tells who has a line, by name
	owner map[string]string
	// gap is after how long a packet that does not go on is passed on as it is
	gap time.Duration
}

// partGap is the gap of New's servers.
const partGap = 250 * time.Millisecond

// New returns a server without clients.
func New(o Options) *Server { return &Server{o: o, owner: map[string]string{}, gap: partGap} }

// Serve takes clients until ctx ends; of a reverse server, the one.
func (s *Server) Serve(ctx context.Context, ln *transport.Listener) error {
	var all sync.WaitGroup
	defer all.Wait()
	for {
		conn, err := ln.Accept(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		serve := func() {
			defer conn.Close()
			conn.Serve(ctx, func(ctx context.Context, c *transport.Call) { s.call(ctx, who(conn), c) })
		}
		if ln.Spec().Reverse() { // one client, and then no more
			serve()
			return nil
		}
		all.Go(serve)
	}
}

// who is a client for people.
func who(c *transport.Conn) string {
	if c.Client != "" {
		return c.Client + " at " + c.Address
	}
	return c.Address
}

// RefusedError: the server does not give a line.
type RefusedError struct {
	Name   string
	Reason string
	Fix    string
}

func (e *RefusedError) Error() string { return e.Name + ": " + e.Reason }

// Hint says what the user can do.
func (e *RefusedError) Hint() string { return e.Fix }

// spec is the line that r names here.
func (r Request) spec() (line.Spec, error) {
	s := line.Spec{Port: r.Port, Baud: r.Baud, Pipe: r.Pipe, TCP: r.TCP, Modem: r.Modem}
	if s.TCP != 0 {
		return s, nil
	}
	if s.Port == "" {
		s.Port = os.Getenv("_NT_DEBUG_PORT")
	}
	if s.Port == "" {
		s.Port = "com1"
	}
	if v := os.Getenv("_NT_DEBUG_BAUD_RATE"); s.Baud == 0 && v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n <= 0 {
			return s, &RefusedError{Name: s.Port, Reason: "the server's _NT_DEBUG_BAUD_RATE is " + strconv.Quote(v), Fix: "Give baud= in the connection string."}
		}
		s.Baud = n
	}
	return s, nil
}

// serials are the names of serial ports and pseudo terminals: of Linux, macOS, Windows.
var serials = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(/dev/tty[A-Z][^/]*|/dev/pts/[0-9]+|/dev/(tty|cu)\.[^/]+|\\\\\.\\(?i:com)[0-9]+)$`)
})

func isSerial(name string) bool {
	if target, err := filepath.EvalSymlinks(name); err == nil {
		name = target
	}
	return serials().MatchString(name)
}

// allowed reports whether clients may open s.
func (o *Options) allowed(s line.Spec) bool {
	name := s.String()
	if len(o.Allow) == 0 {
		return s.TCP == 0 && !s.Pipe && isSerial(name)
	}
	for _, p := range o.Allow {
		ok, err := filepath.Match(p, name)
		if ok && err == nil || strings.EqualFold(p, name) || strings.EqualFold(p, s.Port) && s.TCP == 0 {
			return true
		}
	}
	return false
}

// call answers one stream.
func (s *Server) call(ctx context.Context, client string, c *transport.Call) {
	if c.Kind != kindLine {
		c.Refuse(&RefusedError{Name: c.Kind, Reason: "is nothing that a KD connection server gives"})
		return
	}
	var r Request
	if err := json.Unmarshal(c.Request, &r); err != nil {
		c.Refuse(fmt.Errorf("the request is not understood: %w", err))
		return
	}
	spec, err := r.spec()
	if err != nil {
		c.Refuse(err)
		return
	}
	release, err := s.claim(spec, client)
	if err != nil {
		c.Refuse(err)
		return
	}
	defer release()
	if err := s.relay(ctx, client, spec, r, c); err != nil {
		s.o.Log.Info().Str("line", spec.String()).Str("client", client).Err(err).Msg("a line ended")
	}
}

// claim takes a line for a client.
func (s *Server) claim(spec line.Spec, client string) (release func(), err error) {
	name := spec.String()
	const fix = "Start the server with --allow and its name."
	if !s.o.allowed(spec) {
		return nil, &RefusedError{Name: name, Reason: "this server does not give the line to clients", Fix: fix}
	}
	if len(s.o.Allow) == 0 && line.Attended(name) {
		return nil, &RefusedError{Name: name, Reason: "somebody works at this terminal", Fix: fix}
	}
	key := spec.Identity()
	s.mu.Lock()
	defer s.mu.Unlock()
	if who, taken := s.owner[key]; taken {
		return nil, &RefusedError{Name: name, Reason: "the line is in use by " + who, Fix: "End that debug session first: a line has one client."}
	}
	s.owner[key] = client
	return func() {
		s.mu.Lock()
		delete(s.owner, key)
		s.mu.Unlock()
	}, nil
}

// openLimit bounds the first opening of a line that need not be waited for.
const openLimit = 15 * time.Second

// relay opens a line and passes on what comes until either end leaves.
func (s *Server) relay(ctx context.Context, client string, spec line.Spec, r Request, c *transport.Call) error {
	open := func(ctx context.Context) (line.Line, error) { return line.Open(ctx, spec) }
	var out notices
	l, err := s.first(ctx, r.Wait, open, out.notify)
	if err != nil {
		c.Refuse(err)
		return err
	}
	defer l.Close()
	stream, err := c.Accept(Opened{Name: spec.String()})
	if err != nil {
		return err
	}
	defer stream.Close()
	to := &writer{w: stream}
	out.begin(to)
	s.o.Log.Info().Str("line", spec.String()).Str("client", client).Msg("a line was opened")
	stop := context.AfterFunc(ctx, func() {
		stream.Close()
		l.Close() // it may be a write to the line that waits
	})
	defer stop()
	var in sync.WaitGroup
	in.Go(func() {
		defer stream.Close()
		if r.Bytes {
			copyBytes(l, to)
		} else {
			copyPackets(l, to, newlines(r.CRLF), s.gap)
		}
	})
	err = s.outward(stream, l)
	l.Close()
	in.Wait()
	return err
}

// notices tell a client of changes of its line, in their order; those from before it has
// a stream once it has one.
type notices struct {
	mu  sync.Mutex
	out *writer
	due []notice
}

type notice struct {
	kind byte
	text string
}

func (n *notices) notify(up bool, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	what := notice{kind: frameBack}
	if !up {
		what = notice{frameAway, err.Error()}
	}
	n.due = append(n.due, what)
	n.send()
}

func (n *notices) begin(out *writer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.out = out
	n.send()
}

// send passes on what is due; n.mu is held.
func (n *notices) send() {
	if n.out == nil {
		return
	}
	for _, d := range n.due {
		n.out.send(d.kind, []byte(d.text))
	}
	n.due = nil
}

// first opens a line for the first time, at once or when it is there.
func (s *Server) first(ctx context.Context, wait bool, open func(context.Context) (line.Line, error), notify func(bool, error)) (*line.Keeper, error) {
	if wait {
		return line.Keep(ctx, open, notify)
	}
	limited, stop := context.WithTimeout(ctx, openLimit)
	defer stop()
	l, err := open(limited)
	if err != nil {
		return nil, err
	}
	return line.KeepOpen(l, open, notify), nil
}

func newlines(crlf string) kd.Newlines {
	return map[string]kd.Newlines{"off": kd.NewlinesOff, "fix": kd.NewlinesFix}[strings.ToLower(crlf)]
}

// outward passes on what the client sends.
func (s *Server) outward(stream *transport.Stream, l *line.Keeper) error {
	for {
		kind, p, err := receive(stream)
		if err != nil {
			return err
		}
		switch kind {
		case frameData:
			if _, err := l.Write(p); err != nil {
				return err
			}
		case frameBreak:
			if err := l.SendBreak(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
				return err
			}
		}
	}
}

func copyBytes(l *line.Keeper, out *writer) {
	buf := make([]byte, 4096)
	for {
		n, err := l.Read(buf)
		if n > 0 && out.send(frameData, buf[:n]) != nil || err != nil {
			return
		}
	}
}

// copyPackets passes packets on as soon as their last byte is there.
func copyPackets(l *line.Keeper, out *writer, mode kd.Newlines, pause time.Duration) {
	read := make(chan []byte)
	done := make(chan struct{})
	defer close(done)
	go func() {
		defer close(read)
		for {
			buf := make([]byte, 4096)
			n, err := l.Read(buf)
			if n > 0 {
				select {
				case read <- buf[:n]:
				case <-done:
					return
				}
			}
			if err != nil {
				return
			}
		}
	}()
	f := kd.NewFramer(mode, func(text string) { out.send(frameNote, []byte(text)) })
	gap := time.NewTimer(time.Hour)
	defer gap.Stop()
	for {
		var pieces [][]byte
		select {
		case b, ok := <-read:
			if !ok {
				return
			}
			pieces = f.Push(b)
		case <-gap.C:
			pieces = f.Flush()
		}
		for _, p := range pieces {
			if out.send(frameData, p) != nil {
				return
			}
		}
		gap.Stop()
		if f.Busy() {
			gap.Reset(pause)
		}
	}
}
