package launch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/rs/zerolog"

	"dap-windbg/engine"
	"dap-windbg/eval"
	"dap-windbg/eval/natvis"
	"dap-windbg/systems/linux"
	"dap-windbg/targets"
	"dap-windbg/targets/wire"
)

// Debugger is one debug session as people see it: the link, the symbol store and
// the engine session of the present debuggee. It outlives debuggees: .restart
// and .attach replace the Session, breakpoints and paths stay.
type Debugger struct {
	hooks   Hooks
	filters *filters
	files   *files
	model   *eval.Model
	trace   *wire.Trace
	traceTo io.Closer

	lengthy atomic.Pointer[context.CancelFunc] // ends the core file that is being written, or the long read
	leaving sync.WaitGroup                     // traps of lost debuggees are being remembered

	mu       sync.Mutex
	plan     Plan
	present  *debuggee
	family   family
	link     processServer  // outlives its debuggees
	held     []engine.Event // behind an Ended that waits for the last output
	settling chan struct{}  // non-nil while held is in use; closed when it is empty
}

// Hooks are what a front end gives to a Debugger.
type Hooks struct {
	// Emit receives every event, in order; it must not block.
	Emit func(engine.Event)
	// Room waits, as long as ctx, until the front end has passed on most of what was
	// emitted: a program that writes faster than anybody reads is held up by it. It
	// is called where the program's text is read and nowhere else. Nil: none waits.
	Room func(ctx context.Context)
	// Terminal starts argv in the client's terminal (DAP runInTerminal) and
	// returns its process id; nil: not available.
	Terminal func(ctx context.Context, argv []string, dir string, env []string) (int, error)
	// Progress tells of slow work; done in [0,1], < 0 unknown. It may be nil.
	Progress func(title string, done float64)
	Log      zerolog.Logger
	// Guard is a command line that runs RunGuard: a process that parts from the
	// debuggee when this one is killed. Nil: nobody does.
	Guard []string
	// Child is offered a process that came of a fork and that followForks keeps. It must
	// not block. Nil: children run on by themselves. Nursery is where it waits.
	Child   func(Child)
	Nursery *Nursery
	// Family: the front end shows all processes of the Debugger; Child is not asked.
	Family bool
	// Life ends the debug session, as Close with the default parting does; nil: only Close does.
	Life context.Context
}

// errNoDebuggee is what commands get between debuggees.
var errNoDebuggee = errors.New("there is no debuggee")

// Start assembles a Debugger from p and brings it to its first stop. An error
// is a *ConfigError, *ReachError, *UnavailableError or from a target, with
// everything undone.
func Start(ctx context.Context, p Plan, h Hooks) (*Debugger, error) {
	if h.Emit == nil {
		h.Emit = func(engine.Event) {}
	}
	if h.Life == nil {
		h.Life = context.Background()
	}
	d := &Debugger{plan: p, hooks: h, filters: newFilters()}
	if err := d.filters.choose(p.Exceptions); err != nil {
		return nil, err
	}
	var left []*natvis.LoadError
	var err error
	if d.model, left, err = newModel(p.Natvis); err != nil {
		return nil, err
	}
	for _, e := range left {
		d.tell(engine.Important, "%s\n%s", e, e.Hint())
	}
	if err := d.openTrace(); err != nil {
		return nil, err
	}
	if d.files, err = newFiles(d); err != nil {
		d.closeTrace()
		return nil, err
	}
	if err := d.begin(ctx); err != nil {
		d.release()
		return nil, err
	}
	return d, nil
}

// choose makes exactly the named exceptions break, when there are any names.
func (f *filters) choose(names []string) error {
	if len(names) == 0 {
		return nil
	}
	for _, row := range f.list() {
		if row.Exception && row.Break == 'e' {
			row.Break = 'n'
			f.set(row)
		}
	}
	for _, n := range names {
		row := f.get(n, "")
		if row.Code == "*" && n != "*" {
			return &ConfigError{Field: "exceptions", Value: n, Want: "unknown exception; `sx` lists them"}
		}
		row.Break = 'e'
		f.set(row)
	}
	return nil
}

func (d *Debugger) openTrace() error {
	if d.plan.Trace == "" {
		return nil
	}
	f, err := os.OpenFile(d.plan.Trace, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return &ConfigError{Field: "trace", Value: d.plan.Trace, Want: "cannot be written: " + reason(err)}
	}
	d.trace, d.traceTo = wire.NewTrace(f, nil), f
	return nil
}

func (d *Debugger) closeTrace() {
	if d.traceTo != nil {
		d.traceTo.Close()
	}
}

// begin makes the debuggee the plan asks for.
func (d *Debugger) begin(ctx context.Context) error {
	g, err := d.reach(ctx)
	if err != nil {
		return err
	}
	if g == nil {
		return nil // a process server without a debuggee
	}
	return d.open(ctx, g)
}

// open starts the session over g and waits for its first stop.
func (d *Debugger) open(ctx context.Context, g *debuggee) error {
	if g.child != nil {
		g.done, g.session = make(chan struct{}), g.child.Session(d.options(g, nil))
		return d.first(ctx, g)
	}
	if err := d.adopt(ctx, g.target); err != nil {
		return errors.Join(err, g.abandon(ctx))
	}
	g.done, g.session = make(chan struct{}), engine.New(g.target, d.options(g, d.plan.Breakpoints))
	d.lonely()
	return d.first(ctx, g)
}

// emit passes an event on. The end of a program that we started waits for the
// program's last output.
func (d *Debugger) emit(e engine.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.settling != nil {
		d.held = append(d.held, e)
		return
	}
	end, ended := e.(engine.Ended)
	if ended && d.present != nil && end.Gone.Err != nil && len(end.Traps) > 0 {
		d.leaving.Add(1)
		go d.leave(d.present, machine(&d.plan), end.Traps)
	}
	if ended && d.present != nil && d.present.server != nil && (d.present.child == nil || d.present.server.shared.Load() == 0) {
		d.settling = make(chan struct{})
		d.held = []engine.Event{e}
		go d.settle(d.present.server)
		return
	}
	d.hooks.Emit(e)
}

func (d *Debugger) settle(s *localServer) {
	drained(s.taps, lastOutput, s.exited)
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range d.held {
		d.hooks.Emit(e)
	}
	d.held = nil
	close(d.settling)
	d.settling = nil
}

// Settle waits until events held back for a program's last output are out.
func (d *Debugger) Settle(ctx context.Context) {
	d.mu.Lock()
	c := d.settling
	d.mu.Unlock()
	if c == nil {
		return
	}
	select {
	case <-c:
	case <-ctx.Done():
	}
}

// output is called with the debuggee's own text.
func (d *Debugger) output(text string, stderr bool) {
	category := engine.FromDebuggee
	if stderr {
		category = engine.FromDebuggeeError
	}
	d.hooks.Emit(engine.Output{Text: text, Category: category})
}

// tell emits a line of ours.
func (d *Debugger) tell(category engine.OutputCategory, format string, a ...any) {
	d.emit(engine.Output{Text: fmt.Sprintf(format, a...) + "\n", Category: category})
}

// Session is the present debuggee's, nil when there is none.
func (d *Debugger) Session() *engine.Session {
	if g := d.current(); g != nil {
		return g.session
	}
	return nil
}

// current is the present debuggee while it lives.
func (d *Debugger) current() *debuggee {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.present == nil {
		return nil
	}
	select {
	case <-d.present.done:
		return nil
	default:
		return d.present
	}
}

// Plan is what it was started from.
func (d *Debugger) Plan() Plan {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.plan
}

// Parting is how to leave the debuggee by default: kill what we started, detach
// from the rest.
func (d *Debugger) Parting() targets.Parting {
	if g := d.current(); g != nil && g.created {
		return targets.Kill
	}
	return targets.Detach
}

// Close ends everything that was started. how is for the debuggee.
func (d *Debugger) Close(ctx context.Context, how targets.Parting) error {
	err := d.endAll(ctx, how)
	d.release()
	return err
}

// release closes what outlives debuggees.
func (d *Debugger) release() {
	d.leaving.Wait()
	d.mu.Lock()
	link := d.link
	d.link = nil
	d.mu.Unlock()
	if link != nil {
		link.Close()
	}
	d.files.close()
	d.closeTrace()
}

// end parts from the present debuggee, if there is one, and keeps its breakpoints.
func (d *Debugger) end(ctx context.Context, how targets.Parting) error {
	d.mu.Lock()
	g := d.present
	d.mu.Unlock()
	if g == nil {
		return nil
	}
	d.keepBreakpoints(ctx, g)
	err := g.session.Close(ctx, how)
	if errors.Is(err, targets.ErrGone) {
		err = nil
	}
	select {
	case <-g.done:
	case <-ctx.Done():
	}
	d.leaving.Wait()
	if g.server != nil && g.created && how == targets.Detach {
		g.server.left.Store(true)
	}
	g.free()
	d.Settle(ctx)
	d.mu.Lock()
	if d.present == g { // else another of its family took its place
		d.present = nil
	}
	d.mu.Unlock()
	return err
}

// endAll parts from the whole family, the present debuggee first, and from children
// that nobody began a session of.
func (d *Debugger) endAll(ctx context.Context, how targets.Parting) error {
	d.leaveChildren(ctx, how)
	var errs []error
	for {
		d.mu.Lock()
		over := d.present == nil
		d.mu.Unlock()
		if over {
			return errors.Join(errs...)
		}
		errs = append(errs, d.end(ctx, how))
	}
}

// keepBreakpoints remembers the table for the next debuggee.
func (d *Debugger) keepBreakpoints(ctx context.Context, g *debuggee) {
	var keep []engine.Breakpoint
	err := g.session.Look(ctx, func(l *engine.Live) error {
		for _, s := range l.Breakpoints() {
			keep = append(keep, s.Breakpoint)
		}
		return nil
	})
	if err != nil {
		return
	}
	d.mu.Lock()
	d.plan.Breakpoints = keep
	d.mu.Unlock()
}

// Attach replaces the present debuggee by a running process, here or on the
// process server.
func (d *Debugger) Attach(ctx context.Context, pid int64) error {
	return d.replace(ctx, func(p *Plan) {
		p.Request, p.ProcessID, p.ProcessName, p.Connection = Attach, pid, "", nil
	})
}

// Create replaces the present debuggee by a new process.
func (d *Debugger) Create(ctx context.Context, program targets.Program) error {
	return d.replace(ctx, func(p *Plan) {
		p.Request, p.Program, p.ProcessID, p.Connection = Launch, program, 0, nil
	})
}

// Restart begins the present debuggee anew.
func (d *Debugger) Restart(ctx context.Context) error {
	p := d.Plan()
	if p.Request == Attach && p.ProcessID != 0 {
		return &UnavailableError{What: "only a program that was started by the debugger can be restarted",
			Fix: "start it with `.create`"}
	}
	return d.replace(ctx, func(*Plan) {})
}

// replace ends the present debuggee and begins what change makes of the plan.
func (d *Debugger) replace(ctx context.Context, change func(*Plan)) error {
	if err := d.endAll(ctx, d.Parting()); err != nil {
		return err
	}
	d.mu.Lock()
	change(&d.plan)
	d.mu.Unlock()
	return d.begin(ctx)
}

// Detach parts from the present debuggee and lets it run; the Debugger stays.
func (d *Debugger) Detach(ctx context.Context) error { return d.part(ctx, targets.Detach) }

// Kill ends the present debuggee; the Debugger stays.
func (d *Debugger) Kill(ctx context.Context) error { return d.part(ctx, targets.Kill) }

func (d *Debugger) part(ctx context.Context, how targets.Parting) error {
	if d.current() == nil {
		return errNoDebuggee
	}
	return d.end(ctx, how)
}

// Noisy turns chatter about symbol search on or off and reports the old setting.
func (d *Debugger) Noisy(on bool) bool { return d.files.setNoisy(on) }

// GiveUpTransfers ends the downloads under way; searches end with what they have. A
// core file that is being written is given up too, and a long read from the debuggee
// ends with what it has.
func (d *Debugger) GiveUpTransfers() {
	d.files.store.Interrupt()
	if stop := d.lengthy.Load(); stop != nil {
		(*stop)()
	}
}

// Path returns a search path without its passwords: "sym", "src" or "exe"; "fix" is
// the one that .symfix sets.
func (d *Debugger) Path(kind string) string { return d.files.path(kind) }

// SetPath replaces a search path and returns its expanded form, or an error for
// text that is no path.
func (d *Debugger) SetPath(kind, path string) (string, error) { return d.files.setPath(d, kind, path) }

// Input sends text to the debuggee's standard input, when we hold it.
func (d *Debugger) Input(text string) error {
	g := d.current()
	switch {
	case g == nil:
		return errNoDebuggee
	case g.server == nil || !g.created:
		return &UnavailableError{What: "the debuggee's input is not ours: it was not started here", Fix: "type into its own terminal"}
	case g.server.mute != "":
		return &UnavailableError{What: g.server.mute}
	case g.server.terminal:
		return &UnavailableError{What: "the debuggee reads from its terminal", Fix: "type there"}
	case g.server.input == nil && d.Plan().Stdin == "":
		return &UnavailableError{What: "the debuggee has no input: nobody is there to type", Fix: "name a file with \"stdin\" in the launch configuration"}
	case g.server.input == nil:
		return &UnavailableError{What: "the debuggee reads its input from a file"}
	}
	_, err := io.WriteString(g.server.input, text)
	return err
}

// Filter returns what to do at an exception or event.
func (d *Debugger) Filter(code, arg string) engine.FilterSetting { return d.filters.get(code, arg) }

// SetFilter changes it.
func (d *Debugger) SetFilter(s engine.FilterSetting) {
	d.filters.set(s)
	d.mu.Lock()
	g := d.present
	d.mu.Unlock()
	if g != nil && g.session != nil {
		g.session.Refilter()
	}
}

// Filters lists all.
func (d *Debugger) Filters() []engine.FilterSetting { return d.filters.list() }

// ErrorText names an error number of Linux: "ENOENT: No such file or directory".
func (d *Debugger) ErrorText(n uint64) string {
	e := linux.Errno(n)
	if n > 1<<16 || e.Name() == "" {
		return ""
	}
	return e.Name() + ": " + e.String()
}

// FilterNames lists the codes, for completion.
func (d *Debugger) FilterNames() []string {
	var out []string
	for _, f := range d.Filters() {
		out = append(out, strings.ToLower(f.Code))
	}
	slices.Sort(out)
	return slices.Compact(out)
}
