package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
)

// maxVisitors bounds those whom a waiting client looks at together.
const maxVisitors = 32

// wait is the client's side of a reverse connection. Anybody may connect to where it
// waits; it goes on waiting, and tells of it, until somebody speaks as a server of
// ours. What that one says ends the wait, also when it is a refusal: the user has to
// hear of a wrong password.
func wait(ctx context.Context, s Spec, o Options, config *tls.Config) (*Conn, error) {
	open := s.Password != "" || s.Secure()
	if !open && !local(s.Clicon) {
		return nil, unguarded(s, "a server on another machine")
	}
	lns, err := media[s.Protocol].listen(ctx, &s, open)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	w := &waiter{ctx: ctx, s: s, o: o, config: config, open: open, met: make(chan visit), room: make(chan struct{}, maxVisitors)}
	defer w.all.Wait()
	defer cancel()
	for _, ln := range lns {
		defer ln.Close()
		w.all.Go(func() { w.accept(ln) })
	}
	select {
	case v := <-w.met:
		for _, step := range v.steps {
			step()
		}
		return v.conn, v.err
	case <-ctx.Done():
		return nil, &Error{Layer: Port, What: fmt.Sprintf("nobody connected to port %d", s.Port), Err: ctx.Err(), Fix: bothSides}
	}
}

// waiter is a client that waits.
type waiter struct {
	ctx    context.Context
	s      Spec
	o      Options
	config *tls.Config
	open   bool          // to others than this machine
	met    chan visit    // takes one
	room   chan struct{} // for visitors
	all    sync.WaitGroup
}

// visit is what came of a visitor.
type visit struct {
	conn  *Conn
	err   error
	steps []func() // that Options.Step is to be told
}

func (w *waiter) accept(ln net.Listener) {
	for {
		raw, err := ln.Accept()
		if err != nil {
			w.tell(visit{err: err})
			return
		}
		select {
		case w.room <- struct{}{}:
			w.all.Go(func() {
				defer func() { <-w.room }()
				w.receive(raw)
			})
		default:
			w.o.Log.Warn().Str("address", raw.RemoteAddr().String()).Msg("turned away: too many are looked at")
			raw.Close()
		}
	}
}

// receive looks at a visitor.
func (w *waiter) receive(raw net.Conn) {
	var v visit
	o, address := w.o, raw.RemoteAddr().String()
	o.Step = func(l Layer, what string) { v.steps = append(v.steps, func() { w.o.Step(l, what) }) }
	o.Step(Port, "connected to "+address)
	if !w.open && !ours(raw) {
		raw.Close()
		v.err = &Error{Layer: Port, What: "who connected cannot be trusted", Err: errStranger, Fix: "give both ends the same password="}
	} else {
		v.conn, v.err = meet(w.ctx, w.s, o, raw, w.config)
	}
	if w.ctx.Err() == nil && stranger(v.err) {
		w.o.Log.Warn().Str("address", address).Err(v.err).Msg("a stranger was turned away, the wait goes on")
		if w.o.Stranger != nil {
			w.o.Stranger(address, v.err)
		}
		return
	}
	w.tell(v)
}

// stranger reports whether err tells of somebody who is no server of ours: it did not
// come as far as to say what it is. Over TLS that takes a certificate that we trust.
func stranger(err error) bool {
	var e *Error
	if errors.Is(err, errStranger) {
		return true
	}
	return errors.As(err, &e) && (e.Layer == TLS || e.Layer == Protocol && e.What != otherVersion)
}

// tell ends the wait, unless it is over.
func (w *waiter) tell(v visit) {
	select {
	case w.met <- v:
	case <-w.ctx.Done():
		if v.conn != nil {
			v.conn.Close()
		}
	}
}

// errStranger: without a password, who may connect is known by whose his program is.
var errStranger = errors.New("it belongs to another user of this machine, and there is no password")
