package kd

import "bytes"

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
	l.damage = damage{shown: l.damage.shown}
	l.control(typeAcknowledge, l.ids.acknowledged(p.id))
	switch standing {
	case repeated:
		return
	case anew:
		if l.ids.expect == l.ids.acknowledged(p.id)^1 && bytes.Equal(l.last, p.data) {
			return // sent again because our acknowledgement was lost
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
