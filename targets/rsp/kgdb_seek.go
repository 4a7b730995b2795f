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
		l.state, l.found, l.typed = kgdbStopped, true, false
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

// notHeeded is told when a break changed nothing.
const notHeeded = "The kernel did not heed the break. It may still boot, and a break is sent again every few seconds.\n"

// breakIn makes a running kernel stop, at most every few seconds.
func (l *kgdbLine) breakIn() {
	if l.state != kgdbRunning || time.Since(l.broke) < breakPause {
		return
	}
	if l.typed { // whoever wants the break asks again
		l.erases()
		return
	}
	if !l.breaks() {
		l.advise("")
		return
	}
	l.await(breakPause)
}

// breaks sends a break and its letter. Where the kernel does not listen, the letter is typed
// at somebody's console.
func (l *kgdbLine) breaks() bool {
	l.broke = time.Now()
	if l.k.BreakIn == nil {
		return false
	}
	if err := l.k.BreakIn(); err != nil {
		l.o.Log.Debug().Err(err).Msg("no break on the line")
		return false
	}
	l.typed = true
	return true
}

// erases what a break that was not heeded has typed.
func (l *kgdbLine) erases() {
	if !l.typed {
		return
	}
	if rest := breakPause - time.Since(l.broke); rest > 0 {
		if l.timer == nil {
			l.await(rest)
		}
		return
	}
	l.typed = false
	l.write(string(rune(killLine)))
}

// advise tells the user how to enter the debugger, once.
func (l *kgdbLine) advise(why string) {
	if !l.advised {
		l.advised = true
		l.k.Tell(why + l.k.Advice)
	}
}

// seek goes on looking for the stub: a line that somebody began to type is ended, a
// running kernel is broken into, again and again since one that boots does not listen yet,
// and the user is told to do so.
func (l *kgdbLine) seek() {
	l.packet = nil
	l.tries++
	switch {
	case l.tries == 1:
		l.write(string(rune(killLine)) + "\r")
		l.hello()
		l.await(l.k.Silence)
	case l.found: // kdb has the kernel
		l.hello()
		l.await(2 * l.k.Silence)
	case l.k.BreakIn == nil || l.mute:
		l.advise("")
		l.tell()
		if !l.echoes {
			l.hello()
		}
		l.await(2 * l.k.Silence)
	case l.tries%3 == 2:
		l.tell()
		if l.tries == 2 {
			l.k.Tell("Breaking in...\n")
		} else {
			l.advise(notHeeded)
		}
		l.write(string(rune(killLine)))
		l.await(l.k.Silence / 4) // a break beside other characters is taken for theirs (QEMU's UART)
	case l.tries%3 == 0:
		if l.mute = !l.breaks(); l.mute {
			l.await(0)
			return
		}
		l.await(breakPause)
	default:
		l.hello() // a stub that was left stops without a word
		l.await(l.k.Silence)
	}
}
