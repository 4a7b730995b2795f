package kd

import (
	"bytes"
	"encoding/binary"
)

// Packet types.
const (
	typeManipulate   = 2
	typeDebugIO      = 3
	typeAcknowledge  = 4
	typeResend       = 5
	typeReset        = 6
	typeStateChange  = 7
	typeTraceIO      = 9
	typeControl      = 10
	typeFileIO       = 11
	typeStateChange1 = 1 // 32-bit layout of NT4's time
)

const (
	firstID   = 0x80800000
	syncID    = 0x800 // the sender began its streams anew
	breakIn   = 0x62  // a single byte outside packets
	trailer   = 0xaa
	headerLen = 16
	// maxPayload is what we accept; one public stub sends up to it. maxSent is
	// what every target accepts.
	maxPayload = 4096
	maxSent    = 4000
)

// packet is a whole data packet or a control packet.
type packet struct {
	control bool
	kind    uint16
	id      uint32
	data    []byte // of a data packet
}

func checksum(p []byte) uint32 {
	var sum uint32
	for _, b := range p {
		sum += uint32(b)
	}
	return sum
}

// encode is the packet as it stands on the wire.
func (p packet) encode() []byte {
	leader := byte(0x30)
	if p.control {
		leader = 0x69
	}
	out := bytes.Repeat([]byte{leader}, 4)
	out = binary.LittleEndian.AppendUint16(out, p.kind)
	out = binary.LittleEndian.AppendUint16(out, uint16(len(p.data)))
	out = binary.LittleEndian.AppendUint32(out, p.id)
	out = binary.LittleEndian.AppendUint32(out, checksum(p.data))
	if p.control {
		return out
	}
	return append(append(out, p.data...), trailer)
}

// receiver finds packets in a stream of bytes.
type receiver struct {
	leader byte // of the run of equal leader bytes seen
	run    int
	buf    []byte // from the type field on, once a leader was seen
}

// busy reports whether a packet has begun and is not complete.
func (r *receiver) busy() bool { return r.run > 0 }

// drop forgets a packet that does not go on.
func (r *receiver) drop() { r.run, r.buf = 0, r.buf[:0] }

// push takes one byte. It returns a packet when one is complete; bad says that
// one was complete or hopeless and is damaged.
func (r *receiver) push(b byte) (p packet, ok, bad bool) {
	if r.run < 4 {
		switch {
		case b != 0x30 && b != 0x69:
			r.run = 0
		case b == r.leader && r.run > 0:
			r.run++
		default:
			r.leader, r.run = b, 1
		}
		return p, false, false
	}
	r.buf = append(r.buf, b)
	if len(r.buf) < headerLen-4 {
		return p, false, false
	}
	p.control = r.leader == 0x69
	p.kind = binary.LittleEndian.Uint16(r.buf)
	n := int(binary.LittleEndian.Uint16(r.buf[2:]))
	p.id = binary.LittleEndian.Uint32(r.buf[4:])
	switch {
	case p.control:
		r.drop()
		ok = n == 0 && p.kind >= typeAcknowledge && p.kind <= typeReset
		return p, ok, !ok
	case n > maxPayload || !dataType(p.kind):
		r.drop()
		return p, false, true
	case len(r.buf) < headerLen-4+n+1:
		return p, false, false
	}
	body := r.buf[headerLen-4:]
	p.data = bytes.Clone(body[:n])
	ok = body[n] == trailer && checksum(p.data) == binary.LittleEndian.Uint32(r.buf[8:])
	r.drop()
	return p, ok, !ok
}

func dataType(kind uint16) bool {
	return kind >= typeStateChange1 && kind <= typeFileIO && (kind < typeAcknowledge || kind > typeReset)
}
