package adapter

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"dap-windbg/engine"
	"dap-windbg/launch"
	"dap-windbg/targets"

	"github.com/rs/zerolog"
)

// Debugger is what a session needs of a debug session; *launch.Debugger is one.
type Debugger interface {
	Session() *engine.Session // of the present debuggee, nil when there is none
	Close(ctx context.Context, how targets.Parting) error
	Parting() targets.Parting
	Restart(ctx context.Context) error
	Kill(ctx context.Context) error
	Detach(ctx context.Context) error
	Path(kind string) string
	Filters() []engine.FilterSetting
	Filter(code, arg string) engine.FilterSetting // the one of an event
	SetFilter(engine.FilterSetting)
}

// Console is a command line; windbg's Interpreter is one but for Completion.
type Console interface {
	// Start runs a line and writes what it prints as it is produced. It returns
	// without waiting for the stop when the last command resumes: Arrive is
	// called for that. Errors are written to out already.
	Start(ctx context.Context, line string, out io.Writer) error
	// IsCommand reports whether the line begins with a known command.
	IsCommand(line string) bool
	Complete(ctx context.Context, line string) []Completion
	// FormatEvent is the text a console shows of an event, or "".
	FormatEvent(e engine.Event) string
	// Arrive runs the commands of what was hit and, unless one of them set the
	// debuggee going again (resumed), writes what a console shows at a stop. It
	// does nothing at a stop that a line has waited for.
	Arrive(ctx context.Context, s engine.Stop, out io.Writer) (resumed bool, err error)
}

// Completion is a candidate for the text [From, len(line)), in bytes.
type Completion struct {
	Text string
	From int
	Help string
}

// Options of a session.
type Options struct {
	// Plan reads a configuration: request is "launch" or "attach", args are its
	// attributes as the client sent them. trusted false: the folder it comes from is not.
	Plan func(request string, args json.RawMessage, trusted bool) (launch.Plan, error)
	// Open brings a debuggee to its first stop. Its ctx lasts as long as the
	// session. quit is for the console's commands that end the session.
	Open func(ctx context.Context, p launch.Plan, h launch.Hooks, quit func(targets.Parting)) (Debugger, Console, error)
	// Processes lists what can be attached to: on the process server with this
	// connection string, "" on this machine. Nil: nobody knows.
	Processes func(ctx context.Context, server string) ([]targets.Process, error)
	Log       zerolog.Logger
	// Children of debuggees and the sessions that they get; nil: none does.
	Children *Children
	// Life ends the sessions of children that are served beside Serve's own.
	Life context.Context
	// Sessions limits how many Listen serves at a time, 0 = 64.
	Sessions int
	// Join reaches the shared debug session that a configuration names as remote: what
	// it returns speaks the Debug Adapter Protocol. Nil: there is no way.
	Join func(ctx context.Context, to *launch.Connection) (io.ReadWriteCloser, error)
	// Guest is set for a client that joins a debug session which is another's.
	Guest *Guest
}

// How long a session that is to end may take: then what runs is cancelled, then
// the debuggee is parted from by ending its context, then Serve returns.
const (
	graceCancel = 500 * time.Millisecond
	graceCut    = 1400 * time.Millisecond
	graceEnd    = 1900 * time.Millisecond
)

// Serve serves one client on rw and returns when it disconnected, hung up or ctx
// ended, within two seconds, with the debuggee detached or killed. It closes rw.
func Serve(ctx context.Context, rw io.ReadWriteCloser, o Options) error {
	if o.Life == nil {
		o.Life = ctx
	}
	s := newSession(ctx, o)
	flush, stopWriter := context.WithCancel(context.Background())
	s.out.begin(rw)
	go func() {
		s.out.run(flush)
		s.close() // at the latest: a client that takes no messages any more has gone
	}()
	reading := make(chan struct{})
	go func() {
		defer close(reading)
		s.read(bufio.NewReaderSize(rw, 1<<16))
	}()
	dispatching := make(chan struct{})
	go func() {
		defer close(dispatching)
		s.dispatch()
	}()

	began, err := s.supervise(ctx, dispatching)
	s.end()
	s.workers.wait(100 * time.Millisecond)
	stopWriter()
	waitFor(s.out.done, max(graceEnd-time.Since(began), 100*time.Millisecond)) // a slow client gets its answers
	var closeErr error
	closed := make(chan struct{})
	go func() { closeErr = rw.Close(); close(closed) }()
	gone := waitFor(closed, 100*time.Millisecond) // on Windows closing waits for the read of a pipe
	waitFor(reading, 100*time.Millisecond)        // a read of a terminal cannot be interrupted
	waitFor(s.out.done, 100*time.Millisecond)
	if err == nil && gone && closeErr != nil && !errors.Is(closeErr, net.ErrClosed) && !errors.Is(closeErr, io.ErrClosedPipe) {
		err = closeErr
	}
	return err
}

// supervise returns when the dispatcher has ended, or when it does not although
// it should; began is when the session was to end.
func (s *session) supervise(ctx context.Context, dispatching <-chan struct{}) (began time.Time, err error) {
	select {
	case <-dispatching:
		return time.Now(), nil
	case <-s.closing:
	case <-ctx.Done():
		s.close()
	}
	began = time.Now()
	for _, step := range []struct {
		after time.Duration
		act   func()
	}{
		{graceCancel, s.abandon},
		{graceCut - graceCancel, s.end},
		{graceEnd - graceCut, func() {}},
	} {
		if waitFor(dispatching, step.after) {
			return began, nil
		}
		step.act()
	}
	return began, errors.New("the session did not end in time; the debuggee may still be held")
}

// waitFor waits for c at most d and reports whether it came.
func waitFor(c <-chan struct{}, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-c:
		return true
	case <-t.C:
		return false
	}
}

// Listen serves each connection of ln as a session of its own until ctx ends;
// then it closes ln, ends all sessions and returns.
func Listen(ctx context.Context, ln net.Listener, o Options) error {
	limit := o.Sessions
	if limit == 0 {
		limit = 64
	}
	slots := make(chan struct{}, limit)
	var sessions sync.WaitGroup
	defer sessions.Wait()
	defer context.AfterFunc(ctx, func() { ln.Close() })()
	defer ln.Close()
	for {
		conn, err := ln.Accept()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return nil
			}
			return err
		}
		select {
		case slots <- struct{}{}:
		default:
			o.Log.Warn().Int("limit", limit).Msg("connection refused: too many sessions")
			conn.Close()
			continue
		}
		sessions.Go(func() {
			defer func() { <-slots }()
			if err := Serve(ctx, conn, o); err != nil {
				o.Log.Warn().Err(err).Msg("session ended")
			}
		})
	}
}
