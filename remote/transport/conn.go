package transport

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/yamux"
)

// Conn is a connection between two of us whose ends know each other. Either end opens
// streams, of kinds that the two agree on; all methods are safe for many goroutines.
type Conn struct {
	Address string // of the other end
	Client  string // at a server: who the client says it is
	Service string // the server's
	Title   string // at a client: what the server says of itself

	session *yamux.Session
	closed  func()
	once    sync.Once
	streams atomic.Int32 // that the other end has opened
	room    int32
}

// Times and sizes of a connection. A cut of cutLimit and less is survived.
const (
	window      = 512 << 10 // bytes of a stream on their way
	pingEvery   = 10 * time.Second
	cutLimit    = 15 * time.Second
	headerLimit = 10 * time.Second
	maxHeader   = 1 << 20 // bytes of a stream's request or answer
	maxStreams  = 64      // that the other end may have open
	maxHalves   = 1024    // that are open at one end at least
)

func newConn(raw net.Conn, server bool) (*Conn, error) {
	c := yamux.DefaultConfig()
	c.MaxStreamWindowSize, c.KeepAliveInterval, c.ConnectionWriteTimeout = window, pingEvery, cutLimit
	c.StreamOpenTimeout, c.StreamCloseTimeout, c.LogOutput = cutLimit, cutLimit, io.Discard
	start := yamux.Client
	if server {
		start = yamux.Server
	}
	s, err := start(&joined{Conn: raw}, c)
	if err != nil {
		return nil, err
	}
	return &Conn{Address: raw.RemoteAddr().String(), session: s, room: maxStreams}, nil
}

// joined sends a frame's header with its body, which yamux writes one after the other:
// a packet for each would wake the other end twice.
type joined struct {
	net.Conn
	header []byte
}

const yamuxHeader = 12 // version, type, flags (2), stream (4), length (4)

func (j *joined) Write(p []byte) (int, error) {
	if len(j.header) == 0 && len(p) == yamuxHeader && p[1] == 0 && binary.BigEndian.Uint32(p[8:]) > 0 {
		j.header = append(j.header, p...)
		return len(p), nil
	}
	if len(j.header) == 0 {
		return j.Conn.Write(p)
	}
	n, err := j.Conn.Write(append(j.header, p...))
	n = max(n-len(j.header), 0)
	j.header = j.header[:0]
	return n, err
}

// Close ends the connection and all of its streams.
func (c *Conn) Close() error {
	err := c.session.Close()
	c.once.Do(func() {
		if c.closed != nil {
			c.closed()
		}
	})
	return err
}

// Done is closed when the connection has ended, however.
func (c *Conn) Done() <-chan struct{} { return c.session.CloseChan() }

// Ping measures a round trip.
func (c *Conn) Ping() (time.Duration, error) { return c.session.Ping() }

// MaxReply bounds the reply to a call as JSON, bytes.
const MaxReply = maxHeader - 1<<10

// header begins a stream: what it is for, and what the opener asks. answer is the
// other end's word on it.
type header struct {
	Kind    string          `json:"kind"`
	Request json.RawMessage `json:"request,omitempty"`
}

type answer struct {
	Reply json.RawMessage `json:"reply,omitempty"`
	Error string          `json:"error,omitempty"`
	Hint  string          `json:"hint,omitempty"`
}

// Open opens a stream of a kind. request and reply are JSON values, nil for none. An
// *Error of the layer Service is the other end's refusal.
func (c *Conn) Open(ctx context.Context, kind string, request, reply any) (*Stream, error) {
	var h header
	h.Kind = kind
	if request != nil {
		text, err := json.Marshal(request)
		if err != nil {
			return nil, err
		}
		h.Request = text
	}
	ys, err := c.session.OpenStream()
	if err != nil {
		return nil, &Error{Layer: Service, What: "the connection to the server is lost", Err: err, Fix: "connect again"}
	}
	s := &Stream{Stream: ys}
	stop := context.AfterFunc(ctx, func() { s.Close() })
	defer stop()
	var a answer
	if err := sendJSON(s, h); err == nil {
		err = receiveJSON(s, &a)
		if err != nil {
			s.Close()
			return nil, errors.Join(ctx.Err(), &Error{Layer: Service, What: "the server did not answer", Err: err})
		}
	} else {
		s.Close()
		return nil, err
	}
	if a.Error != "" {
		s.Close()
		return nil, &Error{Layer: Service, What: printable(a.Error, 500), Fix: printable(a.Hint, 500)}
	}
	if reply != nil {
		if err := json.Unmarshal(a.Reply, reply); err != nil {
			s.Close()
			return nil, &Error{Layer: Protocol, What: "the server's answer to " + kind + " is not understood", Err: err}
		}
	}
	if !stop() {
		s.Close()
		return nil, ctx.Err()
	}
	return s, nil
}

// Call opens a stream for its reply alone.
func (c *Conn) Call(ctx context.Context, kind string, request, reply any) error {
	s, err := c.Open(ctx, kind, request, reply)
	if err != nil {
		return err
	}
	return s.Close()
}

// Call is a stream that the other end wants to open. One of Accept and Refuse must be
// called.
type Call struct {
	Kind    string
	Request json.RawMessage
	stream  *Stream
}

// Serve passes each stream that the other end opens to handle, in a goroutine of its
// own, until the connection ends or ctx does; it returns when all have returned.
func (c *Conn) Serve(ctx context.Context, handle func(context.Context, *Call)) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	for {
		ys, err := c.session.AcceptStream()
		if err != nil {
			return
		}
		if c.session.NumStreams() > maxHalves { // it closes none of those that we have closed
			return
		}
		s := &Stream{Stream: ys}
		if c.streams.Add(1) > c.room {
			c.streams.Add(-1)
			s.Close()
			continue
		}
		s.closed = func() { c.streams.Add(-1) }
		all.Go(func() {
			s.SetReadDeadline(time.Now().Add(headerLimit))
			var h header
			if err := receiveJSON(s, &h); err != nil {
				s.Close()
				return
			}
			s.SetReadDeadline(time.Time{})
			handle(ctx, &Call{Kind: h.Kind, Request: h.Request, stream: s})
		})
	}
}

// Accept opens the stream with a reply, nil for none.
func (c *Call) Accept(reply any) (*Stream, error) {
	var a answer
	if reply != nil {
		text, err := json.Marshal(reply)
		if err != nil {
			c.stream.Close()
			return nil, err
		}
		a.Reply = text
	}
	if err := sendJSON(c.stream, a); err != nil {
		c.stream.Close()
		return nil, err
	}
	return c.stream, nil
}

// Reply answers a call that wants no stream.
func (c *Call) Reply(reply any) {
	if s, err := c.Accept(reply); err == nil {
		s.Close()
	}
}

// Refuse tells why there is no stream.
func (c *Call) Refuse(err error) {
	a := answer{Error: err.Error()}
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		a.Hint = h.Hint()
	}
	sendJSON(c.stream, a)
	c.stream.Close()
}

// Stream is one of many over a Conn.
type Stream struct {
	*yamux.Stream
	closed func()
	once   sync.Once
}

// Close ends both directions; a Read that waits returns. What was written still arrives.
func (s *Stream) Close() error {
	err := s.Stream.Close()
	s.Stream.SetReadDeadline(time.Unix(1, 0))
	s.once.Do(func() {
		if s.closed != nil {
			s.closed()
		}
	})
	return err
}

// CloseWrite ends our direction: the other end reads to the end, and may still write.
func (s *Stream) CloseWrite() error { return s.Stream.Close() }

// Read returns net.ErrClosed after Close.
func (s *Stream) Read(p []byte) (int, error) {
	n, err := s.Stream.Read(p)
	if err == yamux.ErrTimeout {
		err = os.ErrDeadlineExceeded
	}
	return n, err
}

// sendJSON and receiveJSON are the header and the answer of a stream: a length of four
// bytes, and that many bytes of JSON.
func sendJSON(w io.Writer, m any) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if len(text) > maxHeader {
		return &Error{Layer: Service, What: fmt.Sprintf("a request of %d bytes is too long (limit %d)", len(text), maxHeader)}
	}
	_, err = w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...))
	return err
}

func receiveJSON(r io.Reader, m any) error {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n > maxHeader {
		return errForeign
	}
	var text bytes.Buffer // grows as bytes come, not as they are promised
	if _, err := io.CopyN(&text, r, int64(n)); err != nil {
		return err
	}
	return json.Unmarshal(text.Bytes(), m)
}
