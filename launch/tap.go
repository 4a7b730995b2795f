package launch

import (
	"os"
	"sync"
	"time"
)

// tap reads a stream of the debuggee and can say whether all that was written by now
// has been passed on.
type tap struct {
	file *os.File
	busy sync.Mutex // held from taking text to its delivery
}

// copyTo passes text on until the stream ends.
func (t *tap) copyTo(output func(string)) {
	buf := make([]byte, 32<<10)
	for {
		n, err := t.read(buf)
		if n > 0 {
			output(string(buf[:n]))
			t.busy.Unlock()
		}
		if err != nil {
			return
		}
	}
}

// empty reports whether nothing waits in the stream or is being passed on.
func (t *tap) empty() bool {
	if !t.busy.TryLock() {
		return false
	}
	defer t.busy.Unlock()
	return !t.waits()
}

// Limits of the wait for the last output of a program that has ended. A terminal passes
// text on by itself in between; a child of the program's that lives may write for ever.
const (
	lastOutput = 500 * time.Millisecond
	tapLimit   = 5 * time.Second
	tapPause   = 5 * time.Millisecond // nothing tells that a stream is empty
)

// drained waits until the taps are empty, after the time that terminals may take, or
// until done.
func drained(taps []*tap, after time.Duration, done <-chan struct{}) {
	grace := time.After(after)
	select {
	case <-done:
		return
	case <-grace:
	}
	limit := time.After(tapLimit)
	for _, t := range taps {
		for !t.empty() {
			select {
			case <-done:
				return
			case <-limit:
				return
			case <-time.After(tapPause):
			}
		}
	}
}
