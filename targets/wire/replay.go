package wire

import (
	"bytes"
	"fmt"
	"io"
	"sync"
)

// MismatchError: a replayed wire was sent something else than was recorded.
type MismatchError struct {
	Message int // index of the recorded message, or len when the trace was over
	Want    []byte
	Got     []byte
}

func (e *MismatchError) Error() string {
	return fmt.Sprintf("message %d of the trace: sent %.120q, recorded %.120q", e.Message, e.Got, e.Want)
}

// Replay is the recorded far end of a wire. What is written must be what was
// recorded, byte for byte but in pieces of any size; what was received can be
// read once everything recorded before it has been written. When the trace is
// over reads wait until Close, then end with io.EOF.
type Replay struct {
	mu     sync.Mutex
	cond   *sync.Cond
	trace  []Message
	next   int // message being written or read
	offset int // bytes of it done
	err    error
	closed bool
	cut    bool
}

// NewReplay plays trace back. With cut the far end hangs up after the last message.
func NewReplay(trace []Message, cut bool) *Replay {
	r := &Replay{trace: trace, cut: cut}
	r.cond = sync.NewCond(&r.mu)
	return r
}

// Write checks p against the recording. A client may send ahead of replies it
// has not read yet, as it could on the real wire.
func (r *Replay) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.cond.Broadcast()
	n := 0
	for n < len(p) {
		if r.closed {
			return n, io.ErrClosedPipe
		}
		if r.err != nil {
			return n, r.err
		}
		at := r.next
		for at < len(r.trace) && !r.trace[at].Out {
			at++
		}
		if at != r.next { // replies are still unread: wait until they have been
			if at == len(r.trace) {
				r.err = &MismatchError{Message: at, Got: bytes.Clone(p[n:])}
				return n, r.err
			}
			r.cond.Wait()
			continue
		}
		if at == len(r.trace) {
			r.err = &MismatchError{Message: at, Got: bytes.Clone(p[n:])}
			return n, r.err
		}
		want := r.trace[at].Data[r.offset:]
		k := min(len(want), len(p)-n)
		if !bytes.Equal(want[:k], p[n:n+k]) {
			r.err = &MismatchError{Message: at, Want: r.trace[at].Data, Got: bytes.Clone(p[n:])}
			return n, r.err
		}
		n += k
		r.advance(k)
		r.cond.Broadcast()
	}
	return n, nil
}

func (r *Replay) advance(k int) {
	r.offset += k
	if r.offset >= len(r.trace[r.next].Data) {
		r.next, r.offset = r.next+1, 0
	}
}

// Read returns what the far end said next.
func (r *Replay) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		switch {
		case r.closed:
			return 0, io.EOF
		case r.err != nil:
			return 0, r.err
		case r.next == len(r.trace) && r.cut:
			return 0, io.EOF
		case r.next < len(r.trace) && !r.trace[r.next].Out:
			m := r.trace[r.next].Data
			n := copy(p, m[r.offset:])
			r.advance(n)
			r.cond.Broadcast()
			if n > 0 || len(p) == 0 {
				return n, nil
			}
		default:
			r.cond.Wait()
		}
	}
}

// Close hangs up. It is safe to call twice.
func (r *Replay) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.cond.Broadcast()
	return nil
}

// Done reports whether the whole trace was played, and what went wrong.
func (r *Replay) Done() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return r.err
	}
	if r.next < len(r.trace) {
		return fmt.Errorf("%d of %d recorded messages were not played; the next is %s", len(r.trace)-r.next, len(r.trace), r.trace[r.next])
	}
	return nil
}
