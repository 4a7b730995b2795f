package share

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"dap-windbg/engine"
	"dap-windbg/remote/transport"
	"dap-windbg/windbg"
)

// server is one way to join.
type server struct {
	id       int
	listener *transport.Listener
}

// wires are the connections of guests. They outlive the session by what its last words
// need.
type wires struct {
	ctx  context.Context
	cut  context.CancelFunc
	open door
}

func newWires() *wires {
	w := &wires{}
	w.ctx, w.cut = context.WithCancel(context.Background())
	return w
}

// Serve opens the session on a transport.
func (s *Session) Serve(ctx context.Context, text string) (clients []string, notes string, err error) {
	spec, err := s.o.Parse(text)
	if err != nil {
		return nil, "", err
	}
	host, _ := os.Hostname()
	l, err := transport.Listen(s.life, spec, transport.Options{Service: Service, Title: "debug session on " + host, Log: s.o.Log})
	if err != nil {
		return nil, "", err
	}
	s.mu.Lock()
	if s.life.Err() != nil {
		s.mu.Unlock()
		l.Close()
		return nil, "", errEnding
	}
	s.shared.Store(true)
	x := &server{listener: l}
	for slices.ContainsFunc(s.servers, func(o *server) bool { return o.id == x.id }) {
		x.id++
	}
	s.servers = append(s.servers, x)
	slices.SortFunc(s.servers, func(a, b *server) int { return a.id - b.id })
	s.mu.Unlock()
	s.wires.open.run(func() { s.accept(x) })
	return l.ClientStrings(), advice(l), nil
}

// advice is what whoever opens a server should know of it.
func advice(l *transport.Listener) string {
	spec := l.Spec()
	switch {
	case spec.Reverse():
		return "It connects to " + spec.Clicon + ", which must be waiting.\n"
	case !l.Open():
		return "There is no password: only this machine can connect.\n"
	case spec.Password != "" && spec.Protocol == "tcp":
		return "Warning: the password itself does not travel, but what is debugged does so in clear; ssl: hides it.\n"
	}
	return ""
}

// Servers lists those that are open.
func (s *Session) Servers() []windbg.Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []windbg.Server
	for _, x := range s.servers {
		out = append(out, windbg.Server{ID: x.id, Transport: x.listener.Spec().String()})
	}
	return out
}

// EndServer closes a server; who has joined by it stays.
func (s *Session) EndServer(id int) error {
	s.mu.Lock()
	i := slices.IndexFunc(s.servers, func(x *server) bool { return x.id == id })
	if i < 0 {
		s.mu.Unlock()
		return fmt.Errorf("there is no server %d", id)
	}
	x := s.servers[i]
	s.servers = slices.Delete(s.servers, i, i+1)
	s.mu.Unlock()
	return x.listener.Close()
}

var errEnding = errors.New("the debug session is ending")

// accept lets in whoever comes. A reverse server has one client, and ends with it.
func (s *Session) accept(x *server) {
	spec := x.listener.Spec()
	for {
		c, err := x.listener.Accept(s.life)
		switch {
		case err == nil && !spec.Reverse():
			s.wires.open.run(func() { s.welcome(c, spec.Protocol) })
			continue
		case err == nil:
			s.welcome(c, spec.Protocol)
			err = errors.New("its client has left")
		}
		if s.life.Err() == nil && spec.Reverse() && s.EndServer(x.id) == nil {
			s.say(nil, "Server "+spec.String()+" has ended: "+err.Error()+"\n")
		}
		return
	}
}

// welcome serves one client's connection.
func (s *Session) welcome(c *transport.Conn, protocol string) {
	defer c.Close()
	c.Serve(s.wires.ctx, func(ctx context.Context, call *transport.Call) {
		serve := map[string]func(*Seat, *pump){kindWindow: s.serveWindow}
		if s.o.Editor != nil {
			serve[kindEditor] = s.serveEditor
		}
		f := serve[call.Kind]
		if f == nil {
			call.Refuse(fmt.Errorf("a debug session has no streams of kind %.20q", call.Kind))
			return
		}
		if !s.guests.enter() {
			call.Refuse(errEnding)
			return
		}
		defer s.guests.leave()
		who := plain(c.Client)
		t := &Seat{s: s, who: who, name: nameOf(who), via: protocol + " " + c.Address, emit: func(engine.Event) {}, active: time.Now()}
		stream, err := call.Accept(nil)
		if err != nil {
			return
		}
		p := newPump(stream, s.o.Patience, func() { s.o.Log.Warn().Str("client", t.title()).Msg("let go: it does not read") })
		defer p.Close()
		f(t, p)
	})
}

// enter and exit seat a guest and let it go; the others are told.
func (s *Session) enter(t *Seat) error {
	if err := s.sit(s.life, t); err != nil {
		return err
	}
	s.o.Log.Info().Str("client", t.title()).Msg("joined")
	s.say(t, t.name+" ("+t.via+") connected at "+time.Now().Format(time.ANSIC)+"\n")
	return nil
}

func (s *Session) exit(t *Seat) {
	s.rise(t)
	s.o.Log.Info().Str("client", t.title()).Msg("left")
	s.say(nil, t.name+" ("+t.via+") disconnected at "+time.Now().Format(time.ANSIC)+"\n")
}

// Editor is an editor that joins.
type Editor struct {
	Conn io.ReadWriteCloser // speaks DAP; its Write never waits
	Name string             // of its seat: the same one when it comes back
	Away bool               // it runs on another machine
	// Join gives it its seat, with events by emit, which must not block.
	Join func(emit func(engine.Event)) (*Seat, error)
}

// serveEditor serves an editor, whose seat is taken once it attaches.
func (s *Session) serveEditor(t *Seat, rw *pump) {
	ctx, leave := context.WithCancel(s.life)
	defer leave()
	t.guest = &windbg.Guest{Leave: leave}
	own, _ := os.Hostname()
	s.mu.Lock()
	t.number = s.ordinal(t.who)
	s.coming = append(s.coming, t)
	s.mu.Unlock()
	joined := false
	defer func() {
		s.mu.Lock()
		s.coming = slices.DeleteFunc(s.coming, func(x *Seat) bool { return x == t })
		s.mu.Unlock()
		if joined {
			s.exit(t)
		}
	}()
	s.o.Editor(ctx, Editor{Conn: rw, Name: t.Name(), Away: !strings.EqualFold(hostOf(t.who), own), Join: func(emit func(engine.Event)) (*Seat, error) {
		t.emit = emit
		if err := s.enter(t); err != nil {
			return nil, err
		}
		joined = true
		return t, nil
	}})
}
