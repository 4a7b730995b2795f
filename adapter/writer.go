package adapter

import (
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
	content, err := json.Marshal(m)
	if err != nil { // a body that cannot be written is our defect; the request still has its answer
		r, ok := m.(*response)
		if !ok {
			return nil
		}
		r.Success, r.Message, r.Body = false, err.Error(), nil
		if content, err = json.Marshal(r); err != nil {
			return nil
		}
	}
	b := make([]byte, 0, len(content)+32)
	b = fmt.Appendf(b, "Content-Length: %d\r\n\r\n", len(content))
	_, err = to.Write(append(b, content...))
	return err
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
