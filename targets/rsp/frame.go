package rsp

import (
	"bufio"
	"errors"
	"fmt"
	"io"
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
	r     *bufio.Reader
	noise []byte
}

func newDecoder(r io.Reader) *decoder { return &decoder{r: bufio.NewReaderSize(r, 64<<10)} }

const maxNoise = 256

// next returns what comes next, skipping noise.
func (d *decoder) next() (received, error) {
	for {
		b, err := d.r.ReadByte()
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
	p := received{kind: kind, raw: []byte{kind}}
	sum := byte(0)
	for {
		b, err := d.r.ReadByte()
		if err != nil {
			return p, cutShort(err)
		}
		p.raw = append(p.raw, b)
		switch {
		case b == '#':
			return d.checksum(p, sum)
		case b == '$':
			p = received{kind: b, raw: []byte{b}}
			sum = 0
			continue
		case b == escape:
			c, err := d.r.ReadByte()
			if err != nil {
				return p, cutShort(err)
			}
			p.raw = append(p.raw, c)
			sum += b + c
			p.payload = append(p.payload, c^escapeXor)
		case b == repeat && len(p.payload) > 0:
			c, err := d.r.ReadByte()
			if err != nil {
				return p, cutShort(err)
			}
			p.raw = append(p.raw, c)
			sum += b + c
			last := p.payload[len(p.payload)-1]
			for n := int(c) - 29; n > 0; n-- {
				p.payload = append(p.payload, last)
			}
		default:
			sum += b
			p.payload = append(p.payload, b)
		}
		if len(p.payload) > maxPacket {
			return p, errTooLong
		}
	}
}

func (d *decoder) checksum(p received, sum byte) (received, error) {
	var c [2]byte
	if _, err := io.ReadFull(d.r, c[:]); err != nil {
		return p, cutShort(err)
	}
	p.raw = append(p.raw, c[:]...)
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
