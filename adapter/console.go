package adapter

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/google/go-dap"
)

// A line's text is either the result of its response, whole, or streamed as
// output, whole, with an empty result: nothing is printed twice. It streams once
// it is long or slow, and what follows a command that resumed always does.
const (
	streamAfter = time.Second
	streamBytes = 32 << 10
	// Streamed text is sent in pieces of pieceBytes, or of what came in pieceAfter.
	pieceBytes = 8 << 10
	pieceAfter = 30 * time.Millisecond
)

// job is one line for the console worker.
type job struct {
	ctx      context.Context
	cancel   context.CancelFunc
	line     string
	out      *consoleOut
	r        *request                                       // nil: nobody waits for a result
	answered bool                                           // the dispatcher's: r has its result
	begun    bool                                           // the dispatcher's: what was before its turn is told
	run      func(ctx context.Context, o *consoleOut) error // instead of line
	done     chan struct{}
	then     func() // run by the dispatcher afterwards
}

// lines are the jobs at work or waiting, so that they can be broken off. It is
// safe for many goroutines.
type lines struct {
	mu   sync.Mutex
	jobs map[*job]struct{}
}

func (l *lines) add(j *job) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.jobs == nil {
		l.jobs = map[*job]struct{}{}
	}
	l.jobs[j] = struct{}{}
}

func (l *lines) remove(j *job) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.jobs, j)
}

func (l *lines) cancelAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for j := range l.jobs {
		j.cancel()
	}
}

// consoleOut collects or streams what a line prints.
type consoleOut struct {
	s         *session
	j         *job
	mu        sync.Mutex
	buf       bytes.Buffer
	begun     time.Time
	streaming bool
	due       *time.Timer // of the next piece, nil when nothing waits
}

func (o *consoleOut) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.buf.Write(p)
	if o.streaming || o.buf.Len() > streamBytes || time.Since(o.begun) > streamAfter {
		o.streaming = true
		if o.buf.Len() >= pieceBytes {
			o.flush(false)
		} else if o.due == nil {
			o.due = time.AfterFunc(pieceAfter, func() {
				o.mu.Lock()
				defer o.mu.Unlock()
				o.flush(false)
			})
		}
	}
	return len(p), nil
}

// flush sends what is there, but for a character not complete yet. The lock is held.
func (o *consoleOut) flush(all bool) {
	if o.due != nil {
		o.due.Stop()
		o.due = nil
	}
	n := o.buf.Len()
	if !all {
		n = wholeRunes(o.buf.Bytes())
	}
	o.s.output("console", string(o.buf.Next(n)))
}

// take ends collecting: it returns the whole text, or "" when it was streamed.
// What is written later is streamed.
func (o *consoleOut) take() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.streaming {
		o.flush(true)
		return ""
	}
	o.streaming = true
	text := o.buf.String()
	o.buf.Reset()
	return strings.ToValidUTF8(text, "\uFFFD")
}

// end sends what is left of streamed text.
func (o *consoleOut) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.streaming {
		o.flush(true)
	}
}

// wholeRunes is the length of p without an incomplete last character.
func wholeRunes(p []byte) int {
	for i := 1; i <= min(utf8.UTFMax-1, len(p)); i++ {
		if c := p[len(p)-i]; utf8.RuneStart(c) {
			if !utf8.FullRune(p[len(p)-i:]) {
				return len(p) - i
			}
			break
		}
	}
	return len(p)
}

// runJobs is the console worker.
func (s *session) runJobs() {
	for {
		for _, j := range s.jobs.take() {
			if j.ctx.Err() == nil {
				s.guard(func() (any, error) {
					if j.run != nil {
						return nil, j.run(j.ctx, j.out)
					}
					return nil, s.console.Start(j.ctx, j.line, j.out)
				})
			}
			j.cancel()
			s.lines.remove(j)
			j.out.end()
			close(j.done)
			s.post(func() { s.jobDone(j) })
		}
		select {
		case <-s.jobs.ready:
		case <-s.ctx.Done():
			return
		}
	}
}

// enqueue gives j to the worker. A line may go on after its request is answered;
// until then what cancels the request cancels the line.
func (s *session) enqueue(j *job) *job {
	if j.ctx == nil {
		j.ctx = s.ctx
	}
	j.ctx, j.cancel = context.WithCancel(j.ctx)
	if r := j.r; r != nil {
		context.AfterFunc(r.ctx, func() {
			if s.pending.has(r) {
				j.cancel()
			}
		})
	}
	s.lines.add(j)
	j.out = &consoleOut{s: s, j: j, begun: time.Now(), streaming: j.r == nil}
	_, turns := s.console.(Shared)
	j.begun = !turns
	j.done = make(chan struct{})
	s.busy++
	s.jobs.put(j, nil)
	return j
}

// jobDone answers a line, then tells what waited for it.
func (s *session) jobDone(j *job) {
	s.busy--
	s.tellBefore(j)
	s.answerJob(j)
	s.sources.forget() // .srcpath may have changed
	if j.then != nil {
		j.then()
	}
	if s.phase == live {
		s.meet()
	}
	s.readMail()
	s.showArrival()
	s.settle()
}

// answerJob answers j's request, once. Later output of j streams.
func (s *session) answerJob(j *job) {
	if s.hold == j {
		s.hold = nil
	}
	text := strings.TrimSuffix(j.out.take(), "\n")
	if j.r == nil || j.answered {
		return
	}
	j.answered = true
	if j.r.ctx.Err() != nil {
		s.output("console", text)
		s.answer(j.r, nil, context.Canceled)
		return
	}
	s.answer(j.r, dap.EvaluateResponseBody{Result: text}, nil)
}

// repl runs a command line. A line that is no command but an expression is
// evaluated and can be expanded.
func (s *session) repl(r *request, a *dap.EvaluateArguments) (any, error) {
	if s.console == nil {
		return s.evaluateExpression(r, a)
	}
	line := a.Expression
	if strings.TrimSpace(line) != "" && !s.console.IsCommand(line) {
		body, err := s.evaluateExpression(r, a)
		if err == nil || r.ctx.Err() != nil {
			return body, err
		}
	}
	s.follow(r.ctx, a.FrameId)
	j := s.enqueue(&job{line: line, r: r})
	s.hold = j
	time.AfterFunc(streamAfter, func() {
		s.post(func() {
			if s.hold == j {
				s.hold = nil
				s.readMail()
			}
		})
	})
	return nil, errLater
}

// follow makes the frame selected in the client the console's, when the client
// has selected another one since.
func (s *session) follow(ctx context.Context, frame int) {
	if frame == 0 || frame == s.synced {
		return
	}
	s.stopped(ctx, func(v *inspection) error {
		f, err := v.frame(frame)
		if err != nil {
			return err
		}
		s.synced = frame
		if err := v.SelectThread(v.ctx, f.Thread); err != nil {
			return err
		}
		_, err = v.SelectFrame(v.ctx, f.Index)
		return err
	})
}

// runCommands runs configured commands, shows each with its output as a group, then
// calls then.
func (s *session) runCommands(lines []string, then func()) {
	if s.console == nil || len(lines) == 0 {
		then()
		return
	}
	for i, line := range lines {
		j := &job{run: func(ctx context.Context, o *consoleOut) error {
			s.tellEvent("output", outputBody{Category: "console", Output: "> " + line + "\n", Group: "start"})
			err := s.console.Start(ctx, line, o)
			o.end()
			s.tellEvent("output", outputBody{Category: "console", Group: "end"})
			return err
		}}
		if i == len(lines)-1 {
			j.then = then
		}
		s.enqueue(j)
	}
}

// exitCommands runs the configured ones, if the debuggee is stopped and they are quick.
func (s *session) exitCommands() {
	if s.console == nil || s.running.Load() || s.phase == ended || len(s.plan.ExitCommands) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(s.ctx, graceCancel)
	defer cancel()
	var last *job
	for _, line := range s.plan.ExitCommands {
		last = s.enqueue(&job{ctx: ctx, line: line})
	}
	select {
	case <-last.done:
	case <-ctx.Done():
	}
}

// endInput cancels the lines that run or wait.
func (s *session) endInput() { s.lines.cancelAll() }

func (s *session) completions(r *request, a *dap.CompletionsArguments) (any, error) {
	body := completionsBody{Targets: []completionItem{}}
	if s.console == nil {
		return body, nil
	}
	column := a.Column
	if s.client.ColumnsStartAt1 {
		column--
	}
	line, before := lineOf(a.Text, a.Line, s.client.LinesStartAt1)
	line = cutUTF16(line, column)
	first := lenUTF16(before)
	if s.client.ColumnsStartAt1 {
		first++
	}
	s.follow(r.ctx, a.FrameId)
	console := s.console
	return s.aside(r, func(ctx context.Context) (any, error) {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		for _, c := range console.Complete(ctx, line) {
			if c.From < 0 || c.From > len(line) {
				continue
			}
			start := first + lenUTF16(line[:c.From])
			body.Targets = append(body.Targets, completionItem{
				Label: c.Text, Detail: c.Help, Start: &start, Length: lenUTF16(line[c.From:]),
			})
			if len(body.Targets) == 200 {
				break
			}
		}
		return body, r.ctx.Err()
	})
}

// lineOf picks line n (0: the first) of text, and what is before it.
func lineOf(text string, n int, from1 bool) (line, before string) {
	if from1 && n > 0 {
		n--
	}
	rest := text
	for ; n > 0; n-- {
		_, after, ok := strings.Cut(rest, "\n")
		if !ok {
			break
		}
		rest = after
	}
	line, _, _ = strings.Cut(rest, "\n")
	return line, text[:len(text)-len(rest)]
}

// cutUTF16 is the first n UTF-16 units of s.
func cutUTF16(s string, n int) string {
	for i, c := range s {
		if n <= 0 {
			return s[:i]
		}
		n -= utf16.RuneLen(c)
	}
	return s
}

func lenUTF16(s string) int {
	n := 0
	for _, c := range s {
		n += max(1, utf16.RuneLen(c))
	}
	return n
}
