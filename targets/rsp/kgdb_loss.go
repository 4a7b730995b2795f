package rsp

import (
	"regexp"
	"sync"
)

// What is done when nothing comes: lost packets are asked for or sent again.

// paused: nothing came for a while.
func (l *kgdbLine) paused() {
	if l.doubt {
		l.decide(len(l.text) == 0 || l.text[len(l.text)-1] == '\n')
	}
	switch l.state {
	case kgdbSought:
		l.seek()
	case kgdbParting:
		l.parted(false)
	case kgdbRunning:
		l.halfPacket()
		l.tell()
		l.erases()
	case kgdbStopped:
		l.unheard()
	}
}

// stopBegun is the beginning of a stop.
var stopBegun = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^\$([ST][0-9a-f]{0,2}|[ST][0-9a-f]{2}.*|O[0-9a-f]*(#.?)?)?$`)
})

// halfPacket: a running kernel began what may be a packet. One that is slow is waited
// for; then another copy is asked for, since it may have lost its end; then it is text.
func (l *kgdbLine) halfPacket() {
	if l.packet == nil {
		return
	}
	if l.waits++; !stopBegun().Match(l.packet) || l.waits > 2 || l.waits > 1 && len(l.packet) == 1 {
		l.tail = append(l.tail, l.packet...)
		l.noPacket()
		return
	}
	if l.waits == 2 {
		l.write("-")
	}
	l.await(l.k.Silence)
}

// stopEnd is what a stop's packet ends with. Text of a running kernel that does is one that
// came too slowly to be taken for that: the stub waits for its acknowledgement.
var stopEnd = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`[ST][0-9a-f]{2}(thread:[0-9a-f]+;)?#[0-9a-f]{2}$`) })

// asksLate has a stop repeated that came too slowly.
func (l *kgdbLine) asksLate() {
	l.tail, l.text = nil, l.text[:0]
	l.write("-")
}

// unheard: a request has no answer. One that was acknowledged arrived, and its answer
// is lost; - makes the stub repeat it. Of an answer that has only begun the rest may
// come yet: it stays a packet.
func (l *kgdbLine) unheard() {
	switch {
	case l.sent == nil:
	case l.acked:
		if l.resent++; l.resent <= maxResends {
			l.write("-")
			l.await(l.k.Silence)
		} // a command may take its time; those above have a limit
	case resumes(l.sent) && l.resent > 0: // twice is enough: it runs
		l.write(string(rune(killLine)))
		l.acked = true
		l.acknowledged('+')
	default:
		l.spare++
		l.resend()
	}
}
