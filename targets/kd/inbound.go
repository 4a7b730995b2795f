package kd

import (
	"bytes"
	"hash/maphash"
)

func (l *link) feed(b []byte) {
	l.mute = false
	if l.ids.datagrams {
		l.datagram(b)
		return
	}
	if l.draining >= 0 {
		if l.draining += len(b); l.draining > drained {
			l.silence()
		} else {
			l.gap.set(l.t.quiet)
		}
		return
	}
	l.frames.push(b)
	for l.broken == nil {
		p, raw, v := l.frames.next(false)
		if v == unfinished {
			break
		}
		if l.take(p, raw, v); l.draining >= 0 {
			l.gap.set(l.t.quiet)
			return
		}
	}
	l.later = false
	if l.frames.busy() {
		l.gap.set(l.t.gap)
	} else {
		l.gap.off()
	}
}

// datagram takes one packet.
func (l *link) datagram(b []byte) {
	p, _, v := packet{}, 0, damaged
	if len(b) >= headerLen && (b[0] == dataLeader || b[0] == controlLeader) && bytes.Equal(b[:3], b[1:4]) {
		p, _, v = decode(b, 0)
	}
	if v == whole { // what is none was checked on its way: it is noise of the far end
		l.take(p, nil, v)
	}
}

// silence: nothing came for a while. After damage the packet is asked for again, and
// one that does not go on is damaged.
func (l *link) silence() {
	if l.draining >= 0 {
		l.draining = -1
		l.frames.drop()
		if l.damage.row < l.t.retries {
			l.control(typeResend, 0)
		} else {
			l.later = true
			l.gap.set(storm)
		}
		return
	}
	if l.later {
		l.later = false
		l.control(typeResend, 0)
		return
	}
	for {
		p, raw, v := l.frames.next(true)
		if v == unfinished {
			return
		}
		if l.take(p, raw, v); l.draining >= 0 {
			l.silence()
			return
		}
	}
}

// take is what was found on the line.
func (l *link) take(p packet, raw []byte, v verdict) {
	switch {
	case v == damaged && !p.control:
		l.frames.drop()
		l.draining = 0
		l.spoilt(raw)
	case v == damaged:
	case p.control:
		l.controlled(p)
	default:
		l.data(p)
	}
}

var seed = maphash.MakeSeed()

// spoilt counts a damaged packet and tells what is the matter when it is always the same.
func (l *link) spoilt(raw []byte) {
	d := &l.damage
	h := maphash.Bytes(seed, raw)
	if d.row++; h == d.hash {
		d.same++
	} else {
		d.same, d.hash = 1, h
	}
	if d.same == sameDamage && !d.shown {
		d.shown = true
		l.told("The same packet of the target arrives damaged in the same way each time: something on the line changes bytes, such as a terminal that turns LF into CR LF. " +
			"Set the line to raw, or have it undone with crlf=fix or by `dap-windbg kdsrv` at the other end.")
	}
}

func (l *link) controlled(p packet) {
	waiting := l.cur != nil && !l.acked
	switch p.kind {
	case typeAcknowledge:
		if waiting && p.id == l.ids.next {
			l.acknowledged()
		}
	case typeResend:
		switch {
		case waiting && l.tries < l.t.retries:
			l.transmit()
			if l.tries == 2*sameDamage && bytes.Contains(packet{data: l.cur.data}.body(), []byte("\n")) {
				l.avoid = true
				l.told("The target rejects the same packet again and again: something on the line changes bytes on their way to it. Packets without LF are tried.")
			}
		case l.ids.datagrams && l.ids.heard: // an acknowledgement was lost
			l.control(typeAcknowledge, l.ids.expect-2)
		}
	case typeReset:
		l.ids.reset()
		l.resetBy, l.resets = true, 0
		if l.calm.C == nil { // else two ends would answer each other for ever
			l.reset()
		}
		if waiting {
			l.transmit()
		}
	}
}

// acknowledged: the request under way has arrived.
func (l *link) acknowledged() {
	l.acked = true
	l.ids.advance()
	if l.cur.reply == nil {
		if l.cur.runs {
			l.gone, l.mute, l.wondered = l.cur, true, 0
			l.probe.set(wonderPause)
			if l.doubt == probes {
				l.probe.set(l.t.ack)
			}
		}
		l.finish(nil)
		return
	}
	l.pause = l.t.reply
	l.wait.set(l.pause)
}

// data takes a data packet: it is acknowledged at once, whatever it is.
func (l *link) data(p packet) {
	if l.echo(p) {
		return
	}
	standing := l.ids.judge(p.id, p.kind)
	if standing == foreign && l.ids.datagrams {
		return
	}
	if standing == foreign || !l.ids.datagrams && !plausible(p) && l.damage.same < sameDamage {
		l.spoilt(p.data)
		l.control(typeResend, 0)
		return
	}
	if standing == anew && l.unproven(p) {
		l.control(typeResend, 0)
		return
	}
	l.damage = damage{shown: l.damage.shown}
	l.control(typeAcknowledge, l.ids.acknowledged(p.id))
	switch standing {
	case repeated:
		if !l.astray(p) {
			return
		}
	case anew:
		if l.again(p) {
			return
		}
		l.restart()
	default:
		l.evident(p)
	}
	again := l.resetBy && p.kind == typeDebugIO && bytes.Equal(l.last, p.data)
	l.ids.took(p.id)
	l.last, l.resetBy = p.data, false
	if s, ok := parseState(p.data); ok && p.kind == typeStateChange {
		if l.wondered > 0 && l.gone != nil && s.same(l.state) {
			l.tellAgain(p)
			return
		}
		l.state, l.gone = s, nil
		l.doubt = min(l.doubt, probes*pending(l.cur))
		l.probe.off()
	}
	if !again {
		l.deliver(p)
	}
}

// again reports whether the first packet of a stream comes once more because our
// acknowledgement was lost.
func (l *link) again(p packet) bool {
	return l.ids.expect == l.ids.acknowledged(p.id)^1 && bytes.Equal(l.last, p.data)
}

// unproven reports whether a packet that begins the target's stream anew may be one
// whose number noise changed, which checksums do not show: where the target was heard
// before, it must say so twice.
func (l *link) unproven(p packet) bool {
	if l.state == nil || l.again(p) || bytes.Equal(l.fresh, p.data) {
		l.fresh = nil
		return false
	}
	l.fresh = p.data
	return true
}

// astray reports whether a packet of the last one's number is another: the target had
// taken a repetition of ours for the acknowledgement of a packet that we did not get,
// and counted on. From a target that runs nothing older comes than the last.
func (l *link) astray(p packet) bool {
	return !l.ids.datagrams && l.gone != nil && p.kind != typeManipulate && !bytes.Equal(p.data, l.last)
}

// tellAgain sends a request to run on that the target acknowledged and did not follow:
// noise had made another packet of it, which checksums do not show. After a reset the
// target was where it had been, and had said nothing before.
func (l *link) tellAgain(p packet) {
	again := &ask{op: l.gone.op, kind: l.gone.kind, data: l.gone.data, runs: true}
	l.ids.took(p.id)
	l.last, l.resetBy, l.gone, l.wondered = p.data, false, nil, 0
	l.queue = append([]*ask{again}, l.queue...)
}

// families are the numbers that payloads of a type begin with, without their last
// digits, and how long they are at least.
var families = map[uint16]struct {
	number uint32
	length int
}{
	typeStateChange1: {0x3030, 60}, typeManipulate: {0x3130, manipulateLen}, typeDebugIO: {0x3230, 16}, typeStateChange: {0x3030, minStateLen},
	typeTraceIO: {0x3330, 4}, typeControl: {0x4300, 4}, typeFileIO: {0x3430, fileHeader},
}

// plausible reports whether the payload is one of the packet's type, which checksums
// do not cover. What comes so again and again is taken all the same.
func plausible(p packet) bool {
	f, ok := families[p.kind]
	number := field(p.data).u32(0) &^ 0x10000
	return ok && len(p.data) >= f.length && number&^0x7f == f.number&^0x7f
}

// pending is 1 while a request to run on is not acknowledged.
func pending(a *ask) int {
	if a != nil && a.runs {
		return 1
	}
	return 0
}

// echo reports whether p is our own packet that came back. No answer is like its
// question: the status differs.
func (l *link) echo(p packet) bool {
	return len(p.data) > 0 && bytes.Equal(p.data, l.sentLast)
}

// restart: the target began its streams anew. What was asked of it is lost.
func (l *link) restart() {
	l.ids.restart()
	l.doubt = 0
	if l.cur != nil {
		l.finish(&SilentError{Op: l.cur.op, Restarted: true})
	}
	l.anew()
}

// evident: a packet of the expected number may show that ours arrived although its
// acknowledgement did not. A reply does when it is ours: an older one may be repeated
// after a reset. A state change, which the target can be made to repeat by us or by
// noise, answers no question; where we asked to run on, another one shows that it ran,
// and the same one may be news of the same place. Which, the target alone knows: once
// it has our request it is asked.
func (l *link) evident(p packet) {
	if l.cur == nil || l.acked {
		return
	}
	sure := l.cur.runs || l.cur.kind != typeManipulate
	switch p.kind {
	case typeManipulate:
		sure = l.cur.reply != nil && l.cur.reply(p.data)
	case typeStateChange:
		if s, ok := parseState(p.data); sure && ok && s.same(l.state) {
			l.doubt, sure = probes, false
		}
	}
	if sure {
		l.acknowledged()
	}
}

// deliver hands a packet to whoever waits for it.
func (l *link) deliver(p packet) {
	if p.kind != typeManipulate {
		l.receive(p.kind, p.data)
		return
	}
	if l.cur != nil && l.cur.reply != nil && l.cur.reply(p.data) {
		l.cur.got = p.data
		l.finish(nil)
	} // else the reply to something given up
}
