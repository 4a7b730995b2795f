package index

import (
	"cmp"
	"sync"
	"time"
)

// later is what a Cache is to be told of soon.
type later struct {
	after   time.Duration // 0: afterUse
	mu      sync.Mutex
	closed  bool
	timer   *time.Timer
	waiting []func()
	running sync.Mutex // held by who calls them
}

// afterUse is how long after a section began to be decompressed it is kept: more of it
// is there by then, and nobody waits for it.
const afterUse = time.Second

// Later has f called after a while, in a goroutine of the cache's own; never when the
// cache is closed before.
func (c *Cache) Later(f func()) {
	l := &c.later
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	if l.waiting = append(l.waiting, f); l.timer == nil {
		l.timer = time.AfterFunc(cmp.Or(l.after, afterUse), c.Flush)
	}
}

// Flush calls now what was to be called later, and returns when that is done.
func (c *Cache) Flush() {
	l := &c.later
	l.running.Lock()
	defer l.running.Unlock()
	for _, f := range l.take(false) {
		f()
	}
}

// Close drops what was to be called later; what is being called is waited for. Indexes
// and sections can be read and kept afterwards.
func (c *Cache) Close() {
	c.later.take(true)
	c.later.running.Lock()
	defer c.later.running.Unlock()
}

// take returns what waits, for it to be called or, when the cache is closed, not.
func (l *later) take(last bool) []func() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timer != nil {
		l.timer.Stop()
	}
	list := l.waiting
	l.waiting, l.timer, l.closed = nil, nil, l.closed || last
	return list
}
