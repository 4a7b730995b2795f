package rsp

import (
	"strings"
	"time"
)

func (c *Conn) reader() {
	defer c.done.Done()
	for {
		p, err := c.dec.next()
		if err != nil {
			c.fail(err)
			return
		}
		c.mu.Lock()
		c.receive(p)
		c.mu.Unlock()
	}
}

// receive sorts what came; c.mu is held.
func (c *Conn) receive(p received) {
	var head *request
	number := 0
	if c.sent > 0 {
		head = c.queue[0]
		number = head.flight.number
	}
	if p.kind != '$' {
		c.o.Trace.Message(false, 0, p.raw)
		if p.kind == '%' && !p.damaged {
			c.notified(p.payload)
		}
		if p.kind == '-' && c.serial && head != nil {
			c.emit(number, c.last)
		}
		return
	}
	c.o.Trace.Message(false, number, p.raw)
	if p.damaged && c.serial {
		c.emit(0, []byte{'-'})
		return
	}
	c.owed = c.serial
	if text, ok := outputOf(p.payload); ok {
		c.output(head, text)
		return
	}
	switch {
	case head == nil:
		c.o.Log.Debug().Bytes("packet", p.payload).Msg("a packet nobody asked for")
	case head.resume:
		if c.o.Journal != nil && looksLikeStop(p.payload) {
			c.o.Journal("stop")
		}
		c.ran(head, p.payload)
	case strings.HasPrefix(head.payload, "qSupported") && looksLikeStop(p.payload):
		c.o.Log.Debug().Bytes("packet", p.payload).Msg("a stop before the first question")
	default:
		c.reply(head, p.payload)
	}
}

// maxOutput bounds what is kept of a command's output, bytes.
const maxOutput = 16 << 20

// output takes in an O packet: of a command while one is under way, else of the
// debuggee. The far end waits for its acknowledgement; c.mu is held.
func (c *Conn) output(head *request, text []byte) {
	if head != nil && head.console {
		head.output.Write(text[:min(len(text), maxOutput-head.output.Len())])
		c.heard = time.Now()
	} else {
		c.say(string(text))
	}
	c.acknowledge()
}

// reply hands a reply to the request that waits for it; c.mu is held.
func (c *Conn) reply(head *request, p []byte) {
	c.pop()
	head.reply = p
	head.flight.open--
	c.heard = time.Now()
	if head.got != nil {
		head.got(p)
	}
	if head.vital && string(p) != "OK" {
		head.flight.refused = true
		c.holdUp(head.flight)
	}
	if head.flight.open == 0 {
		head.flight.ticked()
	}
	c.pump()
}

// pop removes the request whose reply came; c.mu is held.
func (c *Conn) pop() {
	c.queue = c.queue[1:]
	c.sent--
}

// outputOf decodes an O packet. OK is none.
func outputOf(p []byte) ([]byte, bool) {
	if len(p) < 3 || p[0] != 'O' {
		return nil, false
	}
	return unhex(p[1:])
}

// looksLikeStop tells a stop from an answer to qSupported.
func looksLikeStop(p []byte) bool {
	if len(p) < 3 || p[0] != 'T' && p[0] != 'S' {
		return false
	}
	_, a := nibble(p[1])
	_, b := nibble(p[2])
	return a && b
}
