package share

import (
	"bytes"
	"context"
	"fmt"
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
	to    *pump
	lines chan string

	mu     sync.Mutex
	queue  []engine.Event
	held   int                // bytes in queue, about
	most   int                // of held
	lost   loss               // since queue was full
	done   int                // lines
	cancel context.CancelFunc // of the line at work, nil none
	left   bool               // by .remote_exit
	wake   chan struct{}
}

// loss is what a window was not fast enough for.
type loss struct{ bytes, events int }

// sizeOf is what an event counts for in a queue.
func sizeOf(e engine.Event) int {
	o, _ := e.(engine.Output)
	return 256 + len(o.Text)
}

// maxLines is how many lines of one window wait.
const maxLines = 64

func (s *Session) serveWindow(t *Seat, rw *pump) {
	ctx, leave := context.WithCancel(s.life)
	defer leave()
	w := &window{s: s, t: t, to: rw, most: s.o.Patience / 2, lines: make(chan string, maxLines), wake: make(chan struct{}, 1)}
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

// emit queues an event; output that follows output joins it. What does not fit, and what
// comes behind that, is lost, and the window is told how much.
func (w *window) emit(e engine.Event) {
	w.mu.Lock()
	n := len(w.queue)
	o, isText := e.(engine.Output)
	if w.held+sizeOf(e) > w.most || w.lost != (loss{}) {
		w.lost.bytes += len(o.Text)
		if !isText {
			w.lost.events++
		}
		w.mu.Unlock()
		return
	}
	if n > 0 && isText {
		if last, ok := w.queue[n-1].(engine.Output); ok && last.Category == o.Category && len(last.Text) < 64<<10 {
			last.Text += o.Text
			w.held += len(o.Text)
			w.queue[n-1] = last
			w.mu.Unlock()
			return
		}
	}
	w.queue = append(w.queue, e)
	w.held += sizeOf(e)
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
			w.breakIn()
		case asking:
			w.complete(ctx, string(text))
		default:
			return
		}
	}
}

func (w *window) complete(ctx context.Context, line string) {
	ctx, cancel := context.WithTimeout(ctx, completeTime)
	defer cancel()
	list := []candidate{}
	for _, c := range w.t.Complete(ctx, line) {
		list = append(list, candidate(c))
	}
	sendJSON(w.to, completed, list)
}

// completeTime bounds the search for completions, for which nobody waits longer.
const completeTime = time.Second

// breakIn stops a running debuggee, else it ends this window's line, at work or waiting,
// and what else the seat may end.
func (w *window) breakIn() {
	w.s.mu.Lock()
	running := w.s.running
	w.s.mu.Unlock()
	w.t.BreakIn()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cancel != nil && !running {
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
			w.to.Room(ctx)
			text := w.take(&fresh)
			if text == "" {
				first = first || wrote
				break
			}
			if send(w.to, printed, []byte(text)) != nil {
				return
			}
		}
		changed := w.s.Changed()
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
		case <-changed:
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
// line of its own at work, or for a moment another's.
func (w *window) prompt(ctx context.Context) (r readiness, ok bool) {
	w.mu.Lock()
	r.Done = w.done
	busy := len(w.queue) > 0 || w.cancel != nil
	w.mu.Unlock()
	busy = busy || ctx.Err() != nil // the line that is done may have been the last
	if busy {
		return r, false
	}
	work, _ := w.t.others()
	w.s.mu.Lock()
	r.Busy = w.s.running
	a := w.s.at
	w.s.mu.Unlock()
	switch {
	case work == slow:
		r.Prompt = busyPrompt
		return r, true
	case work == brief, a != nil && a.block && !a.shown(): // the prompt follows what is shown of the stop
		return r, false
	}
	r.Prompt = w.t.Prompt(ctx)
	return r, true
}

// mostTaken is how much is taken from a queue at a time, about, bytes.
const mostTaken = 256 << 10

// take is the text of what is queued, or of the first part of it; "" when that is all.
func (w *window) take(fresh *bool) string {
	for {
		queue, lost, all := w.some()
		if text := w.text(queue, lost, fresh); text != "" || all {
			return text
		}
	}
}

// some takes the first part of the queue; with the last one goes what was lost behind it.
func (w *window) some() (queue []engine.Event, lost loss, all bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for size := 0; n < len(w.queue) && size < mostTaken; n++ {
		size += sizeOf(w.queue[n])
		w.held -= sizeOf(w.queue[n])
	}
	queue, w.queue = w.queue[:n], w.queue[n:]
	if all = len(w.queue) == 0; all {
		lost, w.lost, w.queue, w.held = w.lost, loss{}, nil, 0
	}
	return queue, lost, all
}

// text is what a window shows of events.
func (w *window) text(queue []engine.Event, lost loss, fresh *bool) string {
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
	if lost != (loss{}) {
		line(fmt.Sprintf("Lost here, for it came faster than this window was served: %d bytes of output, %d events.", lost.bytes, lost.events))
	}
	return b.String()
}
