package adapter

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"
)

// writer numbers messages and writes them from one goroutine, in the order in
// which send was called. It is safe for many goroutines.
type writer struct {
	out  chan outgoing
	done chan struct{} // closed when nothing will be written any more
	buf  bytes.Buffer  // of the message that is being written

	mu      sync.Mutex
	waiting map[int]chan<- *incoming // answers to reverse requests, by their seq
}

func newWriter() *writer {
	return &writer{
		out:     make(chan outgoing, 256),
		done:    make(chan struct{}),
		waiting: map[int]chan<- *incoming{},
	}
}

// send queues m; it gives m up when the writer has ended.
func (w *writer) send(m outgoing) {
	select {
	case w.out <- m:
	case <-w.done:
	}
}

// run writes until ctx ends and what was queued by then is written, or until
// writing fails.
func (w *writer) run(ctx context.Context, to io.Writer) {
	defer close(w.done)
	seq, over := 0, false
	write := func(m outgoing) error {
		if e, ok := m.(*event); ok {
			if over {
				return nil
			}
			over = e.Event == "terminated"
		}
		seq++
		return w.write(to, seq, m)
	}
	for {
		select {
		case m := <-w.out:
			if write(m) != nil {
				return
			}
		case <-ctx.Done():
			for {
				select {
				case m := <-w.out:
					if write(m) != nil {
						return
					}
				default:
					return
				}
			}
		}
	}
}

func (w *writer) write(to io.Writer, seq int, m outgoing) error {
	m.number(seq)
	if r, ok := m.(*reverseRequest); ok && r.answer != nil {
		w.mu.Lock()
		w.waiting[seq] = r.answer
		w.mu.Unlock()
	}
	err := w.encode(m)
	if err != nil { // a body that cannot be written is our defect; the request still has its answer
		r, ok := m.(*response)
		if !ok {
			return nil
		}
		r.Success, r.Message, r.Body = false, err.Error(), nil
		if w.encode(r) != nil {
			return nil
		}
	}
	head := fmt.Appendf(nil, "Content-Length: %d\r\n\r\n", w.buf.Len()-headRoom)
	b := w.buf.Bytes()[headRoom-len(head):]
	copy(b, head)
	_, err = to.Write(b)
	if w.buf.Cap() > maxKept {
		w.buf = bytes.Buffer{}
	}
	return err
}

const (
	headRoom = 64      // before the content, for its header
	maxKept  = 1 << 20 // of the buffer between messages
)

// encode leaves the message's content in the buffer, behind room for its header.
func (w *writer) encode(m outgoing) error {
	w.buf.Reset()
	w.buf.Write(make([]byte, headRoom))
	to := json.NewEncoder(&w.buf)
	to.SetEscapeHTML(false)
	if err := to.Encode(m); err != nil {
		return err
	}
	w.buf.Truncate(w.buf.Len() - 1) // its line end
	return nil
}

// answered delivers the client's response to a reverse request.
func (w *writer) answered(m *incoming) {
	w.mu.Lock()
	c := w.waiting[m.RequestSeq]
	delete(w.waiting, m.RequestSeq)
	w.mu.Unlock()
	if c != nil {
		c <- m
	}
}
