package share

import (
	"sync"
	"time"
)

// door counts who is inside. Once it is shut nobody comes in, so that who waits for the
// last one to leave waits for no newcomer.
type door struct {
	mu     sync.Mutex
	closed bool
	inside int
	empty  chan struct{} // made when it is shut, closed when nobody is inside
}

// enter reports whether one may come in; leave is to follow.
func (d *door) enter() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return false
	}
	d.inside++
	return true
}

func (d *door) leave() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.inside--; d.inside == 0 && d.closed {
		close(d.empty)
	}
}

// run runs f inside, in a goroutine of its own, unless the door is shut.
func (d *door) run(f func()) {
	if d.enter() {
		go func() {
			defer d.leave()
			f()
		}()
	}
}

// shut lets nobody in and waits until all have left, or until the limit has passed.
func (d *door) shut(limit time.Duration) {
	d.mu.Lock()
	if !d.closed {
		d.closed, d.empty = true, make(chan struct{})
		if d.inside == 0 {
			close(d.empty)
		}
	}
	d.mu.Unlock()
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case <-d.empty:
	case <-t.C:
	}
}
