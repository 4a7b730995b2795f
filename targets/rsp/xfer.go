package rsp

import (
	"context"
	"errors"

	"dap-windbg/targets"
)

// maxObject bounds what one qXfer object may grow to.
const maxObject = 64 << 20

// xfer reads one object of the far end (qXfer). Its first piece joins any
// flight; what does not fit follows in flights of its own.
type xfer struct {
	c             *Conn
	object, annex string
	missing       bool // the far end did not offer it
	data          []byte
	err           error // a refusal
	whole         bool
	ahead         []*request
	at            []int // offsets of ahead
	size          int   // asked for in each
}

func (c *Conn) xfer(object, annex string) *xfer {
	return &xfer{c: c, object: object, annex: annex, missing: !c.has(object)}
}

func (x *xfer) piece(at, size int) {
	x.ahead = append(x.ahead, ask("qXfer:%s:read:%s:%x,%x", x.object, x.annex, at, size))
	x.at, x.size = append(x.at, at), size
}

// begin returns the request for the first piece, none when the object is missing.
func (x *xfer) begin() []*request {
	if x.missing {
		x.whole, x.err = true, errors.ErrUnsupported
		return nil
	}
	x.piece(0, x.c.packetSize-8)
	return x.ahead
}

// ahead of long objects this many pieces travel at once.
const pieces = 8

// more takes in the replies and returns the next requests, none at the end.
// Later pieces are half as long, so that a reply cannot be cut by escaping and
// the offsets of all are known beforehand.
func (x *xfer) more() []*request {
	for i, r := range x.ahead {
		if x.whole || x.err != nil {
			break
		}
		x.take(r, x.at[i])
	}
	x.ahead, x.at = nil, nil
	if x.whole || x.err != nil {
		return nil
	}
	size, n := (x.c.packetSize-8)/2, pieces
	if x.c.oneByOne() { // nothing is won by asking ahead
		size, n = x.c.packetSize-8, 1
	}
	for i := range n {
		x.piece(len(x.data)+i*size, size)
	}
	return x.ahead
}

func (x *xfer) take(r *request, at int) {
	p := r.reply
	switch {
	case at != len(x.data): // an earlier piece came short: ask again
	case len(p) == 0:
		x.err = errors.ErrUnsupported
	case isError(p):
		x.err = refusal("reading "+x.object, p)
	case p[0] == 'l':
		x.data, x.whole = append(x.data, p[1:]...), true
	case p[0] == 'm' && len(p) > 1 && len(x.data)+len(p) <= maxObject:
		x.data = append(x.data, p[1:]...)
	default:
		x.err = &targets.ProtocolError{Op: "reading " + x.object, Sent: r.payload, Got: string(p)}
	}
}

// rest finishes objects whose first piece has been answered.
func (c *Conn) rest(ctx context.Context, settling bool, objects ...*xfer) error {
	for {
		var reqs []*request
		for _, x := range objects {
			reqs = append(reqs, x.more()...)
		}
		if len(reqs) == 0 {
			return nil
		}
		if err := c.exchangeAs(ctx, settling, reqs); err != nil {
			return err
		}
	}
}

// read reads one whole object.
func (c *Conn) read(ctx context.Context, settling bool, object, annex string) ([]byte, error) {
	x := c.xfer(object, annex)
	if reqs := x.begin(); len(reqs) > 0 {
		if err := c.exchangeAs(ctx, settling, reqs); err != nil {
			return nil, err
		}
	}
	if err := c.rest(ctx, settling, x); err != nil {
		return nil, err
	}
	return x.data, x.err
}
