package transport

import (
	"encoding/binary"
	"hash/crc32"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// A frame on a serial line: between two flags, with the bytes escaped that relays and
// drivers are known to change or to take for themselves.
type frame struct {
	channel byte
	kind    byte
	session [4]byte // the client's choice: frames of a connection before mean nothing
	seq     uint16  // of payload, when there is any
	ack     uint16  // the next number that is expected
	payload []byte
}

// Kinds of frames.
const (
	hail     = iota // the client: are you there?
	welcome         // the server: yes
	data            // payload, or an acknowledgement alone
	farewell        // no more comes
	lastKind = farewell
)

const (
	flag, escape = 0x7e, 0x7d
	frameHead    = 10
	maxPayload   = 256
	inFlight     = 8 // frames that are not acknowledged
	maxRead      = 64 << 10
	retries      = 20 // without progress, then the connection is lost
)

// escaped are the bytes that do not travel as they are.
func escaped(b byte) bool {
	switch b {
	case flag, escape, '\n', '\r', 0x11, 0x13: // the last two are XON and XOFF
		return true
	}
	return false
}

func (f frame) encode() []byte {
	head := append([]byte{f.channel, f.kind}, f.session[:]...)
	head = binary.BigEndian.AppendUint16(head, f.seq)
	head = binary.BigEndian.AppendUint16(head, f.ack)
	body := append(head, f.payload...)
	body = binary.BigEndian.AppendUint32(body, crc32.ChecksumIEEE(body))
	out := []byte{flag}
	for _, b := range body {
		if escaped(b) {
			out = append(out, escape, b^0x20)
		} else {
			out = append(out, b)
		}
	}
	return append(out, flag)
}

// deframer finds frames in a stream of bytes.
type deframer struct {
	body    []byte
	escaped bool
	skip    bool // the frame is too long
}

func (d *deframer) take(b byte) (frame, bool) {
	switch {
	case b == flag:
		f, ok := decode(d.body)
		ok = ok && !d.skip && !d.escaped
		d.body, d.escaped, d.skip = d.body[:0], false, false
		return f, ok
	case b == escape:
		d.escaped = true
		return frame{}, false
	case d.escaped:
		b ^= 0x20
		d.escaped = false
	}
	if len(d.body) == frameHead+maxPayload+4 {
		d.skip = true
		return frame{}, false
	}
	d.body = append(d.body, b)
	return frame{}, false
}

func decode(body []byte) (frame, bool) {
	n := len(body) - 4
	if n < frameHead || crc32.ChecksumIEEE(body[:n]) != binary.BigEndian.Uint32(body[n:]) {
		return frame{}, false
	}
	f := frame{channel: body[0], kind: body[1], session: [4]byte(body[2:6]), seq: binary.BigEndian.Uint16(body[6:]), ack: binary.BigEndian.Uint16(body[8:])}
	f.payload = append([]byte(nil), body[frameHead:n]...)
	return f, true
}

// comConn is a connection over a channel.
type comConn struct {
	h        *hub
	channel  byte
	session  [4]byte
	client   bool
	answered chan struct{} // at a client: the server has
	over     chan struct{}

	mu       sync.Mutex
	changed  *sync.Cond
	unacked  [][]byte // from base on
	base     uint16   // the oldest number that is not acknowledged
	expected uint16
	in       []byte
	ended    bool // the other end sends no more
	err      error
	heard    bool // an acknowledgement since the last look
	readBy   time.Time
	writeBy  time.Time
	timers   [2]*time.Timer
	leave    func()
}

func newComConn(h *hub, channel byte, session [4]byte, client bool) *comConn {
	c := &comConn{h: h, channel: channel, session: session, client: client, answered: make(chan struct{}), over: make(chan struct{})}
	c.changed = sync.NewCond(&c.mu)
	go c.repeat()
	return c
}

// last has f called when the connection has ended; false when it has already.
func (c *comConn) last(f func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return false
	}
	c.leave = f
	return true
}

// take is a frame of this connection.
func (c *comConn) take(f frame) {
	c.mu.Lock()
	switch f.kind {
	case hail:
		c.mu.Unlock()
		c.h.send(frame{channel: c.channel, kind: welcome, session: c.session})
		return
	case welcome:
		select {
		case <-c.answered:
		default:
			close(c.answered)
		}
	case farewell:
		c.ended = true
	case data:
		for acked := f.ack - c.base; acked > 0 && int(acked) <= len(c.unacked); acked-- {
			c.unacked, c.base, c.heard = c.unacked[1:], c.base+1, true
		}
		if len(f.payload) > 0 {
			if f.seq == c.expected && len(c.in)+len(f.payload) <= maxRead {
				c.in = append(c.in, f.payload...)
				c.expected++
			}
			ack := frame{channel: c.channel, kind: data, session: c.session, ack: c.expected}
			c.changed.Broadcast()
			c.mu.Unlock()
			c.h.send(ack)
			return
		}
	}
	c.changed.Broadcast()
	c.mu.Unlock()
}

// repeat sends again what is not acknowledged in time.
func (c *comConn) repeat() {
	tick := time.NewTicker(c.h.pause())
	defer tick.Stop()
	silent := 0
	for {
		select {
		case <-c.over:
			return
		case <-tick.C:
		}
		c.mu.Lock()
		again := c.heardNothing()
		c.mu.Unlock()
		if len(again) == 0 {
			silent = 0
			continue
		}
		if silent++; silent > retries {
			c.die(os.ErrDeadlineExceeded)
			return
		}
		for _, f := range again {
			c.h.send(f)
		}
	}
}

// heardNothing are the frames to be sent again; c.mu is held.
func (c *comConn) heardNothing() []frame {
	if c.heard {
		c.heard = false
		return nil
	}
	var out []frame
	for i, p := range c.unacked {
		out = append(out, frame{channel: c.channel, kind: data, session: c.session, seq: c.base + uint16(i), ack: c.expected, payload: p})
	}
	return out
}

// Read waits for bytes, the end of the other side, a deadline or Close.
func (c *comConn) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.in) == 0 {
		switch {
		case c.err != nil:
			return 0, c.err
		case c.ended:
			return 0, io.EOF
		case late(c.readBy):
			return 0, os.ErrDeadlineExceeded
		}
		c.changed.Wait()
	}
	n := copy(p, c.in)
	c.in = c.in[n:]
	return n, nil
}

func late(t time.Time) bool { return !t.IsZero() && !time.Now().Before(t) }

// Write sends in pieces, and waits while too many are under way.
func (c *comConn) Write(p []byte) (int, error) {
	sent := 0
	for sent < len(p) {
		piece := append([]byte(nil), p[sent:min(sent+maxPayload, len(p))]...)
		c.mu.Lock()
		for len(c.unacked) >= inFlight && c.err == nil && !late(c.writeBy) {
			c.changed.Wait()
		}
		if c.err != nil || late(c.writeBy) {
			err := c.err
			c.mu.Unlock()
			if err == nil {
				err = os.ErrDeadlineExceeded
			}
			return sent, err
		}
		f := frame{channel: c.channel, kind: data, session: c.session, seq: c.base + uint16(len(c.unacked)), ack: c.expected, payload: piece}
		c.unacked = append(c.unacked, piece)
		c.mu.Unlock()
		if err := c.h.send(f); err != nil {
			c.die(err)
			return sent, err
		}
		sent += len(piece)
	}
	return sent, nil
}

// drainTime is how long Close waits for what was written to arrive: some of it may have
// to be sent again.
func (h *hub) drainTime() time.Duration { return min(3*h.pause(), handshakeLimit) }

// Close says farewell once what was written has arrived, or will not.
func (c *comConn) Close() error {
	limit := c.h.drainTime()
	timer := time.AfterFunc(limit, c.changed.Broadcast)
	defer timer.Stop()
	by := time.Now().Add(limit)
	c.mu.Lock()
	for len(c.unacked) > 0 && c.err == nil && !c.ended && !late(by) {
		c.changed.Wait()
	}
	c.mu.Unlock()
	c.die(net.ErrClosed)
	return nil
}

// die ends the connection with err.
func (c *comConn) die(err error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.err = err
	leave := c.leave
	close(c.over)
	c.changed.Broadcast()
	c.mu.Unlock()
	c.h.send(frame{channel: c.channel, kind: farewell, session: c.session})
	c.h.mu.Lock()
	if ch := c.h.channels[c.channel]; ch != nil && ch.conn == c {
		ch.conn = nil
	}
	c.h.mu.Unlock()
	if leave != nil {
		leave()
	}
}

// SetDeadline, SetReadDeadline and SetWriteDeadline are net.Conn's.
func (c *comConn) SetDeadline(t time.Time) error {
	c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}

// SetReadDeadline bounds Read.
func (c *comConn) SetReadDeadline(t time.Time) error { return c.deadline(0, &c.readBy, t) }

// SetWriteDeadline bounds Write.
func (c *comConn) SetWriteDeadline(t time.Time) error { return c.deadline(1, &c.writeBy, t) }

func (c *comConn) deadline(which int, by *time.Time, t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	*by = t
	if c.timers[which] != nil {
		c.timers[which].Stop()
	}
	if !t.IsZero() {
		c.timers[which] = time.AfterFunc(time.Until(t), c.changed.Broadcast)
	}
	c.changed.Broadcast()
	return nil
}

// LocalAddr and RemoteAddr name the line.
func (c *comConn) LocalAddr() net.Addr { return reverseAddr(c.h.device) }

// RemoteAddr is the same line's other end.
func (c *comConn) RemoteAddr() net.Addr { return reverseAddr(c.h.device) }
