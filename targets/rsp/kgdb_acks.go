package rsp

import (
	"bytes"
	"fmt"
)

// What comes from the far end is sorted byte by byte: packets, their acknowledgements, text.

// take sorts one byte.
func (l *kgdbLine) take(b byte) {
	if l.doubt {
		l.decide(b == '$')
	}
	if l.packet == nil {
		switch {
		case b == '$':
			l.packet = append(make([]byte, 0, 64), b)
		case (b == '+' || b == '-') && l.isDue(b):
		case b != 0 && b != '\r':
			l.text = append(l.text, b)
			if b == '\n' && l.state == kgdbStopped && kernelBegins().Match(l.text) {
				l.tell() // another kernel acknowledges nothing
			}
		}
		return
	}
	hash := bytes.IndexByte(l.packet, '#')
	switch {
	case b == '$', b < ' ', b > '~', len(l.packet) > maxKGDBPacket:
		l.noPacket()
		l.take(b)
		return
	}
	l.packet = append(l.packet, b)
	if hash >= 0 && len(l.packet) == hash+3 {
		p := l.packet
		l.packet = nil
		l.whole(p, string(p[1:hash]))
	}
}

// noPacket: what began like a packet is none, or has lost its end.
func (l *kgdbLine) noPacket() {
	p := l.packet
	l.packet = nil
	if l.state == kgdbStopped && l.sent != nil {
		return // asked for again when nothing else comes
	}
	l.text = append(l.text, p...)
}

// isDue takes a + or - that acknowledges what was sent; others are text. Amid a line of
// text - is of the line. A + is an acknowledgement where the answer follows at once, or
// nothing; of what lets the kernel run or print, in any case.
func (l *kgdbLine) isDue(b byte) bool {
	due := l.unacknowledged()
	amid := len(l.text) > 0 && l.text[len(l.text)-1] != '\n'
	switch {
	case !due && l.spare == 0, b == '-' && amid:
		return false
	case b == '-' && l.spare > 0: // the stub met what was sent twice where it awaited an acknowledgement
		l.spare--
	case b == '-' && due, due && (resumes(l.sent) || bytes.HasPrefix(l.sent, []byte("$qRcmd"))):
		l.acknowledged(b)
	default:
		l.doubt = true
	}
	return true
}

// unacknowledged reports whether an acknowledgement is due.
func (l *kgdbLine) unacknowledged() bool {
	return l.state == kgdbStopped && l.sent != nil && !l.acked
}

// decide what a + was.
func (l *kgdbLine) decide(acknowledges bool) {
	l.doubt = false
	switch {
	case !acknowledges:
		l.text = append(l.text, '+')
		l.seen = l.sent != nil
	case l.unacknowledged():
		l.acknowledged('+')
	default:
		l.spare = max(l.spare-1, 0)
	}
}

// acknowledged takes a + or - of the stub.
func (l *kgdbLine) acknowledged(b byte) {
	switch {
	case b == '-':
		l.resend()
	default:
		l.acked = true
		if resumes(l.sent) {
			l.sent, l.state, l.advised = nil, kgdbRunning, false
			l.next()
		}
	}
}

// resumes reports whether a packet lets the kernel run and its answer is the stop.
func resumes(p []byte) bool { return len(p) > 1 && bytes.IndexByte([]byte("csCS"), p[1]) >= 0 }

func (l *kgdbLine) resend() {
	if l.resent++; l.resent > maxResends {
		l.end(fmt.Errorf("a packet was damaged %d times on its way", maxResends))
		return
	}
	l.acked, l.seen, l.twice = false, false, true
	l.write(string(l.sent))
	l.await(l.k.Silence)
}
