package kd

import "fmt"

// tune chooses the status of a request, which targets do not read, so that its
// checksum holds no break-in byte when it may reach a running target, and no LF when
// the line may mangle it.
func tune(data []byte, runs, mangled bool) {
	bad := func() bool {
		sum := checksum(data)
		for ; sum != 0; sum >>= 8 {
			if b := byte(sum); runs && b == breakIn || mangled && b == '\n' {
				return true
			}
		}
		return false
	}
	for i := 0; i < 8 && bad(); i++ {
		data[10]++
	}
}

// overdue: an acknowledgement or a reply did not come in time.
func (l *link) overdue() {
	l.wait.off()
	l.spent += l.pause
	switch {
	case l.cur == nil:
	case l.frames.busy(): // something is on its way
		l.wait.set(l.t.gap)
	case l.resets > 0:
		l.resync()
	case l.cur.runs && !l.acked && l.tries >= lingering:
		l.linger()
	case !l.acked && l.tries < l.t.retries && l.spent < l.t.limit && !l.cur.gone.Load():
		if !l.cur.runs && l.tries > 0 && l.tries%patient == 0 {
			l.rouse()
		}
		l.transmit()
	case l.acked && l.cur.again && l.spent < l.t.limit && !l.cur.gone.Load(): // out of step: begin anew, and ask again
		l.acked, l.tries, l.resets = false, 0, patient
		l.resync()
	default:
		if !l.acked && !l.cur.gone.Load() {
			l.lament()
		}
		l.finish(&SilentError{Op: l.cur.op, Acknowledged: l.acked, Damaged: l.damage.row >= sameDamage})
	}
}

// resync resets a target that is out of step; when it answers, what is asked is sent.
func (l *link) resync() {
	l.resets--
	l.reset()
	l.pause = l.t.ack
	l.wait.set(l.pause)
}

// rouse makes itself heard by a target that does not answer: out of step, it hears a
// reset; and where it gave us up and ran on, a break-in.
func (l *link) rouse() {
	if l.tries/patient%2 == 1 {
		l.reset()
		return
	}
	l.breakIn()
	l.woke()
}

// linger lets whoever asked to run on go, and goes on sending the request for a while.
func (l *link) linger() {
	if !l.settled {
		l.settled = true
		l.settle(l.cur, nil)
	}
	if l.tries < lingering+lingerTimes {
		l.transmit()
	} else {
		l.cur = nil
	}
}

// lament says of a packet that does not get through what WinDbg says.
func (l *link) lament() {
	l.told(fmt.Sprintf("... Retry sending the same data packet for %d times.\n", l.tries) +
		"The transport connection between host kernel debugger and target Windows seems lost.\n" +
		"please try resync with target, recycle the host debugger, or reboot the target Windows.")
}

// ponder asks a target of which it is not known whether it runs.
func (l *link) ponder() {
	switch {
	case l.doubt > 0:
		l.doubt--
		l.reset()
		l.probe.set(probePause)
	case l.mute && l.wondered < wonders && !l.ids.datagrams: // was it taken for another packet?
		l.wondered++
		l.reset()
		l.probe.set(wonderPause)
	}
}
