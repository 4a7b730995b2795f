package dbgsrv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"dap-windbg/remote/transport"
)

// Service is the name of process servers on the wire.
const Service = "dbgsrv"

// Kinds of streams.
const (
	KindProcesses = "processes" // reply: []Process
	KindDebug     = "debug"     // the GDB remote protocol of a stub of its own; reply: Debug
	KindOutput    = "output"    // request: Debug; what the debuggee writes
	KindPending   = "pending"   // reply: []string, the command line that clients were left by -pc
	KindFile      = "file"      // request: FileRequest, reply: FileInfo; its bytes
)

// Debug names a debuggee of a connection.
type Debug struct {
	ID int `json:"id"`
}

// FileRequest asks for an image, or its debug file, by its path on the server.
type FileRequest struct {
	Path    string `json:"path"`
	Process int64  `json:"process"` // as this one sees the file system; 0: as the server does
	Offset  int64  `json:"offset"`
}

// FileInfo is told before the bytes.
type FileInfo struct {
	Size int64 `json:"size"`
}

// maxCommand bounds a command line in the list, bytes: anybody can have one of megabytes.
const maxCommand = 4096

// Process is a row of the process list.
type Process struct {
	PID     int64  `json:"pid"`
	User    string `json:"user,omitempty"`
	Command string `json:"command"`
}

// Options of a server.
type Options struct {
	Stub         string        // gdbserver or lldb-server, "" gdbserver
	Pending      []string      // command line for clients that ask for it
	MaxDebuggees int           // of one client, 0 = 16
	Idle         time.Duration // after which a client without debuggees is let go, 0 never
	Guard        []string      // command line that runs Guard: it parts from debuggees when this process is killed; nil: nobody does
	Log          zerolog.Logger
}

const defaultDebuggees = 16

// A Server gives processes of this machine to clients.
type Server struct {
	o     Options
	guard *guard
	all   sync.WaitGroup
}

// New makes a server; it starts the guard.
func New(o Options) (*Server, error) {
	if o.MaxDebuggees == 0 {
		o.MaxDebuggees = defaultDebuggees
	}
	if o.Stub == "" {
		o.Stub = "gdbserver"
	}
	if err := usable(o.Stub); err != nil {
		return nil, err
	}
	g, err := startGuard(o.Guard)
	return &Server{o: o, guard: g}, err
}

// Close ends a server that serves nobody.
func (s *Server) Close() { s.guard.dismiss() }

// Serve takes clients from l until ctx ends, then parts from all debuggees and
// returns. The error of a reverse connection is returned.
func (s *Server) Serve(ctx context.Context, l *transport.Listener) error {
	defer s.Close()
	defer s.all.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for {
		c, err := l.Accept(ctx)
		switch {
		case ctx.Err() != nil || errors.Is(err, net.ErrClosed):
			return nil
		case err != nil:
			return err
		}
		if l.Spec().Reverse() { // one client, and then no more
			s.serve(ctx, c)
			return nil
		}
		s.all.Go(func() { s.serve(ctx, c) })
	}
}

// client is one connection.
type client struct {
	s    *Server
	conn *transport.Conn
	log  zerolog.Logger

	mu        sync.Mutex
	next      int
	debuggees map[int]*debuggee
	idle      *time.Timer
}

func (s *Server) serve(ctx context.Context, conn *transport.Conn) {
	defer conn.Close()
	c := &client{s: s, conn: conn, debuggees: map[int]*debuggee{}, log: s.o.Log.With().Str("address", conn.Address).Str("client", conn.Client).Logger()}
	if s.o.Idle > 0 {
		c.idle = time.AfterFunc(s.o.Idle, func() {
			c.log.Info().Msg("idle for too long")
			conn.Close()
		})
		defer c.idle.Stop()
	}
	began := time.Now()
	conn.Serve(ctx, c.handle)
	c.log.Info().Str("lasted", time.Since(began).Round(time.Millisecond).String()).Msg("disconnected")
}

// kinds is what a client may ask for.
var kinds = map[string]func(*client, context.Context, *transport.Call) error{
	KindProcesses: (*client).processes,
	KindDebug:     (*client).debug,
	KindOutput:    (*client).output,
	KindPending:   (*client).pending,
	KindFile:      (*client).file,
}

// handle serves one stream. A call whose handler returns an error is refused with it.
func (c *client) handle(ctx context.Context, call *transport.Call) {
	h, ok := kinds[call.Kind]
	if !ok {
		call.Refuse(fmt.Errorf("this process server does not know '%.40s'", call.Kind))
		return
	}
	if err := h(c, ctx, call); err != nil {
		c.log.Info().Str("kind", call.Kind).Err(err).Msg("refused")
		call.Refuse(err)
	}
}

func (c *client) processes(_ context.Context, call *transport.Call) error {
	all, err := Processes()
	if err != nil {
		return err
	}
	if all, err = fitting(all, transport.MaxReply); err != nil {
		return err
	}
	call.Reply(all)
	return nil
}

// fitting cuts command lines until the list has at most room bytes: others' processes,
// and what they are called, must not keep anybody from his own.
func fitting(all []Process, room int) ([]Process, error) {
	for longest := maxCommand; longest > 0; longest /= 2 {
		for i := range all {
			all[i].Command = all[i].Command[:min(longest, len(all[i].Command))]
		}
		if text, err := json.Marshal(all); err != nil || len(text) <= room {
			return all, err
		}
	}
	return nil, fmt.Errorf("there are too many processes to be listed (%d)", len(all))
}

func (c *client) pending(_ context.Context, call *transport.Call) error {
	if len(c.s.o.Pending) == 0 {
		return errors.New("the process server was given no command line (-pc)")
	}
	call.Reply(c.s.o.Pending)
	return nil
}

// enter takes room for a debuggee of the client, leave gives it back.
func (c *client) enter() (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.debuggees) >= c.s.o.MaxDebuggees {
		return 0, fmt.Errorf("a client may have %d debuggees", c.s.o.MaxDebuggees)
	}
	c.next++
	c.debuggees[c.next] = nil
	if c.idle != nil {
		c.idle.Stop()
	}
	return c.next, nil
}

func (c *client) leave(id int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.debuggees, id)
	if c.idle != nil && len(c.debuggees) == 0 {
		c.idle.Reset(c.s.o.Idle)
	}
}

func (c *client) find(request json.RawMessage) (*debuggee, error) {
	var d Debug
	if err := json.Unmarshal(request, &d); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if g := c.debuggees[d.ID]; g != nil {
		return g, nil
	}
	return nil, fmt.Errorf("there is no debuggee %d", d.ID)
}

// debug runs a stub and relays to it until either side ends.
func (c *client) debug(ctx context.Context, call *transport.Call) error {
	id, err := c.enter()
	if err != nil {
		return err
	}
	defer c.leave(id)
	d, err := c.s.start(c.log)
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.debuggees[id] = d
	c.mu.Unlock()
	stream, err := call.Accept(Debug{id})
	if err != nil {
		d.end()
		return nil
	}
	d.relay(ctx, stream)
	return nil
}

// output passes on what the debuggee writes.
func (c *client) output(ctx context.Context, call *transport.Call) error {
	d, err := c.find(call.Request)
	if err != nil {
		return err
	}
	text := d.takeOutput()
	if text == nil {
		return errors.New("the output is being read already")
	}
	stream, err := call.Accept(nil)
	if err != nil {
		return nil
	}
	d.passOutput(ctx, text, stream)
	return nil
}
