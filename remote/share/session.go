package share

import (
	"context"
	"os"
	"os/user"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/rs/zerolog"

	"dap-windbg/engine"
	"dap-windbg/remote/transport"
	"dap-windbg/windbg"
)

// Debugger is the debug session that is shared; launch.Debugger is one.
type Debugger interface {
	Session() *engine.Session
	Wait(ctx context.Context) (engine.Stop, error)
}

// Options of a Session.
type Options struct {
	// Parse reads the transport of a server.
	Parse func(text string) (transport.Spec, error)
	// Editor serves an editor that joins, until it leaves or ctx ends. Nil: none can.
	Editor func(ctx context.Context, e Editor)
	Log    zerolog.Logger
	// Patience bounds what waits for a client that does not read, bytes, 0 = 8 MiB.
	Patience int
}

// Session is a debug session that others can take part in. Until a server is opened it
// does no more than hand on what the owner's front end asks for.
type Session struct {
	o     Options
	dbg   Debugger
	in    *windbg.Interpreter
	owner *Seat

	line     chan struct{} // held by who runs a command line
	shared   atomic.Bool   // a server has been opened
	life     context.Context
	end      context.CancelFunc
	guests   door
	wires    *wires
	breaking atomic.Bool // a break-in is on its way

	mu       sync.Mutex
	seats    []*Seat // the owner's first
	servers  []*server
	coming   []*Seat // have a number, but hear of nothing yet
	running  bool
	work     *work // has the turn, nil nothing
	brokenIn int   // the latest of runs that was broken into
	byLine   bool  // one let the debuggee run
	runs     int
	at       *arrival   // the stop that the debuggee is in
	past     []*arrival // the latest ones, newest last
	changed  chan struct{}
}

// New makes a Session whose owner hears of events by emit, which must not block.
func New(o Options, emit func(engine.Event)) *Session {
	if o.Patience == 0 {
		o.Patience = 8 << 20
	}
	s := &Session{o: o, line: make(chan struct{}, 1), changed: make(chan struct{}), wires: newWires()}
	s.life, s.end = context.WithCancel(context.Background())
	s.owner = &Seat{s: s, name: ownName(), via: "local", emit: emit, active: time.Now()}
	s.seats = []*Seat{s.owner}
	return s
}

// ownName is HOST\user of this process.
func ownName() string {
	host, _ := os.Hostname()
	name := os.Getenv("USER")
	if u, err := user.Current(); err == nil {
		name = u.Username[strings.LastIndexByte(u.Username, '\\')+1:]
	}
	return host + `\` + name
}

// Begin gives the session its debugger and its interpreter.
func (s *Session) Begin(d Debugger, in *windbg.Interpreter) { s.dbg, s.in = d, in }

// Owner is the seat of the front end that the session belongs to.
func (s *Session) Owner() *Seat { return s.owner }

// Shared reports whether others take part, did, or may come.
func (s *Session) Shared() bool { return s.shared.Load() }

// closeTime bounds how long guests may take to hear of the end, and once more to go when
// they are cut off.
const closeTime = 400 * time.Millisecond

// Close ends the servers and every guest's part.
func (s *Session) Close() {
	s.end()
	s.mu.Lock()
	servers := slices.Clone(s.servers)
	s.servers = nil
	s.mu.Unlock()
	for _, x := range servers {
		x.listener.Close()
	}
	s.guests.shut(closeTime)
	s.wires.cut()
	s.wires.open.shut(closeTime)
}

// Emit receives every event of the debugger, in order, and passes it on. It does not
// block.
func (s *Session) Emit(e engine.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.seats {
		t.emit(e)
	}
	switch e := e.(type) {
	case engine.Stopped:
		s.running = false
		if s.shared.Load() {
			s.stopped(e.Stop)
		}
	case engine.Resumed:
		s.leave()
		s.running, s.byLine = true, s.lining()
		s.runs++
	case engine.Ended:
		s.leave()
		s.running = false
	default:
		return
	}
	s.news()
}

// Changed is closed when the debuggee begins to run or to wait.
func (s *Session) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// news wakes who waits for a change; s.mu is held.
func (s *Session) news() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *Session) tellNews() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.news()
}

// say passes text on to every seat but one, nil all.
func (s *Session) say(except *Seat, text string) {
	if text == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.seats {
		if t != except {
			t.emit(engine.Output{Text: text, Category: engine.FromDebugger})
		}
	}
}

// crowd reports whether there is anybody but the owner.
func (s *Session) crowd() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.seats) > 1
}

// windows reports whether a command window takes part; s.mu is held.
func (s *Session) windows() bool {
	return slices.ContainsFunc(s.seats, func(t *Seat) bool { return t.window })
}

// sit gives a guest its seat. It hears of everything from then on, and at first of a
// debuggee that runs.
func (s *Session) sit(ctx context.Context, t *Seat) error {
	add := func(running bool) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if t.number == 0 {
			t.number = s.ordinal(t.who)
		}
		s.seats = append(s.seats, t)
		if running {
			t.emit(engine.Resumed{All: true})
		}
	}
	es := s.dbg.Session()
	if es == nil {
		add(false)
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, joinTime)
	defer cancel()
	err := es.Look(ctx, func(l *engine.Live) error {
		add(l.State() == engine.StateRunning)
		return nil
	})
	if err != nil {
		return &busyError{err}
	}
	return nil
}

// joinTime bounds the wait for a command that is at work when somebody joins.
const joinTime = 10 * time.Second

// busyError: nobody can join at the moment.
type busyError struct{ err error }

func (e *busyError) Error() string { return "the debugger is at a long command: " + e.err.Error() }
func (e *busyError) Unwrap() error { return e.err }
func (*busyError) Hint() string    { return "try again when it is done" }

// ordinal is the lowest number that no present seat of who has; s.mu is held.
func (s *Session) ordinal(who string) int {
	for n := 1; ; n++ {
		taken := func(t *Seat) bool { return t.who == who && t.number == n }
		if !slices.ContainsFunc(s.seats, taken) && !slices.ContainsFunc(s.coming, taken) {
			return n
		}
	}
}

func (s *Session) rise(t *Seat) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seats = slices.DeleteFunc(s.seats, func(x *Seat) bool { return x == t })
}

// Clients lists who takes part, as .clients shows them.
func (s *Session) Clients() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, t := range s.seats {
		out = append(out, t.name+", last active "+t.active.Format(time.ANSIC))
	}
	return out
}

// plain is a name as a client tells it, without what could be taken for something of
// ours where it is shown or kept: brackets, bars, line ends, marks that turn the writing
// round. Blanks within stay.
func plain(text string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) || strings.ContainsRune("@._-+$\\ ", r) {
			return r
		}
		return '?'
	}, text))
}

// hostOf is the machine of user@host; a client without a user's name tells it alone.
func hostOf(client string) string { return client[strings.LastIndexByte(client, '@')+1:] }

// nameOf turns user@host, as a client tells it, into HOST\user.
func nameOf(client string) string {
	host := hostOf(client)
	user := strings.TrimSuffix(strings.TrimSuffix(client, host), "@")
	switch {
	case client == "":
		return "somebody"
	case user == "" || host == "":
		return client
	}
	return host + `\` + user
}
