package adapter

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"dap-windbg/engine"
	"dap-windbg/launch"
)

// A debug session can have several editors. The one that began it is served as ever;
// the others are guests, each with a session of this package, handles and breakpoints
// of its own, over the same engine session. An editor that joins a debug session of
// another process relays to that one, which serves it as a guest.

// Guest makes a session one of a client that joins a debug session of another's: it
// begins and ends nothing, and what it sets stays when it leaves.
type Guest struct {
	// Name tells the guests of a session apart. Who comes back by the same one has the
	// breakpoints back that it has left.
	Name string
	// Away: the client runs on another machine; paths of this one mean nothing there.
	Away bool
}

// Shared is a Console that takes turns with those of other clients. When the turn of a
// line has come it calls Begin of the writer that the line prints to.
type Shared interface {
	// Act hears what the client does to the debuggee without a command line: "step over".
	Act(what string)
	// Break hears of a pause: the line at work is ended, another client's too if this one
	// may; others reports that it was. It does not wait.
	Break() (others bool)
}

// turn is in the mailbox behind what happened before the turn of a line.
type turn struct {
	engine.Event
	j *job
}

// Begin notes that the line's turn has come.
func (o *consoleOut) Begin() { o.s.mail.put(turn{j: o.j}, nil) }

// tellBefore tells what happened before the turn of j, as far as it is known: the
// answer of j comes behind it.
func (s *session) tellBefore(j *job) {
	if j.begun {
		return
	}
	for _, e := range s.mail.until(func(e engine.Event) bool { t, ok := e.(turn); return ok && t.j == j }) {
		if t, ok := e.(turn); ok && t.j == j {
			j.begun = true
		}
		s.tell(e)
	}
}

// ownerGuest begins the owners of a guest's breakpoints: the guest's name and | follow.
const ownerGuest = "guest:"

// owner is whose breakpoints of a kind are this client's.
func (s *session) owner(kind string) string {
	if s.o.Guest == nil {
		return kind
	}
	return ownerGuest + s.o.Guest.Name + "|" + kind
}

// owns reports whether owner is this client.
func (s *session) owns(owner string) bool { return s.owner(kindOfOwner(owner)) == owner }

// kindOfOwner is an owner without the client.
func kindOfOwner(owner string) string {
	if rest, ok := strings.CutPrefix(owner, ownerGuest); ok {
		_, kind, _ := strings.Cut(rest, "|")
		return kind
	}
	return owner
}

// join hands the client over to the shared debug session that r names.
func (s *session) join(r *request, to *launch.Connection) (any, error) {
	if s.o.Join == nil {
		return nil, errors.New("shared debug sessions cannot be joined from here")
	}
	s.phase = starting
	s.workers.start(func() {
		err := s.joinNow(r, to)
		s.post(func() {
			s.phase = fresh // what becomes of the debuggee is told by the other end
			if err != nil {
				s.answer(r, nil, err)
			}
		})
	})
	return nil, errLater
}

func (s *session) joinNow(r *request, to *launch.Connection) error {
	conn, err := s.o.Join(r.ctx, to)
	if err != nil {
		return err
	}
	up := &relay{conn: conn}
	from, err := up.greet(s.hello)
	if err != nil {
		conn.Close()
		return fmt.Errorf("greeting the shared debug session: %w", err)
	}
	return s.handOver(r, up, from)
}

// stays reports whether the session goes on without a debuggee: that of a guest does,
// until the one it is a guest of ends. What its client shows of the old debuggee is
// taken away.
func (s *session) stays() bool {
	if s.o.Guest == nil || s.over {
		return false
	}
	if s.told && s.phase == live {
		s.told = false
		s.tellEvent("continued", map[string]any{"threadId": 0, "allThreadsContinued": true})
	}
	return true
}

// tellOthers tells a guest of the breakpoints that are set already.
func (s *session) tellOthers() {
	if s.o.Guest == nil {
		return
	}
	var list []engine.Status
	s.look(s.ctx, func(l *engine.Live) error {
		list = l.Breakpoints()
		return nil
	})
	for _, st := range list {
		if !s.owns(st.Owner) {
			s.tellBreakpoint(engine.BreakpointEvent{Status: st, New: true})
		}
	}
}

// setGuestFilter makes a filter break as a guest wishes. What others made break stays
// so; what the guest itself made break goes back to what it was.
func (s *session) setGuestFilter(f engine.FilterSetting, conditions []string) {
	was, raised := s.raised[f.Code]
	switch {
	case len(conditions) > 0 && f.Break != 'e':
		if s.raised == nil {
			s.raised = map[string]byte{}
		}
		s.raised[f.Code] = f.Break
		if f.Break = 'e'; !slices.Contains(conditions, "") {
			f.Arg = strings.Join(conditions, ",")
		}
	case len(conditions) == 0 && raised:
		delete(s.raised, f.Code)
		f.Break = was
	default:
		return
	}
	s.dbg.SetFilter(f)
}

// deeds are the words for what moves the debuggee.
var deeds = map[engine.HowKind]string{
	engine.Go: "continue", engine.StepOver: "step over", engine.StepInto: "step in", engine.StepOut: "step out",
}

// act tells the others of a shared session what this client did.
func (s *session) act(how engine.How) {
	a, ok := s.console.(Shared)
	if !ok {
		return
	}
	what := deeds[how.Kind]
	if how.Reverse {
		what += " backwards"
	}
	a.Act(what)
}
