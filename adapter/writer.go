package adapter

import (
	"bytes"
	"context"
	"io"
	"strconv"
	"sync"
	"time"
)

// writer numbers messages and writes them in the order in which send was called:
// from the sender's goroutine, since waking another takes longer than a write, unless
// the client is slow to read; then from one of its own, for which the others wait in a
// queue. It is safe for many goroutines.
type writer struct {
	out  chan outgoing
	done chan struct{} // closed when nothing will be written any more
	to   io.Writer
	wait limited // to, where a write can be given a limit, else nil

	mu      sync.Mutex
	queued  int // messages in out or in run's hands; else what follows is guarded by mu
	seq     int
	over    bool      // terminated was written
	limit   time.Time // of writes, as it was set last; none when zero
	buf     []byte    // of the message that is being written
	answers sync.Mutex
	waiting map[int]chan<- *incoming // answers to reverse requests, by their seq; under answers
}

// limited is a stream whose writes can be given a limit.
type limited interface{ SetWriteDeadline(t time.Time) error }

// maxHeld is how long a sender is held up by its message at least, before another takes
// it over; at most it is twice as long, as the limit is not moved for each.
const maxHeld = 50 * time.Millisecond

func newWriter() *writer {
	return &writer{
		out:     make(chan outgoing, 256),
		done:    make(chan struct{}),
		waiting: map[int]chan<- *incoming{},
	}
}

// begin is called once, before the first send.
func (w *writer) begin(to io.Writer) {
	w.to = to
	if l, ok := to.(limited); ok && l.SetWriteDeadline(time.Time{}) == nil {
		w.wait = l
	}
}

// send writes m, or queues it; it gives m up when the writer has ended.
func (w *writer) send(m outgoing) {
	w.mu.Lock()
	select {
	case <-w.done:
		w.mu.Unlock()
		return
	default:
	}
	if w.queued == 0 && w.wait != nil {
		if rest := w.writeSoon(m); rest != nil {
			w.queued++
			w.out <- rest // which is empty; nobody may get in between
		}
		w.mu.Unlock()
		return
	}
	w.queued++
	w.mu.Unlock()
	select {
	case w.out <- m:
	case <-w.done:
	}
}

// unwritten is what is left of messages that were not taken in time.
type unwritten []byte

func (unwritten) number(int) {}

// writeSoon writes m unless that takes too long, and returns what is left of it;
// w.mu is held.
func (w *writer) writeSoon(m outgoing) unwritten {
	b := w.packed(m)
	if b == nil {
		return nil
	}
	if now := time.Now(); w.limit.Sub(now) < maxHeld {
		w.limit = now.Add(2 * maxHeld)
		w.wait.SetWriteDeadline(w.limit)
	}
	n, err := w.to.Write(b)
	if err == nil {
		return nil
	}
	return bytes.Clone(b[n:]) // run waits, or meets the error, too
}

// run writes what send could not, until ctx ends and what was queued by then is
// written, or until writing fails.
func (w *writer) run(ctx context.Context) {
	defer close(w.done)
	for {
		select {
		case m := <-w.out:
			if w.write(m) != nil {
				return
			}
		case <-ctx.Done():
			for {
				select {
				case m := <-w.out:
					if w.write(m) != nil {
						return
					}
				default:
					return
				}
			}
		}
	}
}

// write writes one message of the queue, and waits as long as that takes.
func (w *writer) write(m outgoing) error {
	if w.wait != nil {
		w.limit = time.Time{} // nobody else writes while something is queued
		w.wait.SetWriteDeadline(w.limit)
	}
	b, left := m.(unwritten)
	if !left {
		b = w.packed(m)
	}
	var err error
	if len(b) > 0 {
		_, err = w.to.Write(b)
	}
	w.mu.Lock()
	w.queued--
	w.mu.Unlock()
	return err
}

// packed is a message as it is written, or nil: what follows the end is not. It is
// good until the next call, and called by whoever may write.
func (w *writer) packed(m outgoing) []byte {
	if e, ok := m.(*event); ok {
		if w.over {
			return nil
		}
		w.over = e.Event == "terminated"
	}
	w.seq++
	m.number(w.seq)
	if r, ok := m.(*reverseRequest); ok && r.answer != nil {
		w.answers.Lock()
		w.waiting[w.seq] = r.answer
		w.answers.Unlock()
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
	var head [headRoom]byte
	h := append(strconv.AppendInt(append(head[:0], "Content-Length: "...), int64(len(w.buf)-headRoom), 10), "\r\n\r\n"...)
	b := w.buf[headRoom-len(h):]
	copy(b, h)
	if cap(w.buf) > maxKept {
		w.buf = nil
	}
	return b
}

const (
	headRoom = 64      // before the content, for its header
	maxKept  = 1 << 20 // of the buffer between messages
)

var room [headRoom]byte

// encode leaves the message's content in the buffer, behind room for its header.
func (w *writer) encode(m outgoing) error {
	e := encoder{b: append(w.buf[:0], room[:]...)}
	e.message(m)
	w.buf = e.b
	return e.err
}

// answered delivers the client's response to a reverse request.
func (w *writer) answered(m *incoming) {
	w.answers.Lock()
	c := w.waiting[m.RequestSeq]
	delete(w.waiting, m.RequestSeq)
	w.answers.Unlock()
	if c != nil {
		c <- m
	}
}
