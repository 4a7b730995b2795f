package adapter

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"dap-windbg/engine"
	"dap-windbg/launch"

	"github.com/google/go-dap"
	"github.com/rs/zerolog"
)

// request is one request of the client.
type request struct {
	seq     int
	command string
	args    json.RawMessage
	ctx     context.Context
	cancel  context.CancelFunc
}

// phase of a session.
type phase uint8

const (
	fresh       phase = iota // no debuggee asked for
	starting                 // launch or attach is at work
	configuring              // the debuggee is there; configurationDone is to come
	live
	ended // terminated was sent
)

// session is one client. The fields below "the dispatcher's" are used by the
// dispatcher alone, and inside Do and Look while it waits for them.
type session struct {
	o       Options
	log     zerolog.Logger
	ctx     context.Context // of everything in this session
	end     context.CancelFunc
	out     *writer
	closing chan struct{} // closed: the session is to end
	close   func()
	inbox   chan *request // closed when the client hung up
	mail    *queue[engine.Event]
	posts   chan func()
	pending pending
	lines   lines
	workers workers
	running atomic.Bool              // the debuggee runs, by the last event
	present atomic.Pointer[presence] // for the reader
	relay   atomic.Pointer[relay]    // where everything goes; nil: nowhere, it is served here
	bars    progress                 // progress told to the client
	opened  chan opened              // the starter's result

	// The dispatcher's.
	phase      phase
	client     dap.InitializeRequestArguments
	greeted    bool // initialize was answered
	plan       launch.Plan
	hello      *request        // initialize
	asked      json.RawMessage // the configuration, as the client sent it
	dbg        Debugger
	console    Console
	jobs       *queue[*job]
	busy       int      // jobs queued or running
	hold       *job     // its response is to precede events
	start      *request // launch or attach, unanswered until configurationDone
	configured bool
	noDebug    bool
	early      map[string][]engine.Breakpoint // set before there is a debuggee, by owner
	firstStop  int
	changing   *request      // what replaces or ends the debuggee, at work
	waiting    []*request    // until that is done
	gone       *engine.Ended // seen, but commands may yet bring a new debuggee
	own        bool          // the next Resumed is the answer to a request
	byConsole  bool          // a command line resumed
	told       bool          // the client knows that the debuggee is stopped
	pausing    bool          // the client waits for the stop it asked for
	again      bool          // a frame is being restarted: its stop is to come
	arrived    *arrival      // the stop the console is yet to come to
	over       bool
	after      []func() // to run once the response is sent

	ids     handles
	threads threadIDs
	sources sources
	filters []engine.FilterSetting
	met     *engine.Session   // the debuggee that the client was told of
	lacks   map[string]bool   // capabilities taken back
	raised  map[string]byte   // signals that the editor made break: what they did before
	partial map[string]string // incomplete characters of output, by category
	looked  []window          // memory the client has read in this stop
	synced  int               // frame id last made the console's
}

// presence is what the reader needs to break in.
type presence struct {
	dbg    Debugger
	shared Shared // the console, nil: it is nobody else's
}

func newSession(parent context.Context, o Options) *session {
	ctx, end := context.WithCancel(context.WithoutCancel(parent))
	closing := make(chan struct{})
	s := &session{
		o: o, log: o.Log.With().Str("part", "adapter").Logger(),
		ctx: ctx, end: end, out: newWriter(),
		closing: closing, close: sync.OnceFunc(func() { close(closing) }),
		inbox:   make(chan *request, 4096),
		mail:    newQueue[engine.Event](),
		posts:   make(chan func(), 16),
		jobs:    newQueue[*job](),
		opened:  make(chan opened, 1),
		early:   map[string][]engine.Breakpoint{},
		partial: map[string]string{},
	}
	s.bars.tell = s.tellEvent
	s.sources.away = o.Guest != nil && o.Guest.Away
	s.ids.reset(0)
	s.workers.start(s.runJobs)
	return s
}

// read decodes messages until the client hangs up.
func (s *session) read(r *bufio.Reader) {
	defer s.close()
	defer close(s.inbox)
	lost := false // in garbage that was reported already
	for s.ctx.Err() == nil {
		content, err := readMessage(r)
		var bad *framingError
		if errors.As(err, &bad) {
			if !lost {
				s.output("important", bad.Error()+"\n")
			}
			lost = true
			continue
		}
		if err != nil {
			return
		}
		lost = false
		s.receive(content)
	}
}

// receive sorts one message.
func (s *session) receive(content []byte) {
	if up := s.relay.Load(); up != nil {
		if is(content, "request", "disconnect") {
			up.parting.Store(true)
		}
		if up.send(content) == nil || s.relay.Load() != nil {
			return // what became of it is told by who reads from there
		}
	}
	m, err := decodeMessage(content)
	switch {
	case err != nil && m.Type == "request" && m.Command != "":
		s.out.send(&response{RequestSeq: m.Seq, Command: m.Command, Message: "malformed request", Body: errorBody(err, false)})
	case err != nil:
		s.output("important", fmt.Sprintf("malformed message: %v\n", err))
	case m.Type == "request":
		s.accept(&m)
	case m.Type == "response":
		s.out.answered(&m)
	default:
		s.output("important", fmt.Sprintf("a message of type %.40q is neither request nor response\n", m.Type))
	}
}

// accept queues a request, and acts at once on those that cut others short.
func (s *session) accept(m *incoming) {
	r := &request{seq: m.Seq, command: m.Command, args: m.Arguments}
	r.ctx, r.cancel = context.WithCancel(s.ctx)
	switch r.command {
	case "cancel":
		var a dap.CancelArguments
		if len(r.args) > 0 && json.Unmarshal(r.args, &a) == nil {
			s.pending.cancel(a.RequestId)
			s.cancelProgress(a.ProgressId)
		}
	case "disconnect":
		s.abandon()
		defer s.close()
	case "terminate", "restart":
		s.preempt()
	case "pause":
		if !s.running.Load() {
			s.lines.cancelAll()
		}
		if p := s.present.Load(); p != nil && p.shared != nil {
			p.shared.Break()
		}
	}
	s.pending.add(r)
	select {
	case s.inbox <- r:
	case <-s.ctx.Done():
	}
}

// cancelProgress ends the work whose progress is id: a request, or all transfers.
func (s *session) cancelProgress(id string) {
	if id == "" {
		return
	}
	s.bars.cancel(id)
	p := s.present.Load()
	if p == nil || !s.bars.transfers(id) {
		return
	}
	if d, ok := p.dbg.(interface{ GiveUpTransfers() }); ok {
		d.GiveUpTransfers()
	}
}

// aside serves r from a goroutine of its own, so that what follows is not held up.
// f must not use what is the dispatcher's.
func (s *session) aside(r *request, f func(ctx context.Context) (any, error)) (any, error) {
	s.workers.start(func() {
		body, err := s.guard(func() (any, error) { return f(r.ctx) })
		s.post(func() {
			if err != nil && r.ctx.Err() != nil {
				err = context.Canceled
			}
			s.answer(r, body, err)
		})
	})
	return nil, errLater
}

// preempt gives up what the engine is at.
func (s *session) preempt() {
	if s.o.Guest != nil {
		return // it may be another's; a request's own context ends what it has begun
	}
	if p := s.present.Load(); p != nil {
		if es := p.dbg.Session(); es != nil {
			es.Preempt()
		}
	}
}

// abandon cancels every request that waits or is being served, save disconnect.
func (s *session) abandon() {
	s.pending.cancelAll()
	s.lines.cancelAll()
	s.preempt()
}

// dispatch serves requests and events until the session is over.
func (s *session) dispatch() {
	defer s.close()
	defer s.leaveAtEnd()
	for !s.over {
		select {
		case r, ok := <-s.inbox:
			if !ok {
				return
			}
			s.serve(r)
		case <-s.mail.ready:
			s.readMail()
		case f := <-s.posts:
			f()
		case o := <-s.opened:
			s.hasOpened(o)
		case <-s.interrupted():
			if len(s.inbox) == 0 {
				return
			}
		}
	}
}

// interrupted is closed when the session is to end. Requests that were read by
// then are served first: disconnect is among them.
func (s *session) interrupted() <-chan struct{} {
	if len(s.inbox) > 0 {
		return s.ctx.Done()
	}
	return s.closing
}

// post runs f in the dispatcher; false when the session has ended.
func (s *session) post(f func()) bool {
	select {
	case s.posts <- f:
		return true
	case <-s.ctx.Done():
		return false
	}
}

// errLater says that a request is answered later.
var errLater = errors.New("answered later")

// serve carries out one request and answers it.
func (s *session) serve(r *request) {
	h, known := requests[r.command]
	var body any
	var err error
	switch {
	case s.waits(r):
		s.waiting = append(s.waiting, r)
		return
	case !known:
		err = fmt.Errorf("request %.60q is not supported", r.command)
	case !s.greeted && r.command != "initialize" && r.command != "disconnect" && r.command != "cancel":
		err = fmt.Errorf("%s before initialize", r.command)
	case r.ctx.Err() != nil && r.command != "disconnect":
		err = context.Canceled
	default:
		if title := slow[r.command]; title != "" {
			s.bars.begin(r, title, s.running.Load)
		}
		body, err = s.guard(func() (any, error) { return h(s, r) })
	}
	if errors.Is(err, errLater) {
		return
	}
	if err != nil && r.ctx.Err() != nil {
		err = context.Canceled
	}
	s.answer(r, body, err)
}

// guard turns a panic, which is a defect of ours, into an error, so that one
// request cannot take the other sessions along.
func (s *session) guard(f func() (any, error)) (body any, err error) {
	defer func() {
		if p := recover(); p != nil {
			s.log.Error().Interface("panic", p).Bytes("stack", debug.Stack()).Msg("internal error")
			err = fmt.Errorf("internal error: %v", p)
		}
	}()
	return f()
}

// answer sends r's one response and then does what was to follow it.
func (s *session) answer(r *request, body any, err error) {
	if !s.pending.take(r) {
		return
	}
	r.cancel()
	s.bars.end(r)
	m := &response{RequestSeq: r.seq, Command: r.command, Success: err == nil, Body: body}
	if err != nil {
		m.Message, m.Body = message(err), errorBody(err, s.shown(r, err))
		s.log.Debug().Str("request", r.command).Err(err).Msg("failed")
	}
	s.out.send(m)
	for len(s.after) > 0 {
		f := s.after[0]
		s.after = s.after[1:]
		f()
	}
}

// later runs f once the response of the request being served is sent.
func (s *session) later(f func()) { s.after = append(s.after, f) }

func (s *session) tellEvent(name string, body any) { s.out.send(&event{Event: name, Body: body}) }

// output sends text to the client's console.
func (s *session) output(category, text string) {
	s.outputAt(category, text, nil)
}

// outputAt is output of what happened at a place, nil none.
func (s *session) outputAt(category, text string, at *engine.Location) {
	if text == "" {
		return
	}
	body := outputBody{Category: category, Output: text}
	if at != nil && at.Line.File != "" {
		line, column := s.line(at.Line.Line), s.column(at.Line.Column)
		body.Source, body.Line, body.Column = s.sources.of(at.Line.File, at.Module), &line, &column
	}
	s.tellEvent("output", body)
}

// pending holds the requests that have no response yet. It is safe for many goroutines.
type pending struct {
	mu   sync.Mutex
	open map[*request]struct{}
}

func (p *pending) add(r *request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open == nil {
		p.open = map[*request]struct{}{}
	}
	p.open[r] = struct{}{}
}

// take removes r; false when it has been answered.
func (p *pending) take(r *request) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.open[r]
	delete(p.open, r)
	return ok
}

func (p *pending) has(r *request) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.open[r]
	return ok
}

// all lists the requests in the order in which they came.
func (p *pending) all() []*request {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := slices.Collect(maps.Keys(p.open))
	slices.SortFunc(list, func(a, b *request) int { return a.seq - b.seq })
	return list
}

func (p *pending) cancelIf(f func(*request) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for r := range p.open {
		if f(r) {
			r.cancel()
		}
	}
}

func (p *pending) cancel(seq int) {
	p.cancelIf(func(r *request) bool { return seq != 0 && r.seq == seq && r.command != "disconnect" })
}

func (p *pending) cancelAll() {
	p.cancelIf(func(r *request) bool { return r.command != "disconnect" })
}

// workers are the goroutines of a session besides reader, writer and dispatcher.
type workers struct{ wg sync.WaitGroup }

func (w *workers) start(f func()) { w.wg.Go(f) }

// wait waits for all at most d.
func (w *workers) wait(d time.Duration) {
	done := make(chan struct{})
	go func() { w.wg.Wait(); close(done) }()
	waitFor(done, d)
}
