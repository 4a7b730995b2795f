package kd

// sequence is the numbering of packets, each direction with its own. It has two
// dialects: on a stream two numbers alternate and a flag says that the sender began
// anew; in datagrams numbers count up by two for ever.
type sequence struct {
	datagrams    bool
	next, expect uint32 // of our next packet, and of the far end's
	heard        bool   // in datagrams: expect means something
}

// firstDatagramID is our first number in datagrams; the target's is 0.
const firstDatagramID = 0x80000000

func newSequence(datagrams bool) sequence {
	s := sequence{datagrams: datagrams}
	s.restart()
	return s
}

// restart begins both directions anew.
func (s *sequence) restart() {
	s.next, s.expect, s.heard = firstID, firstID, false
	if s.datagrams {
		s.next, s.expect = firstDatagramID, 0
	}
}

// standing is what an incoming number says of its packet.
type standing uint8

const (
	expected standing = iota
	repeated          // it was received already
	anew              // the sender began its stream anew
	foreign           // no number of this protocol
)

// judge tells what the number of a packet is. Checksums do not cover numbers: one that
// cannot be is noise. What a sender begins anew with is the first number, and no answer.
func (s *sequence) judge(id uint32, kind uint16) standing {
	if s.datagrams {
		switch {
		case id >= firstDatagramID:
			return foreign // ours, or noise
		case s.heard && id < s.expect:
			return repeated
		}
		return expected // a gap is what the target gave up
	}
	switch plain := id &^ syncID; {
	case plain&^1 != firstID:
		return foreign
	case id == firstID|syncID && kind != typeManipulate:
		return anew
	case id&syncID != 0:
		return foreign
	case plain != s.expect:
		return repeated
	}
	return expected
}

// acknowledged is the number that acknowledges a packet of id.
func (s *sequence) acknowledged(id uint32) uint32 {
	if s.datagrams {
		return id
	}
	return id &^ syncID
}

// took notes that the packet of id was received.
func (s *sequence) took(id uint32) {
	if s.datagrams {
		s.expect, s.heard = id+2, true
		return
	}
	s.expect = id&^syncID ^ 1
}

// advance goes to our next number.
func (s *sequence) advance() {
	if s.datagrams {
		s.next += 2
		return
	}
	s.next ^= 1
}

// reset is what a RESET of the far end does to the numbers.
func (s *sequence) reset() {
	if !s.datagrams { // in datagrams both sides go on as they were
		s.restart()
	}
}

// resetID is the number a RESET of ours carries.
func (s *sequence) resetID() uint32 {
	if s.datagrams {
		return s.next
	}
	return 0
}
