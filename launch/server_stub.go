package launch

import (
	"context"
	"fmt"

	"dap-windbg/targets"
	"dap-windbg/targets/rsp"
)

// processServer is a far end that gives us processes: a gdbserver --multi, an
// lldb-server platform, or a process server of ours.
type processServer interface {
	Processes(ctx context.Context) ([]targets.Process, error)
	// begin makes the debuggee of p; nil when p names none.
	begin(ctx context.Context, p *Plan) (*debuggee, error)
	Close() error
}

const noDebuggeeYet = "Connected to a process server; there is no debuggee yet. Use .tlist, .attach or .create."

func (d *Debugger) setLink(l processServer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.link = l
}

// serve uses a process server: start there, or attach there. A server that refused is
// connected to again the next time: gdbserver talks nonsense once an attach has failed.
func (d *Debugger) serve(ctx context.Context, p *Plan) (*debuggee, error) {
	link, err := d.server(ctx, p)
	if err != nil {
		return nil, err
	}
	g, err := link.begin(ctx, p)
	if err != nil {
		d.setLink(nil)
		link.Close()
		return nil, err
	}
	if g == nil {
		d.tell(0, noDebuggeeYet)
	}
	return g, nil
}

// server returns the link to the process server, connecting when needed.
func (d *Debugger) server(ctx context.Context, p *Plan) (processServer, error) {
	d.mu.Lock()
	link := d.link
	d.mu.Unlock()
	if link != nil {
		return link, nil
	}
	for _, w := range p.ProcessServer.Warnings {
		d.tell(0, "warning: %s", w)
	}
	if p.ProcessServer.Protocol != "gdb" {
		s := p.ProcessServer.Transport()
		if s.Clear() {
			d.tell(0, "warning: %s: what travels is not encrypted; ssl: is", s.Protocol)
		}
		conn, err := d.dialServer(ctx, p.ProcessServer)
		if err != nil {
			return nil, err
		}
		link = &serverLink{conn: conn, d: d}
	} else {
		conn, g, err := d.stub(ctx, p.ProcessServer, p)
		if err != nil {
			return nil, err
		}
		g.dismiss() // guards watch one process
		link = d.linkOver(conn, p.ProcessServer)
	}
	d.setLink(link)
	return link, nil
}

// linkOver is the process server behind conn, a stub's that c leads to.
func (d *Debugger) linkOver(conn *rsp.Conn, c *Connection) processServer {
	if conn.Platform() {
		return &platformLink{Conn: conn, d: d, at: c}
	}
	return &stubLink{Conn: conn, d: d, left: conn.Target()}
}

// stubLink is a gdbserver --multi, or another stub that starts and attaches.
type stubLink struct {
	*rsp.Conn
	d    *Debugger
	left *rsp.Target // a process that waited there when we came
}

func (l *stubLink) begin(ctx context.Context, p *Plan) (*debuggee, error) {
	if l.left != nil {
		return l.takeOver(ctx, p)
	}
	switch {
	case p.Request == Launch && p.Program.Path != "":
		t, err := l.Launch(ctx, p.Program)
		return held(t, true, err)
	case p.ProcessName != "":
		pid, err := l.d.byName(ctx, p)
		if err != nil {
			return nil, err
		}
		t, err := l.Attach(ctx, pid)
		return held(t, false, err)
	case p.ProcessID != 0:
		t, err := l.Attach(ctx, p.ProcessID)
		return held(t, false, err)
	}
	return nil, nil
}

func held(t targets.Target, created bool, err error) (*debuggee, error) {
	if err != nil {
		return nil, err
	}
	return &debuggee{target: t, created: created}, nil
}

// takeOver is for a far end that holds a process already: a client before us left it
// there, or it is no process server at all but serves this one. Whoever asks for that
// process gets it; anybody else is told, since a stub with one process halts it with
// each other.
func (l *stubLink) takeOver(ctx context.Context, p *Plan) (*debuggee, error) {
	pid := l.left.Info().Process
	want := p.ProcessID
	if p.ProcessName != "" {
		var err error
		if want, err = l.d.byName(ctx, p); err != nil {
			return nil, err
		}
	}
	if p.Request == Attach && want != 0 && want == pid {
		t := l.left
		l.left = nil
		l.d.tell(0, "Process %d was left waiting there by an earlier client; it is taken over.", pid)
		return &debuggee{target: t}, nil
	}
	return nil, &ReachError{
		What: fmt.Sprintf("%s holds process %d, which waits: an earlier client left it, or this is no process server but serves that process alone", p.ProcessServer, pid),
		Fix:  fmt.Sprintf("take it over with -p %d (\"processId\"), and .detach or .kill it; or restart that gdbserver with --multi", pid),
	}
}
