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

const (
	dataLeader    = 0x30
	controlLeader = 0x69
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

// body is the packet without a trailer, as a datagram holds it.
func (p packet) body() []byte {
	leader := byte(dataLeader)
	if p.control {
		leader = controlLeader
	}
	out := bytes.Repeat([]byte{leader}, 4)
	out = binary.LittleEndian.AppendUint16(out, p.kind)
	out = binary.LittleEndian.AppendUint16(out, uint16(len(p.data)))
	out = binary.LittleEndian.AppendUint32(out, p.id)
	out = binary.LittleEndian.AppendUint32(out, checksum(p.data))
	return append(out, p.data...)
}

// encode is the packet as it stands on a serial line.
func (p packet) encode() []byte {
	if p.control {
		return p.body()
	}
	return append(p.body(), trailer)
}

// verdict is what became of bytes that may be a packet.
type verdict uint8

const (
	unfinished verdict = iota // more must come
	whole
	damaged
)

// decode reads the packet at the start of raw, which begins with a leader. tail is
// 1 where a trailer follows the payload. n is how many bytes it takes.
func decode(raw []byte, tail int) (p packet, n int, v verdict) {
	if len(raw) < headerLen {
		return p, 0, unfinished
	}
	p.control = raw[0] == controlLeader
	p.kind = binary.LittleEndian.Uint16(raw[4:])
	count := int(binary.LittleEndian.Uint16(raw[6:]))
	p.id = binary.LittleEndian.Uint32(raw[8:])
	if p.control {
		if count != 0 || p.kind < typeAcknowledge || p.kind > typeReset {
			return p, headerLen, damaged
		}
		return p, headerLen, whole
	}
	n = headerLen + count + tail
	switch {
	case count > maxPayload || !dataType(p.kind):
		return p, headerLen, damaged
	case len(raw) < n:
		return p, 0, unfinished
	case tail == 1 && raw[n-1] != trailer, checksum(raw[headerLen:n-tail]) != binary.LittleEndian.Uint32(raw[12:]):
		return p, n, damaged
	}
	p.data = bytes.Clone(raw[headerLen : n-tail])
	return p, n, whole
}

func dataType(kind uint16) bool {
	return kind >= typeStateChange1 && kind <= typeFileIO && (kind < typeAcknowledge || kind > typeReset)
}

// receiver finds packets in what is read from a serial line.
type receiver struct {
	buf   []byte // from the leader on, once there is one
	lines newlines
}

// busy reports whether a packet has begun and is not complete.
func (r *receiver) busy() bool { return len(r.buf) >= 4 }

// drop forgets what was read.
func (r *receiver) drop() { r.buf = r.buf[:0] }

// push adds bytes that were read.
func (r *receiver) push(b []byte) { r.buf = append(r.buf, b...) }

// hunt drops what stands before four equal leader bytes. More than four are one
// leader with noise in front: no packet type is a leader's byte.
func (r *receiver) hunt() bool {
	run := 0
	for i, b := range r.buf {
		switch {
		case b != dataLeader && b != controlLeader:
			if run >= 4 {
				r.buf = r.buf[i-4:]
				return true
			}
			run = 0
		case run > 0 && r.buf[i-1] == b:
			run++
		case run >= 4 && i > 0:
			run = 1 // the other leader
		default:
			run = 1
		}
	}
	r.buf = append(r.buf[:0], r.buf[len(r.buf)-min(run, 4):]...)
	return false
}

// next takes the next packet off what was read. With over, nothing more comes and
// what is unfinished is damaged. raw is what of it stood on the line.
func (r *receiver) next(over bool) (p packet, raw []byte, v verdict) {
	if !r.hunt() {
		if over {
			r.drop()
		}
		return p, nil, unfinished
	}
	p, n, v := r.lines.decode(r.buf, over)
	if v == unfinished {
		if len(r.buf) > 3*(headerLen+maxPayload+1) {
			v, n = damaged, len(r.buf)
		} else {
			return p, nil, v
		}
	}
	if n == 0 {
		n = len(r.buf)
	}
	raw = bytes.Clone(r.buf[:n])
	r.buf = append(r.buf[:0], r.buf[n:]...)
	return p, raw, v
}
