package launch

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"dap-windbg/engine"
	"dap-windbg/remote/dbgsrv"
	"dap-windbg/remote/transport"
	"dap-windbg/targets"
	"dap-windbg/targets/core"
	"dap-windbg/targets/image"
	"dap-windbg/targets/rsp"
)

// reach connects to what the plan names. It returns nil without an error for a
// process server that holds no process.
func (d *Debugger) reach(ctx context.Context) (*debuggee, error) {
	p := d.Plan()
	switch {
	case p.Child != "":
		return d.claim(&p)
	case p.Remote != nil:
		return nil, &UnavailableError{What: "a shared debug session is joined by an editor or a command window, not run unattended",
			Fix: "dap-windbg cdb -remote " + p.Remote.String()}
	case p.CoreFile != "":
		return d.openFile(&p)
	case p.Connection != nil:
		return d.connect(ctx, p.Connection, &p)
	case p.ProcessServer != nil:
		return d.serve(ctx, &p)
	}
	return d.local(ctx, &p)
}

// Connection is how the far end was reached, for `||` and vertarget.
func (d *Debugger) Connection() string {
	p := d.Plan()
	switch {
	case p.CoreFile != "":
		return p.CoreFile
	case p.Connection != nil:
		return p.Connection.String()
	case p.ProcessServer != nil:
		return p.ProcessServer.String()
	case p.Request == Attach:
		return "attached on this machine"
	}
	return "started on this machine"
}

// openFile opens what is looked at without a process: a core file or an image.
func (d *Debugger) openFile(p *Plan) (*debuggee, error) {
	if core.Is(p.CoreFile) {
		return d.openCore(p)
	}
	t, err := image.Open(p.CoreFile)
	if err != nil && isMinidump(p.CoreFile) {
		return nil, &UnavailableError{What: p.CoreFile + " is a minidump; of dump files, ELF cores are read"}
	}
	if err != nil {
		return nil, &ConfigError{Field: "coreFile", Value: p.CoreFile, Want: "cannot be opened: " + reason(err)}
	}
	d.tell(engine.FromDebugger, "Loading Dump File [%s]", t.Info().Path)
	return &debuggee{target: t, image: true}, nil
}

// connect follows a target link.
func (d *Debugger) connect(ctx context.Context, c *Connection, p *Plan) (*debuggee, error) {
	for _, w := range c.Warnings {
		d.tell(0, "warning: %s", w)
	}
	if file := c.Get("vmlinux"); file != "" {
		if _, err := os.Stat(file); err != nil {
			return nil, &ConfigError{Field: "connection", Value: c.String(), Want: "needs a vmlinux that can be opened: " + reason(err) + ": " + file}
		}
	}
	switch c.Protocol {
	case "gdb", "qemu", "exdi":
	case "kgdb", "kdb":
		return d.linuxDebugger(ctx, c, p)
	case "com", "net":
		return d.kernelDebugger(ctx, c, p)
	case "kdsrv":
		trans, err := overServer(c)
		if err != nil {
			return nil, err
		}
		if trans.Protocol == "com" {
			return d.kernelDebugger(ctx, c, p)
		}
		return d.linuxDebugger(ctx, c, p)
	default:
		return nil, &UnavailableError{What: fmt.Sprintf("debugging over '%s:' is not part of this version", c.Protocol)}
	}
	conn, g, err := d.stub(ctx, c, p)
	if err != nil {
		return nil, err
	}
	t := conn.Target()
	if t == nil {
		g.dismiss()
		d.setLink(d.linkOver(conn, c))
		d.tell(0, noDebuggeeYet)
		return nil, nil
	}
	g.entrust(t.Info().Process, false, false)
	return &debuggee{target: t, guard: g}, nil
}

// stubOptions are what c and p say about how to speak to a stub.
func (d *Debugger) stubOptions(c *Connection, p *Plan) rsp.Options {
	o := rsp.Options{
		Timeout: p.Timeout, ThreadEvents: c.Bool("threadevents", false) || c.Bool("threadEvents", false),
		NonStop: c.Bool("nonstop", false), OS: p.OS, Trace: d.trace, Log: d.hooks.Log,
	}
	if v, err := parseDuration(c.Get("timeout")); err == nil && v > 0 {
		o.Timeout, o.Hello = v, v // it is known to be slow, also to begin
	}
	if v := c.Get("os"); v != "" {
		o.OS = v
	}
	return o
}

// stub dials a GDB stub.
func (d *Debugger) stub(ctx context.Context, c *Connection, p *Plan) (*rsp.Conn, *guard, error) {
	o := d.stubOptions(c, p)
	if a, ok := c.Arg("cmd"); ok {
		o.Peer = strings.Join(a.Argv, " ")
		rw, err := dialCommand(a.Argv)
		if err != nil {
			return nil, nil, err
		}
		conn, err := rsp.Connect(ctx, rw, o)
		return conn, nil, err
	}
	host, port, what := c.Get("server"), c.Get("port"), "gdbserver"
	if c.Protocol != "gdb" {
		what = "the GDB stub"
		if o.OS == "" {
			o.OS = "linuxkernel"
		}
	}
	if c.Protocol == "exdi" {
		at := strings.LastIndexByte(c.Get("gdb"), ':')
		if at < 0 {
			return nil, nil, &ConfigError{Field: "connection", Value: c.String(), Want: "needs gdb=HOST:PORT, where the stub listens"}
		}
		host, port = c.Get("gdb")[:at], c.Get("gdb")[at+1:]
	}
	o.Peer = host + ":" + port
	rw, err := dialTCP(ctx, what, host, port)
	if err != nil {
		return nil, nil, err
	}
	var g *guard
	if c.Protocol == "gdb" {
		g = newGuard(d.hooks.Guard, rw)
		o.Journal = g.journal()
	}
	conn, err := rsp.Connect(ctx, transport.Polled(rw), o)
	if err != nil {
		g.dismiss()
	}
	return conn, g, err
}

// local runs a gdbserver of our own.
func (d *Debugger) local(ctx context.Context, p *Plan) (*debuggee, error) {
	pid := p.ProcessID
	if p.Request == Attach && pid == 0 && p.ProcessName == "" {
		return nil, &ConfigError{Field: "attach", Want: "names no process"}
	}
	if p.ProcessName != "" {
		var err error
		if pid, err = d.byName(ctx, p); err != nil {
			return nil, err
		}
	}
	if p.Request == Attach {
		p.Stdin = ""
	}
	s, err := d.startLocal(ctx, p, pid)
	if err != nil {
		return nil, err
	}
	rw, err := s.dial(ctx)
	if err == nil {
		var conn *rsp.Conn
		g := newGuard(d.hooks.Guard, rw)
		conn, err = rsp.Connect(ctx, transport.Polled(rw), rsp.Options{Peer: "gdbserver", Timeout: p.Timeout, Trace: d.trace, Log: d.hooks.Log, OS: "linux",
			Break: breaker, Journal: g.journal()})
		if err == nil && conn.Target() != nil {
			created := p.Request == Launch
			g.entrust(conn.Target().Info().Process, created, breaker != nil)
			return &debuggee{target: conn.Target(), server: s, guard: g, created: created}, nil
		}
		g.dismiss()
		if err == nil {
			conn.Close()
			err = &ReachError{What: "gdbserver has no process: the program could not be started"}
		}
	}
	s.stop()
	return nil, err
}

// startLocal runs gdbserver: in the client's terminal when that is wanted for a
// program, else with the program's streams in our hands.
func (d *Debugger) startLocal(ctx context.Context, p *Plan, attach int64) (*localServer, error) {
	if p.Request == Launch && p.Console != "" && p.Console != "internalConsole" {
		if d.hooks.Terminal != nil {
			argv, err := serverCommand(p, 0)
			if err != nil {
				return nil, err
			}
			return startInTerminal(ctx, p, argv, d.hooks.Terminal)
		}
		d.tell(engine.FromDebugger, "warning: no %s can be opened from here; the program's output is shown with the debugger's", p.Console)
	}
	return startServer(ctx, p, attach, d.hooks.Room, d.output)
}

// Processes lists processes of the process server, or of this machine.
func (d *Debugger) Processes(ctx context.Context) ([]targets.Process, error) {
	d.mu.Lock()
	link := d.link
	d.mu.Unlock()
	var list []targets.Process
	var err error
	if link != nil {
		list, err = link.Processes(ctx)
	} else if g := d.current(); g != nil && g.server == nil {
		list, err = remoteProcesses(ctx, g)
	} else {
		list, err = LocalProcesses()
	}
	return harmless(list), err
}

// harmless makes control characters visible: a process may call itself anything, and
// lists of them are shown in terminals.
func harmless(list []targets.Process) []targets.Process {
	for i := range list {
		list[i].Command, list[i].User = visible(list[i].Command), visible(list[i].User)
	}
	return list
}

func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError || unicode.Is(unicode.Cf, r) {
			return '?'
		}
		return r
	}, s)
}

// remoteProcesses asks a stub that holds a process what else runs there.
func remoteProcesses(ctx context.Context, g *debuggee) ([]targets.Process, error) {
	link, ok := g.target.(interface{ Link() targets.Link })
	if !ok {
		return nil, &UnavailableError{What: "the far end does not list processes"}
	}
	return link.Link().Processes(ctx)
}

// poll is how often waitFor looks.
const poll = 100 * time.Millisecond

// byName finds the one process called p.ProcessName, waiting for it when asked to.
func (d *Debugger) byName(ctx context.Context, p *Plan) (int64, error) {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		all, err := d.Processes(ctx)
		if err != nil {
			return 0, err
		}
		var found []int64
		for _, q := range all {
			name, _, _ := strings.Cut(q.Command, " ")
			if q.PID != int64(os.Getpid()) && filepath.Base(name) == filepath.Base(p.ProcessName) {
				found = append(found, q.PID)
			}
		}
		switch {
		case len(found) == 1:
			return found[0], nil
		case len(found) > 1:
			return 0, &ConfigError{Field: "processName", Value: p.ProcessName, Want: fmt.Sprintf("%d processes have this name: %v", len(found), found), Fix: "use processId"}
		case !p.WaitFor:
			return 0, &ConfigError{Field: "processName", Value: p.ProcessName, Want: "no process has this name", Fix: "start it, or set waitFor"}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// LocalProcesses lists the processes of this machine.
func LocalProcesses() ([]targets.Process, error) {
	if runtime.GOOS != "linux" {
		return nil, &UnavailableError{What: "processes of this machine can only be listed on Linux", Fix: "name a process server"}
	}
	list, err := dbgsrv.Processes()
	return harmless(fromServer(list)), err
}
