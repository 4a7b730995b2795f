package share

import (
	"bytes"
	"context"
	"io"
	"strings"
	"sync"
	"time"

	"dap-windbg/engine"
	"dap-windbg/windbg"
)

// window is the session's side of a guest's command window. All it shows goes through
// one queue, in order; its lines are run one by one.
type window struct {
	s     *Session
	t     *Seat
	to    io.Writer // never waits
	lines chan string

	mu     sync.Mutex
	queue  []engine.Event
	done   int                // lines
	cancel context.CancelFunc // of the line at work, nil none
	left   bool               // by .remote_exit
	wake   chan struct{}
}

// maxLines is how many lines of one window wait.
const maxLines = 64

func (s *Session) serveWindow(t *Seat, rw io.ReadWriteCloser) {
	ctx, leave := context.WithCancel(s.life)
	defer leave()
	w := &window{s: s, t: t, to: rw, lines: make(chan string, maxLines), wake: make(chan struct{}, 1)}
	t.window, t.emit = true, w.emit
	t.guest = &windbg.Guest{Leave: func() { w.mu.Lock(); w.left = true; w.mu.Unlock(); leave() }}
	if err := s.enter(t); err != nil {
		send(rw, parted, []byte(err.Error()))
		return
	}
	var all sync.WaitGroup
	all.Go(func() { w.show(ctx) })
	all.Go(func() { w.run(ctx) })
	go func() { // ends when rw is closed
		defer leave()
		w.read(ctx, rw)
	}()
	<-ctx.Done()
	all.Wait()
	s.exit(t)
	why := "The connection has ended."
	w.mu.Lock()
	switch {
	case w.left:
		why = ""
	case s.life.Err() != nil:
		why = "The debug session has ended."
	}
	w.mu.Unlock()
	send(rw, parted, []byte(why))
}

// emit queues an event; output that follows output joins it.
func (w *window) emit(e engine.Event) {
	w.mu.Lock()
	n := len(w.queue)
	o, isText := e.(engine.Output)
	if n > 0 && isText {
		if last, ok := w.queue[n-1].(engine.Output); ok && last.Category == o.Category && len(last.Text) < 64<<10 {
			last.Text += o.Text
			w.queue[n-1] = last
			w.mu.Unlock()
			return
		}
	}
	w.queue = append(w.queue, e)
	w.mu.Unlock()
	w.stir()
}

func (w *window) stir() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// read takes what the client sends until it hangs up.
func (w *window) read(ctx context.Context, r io.Reader) {
	const longest = 64 << 10 // a line
	for {
		l, text, err := receive(r, longest)
		if err != nil {
			return
		}
		switch l {
		case typed:
			select {
			case w.lines <- string(text):
			case <-ctx.Done():
				return
			}
		case breaking:
			w.breakIn(ctx)
		case asking:
			w.complete(ctx, string(text))
		default:
			return
		}
	}
}

func (w *window) complete(ctx context.Context, line string) {
	list := []candidate{}
	for _, c := range w.t.Complete(ctx, line) {
		list = append(list, candidate(c))
	}
	sendJSON(w.to, completed, list)
}

// breakIn stops a running debuggee, else it ends this window's line.
func (w *window) breakIn(ctx context.Context) {
	w.s.mu.Lock()
	running := w.s.running
	w.s.mu.Unlock()
	if es := w.s.dbg.Session(); es != nil && running {
		w.t.Act("break")
		go es.Interrupt(ctx)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cancel != nil {
		w.cancel()
	}
}

// run runs the lines.
func (w *window) run(ctx context.Context) {
	for {
		select {
		case line := <-w.lines:
			w.exec(ctx, line)
		case <-ctx.Done():
			return
		}
	}
}

func (w *window) exec(ctx context.Context, line string) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w.mu.Lock()
	w.cancel = cancel
	w.mu.Unlock()
	w.t.Exec(ctx, line, texts{w})
	w.mu.Lock()
	w.cancel = nil
	w.done++
	w.mu.Unlock()
	w.stir()
}

// texts writes into a window's queue.
type texts struct{ w *window }

func (t texts) Write(p []byte) (int, error) {
	t.w.emit(engine.Output{Text: string(p), Category: engine.FromFarEnd})
	return len(p), nil
}

// show sends what is queued, and the prompt when there is no more for the moment.
func (w *window) show(ctx context.Context) {
	var last readiness
	fresh := true // the last byte sent ends a line
	first := true
	for {
		for wrote := false; ; wrote = true {
			text := w.take(&fresh)
			if text == "" {
				first = first || wrote
				break
			}
			if send(w.to, printed, []byte(text)) != nil {
				return
			}
		}
		if now, ok := w.prompt(ctx); ok && (first || now != last) {
			if !fresh {
				send(w.to, printed, []byte("\n"))
				fresh = true
			}
			sendJSON(w.to, ready, now)
			last, first = now, false
		}
		select {
		case <-w.wake:
		case <-ctx.Done():
			for text := w.take(&fresh); text != ""; text = w.take(&fresh) {
				send(w.to, printed, []byte(text))
			}
			return
		}
		select { // what comes by the byte is sent together
		case <-time.After(gather):
		case <-ctx.Done():
		}
	}
}

// gather is how long a window waits for more before it shows something.
const gather = 2 * time.Millisecond

// prompt is what the window is ready with; false while there is something to show or a
// line of its own at work.
func (w *window) prompt(ctx context.Context) (readiness, bool) {
	w.mu.Lock()
	r := readiness{Done: w.done}
	busy := len(w.queue) > 0 || w.cancel != nil
	w.mu.Unlock()
	busy = busy || ctx.Err() != nil // the line that is done may have been the last
	if busy {
		return r, false
	}
	w.s.mu.Lock()
	r.Busy = w.s.running
	if a := w.s.at; a != nil && a.block {
		select {
		case <-a.done:
		default:
			busy = true
			go func() { // the prompt follows what is shown of the stop
				select {
				case <-a.done:
					w.stir()
				case <-ctx.Done():
				}
			}()
		}
	}
	w.s.mu.Unlock()
	if busy {
		return r, false
	}
	r.Prompt = w.t.Prompt(ctx)
	return r, true
}

// take is the text of what is queued.
func (w *window) take(fresh *bool) string {
	w.mu.Lock()
	queue := w.queue
	w.queue = nil
	w.mu.Unlock()
	var b bytes.Buffer
	add := func(text string) {
		if text != "" {
			b.WriteString(text)
			*fresh = strings.HasSuffix(text, "\n")
		}
	}
	line := func(text string) { // of the debugger: on a line of its own
		if text != "" {
			if !*fresh {
				add("\n")
			}
			add(strings.TrimRight(text, "\n") + "\n")
		}
	}
	for _, e := range queue {
		switch e := e.(type) {
		case engine.Output:
			if e.Category == engine.FromDebugger || e.Category == engine.Important {
				line(e.Text)
			} else {
				add(e.Text)
			}
		default:
			line(w.t.FormatEvent(e))
		}
	}
	return b.String()
}
