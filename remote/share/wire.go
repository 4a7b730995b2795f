package share

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// Kinds of streams of a shared session: "window" carries messages of command windows,
// "editor" the Debug Adapter Protocol.
const (
	kindWindow = "window"
	kindEditor = "editor"
)

// Service is a shared session's name among the servers of the transport.
const Service = "session"

// A message of a command window is a letter, a length of four bytes and so much text.
type letter byte

const (
	// From the session.
	printed   letter = 'o' // text
	ready     letter = 'p' // JSON of readiness: the prompt
	completed letter = 'c' // JSON of candidates
	parted    letter = 'e' // why the session, or the client's part in it, is over

	// From the client.
	typed    letter = 'l' // a line
	breaking letter = 'i' // Ctrl+C
	asking   letter = 'a' // the beginning of a line, to be completed
)

// maxText bounds a message, bytes: a client's lines are much shorter.
const maxText = 1 << 20

// readiness tells a window that so many of its lines are done, and what the prompt is.
type readiness struct {
	Done   int    `json:"done"`
	Prompt string `json:"prompt"`
	Busy   bool   `json:"busy"` // the debuggee runs
}

// candidate is a completion.
type candidate struct {
	Text string `json:"text"`
	From int    `json:"from"`
	Help string `json:"help,omitempty"`
}

var errForeign = errors.New("the other end says what is no message of a command window")

func send(w io.Writer, l letter, text []byte) error {
	for len(text) > maxText { // only output is ever as long
		if err := send(w, l, text[:maxText]); err != nil {
			return err
		}
		text = text[maxText:]
	}
	b := binary.BigEndian.AppendUint32([]byte{byte(l)}, uint32(len(text)))
	_, err := w.Write(append(b, text...))
	return err
}

func sendJSON(w io.Writer, l letter, m any) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return send(w, l, text)
}

// receive reads a message of at most limit bytes.
func receive(r io.Reader, limit int) (letter, []byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n > uint32(limit) {
		return 0, nil, fmt.Errorf("%w: it has %d bytes", errForeign, n)
	}
	text := make([]byte, n)
	_, err := io.ReadFull(r, text)
	return letter(head[0]), text, err
}

// pump is a stream whose Write never waits: what the other end does not take gathers
// here, and when that is too much the stream is closed.
type pump struct {
	io.ReadWriteCloser
	limit int
	slow  func() // told, once, of a client that takes too little

	mu    sync.Mutex
	held  []byte
	sent  int           // bytes that are being written
	room  chan struct{} // closed when less waits, nil while nobody asks
	over  bool
	err   error
	work  chan struct{}
	empty chan struct{} // closed when the writer has ended
}

var errSlow = errors.New("the client reads too slowly")

func newPump(rw io.ReadWriteCloser, limit int, slow func()) *pump {
	p := &pump{ReadWriteCloser: rw, limit: limit, slow: slow, work: make(chan struct{}, 1), empty: make(chan struct{})}
	go p.run()
	return p
}

func (p *pump) Write(b []byte) (int, error) {
	p.mu.Lock()
	if p.err == nil && p.over {
		p.err = io.ErrClosedPipe
	}
	if err := p.err; err != nil {
		p.mu.Unlock()
		return 0, err
	}
	if len(p.held)+len(b) > p.limit {
		p.err = errSlow
		p.held = nil
		p.mu.Unlock()
		p.slow()
		p.ReadWriteCloser.Close()
		return 0, errSlow
	}
	p.held = append(p.held, b...)
	p.mu.Unlock()
	p.wake()
	return len(b), nil
}

// roomy is how much may wait where more is made.
const roomy = 1 << 20

// Room waits until no more than roomy waits for the client, until it is let go, or until
// ctx ends.
func (p *pump) Room(ctx context.Context) {
	for {
		p.mu.Lock()
		if len(p.held)+p.sent <= roomy || p.err != nil {
			p.mu.Unlock()
			return
		}
		if p.room == nil {
			p.room = make(chan struct{})
		}
		room := p.room
		p.mu.Unlock()
		select {
		case <-room:
		case <-p.empty:
			return
		case <-ctx.Done():
			return
		}
	}
}

func (p *pump) wake() {
	select {
	case p.work <- struct{}{}:
	default:
	}
}

func (p *pump) run() {
	defer close(p.empty)
	for range p.work {
		for {
			p.mu.Lock()
			b, over, err := p.held, p.over, p.err
			p.held, p.sent = nil, len(b)
			if p.room != nil {
				close(p.room)
				p.room = nil
			}
			p.mu.Unlock()
			if err != nil || len(b) == 0 && over {
				return
			}
			if len(b) == 0 {
				break
			}
			if _, err := p.ReadWriteCloser.Write(b); err != nil {
				p.mu.Lock()
				p.err = err
				p.mu.Unlock()
				return
			}
		}
	}
}

// lastWords bounds how long Close waits for the client to take what is left.
const lastWords = time.Second

// Close sends what is left, if the client takes it soon, and closes the stream.
func (p *pump) Close() error {
	p.mu.Lock()
	p.over = true
	p.mu.Unlock()
	p.wake()
	t := time.NewTimer(lastWords)
	defer t.Stop()
	select {
	case <-p.empty:
	case <-t.C:
	}
	return p.ReadWriteCloser.Close()
}
