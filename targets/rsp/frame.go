package rsp

import (
	"errors"
	"fmt"
	"io"
	"slices"
)

// maxPacket bounds a received packet, so that a far end cannot make us allocate
// without end. The largest known PacketSize is 128 KiB, run-length coded less.
const maxPacket = 16 << 20

const (
	interrupt = 0x03
	escape    = '}'
	escapeXor = 0x20
	repeat    = '*' // the count that follows is offset by 29
)

var errTooLong = fmt.Errorf("packet longer than %d bytes", maxPacket)

// frame appends payload as a packet: $payload#checksum. The payload's binary
// parts are escaped already.
func frame(dst []byte, payload string) []byte {
	dst = append(dst, '$')
	sum := byte(0)
	for i := 0; i < len(payload); i++ {
		sum += payload[i]
	}
	dst = append(dst, payload...)
	return append(dst, '#', hexDigits[sum>>4], hexDigits[sum&15])
}

// escaped returns data as the binary part of a packet.
func escaped(data []byte) []byte {
	out := make([]byte, 0, len(data)+8)
	for _, b := range data {
		if b == '$' || b == '#' || b == escape || b == repeat {
			out = append(out, escape, b^escapeXor)
		} else {
			out = append(out, b)
		}
	}
	return out
}

// received is one thing the far end sent: a packet, or a lone acknowledgement.
type received struct {
	kind    byte // '$' packet, '%' notification, '+', '-'
	payload []byte
	raw     []byte // as it was on the wire, for the trace
	damaged bool   // the checksum is wrong
}

// decoder reads packets off a wire. Bytes that belong to none are kept, up to a
// limit, to tell what answered when nothing else did.
type decoder struct {
	r      io.Reader
	buf    []byte // read, not yet decoded from at on
	at     int
	noise  []byte
	traced bool // raw bytes are wanted
	size   int  // of the last packet, what the next is expected to have
}

func newDecoder(r io.Reader) *decoder { return &decoder{r: r, buf: make([]byte, 0, 64<<10)} }

const (
	maxNoise  = 256
	maxExpect = 64 << 10
)

// fill makes sure that a byte can be had at d.at.
func (d *decoder) fill() error {
	for d.at == len(d.buf) {
		n, err := d.r.Read(d.buf[:cap(d.buf)])
		d.buf, d.at = d.buf[:n], 0
		if n == 0 && err != nil {
			return err
		}
	}
	return nil
}

func (d *decoder) readByte() (byte, error) {
	if err := d.fill(); err != nil {
		return 0, err
	}
	b := d.buf[d.at]
	d.at++
	return b, nil
}

// next returns what comes next, skipping noise.
func (d *decoder) next() (received, error) {
	for {
		b, err := d.readByte()
		if err != nil {
			return received{}, err
		}
		switch b {
		case '+', '-':
			return received{kind: b, raw: []byte{b}}, nil
		case '$', '%':
			return d.packet(b)
		}
		if len(d.noise) < maxNoise {
			d.noise = append(d.noise, b)
		}
	}
}

// packet reads on after the start byte. A start byte inside a packet means that
// the rest of the first one was lost.
func (d *decoder) packet(kind byte) (received, error) {
	p := received{kind: kind, raw: d.kept(nil, kind), payload: make([]byte, 0, min(d.size, maxExpect))}
	sum := byte(0)
	for len(p.payload) <= maxPacket {
		if err := d.fill(); err != nil {
			return p, cutShort(err)
		}
		sum += d.plain(&p)
		if d.at == len(d.buf) {
			continue
		}
		b, _ := d.readByte()
		p.raw = d.kept(p.raw, b)
		switch b {
		case '#':
			d.size = len(p.payload)
			return d.checksum(p, sum)
		case '$':
			p, sum = received{kind: b, raw: d.kept(nil, b)}, 0
			continue
		}
		c, err := d.readByte()
		if err != nil {
			return p, cutShort(err)
		}
		p.raw = d.kept(p.raw, c)
		sum += b + c
		if b == escape {
			p.payload = append(p.payload, c^escapeXor)
			continue
		}
		p.payload = extend(p.payload, int(c)-29)
	}
	return p, errTooLong
}

// extend repeats the last byte of p n times.
func extend(p []byte, n int) []byte {
	if n <= 0 {
		return p
	}
	was := len(p)
	p = slices.Grow(p, n)[:was+n]
	for i, last := was, p[was-1]; i < len(p); i++ {
		p[i] = last
	}
	return p
}

// plain takes in what is buffered up to the first byte that does not stand for
// itself, and returns its sum.
func (d *decoder) plain(p *received) (sum byte) {
	ahead, n := d.buf[d.at:], 0
	for n < len(ahead) {
		b := ahead[n]
		if b == '#' || b == '$' || b == escape || b == repeat && len(p.payload)+n > 0 {
			break
		}
		sum += b
		n++
	}
	p.payload = append(p.payload, ahead[:n]...)
	p.raw = d.kept(p.raw, ahead[:n]...)
	d.at += n
	return sum
}

// kept appends to what the trace wants to see.
func (d *decoder) kept(raw []byte, p ...byte) []byte {
	if !d.traced {
		return nil
	}
	return append(raw, p...)
}

func (d *decoder) checksum(p received, sum byte) (received, error) {
	var c [2]byte
	for i := range c {
		var err error
		if c[i], err = d.readByte(); err != nil {
			return p, cutShort(err)
		}
	}
	p.raw = d.kept(p.raw, c[:]...)
	hi, ok1 := nibble(c[0])
	lo, ok2 := nibble(c[1])
	p.damaged = !ok1 || !ok2 || hi<<4|lo != sum
	return p, nil
}

func cutShort(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
