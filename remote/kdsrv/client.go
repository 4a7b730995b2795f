package kdsrv

import (
	"context"
	"io"
	"sync"

	"dap-windbg/remote/line"
	"dap-windbg/remote/transport"
)

// Line is a line of a server's machine. Each Read returns bytes of one frame.
type Line struct {
	Name   string // as its machine calls it
	conn   *transport.Conn
	stream *transport.Stream
	out    *writer
	notify func(Event)
	once   sync.Once
	rest   []byte // of the frame being read
}

var _ line.Line = (*Line)(nil)

// Event tells what became of a line.
type Event struct {
	Away, Back bool   // it went, it is there again
	Text       string // why it went, or what the user should know
}

// Open opens a line over conn, which it owns from now on, also when it fails. notify
// is told of events while the line is read; it must not block, and may be nil.
func Open(ctx context.Context, conn *transport.Conn, r Request, notify func(Event)) (*Line, error) {
	if notify == nil {
		notify = func(Event) {}
	}
	var reply Opened
	stream, err := conn.Open(ctx, kindLine, r, &reply)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return &Line{Name: reply.Name, conn: conn, stream: stream, out: &writer{w: stream}, notify: notify}, nil
}

// Read waits for bytes of the line; while it is away none come.
func (l *Line) Read(p []byte) (int, error) {
	for len(l.rest) == 0 {
		kind, b, err := receive(l.stream)
		if err != nil {
			return 0, err
		}
		switch kind {
		case frameData:
			l.rest = b
		case frameAway:
			l.notify(Event{Away: true, Text: string(b)})
		case frameBack:
			l.notify(Event{Back: true})
		case frameNote:
			l.notify(Event{Text: string(b)})
		}
	}
	n := copy(p, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}

// Write sends p as one frame.
func (l *Line) Write(p []byte) (int, error) {
	if err := l.out.send(frameData, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// SendBreak sends a break, where the line has one.
func (l *Line) SendBreak() error { return l.out.send(frameBreak, nil) }

// Close gives the line back.
func (l *Line) Close() error {
	l.once.Do(func() {
		l.stream.Close()
		l.conn.Close()
	})
	return nil
}

var _ io.ReadWriteCloser = (*Line)(nil)
