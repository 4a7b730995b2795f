package adapter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"dap-windbg/engine"
	"dap-windbg/launch"
	"dap-windbg/targets"

	"github.com/google/go-dap"
)

// opened is what the starter brings.
type opened struct {
	request *request
	dbg     Debugger
	console Console
	err     error
}

func (s *session) initialize(r *request) (any, error) {
	if s.greeted {
		return nil, errors.New("initialize was answered already")
	}
	c := dap.InitializeRequestArguments{LinesStartAt1: true, ColumnsStartAt1: true, PathFormat: "path"}
	if len(r.args) > 0 {
		if err := json.Unmarshal(r.args, &c); err != nil {
			return nil, fmt.Errorf("arguments of initialize: %w", err)
		}
	}
	s.client, s.greeted, s.hello = c, true, r
	s.sources.uri, s.sources.leaps = c.PathFormat == "uri", c.ClientID == "neovim"
	s.bars.enabled.Store(c.SupportsProgressReporting)
	return widest(), nil
}

// launch starts or attaches. Its response comes after configurationDone's.
func (s *session) launch(r *request) (any, error) {
	if s.phase != fresh {
		return nil, errors.New("this session has a debuggee already; disconnect first")
	}
	switch begun, err := s.elsewhere(r); {
	case err != nil:
		return nil, err
	case begun: // who has the child answers
		return nil, errLater
	}
	var a startArguments
	if err := json.Unmarshal(r.args, &a); err != nil {
		return nil, fmt.Errorf("arguments of %s: %w", r.command, err)
	}
	plan, err := s.o.Plan(r.command, r.args, a.trusted())
	if err != nil {
		return nil, err
	}
	if plan.Remote != nil && s.o.Guest == nil {
		return s.join(r, plan.Remote)
	}
	s.plan, s.noDebug, s.phase, s.start, s.asked = plan, a.NoDebug, starting, r, r.args
	hooks := s.hooks()
	s.bars.begin(r, map[string]string{"launch": "Starting the debuggee", "attach": "Attaching"}[r.command], nil)
	s.workers.start(func() {
		o := opened{request: r}
		o.dbg, o.console, o.err = s.o.Open(s.until(r), plan, hooks, s.quit)
		s.opened <- o
	})
	return nil, errLater
}

// until is a context of the whole session that ends early when r is cancelled
// before there is a debuggee.
func (s *session) until(r *request) context.Context {
	ctx, cancel := context.WithCancel(s.ctx)
	context.AfterFunc(r.ctx, func() {
		if s.present.Load() == nil {
			cancel()
		}
	})
	return ctx
}

func (s *session) hooks() launch.Hooks {
	h := launch.Hooks{Emit: s.emit, Progress: s.bars.report}
	h.Room = func(ctx context.Context) { s.mail.below(maxMail, ctx, s.ctx) }
	s.childHooks(&h)
	if s.client.SupportsRunInTerminalRequest {
		h.Terminal = s.terminal
	}
	return h
}

// maxMail is how many events wait before a program that we started is held up;
// text is gathered into pieces of some 64 KiB.
const maxMail = 64

// emit receives engine events in the engine's loop.
func (s *session) emit(e engine.Event) {
	switch e.(type) {
	case engine.Resumed:
		s.running.Store(true)
	case engine.Stopped, engine.Ended:
		s.running.Store(false)
	}
	s.mail.put(e, func(last *engine.Event) bool { return mergeOutput(last, e) })
}

// hasOpened takes the starter's result.
func (s *session) hasOpened(o opened) {
	if o.err != nil {
		s.phase, s.start = fresh, nil
		s.bars.finish()
		err := o.err
		if o.request.ctx.Err() != nil {
			err = context.Canceled
		}
		s.answer(o.request, nil, err)
		return
	}
	s.dbg, s.console, s.phase = o.dbg, o.console, configuring
	shared, _ := o.console.(Shared)
	s.present.Store(&presence{o.dbg, shared})
	s.sources.rules = s.plan.SourceMap
	s.sources.dirs = func() string { return o.dbg.Path("src") }
	if stop, ok := s.lastStop(s.ctx); ok {
		s.firstStop = stop.Number
	}
	commands := append(append([]string{}, s.plan.InitCommands...), s.plan.PostConnectCommands...)
	s.runCommands(commands, s.ready)
}

// ready asks for the configuration.
func (s *session) ready() {
	if s.phase != configuring || s.over {
		return
	}
	s.bars.finish()
	if s.engine() == nil {
		s.tellCapabilities() // a process server: the filters
	}
	s.meet()
	s.tellEvent("initialized", nil)
	if s.configured {
		s.goLive()
	}
}

func (s *session) configurationDone(r *request, _ *none) (any, error) {
	if s.configured {
		return nil, nil
	}
	s.configured = true
	if s.phase == configuring {
		s.later(s.goLive)
	}
	return nil, nil
}

// goLive answers launch or attach and lets the debuggee run, unless it is to
// stay where it is or a command has moved it on already.
func (s *session) goLive() {
	if s.start == nil {
		return
	}
	r := s.start
	s.start = nil
	s.answer(r, nil, nil)
	s.tellProcess()
	s.run()
	s.tellOthers()
}

// run ends the configuring phase: it tells the stop or resumes.
func (s *session) run() {
	s.readMail() // what happened so far is not told as stops
	if s.phase != configuring {
		return
	}
	s.phase = live
	if s.running.Load() {
		return
	}
	stop, ok := s.lastStop(s.ctx)
	if !ok {
		return
	}
	stay := s.plan.CoreFile != "" || stop.Number != s.firstStop || s.o.Guest != nil
	if s.plan.Request == launch.Launch {
		stay = stay || s.plan.StopAtEntry && !s.noDebug
	} else {
		stay = stay || s.plan.StopOnConnect
	}
	if !stay {
		err := s.resume(s.ctx, engine.How{Kind: engine.Go})
		if err == nil {
			return
		}
		if !errors.Is(err, errors.ErrUnsupported) {
			s.output("important", explain(err)+"\n")
		}
	}
	if stop.Reason == targets.Unknown {
		stop.Reason = targets.Initial
	}
	s.arrive(stop)
}

func (s *session) tellProcess() {
	es := s.engine()
	if es == nil {
		return
	}
	body := dap.ProcessEventBody{StartMethod: "launch"}
	if s.plan.Request == launch.Attach {
		body.StartMethod = "attach"
	}
	err := s.look(s.ctx, func(l *engine.Live) error {
		i := l.Info()
		body.Name, body.SystemProcessId = i.Path, int(i.Process)
		if i.Set != nil {
			body.PointerSize = i.Set.Arch.PtrSize * 8
		}
		if body.Name == "" {
			body.Name = i.Stub
		}
		return nil
	})
	if err != nil {
		return
	}
	body.IsLocalProcess = s.plan.Connection == nil && s.plan.ProcessServer == nil && s.plan.Remote == nil && s.plan.CoreFile == ""
	s.tellEvent("process", body)
}

func (s *session) restart(r *request, _ *none) (any, error) {
	if s.dbg == nil || s.phase != live && s.phase != configuring {
		return nil, errNoDebuggee
	}
	if s.plan.Request != launch.Launch {
		return nil, errors.New("only a launched program can be restarted")
	}
	was := s.phase
	s.phase = configuring // stops on the way are not told
	return s.change(r, s.dbg.Restart, func(err error) {
		s.met = s.engine()
		if err != nil {
			s.phase = was
			s.later(s.settle)
			return
		}
		s.told, s.pausing = false, false
		s.ids.reset(-1)
		if stop, ok := s.lastStop(r.ctx); ok {
			s.firstStop = stop.Number
		}
		s.later(func() {
			s.readMail()
			s.gone = nil
			s.tellProcess()
			s.run()
		})
	})
}

// terminate ends the debuggee; a machine is left running instead.
func (s *session) terminate(r *request, _ *none) (any, error) {
	if s.dbg == nil || s.o.Guest != nil {
		s.abandonStart()
		s.later(s.tellTerminated)
		return nil, nil
	}
	dbg := s.dbg
	s.endInput()
	return s.change(r, func(ctx context.Context) error {
		end := dbg.Kill
		if es := dbg.Session(); es != nil {
			es.Look(ctx, func(l *engine.Live) error {
				if l.Info().Machine {
					end = dbg.Detach
				}
				return nil
			})
		}
		if err := end(ctx); !errors.Is(err, targets.ErrGone) {
			return err
		}
		return nil
	}, func(error) {
		s.later(func() {
			s.readMail()
			s.settle()
		})
	})
}

func (s *session) disconnect(r *request, a *disconnectArguments) (any, error) {
	s.over = true
	var how *targets.Parting
	set := func(p targets.Parting) { how = &p }
	switch {
	case a.SuspendDebuggee:
		set(targets.Leave)
	case a.TerminateDebuggee != nil && *a.TerminateDebuggee:
		set(targets.Kill)
	case a.TerminateDebuggee != nil:
		set(targets.Detach)
	}
	err := s.leave(how)
	s.answerRest(r)
	s.later(func() {
		s.readMail()
		s.tellTerminated()
	})
	return nil, err
}

// cancelled is what is left of cancel: the reader has ended what it names. Requests
// that have not begun are answered here.
func (s *session) cancelled(*request, *none) (any, error) {
	s.waiting = slices.DeleteFunc(s.waiting, func(x *request) bool {
		if x.ctx.Err() == nil {
			return false
		}
		s.answer(x, nil, context.Canceled)
		return true
	})
	return nil, nil
}

// leave parts from the debuggee: as told, else as it was come by.
func (s *session) leave(how *targets.Parting) error {
	s.abandonStart()
	s.abandonChange()
	dbg := s.dbg
	if dbg == nil {
		return nil
	}
	s.endInput()
	s.exitCommands()
	s.dbg = nil
	s.present.Store(nil)
	parting := dbg.Parting()
	if how != nil {
		parting = *how
	}
	ctx, cancel := context.WithTimeout(s.ctx, graceCut-200*time.Millisecond)
	defer cancel()
	if err := dbg.Close(ctx, parting); err != nil && !errors.Is(err, targets.ErrGone) {
		return fmt.Errorf("leaving the debuggee: %w", err)
	}
	return nil
}

// answerRest answers what is unanswered, save r: command lines that were broken
// off, and what waited behind them.
func (s *session) answerRest(r *request) {
	for {
		select {
		case f := <-s.posts:
			f()
			continue
		default:
		}
		break
	}
	for _, x := range s.pending.all() {
		if x != r && x.command != "disconnect" {
			s.answer(x, nil, context.Canceled)
		}
	}
}

// leaveAtEnd is leave for a client that did not disconnect.
func (s *session) leaveAtEnd() {
	s.over = true
	if err := s.leave(nil); err != nil {
		s.log.Warn().Err(err).Msg("leaving the debuggee")
	}
	s.answerRest(nil)
	s.readMail()
	if s.phase != fresh {
		s.tellTerminated()
	}
}

// abandonStart gives up a launch that is at work and undoes it.
func (s *session) abandonStart() {
	if s.phase != starting || s.start == nil {
		return
	}
	s.start.cancel()
	select {
	case o := <-s.opened:
		s.answer(o.request, nil, context.Canceled)
		s.phase, s.start = fresh, nil
		if o.err == nil {
			s.dbg = o.dbg
		}
	case <-s.ctx.Done():
	}
}

// quit is called by a console command that ends the session.
func (s *session) quit(how targets.Parting) {
	s.workers.start(func() { // the command itself must return first
		s.post(func() {
			if err := s.leave(&how); err != nil {
				s.output("important", explain(err)+"\n")
			}
			s.readMail()
			s.tellTerminated()
		})
	})
}

// settle tells the end of the debuggee, unless a command or a restart may yet
// have brought a new one.
func (s *session) settle() {
	if s.gone == nil || s.changing != nil || s.busy > 0 && !s.over {
		return
	}
	e := s.gone
	s.gone = nil
	if s.alive() || s.stays() {
		return
	}
	if s.start != nil {
		r := s.start
		s.start = nil
		s.answer(r, nil, errors.New(endText(e, "the debuggee ended before it was configured")))
	}
	if e.Gone.Exited || e.Gone.Signal != 0 {
		code := e.Gone.Code
		if e.Gone.Signal != 0 {
			code = 128 + e.Gone.Signal // as a shell reports it
		}
		s.tellEvent("exited", dap.ExitedEventBody{ExitCode: code})
	}
	s.tellTerminated()
}

// alive reports whether there is a debuggee now.
func (s *session) alive() bool {
	state := engine.StateGone
	err := s.look(s.ctx, func(l *engine.Live) error {
		state = l.State()
		return nil
	})
	return err == nil && state != engine.StateGone
}

func (s *session) tellTerminated() {
	if s.phase == ended {
		return
	}
	s.phase = ended
	s.bars.finish()
	s.tellEvent("terminated", nil)
}

func endText(e *engine.Ended, or string) string {
	if e.Text != "" {
		return e.Text
	}
	if e.Gone.Err != nil {
		return explain(e.Gone.Err)
	}
	return or
}
