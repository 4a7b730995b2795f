package wire

import (
	"bytes"
	"io"
	"sync"
)

// Dialect is what a Responder must know of a protocol.
type Dialect struct {
	// Split returns the length of the first whole message in p, 0 when p holds none.
	Split func(p []byte) int
	// Request reports whether a message asks for an answer (an
	// acknowledgement, say, does not).
	Request func(msg []byte) bool
	// Last reports whether in is the last message of the answer to req.
	Last func(req, in []byte) bool
	// Unknown is the answer to a request nobody recorded, nil for none.
	Unknown func(req []byte) []byte
}

// GDBPackets are the packets of GDB's remote protocol (GDB manual, "Overview"), of
// which each has one answer; what nobody recorded is not supported.
var GDBPackets = Dialect{
	Split: func(p []byte) int {
		if len(p) > 0 && p[0] != '$' {
			return 1
		}
		if i := bytes.IndexByte(p, '#'); i >= 0 && len(p) >= i+3 {
			return i + 3
		}
		return 0
	},
	Request: func(m []byte) bool { return m[0] == '$' },
	Last:    func(_, in []byte) bool { return in[0] == '$' },
	Unknown: func([]byte) []byte { return []byte("$#00") },
}

// Responder is a far end made of recorded answers: each request gets what it
// got in the recording, in any order. A request recorded several times gets its
// answers in turn, and the last of them ever after.
type Responder struct {
	d       Dialect
	answers map[string][][]byte

	mu      sync.Mutex
	cond    *sync.Cond
	partial []byte // of a message being written
	ready   []byte // to be read
	closed  bool
}

// NewResponder answers from trace.
func NewResponder(trace []Message, d Dialect) *Responder {
	r := &Responder{d: d, answers: map[string][][]byte{}}
	r.cond = sync.NewCond(&r.mu)
	type asked struct {
		req    []byte
		answer []byte
	}
	var open []*asked
	for _, m := range trace {
		switch {
		case m.Out && d.Request(m.Data):
			open = append(open, &asked{req: m.Data})
		case m.Out:
		case len(open) == 0: // before anything was asked: greets every client
			if !d.Request(m.Data) {
				continue
			}
			r.ready = append(r.ready, m.Data...)
		default:
			a := open[0]
			a.answer = append(a.answer, m.Data...)
			if d.Last(a.req, m.Data) {
				open = open[1:]
				r.answers[string(a.req)] = append(r.answers[string(a.req)], a.answer)
			}
		}
	}
	return r
}

// Write takes requests and makes their answers readable.
func (r *Responder) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return 0, io.ErrClosedPipe
	}
	r.partial = append(r.partial, p...)
	for {
		n := r.d.Split(r.partial)
		if n <= 0 || n > len(r.partial) {
			break
		}
		r.answer(r.partial[:n])
		r.partial = r.partial[n:]
	}
	r.cond.Broadcast()
	return len(p), nil
}

func (r *Responder) answer(req []byte) {
	if !r.d.Request(req) {
		return
	}
	key := string(req)
	switch known := r.answers[key]; {
	case len(known) > 1:
		r.ready = append(r.ready, known[0]...)
		r.answers[key] = known[1:]
	case len(known) == 1:
		r.ready = append(r.ready, known[0]...)
	case r.d.Unknown != nil:
		r.ready = append(r.ready, r.d.Unknown(req)...)
	}
}

// Read returns what has been answered, waiting for it.
func (r *Responder) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.ready) == 0 && !r.closed {
		r.cond.Wait()
	}
	if r.closed {
		return 0, io.EOF
	}
	n := copy(p, r.ready)
	r.ready = r.ready[n:]
	return n, nil
}

// Close hangs up. It is safe to call twice.
func (r *Responder) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.cond.Broadcast()
	return nil
}
