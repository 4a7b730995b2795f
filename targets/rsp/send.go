package rsp

import (
	"net"
	"strings"
	"time"
)

// pump lets leave what may; c.mu is held.
func (c *Conn) pump() {
	one := c.serial || c.kind.single
	heard := c.sent == 0 && len(c.out) == 0 && !c.writing
	var told []string
	for c.sent < len(c.queue) && (!one || c.sent == 0) {
		r := c.queue[c.sent]
		if r.resume && r.flight.refused && one {
			c.queue = append(c.queue[:c.sent:c.sent], c.queue[c.sent+1:]...)
			c.run.t.motion = nil
			c.endRun()
			r.flight.ticked()
			continue
		}
		packet := frame(nil, r.payload)
		c.last = packet
		if e := journalled(r); e != "" {
			told = append(told, e)
		}
		c.put(r.flight.number, packet)
		if r.resume {
			c.gone()
		}
		c.sent++
		if r.resume && c.run != nil && c.run.interrupts > 0 && !c.strike(c.run) {
			c.put(c.flightNumber(), []byte{interrupt})
		}
	}
	if len(told) > 0 && c.o.Journal != nil {
		c.o.Journal(strings.Join(told, "\n"))
	}
	c.depart(heard)
}

// maxDirect is what any kernel takes of a socket whose other end has read all
// before, bytes.
const maxDirect = 4096

// maxHeld is how long a write may take all the same, of a far end that answers
// without reading: nobody else can do anything meanwhile. It is twice as long at most,
// as the limit is not moved for each write.
const maxHeld = 100 * time.Millisecond

// limited is a wire whose writes can be given a limit.
type limited interface{ SetWriteDeadline(t time.Time) error }

// buffered is rw where the kernel takes small writes at once, as it or what is behind it
// says, else nil.
func buffered(rw any) limited {
	switch rw := rw.(type) {
	case *net.TCPConn:
		return rw
	case *net.UnixConn:
		return rw
	case interface{ Socket() net.Conn }:
		return buffered(rw.Socket())
	}
	return nil
}

// depart has written what is to be: by the caller where that cannot wait, since the
// far end heard (answered) everything before, else by the writer. Each goroutine in
// between takes as long as the wire itself; c.mu is held.
func (c *Conn) depart(heard bool) {
	if len(c.out) == 0 {
		return
	}
	if heard && c.direct != nil && len(c.out) <= maxDirect && c.err == nil {
		if now := time.Now(); c.limit.Sub(now) < maxHeld {
			c.limit = now.Add(2 * maxHeld)
			c.direct.SetWriteDeadline(c.limit)
		}
		if n, err := c.rw.Write(c.out); err == nil {
			c.out = c.out[:0]
			return
		} else {
			c.out = c.out[n:] // the writer waits, or meets the error, too
		}
	}
	select {
	case c.toSend <- struct{}{}:
	default:
	}
}

// journalled is the journal's entry of a request that is about to leave, or "".
func journalled(r *request) string {
	switch {
	case r.resume:
		return "run"
	case r.payload[0] == 'Z' || r.payload[0] == 'z':
		trap, _, _ := strings.Cut(r.payload, ";") // without its condition
		return trap
	}
	return ""
}

func (c *Conn) flightNumber() int { c.flights++; return c.flights }

// emit hands bytes to the writer; c.mu is held.
func (c *Conn) emit(flight int, p []byte) {
	c.put(flight, p)
	c.depart(false)
}

// put adds bytes to what is to be written, an owed acknowledgement first; c.mu is held.
func (c *Conn) put(flight int, p []byte) {
	if c.owed {
		c.owed = false
		c.o.Trace.Message(true, 0, []byte{'+'})
		c.out = append(c.out, '+')
	}
	c.o.Trace.Message(true, flight, p)
	c.out = append(c.out, p...)
}

// acknowledge sends an owed acknowledgement without waiting for a request.
func (c *Conn) acknowledge() {
	if c.owed {
		c.owed = false
		c.emit(0, []byte{'+'})
	}
}

func (c *Conn) writer() {
	defer c.done.Done()
	defer close(c.written)
	for leaving := false; !leaving; {
		select {
		case <-c.toSend:
		case <-c.leave:
			leaving = true
		case <-c.lost:
			return
		}
		c.mu.Lock()
		p := c.out
		c.out, c.writing = nil, len(p) > 0
		if c.writing {
			c.limit = time.Time{}
		}
		c.mu.Unlock()
		if len(p) == 0 {
			continue
		}
		if c.direct != nil {
			c.direct.SetWriteDeadline(time.Time{}) // who waits for the answer has a limit
		}
		if _, err := c.rw.Write(p); err != nil {
			c.fail(err)
			return
		}
		c.mu.Lock()
		c.writing = false
		c.mu.Unlock()
	}
}
