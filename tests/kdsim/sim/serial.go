package sim

import (
	"encoding/binary"
	"time"
)

// Packet types (kd 1.1).
const (
	kindManipulate = 2
	kindIO         = 3
	kindAck        = 4
	kindResend     = 5
	kindReset      = 6
	kindState      = 7
	kindFile       = 11
)

const (
	largest = 4000 // payload, bytes
	baseID  = 0x80800000
	syncBit = 0x800
)

// line is the transport below a target.
type line interface {
	begin()                          // power on
	anew()                           // ids of a fresh transport
	poll() bool                      // a running target looks for a break-in
	data(kind uint16, b []byte)      // sends a packet with the id that is due
	receive() bool                   // handles what came; false when nothing did
	deadline() time.Time             // when receive has something to say without input
	flush() [][]byte                 // what to send
	put(p []byte, from string) error // what came
}

// serial is the transport of serial lines: 16-byte headers, ids of two values.
type serial struct {
	t            *Target
	in, out      []byte
	next, expect uint32
	pkt          []byte // the packet so far, from its leader
	run          int    // equal leader bytes so far
	brk          bool   // a 62h came last
	last         time.Time
}

func (s *serial) begin() {}

func (s *serial) anew() {
	s.next, s.expect = baseID|syncBit, baseID
	s.pkt, s.run, s.brk = nil, 0, false
}

func (s *serial) put(p []byte, _ string) error {
	s.in = append(s.in, p...)
	if over := len(s.in) - 1<<16; over > 0 {
		s.in = s.in[over:]
	}
	return nil
}

func (s *serial) flush() [][]byte {
	if len(s.out) == 0 {
		return nil
	}
	b := s.out
	s.out = nil
	return [][]byte{b}
}

func (s *serial) poll() bool {
	if len(s.in) == 0 {
		return false
	}
	b := s.in[0]
	s.in = s.in[1:]
	return b == 0x62
}

func header(leader byte, kind uint16, id uint32, payload []byte) []byte {
	h := []byte{leader, leader, leader, leader}
	h = binary.LittleEndian.AppendUint16(h, kind)
	h = binary.LittleEndian.AppendUint16(h, uint16(len(payload)))
	h = binary.LittleEndian.AppendUint32(h, id)
	sum := uint32(0)
	for _, b := range payload {
		sum += uint32(b)
	}
	return append(binary.LittleEndian.AppendUint32(h, sum), payload...)
}

func (s *serial) data(kind uint16, b []byte) {
	s.out = append(append(s.out, header(0x30, kind, s.next, b)...), 0xaa)
}

func (s *serial) control(kind uint16, id uint32) {
	s.out = append(s.out, header(0x69, kind, id, nil)...)
}

func (s *serial) deadline() time.Time {
	if s.run == 0 && len(s.pkt) == 0 && !s.brk {
		return time.Time{}
	}
	return s.last.Add(s.t.o.ByteWait)
}

// receive takes one byte, or the news that none came.
func (s *serial) receive() bool {
	if len(s.in) == 0 {
		if d := s.deadline(); d.IsZero() || s.t.now.Before(d) {
			return false
		}
		s.silence()
		return true
	}
	b := s.in[0]
	s.in = s.in[1:]
	s.last = s.t.now
	if len(s.pkt) > 0 {
		s.collect(b)
	} else {
		s.hunt(b)
	}
	return true
}

// silence: the byte timeout. A gap in the header loses the packet, one in the
// body asks for it again.
func (s *serial) silence() {
	body := len(s.pkt) >= 16
	brk := s.brk
	s.pkt, s.run, s.brk = nil, 0, false
	if body {
		s.control(kindResend, 0)
	} else if brk {
		s.t.broke()
	}
}

// hunt looks for four equal leader bytes. pkt[0] holds their kind.
func (s *serial) hunt(b byte) {
	leader := b == 0x30 || b == 0x69
	if brk := s.brk; brk {
		if s.brk = false; leader {
			s.t.broke()
		}
	}
	if !leader {
		s.run, s.brk = 0, b == 0x62
		return
	}
	if s.run > 0 && byte(s.run>>8) == b {
		s.run++
	} else {
		s.run = int(b)<<8 | 1
	}
	if s.run&0xff == 4 {
		s.run = 0
		s.pkt = append(make([]byte, 0, 128), b, b, b, b)
	}
}

func (s *serial) collect(b byte) {
	s.pkt = append(s.pkt, b)
	p := s.pkt
	kind := uint16(0)
	if len(p) >= 6 {
		kind = binary.LittleEndian.Uint16(p[4:])
	}
	switch {
	case len(p) == 6 && p[0] == 0x69 && kind == kindResend:
		s.pkt = nil // the other ten bytes are garbage for the next hunt
		s.t.repeat()
	case len(p) < 16:
	case p[0] == 0x69:
		s.pkt = nil
		s.controlled(kind, binary.LittleEndian.Uint32(p[8:]))
	default:
		n := int(binary.LittleEndian.Uint16(p[6:]))
		if n > largest {
			s.pkt = nil
			s.control(kindResend, 0)
		} else if len(p) == 16+n+1 {
			s.pkt = nil
			s.packet(kind, p, n)
		}
	}
}

func (s *serial) controlled(kind uint16, id uint32) {
	switch kind {
	case kindAck:
		if s.t.phase == sending && id == s.next&^syncBit {
			s.next = id ^ 1
			s.t.acknowledged()
		}
	case kindReset:
		s.next, s.expect = baseID, baseID
		s.control(kindReset, s.t.rand.Uint32())
		s.t.repeat()
	}
}

func (s *serial) packet(kind uint16, p []byte, n int) {
	sum := uint32(0)
	for _, b := range p[16 : 16+n] {
		sum += uint32(b)
	}
	id := binary.LittleEndian.Uint32(p[8:])
	short := kind == kindManipulate && n < 56 || kind == kindIO && n < 16 || kind == kindFile && n < 64
	switch {
	case short || p[16+n] != 0xaa || sum != binary.LittleEndian.Uint32(p[12:]):
		s.control(kindResend, 0)
	case s.t.phase == sending: // its acknowledgement was lost
		if s.t.o.Strict && id != s.expect {
			s.control(kindAck, id&^syncBit)
			return
		}
		s.control(kindResend, 0)
		s.next = s.next&^syncBit ^ 1
		s.t.acknowledged()
	case id != s.expect:
		s.control(kindAck, id&^syncBit)
	default:
		s.expect ^= 1
		s.control(kindAck, id)
		s.t.arrived(kind, append([]byte{}, p[16:16+n]...))
	}
}
