package adapter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"dap-windbg/engine"
	"dap-windbg/launch"
	"dap-windbg/targets"
)

// Children is where the sessions of one process find the children of each other's
// debuggees. A client that is asked to debug one (startDebugging) begins a session
// for it: on the server it uses, or on the door, whose port the configuration names
// as debugServer. The door is on the loopback interface and serves nothing else.
type Children struct {
	Nursery launch.Nursery
	// Own makes a listener of this machine serve programs of its user alone; nil: all.
	Own func(net.Listener) net.Listener

	mu       sync.Mutex
	port     int
	sessions sync.WaitGroup
}

// claimTime is how long a client may take to begin the session it was asked for.
const claimTime = time.Minute

// open opens the door, once, until ctx ends.
func (c *Children) open(ctx context.Context, o Options) (port int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.port != 0 {
		return c.port, nil
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	plan := o.Plan
	o.Plan = func(request string, args json.RawMessage, trusted bool) (launch.Plan, error) {
		p, err := plan(request, args, trusted)
		if err == nil && (p.Child == "" || !c.Nursery.Has(p.Child)) {
			err = errors.New("here, sessions of child processes can be begun and no others")
		}
		return p, err
	}
	c.port = ln.Addr().(*net.TCPAddr).Port
	if c.Own != nil {
		ln = c.Own(ln)
	}
	go Listen(ctx, &door{ln, &c.sessions}, o)
	return c.port, nil
}

// Wait waits until the sessions of children have ended that came by the door.
func (c *Children) Wait() { c.sessions.Wait() }

// door counts the connections that are open.
type door struct {
	net.Listener
	open *sync.WaitGroup
}

func (d *door) Accept() (net.Conn, error) {
	conn, err := d.Listener.Accept()
	if err != nil {
		return nil, err
	}
	d.open.Add(1)
	return &visitor{conn, sync.OnceFunc(d.open.Done)}, nil
}

type visitor struct {
	net.Conn
	gone func()
}

func (v *visitor) Close() error {
	defer v.gone()
	return v.Conn.Close()
}

// childHooks lets s debug children and, where its client can begin sessions, offer them.
func (s *session) childHooks(h *launch.Hooks) {
	if s.o.Children == nil {
		return
	}
	h.Nursery = &s.o.Children.Nursery
	if s.client.SupportsStartDebuggingRequest {
		h.Child = func(c launch.Child) { s.workers.start(func() { s.offer(c) }) }
	}
}

// startDebuggingArguments are those of the reverse request.
type startDebuggingArguments struct {
	Configuration map[string]any `json:"configuration"`
	Request       string         `json:"request"`
}

// offer asks the client to begin a session for a child. The child is let go when it
// does not.
func (s *session) offer(c launch.Child) {
	a := startDebuggingArguments{Configuration: launch.ChildConfiguration(s.asked, c), Request: "attach"}
	if port, err := s.o.Children.open(s.o.Life, s.o); err == nil {
		a.Configuration["debugServer"] = port
	} else {
		s.log.Warn().Err(err).Msg("listening for sessions of children")
	}
	answer := make(chan *incoming, 1)
	s.out.send(&reverseRequest{Command: "startDebugging", Arguments: a, answer: answer})
	late := time.NewTimer(claimTime)
	defer late.Stop()
	for {
		select {
		case m := <-answer:
			if !m.Success {
				s.letGo(c, "the client does not debug it: "+m.Message)
				return
			}
		case <-late.C:
			s.letGo(c, "the client began no session for it")
			return
		case <-s.ctx.Done(): // the debug session lets go of those that wait
			return
		case <-s.out.done:
			return
		}
	}
}

// letGo lets a child run by itself, unless its session has begun.
func (s *session) letGo(c launch.Child, why string) {
	ctx, cancel := context.WithTimeout(s.ctx, graceCut)
	defer cancel()
	switch waited, err := s.o.Children.Nursery.Release(ctx, c.Token); {
	case err != nil && !errors.Is(err, targets.ErrGone):
		s.output("important", "Child process "+fmt.Sprint(c.Process)+" could not be let go: "+explain(err)+"\n")
	case waited:
		s.output("important", "Child process "+fmt.Sprint(c.Process)+" runs on by itself: "+why+"\n")
	}
}

// tellBecame tells that the debuggee is another process or program.
func (s *session) tellBecame(e engine.Became) {
	if s.console != nil {
		s.output("console", s.console.FormatEvent(e))
	}
	if s.phase == live {
		s.tellProcess()
	}
}
