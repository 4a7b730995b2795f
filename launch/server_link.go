package launch

import (
	"context"
	"errors"
	"io"

	"dap-windbg/engine"
	"dap-windbg/remote/dbgsrv"
	"dap-windbg/remote/transport"
	"dap-windbg/targets"
	"dap-windbg/targets/rsp"
)

// reached wraps faults of transport as what front ends tell from other faults.
func reached(err error) error {
	var e *transport.Error
	if errors.As(err, &e) {
		return &ReachError{What: e.Error(), Fix: e.Fix, Cause: e}
	}
	return err
}

// serverLink is a connection to a process server of ours. Each debuggee has a stub of
// its own over there, so that a fault of one concerns nobody else.
type serverLink struct {
	conn *transport.Conn
	d    *Debugger
}

// reaching are the options of a connection to a server of a service. The user sees what one meets that
// is waited for.
func (d *Debugger) reaching(service string) transport.Options {
	return transport.Options{Service: service, Log: d.hooks.Log, Stranger: func(address string, err error) {
		d.tell(engine.Important, "%s is not the server that is waited for: %v. Still waiting.", address, err)
	}}
}

// dialServer connects to the process server that c names.
func (d *Debugger) dialServer(ctx context.Context, c *Connection) (*transport.Conn, error) {
	conn, err := transport.Dial(ctx, c.Transport(), d.reaching(dbgsrv.Service))
	return conn, reached(err)
}

// Processes lists what runs over there.
func (l *serverLink) Processes(ctx context.Context) ([]targets.Process, error) {
	var list []dbgsrv.Process
	if err := l.conn.Call(ctx, dbgsrv.KindProcesses, nil, &list); err != nil {
		return nil, reached(err)
	}
	return fromServer(list), nil
}

func fromServer(list []dbgsrv.Process) []targets.Process {
	out := make([]targets.Process, len(list))
	for i, p := range list {
		out[i] = targets.Process{PID: p.PID, User: p.User, Command: p.Command}
	}
	return out
}

// Close ends the connection. The server parts from what is left.
func (l *serverLink) Close() error { return l.conn.Close() }

// pending is the command line that clients were left by -pc.
func (l *serverLink) pending(ctx context.Context) ([]string, error) {
	var argv []string
	err := l.conn.Call(ctx, dbgsrv.KindPending, nil, &argv)
	if err == nil && len(argv) == 0 {
		err = errors.New("the process server names no command line")
	}
	return argv, reached(err)
}

// open makes the debuggee that p asks for, with begin, over a stub of its own.
func (l *serverLink) open(ctx context.Context, p *Plan, created bool, begin func(*rsp.Conn) (targets.Target, error)) (*debuggee, error) {
	var id dbgsrv.Debug
	wire, err := l.conn.Open(ctx, dbgsrv.KindDebug, nil, &id)
	if err != nil {
		return nil, reached(err)
	}
	s := l.streams(ctx, id, wire, p)
	conn, err := rsp.Connect(ctx, transport.Polled(wire), rsp.Options{Peer: p.ProcessServer.String(), Timeout: p.Timeout, Hello: p.Timeout, // it is a stub, however busy that machine is
		Trace: l.d.trace, Log: l.d.hooks.Log, OS: "linux"})
	if err == nil {
		s.wire = conn
		var t targets.Target
		if t, err = begin(conn); err == nil {
			s.images = func(ctx context.Context, path string) (io.ReadCloser, error) {
				var info dbgsrv.FileInfo
				f, err := l.conn.Open(ctx, dbgsrv.KindFile, dbgsrv.FileRequest{Path: path, Process: t.Info().Process}, &info)
				if err != nil {
					return nil, err
				}
				return &sized{f, info.Size}, nil
			}
			return &debuggee{target: t, created: created, server: s}, nil
		}
	} else {
		s.wire = wire
	}
	s.stop()
	return nil, err
}

// streams is the server of one debuggee over there: what the debuggee writes is passed
// on from here, and it ends when nobody needs it.
func (l *serverLink) streams(ctx context.Context, id dbgsrv.Debug, wire io.Closer, p *Plan) *localServer {
	s := &localServer{exited: make(chan struct{}), wire: wire, mute: "the debuggee has no input: a process server gives it none"}
	s.met.Store(true)
	text, err := l.conn.Open(ctx, dbgsrv.KindOutput, id, nil)
	if err != nil {
		s.kill = func() {}
		close(s.exited)
		return s
	}
	s.kill = func() { text.Close() }
	alive, ended := context.WithCancel(context.Background())
	f := sieve{port: make(chan string, 1), said: &lineLog{}, output: func(text string) { l.d.output(text, false) }}
	go func() {
		defer close(s.exited)
		defer ended()
		defer text.Close()
		for buf := make([]byte, 32<<10); ; {
			n, err := text.Read(buf)
			if n > 0 && l.d.hooks.Room != nil {
				l.d.hooks.Room(alive)
			}
			f.take(string(buf[:n]))
			if err != nil {
				break
			}
		}
		f.end()
	}()
	return s
}

// begin makes the debuggee of p over there; nil when p names none.
func (l *serverLink) begin(ctx context.Context, p *Plan) (*debuggee, error) {
	if p.Implicit {
		argv, err := l.pending(ctx)
		if err != nil {
			return nil, err
		}
		p.Request, p.Program.Path, p.Program.Args = Launch, argv[0], argv[1:]
	}
	switch {
	case p.Request == Launch && p.Program.Path != "":
		return l.open(ctx, p, true, func(c *rsp.Conn) (targets.Target, error) { return c.Launch(ctx, p.Program) })
	case p.ProcessName != "" || p.ProcessID != 0:
		pid := p.ProcessID
		if p.ProcessName != "" {
			var err error
			if pid, err = l.d.byName(ctx, p); err != nil {
				return nil, err
			}
		}
		return l.open(ctx, p, false, func(c *rsp.Conn) (targets.Target, error) { return c.Attach(ctx, pid) })
	}
	return nil, nil
}

// sized is a file of known size: bytes that are missing at its end are an error.
type sized struct {
	io.ReadCloser
	left int64
}

func (f *sized) Read(p []byte) (int, error) {
	n, err := f.ReadCloser.Read(p)
	if f.left -= int64(n); err == io.EOF && f.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
