package adapter

import (
	"context"
	"fmt"

	"dap-windbg/arch"
	"dap-windbg/engine"
	"dap-windbg/targets"

	"github.com/google/go-dap"
)

// resume lets the debuggee run as the answer to a request: no continued event follows.
func (s *session) resume(ctx context.Context, how engine.How) error {
	es := s.engine()
	if es == nil {
		return errNoDebuggee
	}
	s.own = true
	err := es.Resume(ctx, how)
	if err != nil {
		s.own = false
		return err
	}
	s.act(how)
	return nil
}

// resumeThread is resume of the client's thread n.
func (s *session) resumeThread(r *request, n int, how engine.How) error {
	if n != 0 {
		id, err := s.threads.find(n)
		if err != nil {
			return err
		}
		how.Thread = id
	}
	return s.resume(r.ctx, how)
}

func unit(g dap.SteppingGranularity) engine.Unit {
	if g == "instruction" {
		return engine.ByInstruction
	}
	return engine.ByLine
}

func (s *session) continueRequest(r *request, a *dap.ContinueArguments) (any, error) {
	err := s.resumeThread(r, a.ThreadId, engine.How{Kind: engine.Go, Only: a.SingleThread})
	return dap.ContinueResponseBody{AllThreadsContinued: !a.SingleThread}, err
}

func (s *session) next(r *request, a *dap.NextArguments) (any, error) {
	return nil, s.resumeThread(r, a.ThreadId, engine.How{Kind: engine.StepOver, Unit: unit(a.Granularity), Only: a.SingleThread})
}

func (s *session) stepIn(r *request, a *dap.StepInArguments) (any, error) {
	how := engine.How{Kind: engine.StepInto, Unit: unit(a.Granularity), Only: a.SingleThread}
	if a.TargetId != 0 {
		t, ok := s.ids.code[a.TargetId]
		if !ok {
			return nil, s.ids.unknown("step-in target", a.TargetId)
		}
		how.Target = t
	}
	return nil, s.resumeThread(r, a.ThreadId, how)
}

func (s *session) stepOut(r *request, a *dap.StepOutArguments) (any, error) {
	return nil, s.resumeThread(r, a.ThreadId, engine.How{Kind: engine.StepOut, Unit: unit(a.Granularity), Only: a.SingleThread})
}

func (s *session) stepBack(r *request, a *dap.StepBackArguments) (any, error) {
	return nil, s.resumeThread(r, a.ThreadId, engine.How{Kind: engine.StepOver, Unit: unit(a.Granularity), Only: a.SingleThread, Reverse: true})
}

func (s *session) reverseContinue(r *request, a *dap.ReverseContinueArguments) (any, error) {
	return nil, s.resumeThread(r, a.ThreadId, engine.How{Kind: engine.Go, Only: a.SingleThread, Reverse: true})
}

// pause stops a running debuggee. In a stopped one the command line at work was
// cancelled when the request came in; so are commands of a stop not told yet.
func (s *session) pause(r *request, a *dap.PauseArguments) (any, error) {
	s.readMail() // a stop with commands may have come that is not known of yet
	es := s.engine()
	if es == nil {
		return nil, errNoDebuggee
	}
	s.pausing = s.phase == live && !s.told
	if s.arrived != nil && s.arrived.untold {
		s.lines.cancelAll()
		return nil, nil
	}
	if !s.running.Load() {
		s.lines.cancelAll() // also those that had not been taken up when the request was read
	}
	if c, ok := s.console.(Shared); ok && s.running.Load() {
		c.Act("break")
	}
	err := es.Interrupt(r.ctx)
	s.pausing = s.pausing && err == nil
	return nil, err
}

// maxLineInstructions bounds the search for calls in one line.
const maxLineInstructions = 1000

// stepInTargets lists the calls in the rest of the frame's line.
func (s *session) stepInTargets(r *request, a *dap.StepInTargetsArguments) (any, error) {
	body := dap.StepInTargetsResponseBody{Targets: []dap.StepInTarget{}}
	err := s.stopped(r.ctx, func(v *inspection) error {
		f, err := v.frame(a.FrameId)
		if err != nil {
			return err
		}
		if f.Module == nil || f.Line.End <= f.Line.Start {
			return nil
		}
		end := f.Module.Base + arch.Addr(f.Line.End)
		n := min(int(end-f.PC), maxLineInstructions)
		if f.PC >= end || n <= 0 {
			return nil
		}
		code, err := v.Disassemble(v.ctx, f.PC, n)
		if err != nil {
			return err
		}
		for _, i := range code {
			if i.Addr >= end {
				break
			}
			if i.Kind != arch.Call || !i.HasTarget || i.Mem != nil {
				continue
			}
			label := nameOf(v.Locate(i.Target))
			body.Targets = append(body.Targets, dap.StepInTarget{Id: s.ids.target(i.Target), Label: label, Line: s.line(f.Line.Line)})
		}
		return nil
	})
	return body, err
}

// nameOf names a location for a person: its function, else its address.
func nameOf(l engine.Location) string {
	if l.Symbol.Name == "" {
		return fmt.Sprintf("0x%x", uint64(l.Addr))
	}
	if l.Disp == 0 {
		return l.Symbol.Name
	}
	return fmt.Sprintf("%s+0x%x", l.Symbol.Name, l.Disp)
}

func (s *session) gotoTargets(r *request, a *dap.GotoTargetsArguments) (any, error) {
	body := dap.GotoTargetsResponseBody{Targets: []dap.GotoTarget{}}
	line := s.engineLine(a.Line)
	file := s.recordedFile(r.ctx, a.Source, line)
	err := s.stopped(r.ctx, func(v *inspection) error {
		places, err := v.Places(v.ctx, file, line)
		if err != nil {
			return err
		}
		for _, p := range places {
			body.Targets = append(body.Targets, dap.GotoTarget{
				Id: s.ids.target(p.Addr), Label: fmt.Sprintf("%s (line %d)", nameOf(p), p.Line.Line),
				Line: s.line(p.Line.Line), InstructionPointerReference: reference(p.Addr),
			})
		}
		return nil
	})
	return body, err
}

// restartFrame begins a frame's function again, and lets its thread alone run to where
// its parameters can be seen.
func (s *session) restartFrame(r *request, a *dap.RestartFrameArguments) (any, error) {
	var body arch.Addr
	var frame frameRef
	err := s.stopped(r.ctx, func(v *inspection) error {
		f, err := v.frame(a.FrameId)
		if err != nil {
			return err
		}
		frame = frameRef{f.Thread, f.Index}
		body, err = v.RestartFrame(v.ctx, f)
		return err
	})
	if err != nil {
		return nil, err
	}
	s.again = true
	err = s.resume(r.ctx, engine.How{Kind: engine.Go, Thread: frame.thread, Only: true, Until: []arch.Addr{body}})
	if err != nil { // it is at the function's entry
		s.again = false
		s.later(func() { s.moved("restart", frame.thread) })
	}
	return nil, nil
}

// moved tells that a stopped thread is elsewhere now.
func (s *session) moved(reason string, id targets.ThreadID) {
	s.readMail() // after the stop, what became stale would make a client ask for all a second time
	s.ids.reset(s.ids.stop)
	s.tellEvent("stopped", dap.StoppedEventBody{Reason: reason, ThreadId: s.threads.id(id), AllThreadsStopped: true})
}

func (s *session) gotoRequest(r *request, a *dap.GotoArguments) (any, error) {
	addr, ok := s.ids.code[a.TargetId]
	if !ok {
		return nil, s.ids.unknown("goto target", a.TargetId)
	}
	id, err := s.threads.find(a.ThreadId)
	if err != nil {
		return nil, err
	}
	err = s.stopped(r.ctx, func(v *inspection) error { return v.JumpTo(v.ctx, id, addr) })
	if err != nil {
		return nil, err
	}
	s.later(func() { s.moved("goto", id) })
	return nil, nil
}
