package share

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"sync"

	"dap-windbg/remote/transport"
	"dap-windbg/windbg"

	"github.com/rs/zerolog"
)

// This file is the client's side.

// connection is a stream together with the connection that it is alone on.
type connection struct {
	*transport.Stream
	conn *transport.Conn
}

func (c connection) Close() error {
	c.Stream.Close()
	return c.conn.Close()
}

func open(ctx context.Context, spec transport.Spec, kind string) (connection, error) {
	c, err := transport.Dial(ctx, spec, transport.Options{Service: Service, Log: zerolog.Nop()})
	if err != nil {
		return connection{}, err
	}
	s, err := c.Open(ctx, kind, nil, nil)
	if err != nil {
		c.Close()
		return connection{}, err
	}
	return connection{s, c}, nil
}

// JoinEditor connects an editor to a shared session: what it returns speaks DAP.
func JoinEditor(ctx context.Context, spec transport.Spec) (io.ReadWriteCloser, error) {
	c, err := open(ctx, spec, kindEditor)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Window is a command window in a shared session.
type Window struct {
	Title string
	rw    connection

	mu     sync.Mutex
	sent   int
	state  readiness
	over   bool
	why    Parted
	ended  chan struct{} // closed when over
	change chan struct{}
	asked  chan []candidate
}

// Parted is the end of a window's part. It tells why.
type Parted struct {
	Why  string // "" by its own wish
	Lost bool   // the connection was
}

func (e *Parted) Error() string { return e.Why }

// JoinWindow connects a command window. Text is told by show, in order, from one
// goroutine; changed is called when the prompt has changed.
func JoinWindow(ctx context.Context, spec transport.Spec, show func(text []byte), changed func()) (*Window, error) {
	c, err := open(ctx, spec, kindWindow)
	if err != nil {
		return nil, err
	}
	w := &Window{Title: c.conn.Title, rw: c, change: make(chan struct{}), ended: make(chan struct{}), asked: make(chan []candidate, 1)}
	go w.read(show, changed)
	return w, nil
}

func (w *Window) read(show func([]byte), changed func()) {
	r := bufio.NewReaderSize(w.rw, 1<<16)
	why := Parted{"The connection to the debug session is lost.", true}
	for {
		l, text, err := receive(r, maxText)
		if err != nil {
			break
		}
		switch l {
		case printed:
			show(text)
			continue
		case completed:
			var list []candidate
			json.Unmarshal(text, &list)
			select {
			case w.asked <- list:
			default:
			}
			continue
		case ready:
			var now readiness
			if json.Unmarshal(text, &now) == nil {
				w.update(func() { w.state = now })
				changed()
			}
			continue
		case parted:
			why = Parted{string(text), false}
		}
		break
	}
	w.update(func() { w.over, w.why = true, why })
	close(w.ended)
	w.rw.Close()
	changed()
}

func (w *Window) update(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
	close(w.change)
	w.change = make(chan struct{})
}

// Prompt is the present one.
func (w *Window) Prompt() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state.Prompt
}

// Done is closed when the window's part has ended.
func (w *Window) Done() <-chan struct{} { return w.ended }

// Over is a *Parted when the window's part has ended, else nil.
func (w *Window) Over() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.over {
		return nil
	}
	p := w.why
	return &p
}

// Ready waits until the lines that were sent are done. The error is a *Parted at the end.
func (w *Window) Ready(ctx context.Context) (prompt string, err error) {
	for {
		w.mu.Lock()
		state, over, change := w.state, w.over, w.change
		done := state.Prompt != "" && state.Done >= w.sent
		w.mu.Unlock()
		switch {
		case over:
			return "", w.Over()
		case done:
			return state.Prompt, nil
		}
		select {
		case <-change:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

// Send runs a line.
func (w *Window) Send(line string) error {
	w.mu.Lock()
	w.sent++
	w.mu.Unlock()
	return send(w.rw, typed, []byte(line))
}

// Break is Ctrl+C.
func (w *Window) Break() error { return send(w.rw, breaking, nil) }

// Complete asks for what a line may go on with.
func (w *Window) Complete(ctx context.Context, line string) []windbg.Completion {
	select {
	case <-w.asked: // of a question that was given up
	default:
	}
	if send(w.rw, asking, []byte(line)) != nil {
		return nil
	}
	select {
	case list := <-w.asked:
		var out []windbg.Completion
		for _, c := range list {
			out = append(out, windbg.Completion(c))
		}
		return out
	case <-ctx.Done():
		return nil
	}
}

// Close leaves.
func (w *Window) Close() error {
	err := w.rw.Close()
	if errors.Is(err, io.ErrClosedPipe) {
		return nil
	}
	return err
}
