package adapter

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"dap-windbg/engine"
	"dap-windbg/targets"

	"github.com/google/go-dap"
)

// mergeOutput folds output of the same origin into the last event, so that a
// debuggee that prints by the byte does not make an event of each.
func mergeOutput(last *engine.Event, e engine.Event) bool {
	a, ok1 := (*last).(engine.Output)
	b, ok2 := e.(engine.Output)
	if !ok1 || !ok2 || a.Category != b.Category || a.Place != nil || b.Place != nil || len(a.Text) > 64<<10 {
		return false
	}
	a.Text += b.Text
	*last = a
	return true
}

// readMail tells the client what happened. While the answer of a command line is
// due its events wait; when the line resumes, it is answered first.
func (s *session) readMail() {
	if j := s.hold; j != nil {
		if s.tellBefore(j); !j.begun {
			return
		}
		if !s.mail.any(func(e engine.Event) bool { _, ok := e.(engine.Resumed); return ok }) {
			return
		}
		s.answerJob(j)
	}
	for _, e := range s.mail.take() {
		s.tell(e)
	}
}

// tell turns one engine event into DAP's.
func (s *session) tell(e engine.Event) {
	switch e := e.(type) {
	case turn:
	case engine.Stopped:
		if s.ids.stop != e.Stop.Number {
			s.ids.reset(e.Stop.Number)
		}
		if s.phase == live {
			s.meet() // a command line may have brought another debuggee
			s.arrive(e.Stop)
		}
	case engine.Resumed:
		s.tellResumed(e)
	case engine.Output:
		category := categories[e.Category]
		s.outputAt(category, s.whole(category, e.Text), e.Place)
	case engine.ModuleEvent:
		s.tellModule(e)
	case engine.ThreadEvent:
		reason := "started"
		if e.Exited {
			reason = "exited"
		}
		s.tellEvent("thread", dap.ThreadEventBody{Reason: reason, ThreadId: s.threads.id(e.Thread.ID)})
	case engine.BreakpointEvent:
		s.tellBreakpoint(e)
	case engine.Invalidated:
		s.tellInvalidated(e)
	case engine.Became:
		s.tellBecame(e)
	case engine.Ended:
		s.tellEnded(e)
	}
}

var categories = map[engine.OutputCategory]string{
	engine.FromDebuggee:      "stdout",
	engine.FromDebuggeeError: "stderr",
	engine.FromFarEnd:        "console",
	engine.FromDebugger:      "console",
	engine.Important:         "important",
}

// whole returns text with the incomplete character of the time before in front
// and without its own.
func (s *session) whole(category, text string) string {
	text = s.partial[category] + text
	n := wholeRunes([]byte(text))
	s.partial[category] = text[n:]
	return text[:n]
}

func (s *session) tellResumed(e engine.Resumed) {
	quiet := s.own || !s.told // a request's answer says so, or the client believes that it runs
	if s.own {
		s.byConsole = false
	} else if s.busy > 0 && (s.arrived == nil || !s.arrived.untold) {
		s.byConsole = true
	}
	s.own, s.told, s.arrived = false, false, nil
	if quiet || s.phase != live {
		return
	}
	s.tellEvent("continued", dap.ContinuedEventBody{ThreadId: s.threads.id(e.Thread), AllThreadsContinued: e.All})
}

func (s *session) tellStopped(a *arrival) {
	stop := a.stop
	s.told, s.pausing = true, false
	s.looked = nil
	s.synced = 0
	body := dap.StoppedEventBody{
		Reason:            a.reason,
		Text:              stop.Text,
		ThreadId:          s.threads.id(stop.Thread),
		AllThreadsStopped: true,
	}
	if body.Reason == "exception" || reasons[stop.Reason] == "" {
		body.Description = stop.Text
	} else if stop.Watched != nil {
		body.Description = s.watchText(stop.Watched)
	}
	for _, id := range stop.Breakpoints {
		body.HitBreakpointIds = append(body.HitBreakpointIds, clientBreakpoint(id))
	}
	s.tellEvent("stopped", body)
}

// watchText says what became of what a data breakpoint watches.
func (s *session) watchText(w *engine.WatchHit) string {
	at := reference(w.Addr)
	if len(w.New) > trapBytes || bytes.Equal(w.Old, w.New) || len(w.Old) != len(w.New) {
		return "Paused on access to " + at
	}
	big := false
	s.look(s.ctx, func(l *engine.Live) error {
		set := l.Info().Set
		big = set != nil && set.Arch.BigEndian
		return nil
	})
	number := func(b []byte) string {
		if b = slices.Clone(b); !big {
			slices.Reverse(b)
		}
		return fmt.Sprintf("0x%x", b)
	}
	return fmt.Sprintf("Changed from %s to %s at %s", number(w.Old), number(w.New), at)
}

// reasons are DAP's words for why the debuggee waits; any other is shown as it is.
var reasons = map[targets.Reason]string{
	targets.Breakpoint:    "breakpoint",
	targets.Watch:         "data breakpoint",
	targets.Stepped:       "step",
	targets.Exception:     "exception",
	targets.Interrupted:   "pause",
	targets.Initial:       "entry",
	targets.Unknown:       "pause",
	targets.Modules:       "library event",
	targets.ThreadCreated: "thread event",
	targets.ThreadExited:  "thread event",
}

func (s *session) tellInvalidated(e engine.Invalidated) {
	s.ids.generation++
	if e.Memory {
		s.tellMemory(0, 0)
	}
	if !s.client.SupportsInvalidatedEvent || s.phase != live {
		return
	}
	var areas []dap.InvalidatedAreas
	for _, a := range []struct {
		on   bool
		area dap.InvalidatedAreas
	}{{e.Threads, "threads"}, {e.Stacks, "stacks"}, {e.Memory || e.Registers, "variables"}} {
		if a.on {
			areas = append(areas, a.area)
		}
	}
	s.tellEvent("invalidated", dap.InvalidatedEventBody{Areas: areas})
}

// tellEnded says how the debuggee ended: in the console's words where there are
// any, and so that nobody misses that the link was lost or traps may remain.
func (s *session) tellEnded(e engine.Ended) {
	s.gone, s.arrived = &e, nil
	s.ids.reset(-1)
	text := ""
	if s.console != nil {
		text = s.console.FormatEvent(e)
	}
	if text == "" {
		text = endText(&e, "")
		for i, a := range e.Traps {
			text += map[bool]string{true: "\nTraps may remain at ", false: ", "}[i == 0] + reference(a)
		}
	}
	category := "console"
	if e.Gone.Err != nil || len(e.Traps) > 0 {
		category = "important"
	}
	if text = strings.Trim(text, "\n"); text != "" {
		s.output(category, text+"\n")
	}
	s.settle()
}

// terminal asks the client to start argv in its terminal.
func (s *session) terminal(ctx context.Context, argv []string, dir string, env []string) (int, error) {
	kind := "integrated"
	if s.plan.Console == "externalTerminal" {
		kind = "external"
	}
	a := dap.RunInTerminalRequestArguments{Kind: kind, Title: "dap-windbg", Cwd: dir, Args: argv, Env: map[string]any{}}
	for _, kv := range env {
		k, v, _ := strings.Cut(kv, "=")
		a.Env[k] = v
	}
	answer := make(chan *incoming, 1)
	s.out.send(&reverseRequest{Command: "runInTerminal", Arguments: a, answer: answer})
	select {
	case m := <-answer:
		if !m.Success {
			return 0, fmt.Errorf("the client could not open a terminal: %s", m.Message)
		}
		var body dap.RunInTerminalResponseBody
		if len(m.Body) > 0 {
			if err := json.Unmarshal(m.Body, &body); err != nil {
				return 0, fmt.Errorf("the client's answer about its terminal: %w", err)
			}
		}
		return body.ProcessId, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-s.out.done:
		return 0, errors.New("the client is gone")
	}
}
