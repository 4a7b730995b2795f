package kd

import "time"

// Clock makes timers. Tests drive their own.
type Clock interface {
	// Timer delivers once on the channel after d; stop releases it.
	Timer(d time.Duration) (c <-chan time.Time, stop func())
}

type realClock struct{}

func (realClock) Timer(d time.Duration) (<-chan time.Time, func()) {
	t := time.NewTimer(d)
	return t.C, func() { t.Stop() }
}

// timer is one restartable deadline of a loop. Its channel is nil while off.
type timer struct {
	clock Clock
	C     <-chan time.Time
	stop  func()
}

func (t *timer) set(d time.Duration) {
	t.off()
	t.C, t.stop = t.clock.Timer(d)
}

func (t *timer) off() {
	if t.stop != nil {
		t.stop()
	}
	t.C, t.stop = nil, nil
}
