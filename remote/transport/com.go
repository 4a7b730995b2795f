package transport

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"dap-windbg/remote/line"
)

// A serial line has no connections, one client at a time could be heard, and bytes get
// lost on it. com: carries several channels over one line, each with one connection
// after the other: frames with a checksum, numbered, sent again until they are
// acknowledged (com_frame.go).

// hub is an open line and the channels that this process has on it.
type hub struct {
	device string
	line   line.Line
	baud   int

	writing sync.Mutex // frames are whole

	mu       sync.Mutex
	users    int
	closed   bool
	channels map[byte]*channel
}

// channel is one of a line's: a server waits on it, or a connection is there.
type channel struct {
	arrived chan *comConn // of a server: a client that nobody has taken yet; nil at a client
	conn    *comConn
}

// hubs are the lines that this process has open, by device: two servers may have
// channels of one line.
var hubs = struct {
	sync.Mutex
	open map[string]*hub
}{open: map[string]*hub{}}

// join opens the line of s, or finds it open, and takes the channel.
func join(ctx context.Context, s Spec, server bool) (*hub, *channel, error) {
	hubs.Lock()
	defer hubs.Unlock()
	h := hubs.open[s.Device]
	if h == nil {
		l, err := line.Open(ctx, line.Spec{Port: s.Device, Baud: s.Baud})
		if err != nil {
			e := &Error{Layer: Port, What: err.Error()}
			var hint interface{ Hint() string }
			if errors.As(err, &hint) {
				e.Fix = hint.Hint()
			}
			return nil, nil, e
		}
		h = &hub{device: s.Device, line: l, baud: max(s.Baud, 1200), channels: map[byte]*channel{}}
		hubs.open[s.Device] = h
		go h.read()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.channels[byte(s.Channel)] != nil {
		return nil, nil, &Error{Layer: Port, What: "com: " + s.where() + " is in use here", Fix: "choose another channel (0 to 254), the same at both ends"}
	}
	c := &channel{}
	if server {
		c.arrived = make(chan *comConn, 1)
	}
	h.channels[byte(s.Channel)] = c
	h.users++
	return h, c, nil
}

// leave gives the channel up, and the line with its last one.
func (h *hub) leave(number byte, c *channel) {
	hubs.Lock()
	defer hubs.Unlock()
	h.mu.Lock()
	if h.channels[number] == c {
		delete(h.channels, number)
	}
	h.users--
	last := h.users == 0
	h.mu.Unlock()
	if last {
		h.shut()
	}
}

// shut closes the line; hubs is locked.
func (h *hub) shut() {
	if hubs.open[h.device] == h {
		delete(hubs.open, h.device)
	}
	h.line.Close()
}

// read passes the frames that arrive to their channels, until the line ends.
func (h *hub) read() {
	var d deframer
	buf := make([]byte, 4096)
	for {
		n, err := h.line.Read(buf)
		for _, b := range buf[:n] {
			if f, ok := d.take(b); ok {
				h.frame(f)
			}
		}
		if err != nil {
			break
		}
	}
	hubs.Lock()
	h.shut()
	hubs.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for _, c := range h.channels {
		if c.conn != nil {
			go c.conn.die(net.ErrClosed)
		}
	}
}

// frame is one that arrived whole.
func (h *hub) frame(f frame) {
	h.mu.Lock()
	c := h.channels[f.channel]
	var conn *comConn
	if c != nil {
		conn = c.conn
	}
	h.mu.Unlock()
	switch {
	case c == nil || f.kind > lastKind:
		return
	case c.arrived != nil && f.kind == hail && (conn == nil || conn.session != f.session): // a new client; the one before is gone
		if conn != nil {
			conn.die(net.ErrClosed)
		}
		if conn = h.enter(c, f); conn == nil {
			return
		}
	case conn == nil || conn.session != f.session:
		return
	}
	conn.take(f)
}

// enter makes the connection that a hail asks for, nil when the server has gone
// meanwhile. It waits for the server, however long that takes to look: to say farewell to a
// client that hails again would end what it gets then, too.
func (h *hub) enter(c *channel, hail frame) *comConn {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.channels[hail.channel] != c {
		return nil
	}
	select {
	case <-c.arrived: // has died by now
	default:
	}
	c.conn = newComConn(h, hail.channel, hail.session, false)
	c.arrived <- c.conn
	return c.conn
}

// send writes a frame.
func (h *hub) send(f frame) error {
	h.writing.Lock()
	defer h.writing.Unlock()
	_, err := h.line.Write(f.encode())
	return err
}

// pause is how long an acknowledgement may take: what can be under way both ways, twice.
func (h *hub) pause() time.Duration {
	return 200*time.Millisecond + time.Duration(4*inFlight*maxPayload*10)*time.Second/time.Duration(h.baud)
}

// comListener waits for clients on a channel.
type comListener struct {
	h      *hub
	c      *channel
	number byte
	over   chan struct{}
	once   sync.Once
	addr   reverseAddr
}

func listenCom(ctx context.Context, s *Spec, _ bool) ([]net.Listener, error) {
	h, c, err := join(ctx, *s, true)
	if err != nil {
		return nil, err
	}
	return []net.Listener{&comListener{h: h, c: c, number: byte(s.Channel), over: make(chan struct{}), addr: reverseAddr(s.where())}}, nil
}

func (l *comListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.c.arrived:
		return conn, nil
	case <-l.over:
		return nil, net.ErrClosed
	}
}

// Close stops waiting. A connection that is there lives on; the line is kept for it.
func (l *comListener) Close() error {
	l.once.Do(func() {
		close(l.over)
		leave := func() { l.h.leave(l.number, l.c) }
		l.h.mu.Lock()
		conn := l.c.conn
		var waiting *comConn
		select {
		case waiting = <-l.c.arrived:
		default:
		}
		if conn == nil || conn == waiting { // nobody hails any more
			delete(l.h.channels, l.number)
		}
		l.h.mu.Unlock()
		if waiting != nil {
			waiting.die(net.ErrClosed)
		}
		if conn == nil || !conn.last(leave) {
			leave()
		}
	})
	return nil
}

func (l *comListener) Addr() net.Addr { return l.addr }

// dialCom hails the server until it answers.
func dialCom(ctx context.Context, s Spec) (net.Conn, error) {
	h, c, err := join(ctx, s, false)
	if err != nil {
		return nil, err
	}
	number := byte(s.Channel)
	conn := newComConn(h, number, [4]byte(random(4)), true)
	conn.last(func() { h.leave(number, c) })
	h.mu.Lock()
	c.conn = conn
	h.mu.Unlock()
	limit := time.NewTimer(reachLimit)
	defer limit.Stop()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		if err := h.send(frame{channel: number, kind: hail, session: conn.session}); err != nil {
			conn.die(err)
			return nil, &Error{Layer: Port, What: "Unable to write to " + s.Device, Err: err}
		}
		select {
		case <-conn.answered:
			return conn, nil
		case <-tick.C:
		case <-limit.C:
			conn.die(os.ErrDeadlineExceeded)
			return nil, &Error{Layer: Port, What: "no server answered at " + s.where(), Err: os.ErrDeadlineExceeded, Fix: "is it running there, with the same baud and channel, on the other end of this line?"}
		case <-ctx.Done():
			conn.die(ctx.Err())
			return nil, ctx.Err()
		}
	}
}
