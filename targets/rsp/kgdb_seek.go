package rsp

import (
	"bytes"
	"time"
)

// How the stub is found and left: through kdb's prompt, by breaking in, by the user.

// hello asks whoever listens for the stub.
func (l *kgdbLine) hello() {
	l.shown = false
	l.write(kgdbHello)
}

// sought takes what looks like a packet while the stub is looked for.
func (l *kgdbLine) sought(good bool, payload string) {
	switch {
	case payload == "?" && good: // what we typed, shown: by kdb, or by a console
		l.echoes, l.shown = true, true
	case good && looksLikeStop([]byte(payload)) && l.state == kgdbSought:
		l.write("+")
		l.text, l.tail = bytes.TrimSuffix(l.text, []byte("+")), nil
		l.fromKDB = l.fromKDB || l.shown
		if l.found {
			l.stopped(payload)
			return
		}
		l.tell()
		l.state, l.found = kgdbStopped, true
		close(l.synced)
	case good && payload == "3": // it tells people how to change over
		l.text = append(l.text, kgdbToKDB...)
	case good && payload == "": // the first packet after one too many + is lost
		l.write("+")
		l.hello()
		l.await(l.k.Silence)
	case !good:
		l.write("-")
		l.await(l.k.Silence)
	default: // the rest of what the stub told an earlier debugger
		l.write("+")
		l.tries = 0
		l.await(l.k.Silence / 4)
	}
}

// part leaves the kernel as it was found: kdb is its debugger again, and it runs.
func (l *kgdbLine) part() {
	l.state, l.tail, l.tries = kgdbParting, nil, 0
	l.write(kgdbToKDB)
	l.await(l.k.Silence)
}

// parted is called with each prompt of kdb after part, and when none comes.
func (l *kgdbLine) parted(prompt bool) {
	if l.tries++; l.tries > 3 {
		l.ran()
		return
	}
	switch {
	case prompt: // after an oops it wants to be told twice
		l.write("go\r")
	case l.tries > 1: // let go, and no prompt came
		l.ran()
		return
	default:
		l.write(kgdbToKDB)
	}
	l.await(l.k.Silence / 4)
}

func (l *kgdbLine) ran() {
	l.state = kgdbRunning
	l.deliver("OK")
}

// breakIn makes a running kernel stop, at most every few seconds: a letter too many
// is typed at somebody's console.
func (l *kgdbLine) breakIn() {
	if l.state != kgdbRunning || time.Since(l.broke) < breakPause {
		return
	}
	l.broke = time.Now()
	if l.k.BreakIn != nil {
		err := l.k.BreakIn()
		if err == nil {
			return
		}
		l.o.Log.Debug().Err(err).Msg("no break on the line")
	}
	if !l.advised {
		l.advised = true
		l.k.Tell(l.k.Advice)
	}
}

// seek goes on looking for the stub: a line that somebody began to type is ended, a
// running kernel is broken into, in the end the user is told to.
func (l *kgdbLine) seek() {
	l.packet = nil
	l.tries++
	switch {
	case l.tries == 1:
		l.write(string(rune(killLine)) + "\r")
		l.hello()
		l.await(l.k.Silence)
	case l.tries == 2 && l.k.BreakIn != nil:
		l.tell()
		l.k.Tell("Breaking in...\n")
		l.write(string(rune(killLine)))
		l.await(l.k.Silence / 4) // a break beside other characters is taken for theirs (QEMU's UART)
	case l.tries <= 4 && l.k.BreakIn != nil:
		if err := l.k.BreakIn(); err != nil {
			l.tries = 4
			l.await(0)
			return
		}
		l.await(breakPause)
	default:
		if !l.advised {
			l.advised = true
			l.k.Tell(l.k.Advice)
		}
		l.tell()
		if !l.echoes {
			l.hello()
		}
		l.await(2 * l.k.Silence)
	}
}
