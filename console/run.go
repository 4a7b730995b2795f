package console

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"dap-windbg/engine"
	"dap-windbg/report"
	"dap-windbg/targets"
	"dap-windbg/windbg"
)

// Times of a run that is over: for looking at a program that crashed or hangs, and for
// each core file.
const (
	lookTime = 30 * time.Second
	coreTime = 60 * time.Second
)

// runner is a run without anybody there.
type runner struct {
	*window
	stdout, stderr   io.Writer
	outTail, errTail report.Tail
	transcript       report.Tail
	report           report.Run
	seen             map[*engine.Session]sight
	crashes          int
	untold           int             // crashes beyond what has a report
	cores            context.Context // bounds the writing of all core files
	limit            context.Context // ends at the time limit
}

// Run is the debugger without anybody there: it runs the program and all that it
// starts to their ends, or the commands, tells of each process that crashes, and
// returns the exit status. It never reads input.
func Run(ctx context.Context, o Options, stdout, stderr io.Writer, version string) int {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	r := &runner{stdout: stdout, stderr: stderr, seen: map[*engine.Session]sight{}, cores: context.Background()}
	if o.JSON { // which has the standard output for itself
		r.stdout = stderr
	}
	r.report = report.Run{Format: report.Format, Tool: "dap-windbg " + version, Started: time.Now(),
		Program: o.Plan.Program.Path, Arguments: o.Plan.Program.Args, Directory: o.Plan.Program.Dir}
	status := r.run(ctx, o, version)
	r.conclude(ctx, status)
	if err := r.write(o, stdout); err != nil {
		fmt.Fprintln(stderr, "error: writing the report:", err)
		if status == Done {
			return Usage
		}
	}
	return status
}

// unattended completes the options for a run.
func (o *Options) unattended() {
	o.NoStdin, o.Plan.Unattended = true, true
	if o.Plan.FollowForks == "" && len(o.Commands) == 0 { // a script says so itself: .childdbg
		o.Plan.FollowForks = "both"
	}
	o.Plan.CrashesOnly = len(o.Commands)+len(o.Plan.InitCommands)+len(o.Plan.PostConnectCommands) == 0
	if c := o.Plan.Console; c == "integratedTerminal" || c == "externalTerminal" {
		o.Plan.Console = "internalConsole"
	}
}

func (r *runner) run(ctx context.Context, o Options, version string) int {
	o.unattended()
	life := ctx
	if o.Limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.Limit)
		defer cancel()
	}
	r.limit = ctx
	scr := newScreen(r.stdout)
	defer scr.Close()
	scr.outTail, scr.errTail, scr.bare = &r.outTail, &r.errTail, len(o.Commands) == 0
	if scr.bare {
		scr.errs = r.stderr
	} else {
		scr.log = &r.transcript
	}
	r.window = &window{o: o, scr: scr, onError: r.failedCommand, ended: make(chan struct{})}
	if err := r.open(ctx, version); err != nil {
		PrintError(r.stderr, err)
		r.report.Summary = err.Error()
		return StatusOf(err)
	}
	r.start(ctx)
	if len(o.Commands) > 0 {
		if o.Plan.CoreFile == "" { // what a core tells of happened before
			r.lookAround(ctx)
		}
	} else {
		r.toTheEnd(ctx)
	}
	if r.limit.Err() == context.DeadlineExceeded && life.Err() == nil {
		r.hung()
	}
	return terminated(life, r.finish())
}

// start runs what was to be run at the first stop: the configuration's commands, and
// those of the command line up to the first that fails.
func (r *runner) start(ctx context.Context) {
	if !r.scr.bare {
		if s := r.dbg.Session(); s != nil {
			if stop, err := s.Wait(ctx); err == nil {
				r.in.StopBlock(ctx, stop, r.scr)
			}
		}
	} else if len(r.o.Plan.Exceptions) == 0 {
		r.onlyCrashes()
	}
	p := r.dbg.Plan()
	for _, list := range [][]string{p.InitCommands, p.PostConnectCommands, r.o.Commands} {
		for _, line := range list {
			if r.quitting() || ctx.Err() != nil || r.failed {
				return
			}
			if !r.scr.bare {
				r.scr.Prompt(r.prompt(ctx), line+"\n")
			}
			r.exec(ctx, line)
		}
	}
}

// onlyCrashes has the program stop for nothing but signals that may end it with a
// core: others go to it as if nobody was there.
func (r *runner) onlyCrashes() {
	for _, f := range r.dbg.Filters() {
		switch {
		case !f.Exception || f.Code == "*" || f.Code == "eh" || f.Code == "ehc" || f.Code == "ehr":
			continue
		case report.Dumps(f.Code):
			f.Break, f.Handled = 'e', false
		case f.Code == "cce": // by which the far end interrupts
			f.Handled = false
		default:
			f.Break, f.Handled = 'i', false
		}
		r.dbg.SetFilter(f)
	}
	for _, code := range []string{"ld", "exec"} {
		f := r.dbg.Filter(code, "")
		f.Break = 'i'
		r.dbg.SetFilter(f)
	}
}

// toTheEnd lets the program run until nothing of it is left, looking at each of its
// processes that crashes.
func (r *runner) toTheEnd(ctx context.Context) {
	for !r.quitting() && ctx.Err() == nil {
		s := r.dbg.Session()
		if s == nil {
			return
		}
		s.Wait(ctx)
		err := r.dbg.ResumeWith(ctx, r.lookAround(ctx))
		if errors.Is(err, targets.ErrPostmortem) || errors.Is(err, errors.ErrUnsupported) { // a core file
			r.autopsy(ctx)
			return
		}
		if err == nil || errors.Is(err, targets.ErrGone) {
			_, err = r.dbg.Wait(ctx)
		}
		if err != nil && !errors.Is(err, targets.ErrGone) && ctx.Err() == nil {
			r.report.Failures = append(r.report.Failures, report.Failure{Command: "run", Message: err.Error()}.Clean())
			return
		}
		r.dbg.Settle(ctx)
		if r.scr.Ended() != nil {
			return
		}
	}
}

// sight is a stop that was looked at.
type sight struct{ stop, signal int } // its number, and what ends the process when it goes on, 0 the system knows

// lookAround looks at every process that stopped because it crashed, once. signals are
// what processes are to get by their ordinals when they go on.
func (r *runner) lookAround(ctx context.Context) (signals map[int]int) {
	signals = map[int]int{}
	members := r.dbg.Members()
	maps.DeleteFunc(r.seen, func(s *engine.Session, _ sight) bool {
		return !slices.ContainsFunc(members, func(m engine.Member) bool { return m.Session == s })
	})
	for _, m := range members {
		stop, fatal := engine.Stop{}, 0
		err := m.Session.Do(ctx, func(ctx context.Context, v *engine.View) error {
			if stop, _ = v.Live().LastStop(); r.seen[m.Session].stop != stop.Number {
				fatal = report.Fatal(ctx, v)
			}
			return nil
		})
		if known := r.seen[m.Session]; err == nil && known.signal != 0 && known.stop == stop.Number {
			signals[m.Ordinal] = known.signal
		}
		if err != nil || fatal == 0 {
			continue
		}
		s := sight{stop: stop.Number}
		if stop.Exception == nil { // an instruction of the program's, which the far end takes for ours
			s.signal = fatal
			signals[m.Ordinal] = fatal
		}
		r.seen[m.Session] = s
		r.crashes++
		r.tell(ctx, m, report.Options{})
	}
	return signals
}

// autopsy looks at what nobody can run: a core file.
func (r *runner) autopsy(ctx context.Context) {
	for _, m := range r.dbg.Members() {
		r.crashes++
		r.tell(ctx, m, report.Options{})
	}
}

// tell makes the report of a process, shows it, and writes its core file.
func (r *runner) tell(ctx context.Context, m engine.Member, o report.Options) {
	if len(r.report.Processes) >= report.MaxProcesses {
		r.untold++
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	r.scr.Flush()
	o.Child = m.Ordinal
	o.Said, _ = r.errTail.Text()
	var p *report.Process
	err := m.Session.Do(ctx, func(ctx context.Context, v *engine.View) (err error) {
		p, err = report.Collect(ctx, v, o)
		return err
	})
	if p == nil {
		r.report.Omitted = append(r.report.Omitted, fmt.Sprintf("process %d of the program: %v", m.Ordinal, err))
		return
	}
	if err != nil {
		p.Omitted = append(p.Omitted, "what was not read in time: "+err.Error())
	}
	r.core(m, p)
	r.report.Processes = append(r.report.Processes, p)
	report.WriteProcess(r.stderr, p)
}

// core writes the process's memory beside the report.
func (r *runner) core(m engine.Member, p *report.Process) {
	if r.o.Report == "" || r.o.Plan.CoreFile != "" || !r.dbg.Select(m.Ordinal) {
		return
	}
	ctx, cancel := context.WithTimeout(r.cores, coreTime)
	defer cancel()
	name := fmt.Sprintf("core.%d", m.Ordinal)
	err := os.MkdirAll(r.o.Report, 0o755)
	if err == nil {
		_, err = r.dbg.WriteCore(ctx, r.file(name), "full", true)
	}
	if err != nil {
		p.Omitted = append(p.Omitted, "the core file: "+err.Error())
		return
	}
	p.Core = name
}

// hung stops what runs at the time limit and looks at all of it.
func (r *runner) hung() {
	ctx, cancel := context.WithTimeout(context.Background(), lookTime)
	defer cancel()
	var enough context.CancelFunc
	r.cores, enough = context.WithTimeout(context.Background(), lookTime+coreTime)
	defer enough()
	fmt.Fprintf(r.stderr, "The time limit of %v has passed.\n", r.o.Limit)
	text := fmt.Sprintf("still running after %v", r.o.Limit)
	for _, m := range r.dbg.Members() {
		m.Session.Interrupt(ctx)
	}
	for _, m := range r.dbg.Members() {
		if _, err := m.Session.Wait(ctx); err != nil {
			r.report.Omitted = append(r.report.Omitted, fmt.Sprintf("process %d of the program: it does not stop: %v", m.Ordinal, err))
			continue
		}
		r.tell(ctx, m, report.Options{Why: report.NotResponding, Text: text})
	}
}

// failedCommand notes a command or an assertion that failed, and where the program stood.
func (r *runner) failedCommand(line string, err error) {
	f := report.Failure{Command: line, Message: strings.TrimSpace(err.Error())}
	var place *windbg.PlaceError
	if errors.As(err, &place) {
		f.Script, f.Line, f.Command = place.Script, place.Line, place.Text
	}
	var a *windbg.AssertionError
	if errors.As(err, &a) {
		f.Command, f.Message, f.Expected, f.Actual = a.Command, "assertion failed: "+a.Command, a.Expected, a.Actual
	}
	r.report.Failures = append(r.report.Failures, f.Clean())
	for _, m := range r.dbg.Members() {
		if m.Present && len(r.report.Processes) == 0 {
			r.stood(m)
		}
	}
}

// stood adds the state of a process that did not crash, without showing it.
func (r *runner) stood(m engine.Member) {
	ctx, cancel := context.WithTimeout(r.limit, lookTime)
	defer cancel()
	m.Session.Do(ctx, func(ctx context.Context, v *engine.View) error {
		if report.Fatal(ctx, v) != 0 {
			return nil // it is told as a crash
		}
		p, err := report.Collect(ctx, v, report.Options{Child: m.Ordinal, Why: report.FailedCheck, Text: "where a command of the script failed"})
		if p != nil {
			r.report.Processes = append(r.report.Processes, p)
		}
		return err
	})
}

// finish ends what is left of the program and returns the exit status.
func (r *runner) finish() int {
	if r.limit.Err() != nil || r.crashes > 0 && r.dbg.Parting() == targets.Kill {
		r.parting = r.dbg.Parting()
	}
	status := r.leave()
	switch {
	case r.limit.Err() == context.DeadlineExceeded:
		return TimedOut
	case r.failed || len(r.report.Failures) > 0:
		return Failed
	case r.crashes > 0 && !r.o.ChildResult:
		return Crashed
	case r.crashes > 0 && status == Done:
		return Crashed
	}
	return status
}

// statusResults name the exit statuses.
var statusResults = map[int]report.Result{
	Done: report.Passed, Crashed: report.Crashed, Usage: report.Lost, NoTarget: report.Lost,
	Failed: report.Failed, TimedOut: report.Hung, Terminated: report.Ended,
}

// conclude says in a line what became of it all.
func (r *runner) conclude(ctx context.Context, status int) {
	rep := &r.report
	rep.Status, rep.Seconds = status, time.Since(rep.Started).Seconds()
	var lostOut, lostErr int64
	rep.Output, lostOut = r.outTail.Text()
	rep.Errors, lostErr = r.errTail.Text()
	rep.Transcript, _ = r.transcript.Text()
	if lostOut+lostErr > 0 {
		rep.Omitted = append(rep.Omitted, fmt.Sprintf("the first %d bytes of the program's output", lostOut+lostErr))
	}
	if r.untold > 0 {
		rep.Omitted = append(rep.Omitted, fmt.Sprintf("processes that crashed or hang beyond %d: %d", report.MaxProcesses, r.untold))
	}
	rep.Result = statusResults[status]
	if r.window == nil || r.dbg == nil { // the summary says why
		rep.Conclude(0, "")
		return
	}
	end := r.scr.Ended()
	if end != nil {
		if end.Gone.Exited {
			rep.ExitCode = &end.Gone.Code
		}
		rep.Signal = report.SignalName(end.Gone.Signal)
		if r.o.ChildResult && end.Gone.Err == nil && status != Done { // no status of ours
			rep.Result = ""
		}
	}
	rep.Conclude(r.crashes, endText(end))
}

func endText(e *engine.Ended) string {
	switch {
	case e == nil:
		return ""
	case e.Gone.Err != nil:
		return "the connection was lost: " + e.Gone.Err.Error()
	case e.Gone.Signal != 0:
		return "ended by " + report.SignalName(e.Gone.Signal)
	case e.Gone.Exited && e.Parting == nil:
		return fmt.Sprintf("exited with status %d", e.Gone.Code)
	}
	return ""
}
