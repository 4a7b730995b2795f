package launch

import (
	"context"
	"slices"
	"strings"
	"time"

	"dap-windbg/targets"
	"dap-windbg/targets/rsp"
)

// platformLink is an lldb-server in platform mode. It starts a server for each debuggee,
// on another port of its host: the fault of one concerns nobody else, and each has a
// guard of its own.
type platformLink struct {
	*rsp.Conn
	d  *Debugger
	at *Connection
}

func (l *platformLink) begin(ctx context.Context, p *Plan) (*debuggee, error) {
	switch {
	case p.Request == Launch && p.Program.Path != "":
		env, err := l.Environment(ctx)
		if err != nil {
			return nil, err
		}
		program := p.Program
		program.Env = inherit(env, program.Env)
		return l.open(ctx, p, true, func(c *rsp.Conn) (targets.Target, error) { return c.Launch(ctx, program) })
	case p.ProcessName != "" || p.ProcessID != 0:
		pid := p.ProcessID
		if p.ProcessName != "" {
			var err error
			if pid, err = l.d.byName(ctx, p); err != nil {
				return nil, err
			}
		}
		if _, err := l.Lookup(ctx, pid); err != nil {
			return nil, err
		}
		return l.open(ctx, p, false, func(c *rsp.Conn) (targets.Target, error) { return c.Attach(ctx, pid) })
	}
	return nil, nil
}

// inherit is env as changes, "NAME=VALUE" to set and "NAME" to remove, leave it.
func inherit(env, changes []string) []string {
	for _, c := range changes {
		name, _, set := strings.Cut(c, "=")
		env = slices.DeleteFunc(env, func(kv string) bool { return strings.HasPrefix(kv, name+"=") })
		if set {
			env = append(env, c)
		}
	}
	return env
}

// open makes the debuggee that p asks for, with begin, over a server of its own. That
// ends with our connection to it.
func (l *platformLink) open(ctx context.Context, p *Plan, created bool, begin func(*rsp.Conn) (targets.Target, error)) (*debuggee, error) {
	if l.at.Has("cmd") {
		return nil, &UnavailableError{What: "an lldb-server in platform mode starts servers on other ports, which nothing but this one leads to",
			Fix: "name its host with gdb:server=HOST,port=PORT, or run gdbserver --once --multi - over there"}
	}
	s, err := l.StartServer(ctx)
	if err != nil {
		return nil, err
	}
	wire, err := dialTCP(ctx, "the server that the platform started", l.at.Get("server"), s.Port)
	if err != nil {
		l.EndServer(context.WithoutCancel(ctx), s)
		return nil, err
	}
	g := newGuard(l.d.hooks.Guard, wire)
	o := l.d.stubOptions(l.at, p)
	o.Peer, o.Journal = l.at.Get("server")+":"+s.Port, g.journal()
	conn, err := rsp.Connect(ctx, wire, o)
	if err == nil {
		var t targets.Target
		if t, err = begin(conn); err == nil {
			g.entrust(t.Info().Process, false, false)
			return &debuggee{target: t, created: created, guard: g, wire: &platformServer{link: l, conn: conn, id: s}}, nil
		}
		conn.Close()
	}
	g.dismiss()
	return nil, err
}

// platformServer is the connection to a server that a platform started.
type platformServer struct {
	link *platformLink
	conn *rsp.Conn
	id   rsp.StubServer
}

// serverEnd bounds the wait for a server to end once it is left.
const serverEnd = 2 * time.Second

// Close ends the server, so that the platform can start the next one.
func (s *platformServer) Close() error {
	err := s.conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), serverEnd)
	defer cancel()
	s.link.AwaitEnd(ctx, s.id)
	return err
}
