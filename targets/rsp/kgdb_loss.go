package rsp

import "regexp"

// What is done when nothing comes: lost packets are asked for or sent again.

// paused: nothing came for a while.
func (l *kgdbLine) paused() {
	switch l.state {
	case kgdbSought:
		l.seek()
	case kgdbParting:
		l.parted(false)
	case kgdbRunning:
		l.halfPacket()
		l.tell()
	case kgdbStopped:
		l.unheard()
	}
}

// stopBegun is the beginning of a stop.
var stopBegun = regexp.MustCompile(`^\$([ST][0-9a-f]{0,2}|[ST][0-9a-f]{2}.*|O[0-9a-f]*(#.?)?)?$`)

// halfPacket: a running kernel began what may be a packet. One that is slow is waited
// for; of one that has lost its end another copy is asked for.
func (l *kgdbLine) halfPacket() {
	switch {
	case l.packet == nil:
	case !stopBegun.Match(l.packet) || len(l.packet) == 1 && l.waited:
		l.noPacket()
	case !l.waited:
		l.waited = true
		l.await(l.k.Silence)
	default:
		l.packet = nil
		l.write("-")
		l.await(l.k.Silence)
	}
}

// unheard: a request has no answer. One that was acknowledged arrived, and its answer
// is lost; - makes the stub repeat it.
func (l *kgdbLine) unheard() {
	l.packet = nil
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
		l.resend()
	}
}
